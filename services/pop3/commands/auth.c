/* USER, PASS and AUTH: who is it?                                             RFC 1939 s. 7, RFC 5034, RFC 6856 s. 2.2 */
#include "libcommon/crypto/encode.h"
#include "libcommon/sasl/login.h"
#include "services/pop3/command.h"

static struct sasl_login *
login_new(struct pop3_session *session)
{
	struct bus_call *call = ARENA_NEW(&session->arena, struct bus_call);

	*call = pop3_call(session);
	return sasl_login_new(session->conn, call, "pop3");
}

static enum err
refuse_plain(struct pop3_session *session)
{
	return pop3_err(session, ERR_DENIED, "not without TLS");
}

/* ---- USER, PASS */

/* Whether there is such a user is not said: PASS tells. */
static enum err
user_run(struct pop3_session *session, const struct pop3_request *request)
{
	if (!pop3_can_login(session))
		return refuse_plain(session);
	if (request->text.len > SASL_NAME_MAX)
		return pop3_mistake(session, "the name is too long");
	session->user = arena_copy(net_arena(session->conn), request->text);
	return pop3_ok(session, "and the password?");
}

static enum err
pass_run(struct pop3_session *session, const struct pop3_request *request)
{
	struct sasl_login *login = login_new(session);
	struct str user = session->user;

	session->user = STR_NONE;
	if (user.len == 0)
		return pop3_mistake(session, "USER comes first");
	return pop3_login_answer(session, login, sasl_login_password(login, user, request->text));
}

/* ---- AUTH */

/* The mechanism's next step. */
static enum err
step(struct pop3_session *session, struct str response)
{
	struct str challenge;
	struct sasl *sasl = session->sasl;
	enum err err = sasl_step(sasl, response, &challenge);

	if (err == ERR_AGAIN)
		return net_printf(session->conn, "+ %.*s\r\n", STR_ARG(base64_encode(&session->arena, challenge)));
	session->sasl = NULL;
	/* What a client sends inside of SASL is no command: a wrong response fails the login. */
	return pop3_login_answer(session, sasl->backend->context, err == ERR_SYNTAX || err == ERR_DENIED ? ERR_AUTH_FAILED : err);
}

enum err
pop3_auth_line(struct pop3_session *session, struct str line)
{
	struct str response;

	if (!str_equal(line, STR("*")) && base64_decode(&session->arena, line, &response))
		return step(session, response);
	session->sasl = NULL;
	/* Who begins many and ends none has asked as much as by a login that failed. */
	return pop3_login_failed(session, ERR_SYNTAX, str_equal(line, STR("*")) ? "cancelled" : "this is no base64");
}

/* RFC 5034 has no AUTH without a mechanism, but some clients ask so for the list of them. */
static enum err
list_mechanisms(struct pop3_session *session)
{
	TRY(pop3_ok(session, "mechanisms follow"));
	for (const struct sasl_mechanism *m = sasl_mechanisms; m->name != NULL; m++)
		if (pop3_admit(session, m) == ERR_OK)
			TRY(pop3_line(session, "%s", m->name));
	return pop3_end_lines(session);
}

static enum err
auth_run(struct pop3_session *session, const struct pop3_request *request)
{
	struct str rest = request->text, name, response = STR_NONE;
	const struct sasl_mechanism *mechanism;
	enum err err;

	if (rest.len == 0)
		return list_mechanisms(session);
	str_split(&rest, ' ', &name);
	mechanism = sasl_find(name);
	err = pop3_admit(session, mechanism);
	if (err == ERR_DENIED)
		return refuse_plain(session);
	if (err != ERR_OK)
		return pop3_mistake(session, "no such mechanism");
	/* "=" is an initial response of no bytes, which is not the same as none. */
	if (str_equal(rest, STR("=")))
		response = STR("");
	else if (rest.len > 0 && !base64_decode(&session->arena, rest, &response))
		return pop3_mistake(session, "this is no base64");
	session->sasl = sasl_login_begin(login_new(session), mechanism, false);
	return step(session, response);
}

const struct pop3_command pop3_commands_auth[] = {
	{ "USER", POP3_AUTHORIZATION, POP3_ARGS_TEXT, user_run },
	{ "PASS", POP3_AUTHORIZATION, POP3_ARGS_VERBATIM, pass_run },
	{ "AUTH", POP3_AUTHORIZATION, POP3_ARGS_TEXT_OPTIONAL, auth_run },
	{ 0 },
};
