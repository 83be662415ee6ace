/* AUTHENTICATE and UNAUTHENTICATE: who is it?                                           RFC 5804 s. 2.1, 2.14.1 */
#include "libcommon/core/metrics.h"
#include "libcommon/crypto/encode.h"
#include "libcommon/sasl/sasl.h"
#include "proto/metadata.client.h"
#include "services/managesieve/command.h"
#include "services/managesieve/wire.h"

/* Ask metadata; on success the session is logged in. */
static enum err
check_password(void *context, struct str user, struct str password)
{
	struct managesieve_session *session = context;
	MetadataLoginRequest request = METADATA_LOGIN_REQUEST__INIT;
	struct bus_call call = managesieve_call(session);
	MetadataLoginReply *reply;

	request.user = wire_bytes(user);
	request.password = wire_bytes(password);
	request.service = wire_bytes(STR("managesieve"));
	request.peer = wire_bytes(net_peer(session->conn));
	call.route = str_hash(user);
	TRY(metadata_login(&call, &request, &reply));
	return managesieve_enter(session, reply->account, wire_str(reply->user), wire_str(reply->token));
}

/*
 * The answer to a finished attempt. Capabilities are not sent again: RFC 5804 s. 4 wants that where the mechanism brought a security layer,
 * and forbids it where it did not, as none of ours does.
 */
static enum err
answer(struct managesieve_session *session, enum err err)
{
	if (err == ERR_OK) {
		metric_add(METRIC_LOGIN_OK, 1);
		return managesieve_ok(session, STR("logged in"));
	}
	metric_add(METRIC_LOGIN_FAILED, 1);
	if (err_row(err)->is_retryable || ++session->logins_failed < MANAGESIEVE_LOGINS_MAX)
		return managesieve_no(session, err, str_c(err_row(err)->text));
	managesieve_bye(session, "", STR("too many failed logins"));
	net_end(session->conn, NET_END_LIMIT);
	return ERR_LIMIT;
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
	enum err err = sasl_step(session->sasl, response, &challenge);

	if (err == ERR_AGAIN)
		return send_challenge(session, challenge);
	session->sasl = NULL;
	/* What a client sends inside of SASL is no command: a wrong response fails the login. */
	return answer(session, err == ERR_SYNTAX || err == ERR_DENIED ? ERR_AUTH_FAILED : err);
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
	return managesieve_mistake(session, why);
}

static enum err
authenticate_run(struct managesieve_session *session, const struct managesieve_request *request)
{
	const struct sasl_mechanism *mechanism = sasl_find(request->args[0].text);
	struct sasl_backend *backend;
	struct str response = STR_NONE;

	if (mechanism == NULL)
		return managesieve_mistake(session, "no such mechanism");
	if (mechanism->is_cleartext && !managesieve_can_login(session))
		return managesieve_no_code(session, "ENCRYPT-NEEDED", STR("not without TLS"));
	/* An empty initial response is not the same as none. */
	if (request->count > 1 && !base64_decode(&session->arena, request->args[1].text, &response))
		return managesieve_mistake(session, "this is no base64");
	backend = ARENA_NEW(&session->arena, struct sasl_backend);
	*backend = (struct sasl_backend){ .context = session, .password = check_password };
	session->sasl = sasl_new(mechanism, backend, &session->arena);
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
