/* AUTHENTICATE and UNAUTHENTICATE: who is it?                                           RFC 5804 s. 2.1, 2.14.1 */
#include "libcommon/core/metrics.h"
#include "libcommon/crypto/encode.h"
#include "libcommon/sasl/login.h"
#include "services/managesieve/command.h"
#include "services/managesieve/wire.h"

static enum err
enter(struct managesieve_session *session, const MetadataLoginReply *who)
{
	return managesieve_enter(session, who->account, wire_str(who->user), wire_str(who->token));
}

/* RFC 5804 s. 2.1: with the data that the mechanism says together with success, if there is. */
static enum err
answer_ok(struct managesieve_session *session, struct str data)
{
	struct buffer code = { 0 };
	enum err err;

	metric_add(METRIC_LOGIN_OK, 1);
	if (data.ptr == NULL)
		return managesieve_ok(session, STR("logged in"));
	buffer_add(&code, STR("SASL "));
	managesieve_add_string(&code, base64_encode(&session->arena, data));
	err = managesieve_ok_code(session, buffer_str(&code), STR("logged in"));
	buffer_clear(&code);
	return err;
}

/* Answered with that text, and counted: after too many the connection ends. */
static enum err
answer_failed(struct managesieve_session *session, enum err err, const char *text)
{
	metric_add(METRIC_LOGIN_FAILED, 1);
	if (sasl_login_again(session->conn, err, &session->logins_failed))
		return managesieve_no(session, err, str_c(text));
	managesieve_bye(session, "", STR("too many failed logins"));
	net_end(session->conn, NET_END_LIMIT);
	return ERR_LIMIT;
}

/*
 * The answer to a finished attempt. Capabilities are not sent again: RFC 5804 s. 4 wants that where the mechanism brought a security layer,
 * and forbids it where it did not, as none of ours does.
 */
static enum err
answer(struct managesieve_session *session, const struct sasl_login *login, enum err err, struct str data)
{
	if (err == ERR_OK)
		err = enter(session, login->reply);
	return err == ERR_OK ? answer_ok(session, data) : answer_failed(session, err, err_row(err)->text);
}

static enum err
send_challenge(struct managesieve_session *session, struct str challenge)
{
	struct buffer out = { 0 };
	enum err err;

	managesieve_add_string(&out, base64_encode(&session->arena, challenge));
	buffer_add(&out, STR("\r\n"));
	err = net_write(session->conn, buffer_str(&out));
	buffer_clear(&out);
	return err;
}

/* The mechanism's next step. */
static enum err
step(struct managesieve_session *session, struct str response)
{
	struct str challenge;
	struct sasl *sasl = session->sasl;
	enum err err = sasl_step(sasl, response, &challenge);

	if (err == ERR_AGAIN)
		return send_challenge(session, challenge);
	session->sasl = NULL;
	/* What a client sends inside of SASL is no command: a wrong response fails the login. */
	return answer(session, sasl->backend->context, err == ERR_SYNTAX || err == ERR_DENIED ? ERR_AUTH_FAILED : err, challenge);
}

enum err
managesieve_authenticate_line(struct managesieve_session *session, struct str line)
{
	struct str text, response;
	const char *why = "this is no base64";

	if (managesieve_parse_string(line, &session->arena, &text, &why) == ERR_OK) {
		if (str_equal(text, STR("*")))
			why = "cancelled";
		else if (base64_decode(&session->arena, text, &response))
			return step(session, response);
	}
	session->sasl = NULL;
	/* Who begins many and ends none has asked as much as by a login that failed. */
	return answer_failed(session, ERR_SYNTAX, why);
}

static enum err
authenticate_run(struct managesieve_session *session, const struct managesieve_request *request)
{
	const struct sasl_mechanism *mechanism = sasl_find(request->args[0].text);
	enum err err = managesieve_admit(session, mechanism);
	struct str response = STR_NONE;
	struct bus_call *call;

	if (err == ERR_NOT_SUPPORTED)
		return managesieve_mistake(session, "no such mechanism");
	if (err != ERR_OK)
		return managesieve_no_code(session, "ENCRYPT-NEEDED", STR("not without TLS"));
	/* An empty initial response is not the same as none. */
	if (request->count > 1 && !base64_decode(&session->arena, request->args[1].text, &response))
		return managesieve_mistake(session, "this is no base64");
	call = ARENA_NEW(&session->arena, struct bus_call);
	*call = managesieve_call(session);
	session->sasl = sasl_login_begin(sasl_login_new(session->conn, call, "managesieve"), mechanism, true);
	return step(session, response.ptr == NULL && request->count > 1 ? STR("") : response);
}

static enum err
unauthenticate_run(struct managesieve_session *session, const struct managesieve_request *request)
{
	(void)request;
	managesieve_leave(session);
	return managesieve_ok(session, STR("and who are you now?"));
}

const struct managesieve_command managesieve_commands_authenticate[] = {
	{ "AUTHENTICATE", MANAGESIEVE_NOT_AUTHENTICATED, "s?s", authenticate_run },
	{ "UNAUTHENTICATE", MANAGESIEVE_AUTHENTICATED, "", unauthenticate_run },
	{ 0 },
};
