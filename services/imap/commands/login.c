/* LOGIN and AUTHENTICATE.                                             RFC 3501 s. 6.2.2, 6.2.3; RFC 4959 (SASL-IR) */
#include "libcommon/core/metrics.h"
#include "libcommon/crypto/encode.h"
#include "libcommon/sasl/login.h"
#include "services/imap/reply.h"
#include "services/imap/wire.h"

/* The answer to a finished attempt: when it was right, the session is logged in. */
static enum err
answer(struct imap_command *cmd, const struct sasl_login *login, enum err err)
{
	struct imap_session *session = cmd->session;
	const MetadataLoginReply *who = login->reply;

	if (err == ERR_OK)
		err = imap_session_login(session, who->account, wire_str(who->user), wire_str(who->token));
	if (err == ERR_OK) {
		metric_add(METRIC_LOGIN_OK, 1);
		cmd->log.user = session->user;
		cmd->text = STR("logged in");
		return imap_reply_ok(cmd, "CAPABILITY %.*s", STR_ARG(imap_capabilities(session, cmd->arena)));
	}
	metric_add(METRIC_LOGIN_FAILED, 1);
	if (sasl_login_again(session->conn, err, &session->logins_failed))
		return err;
	imap_reply_tagged(cmd, err);
	imap_reply_bye(session, "too many failed logins");
	return imap_session_end(session, NET_END_LIMIT);
}

/* ---- LOGIN */

struct login_args {
	struct str user, password;
};

static enum err
login_parse(struct imap_cursor *cur, void **ret_args)
{
	struct login_args *args = ARENA_NEW(cur->arena, struct login_args);

	TRY(cur_space(cur));
	TRY(cur_astring(cur, &args->user));
	TRY(cur_space(cur));
	TRY(cur_astring(cur, &args->password));
	*ret_args = args;
	return ERR_OK;
}

static enum err
login_run(struct imap_command *cmd)
{
	struct login_args *args = cmd->args;
	struct sasl_login *login;

	if (!imap_session_can_login(cmd->session))
		return imap_reply_no(cmd, ERR_DENIED, "PRIVACYREQUIRED", "not without TLS");
	login = sasl_login_new(cmd->session->conn, cmd->call, "imap");
	return answer(cmd, login, sasl_login_password(login, args->user, args->password));
}

/* ---- AUTHENTICATE */

struct authenticate_args {
	struct str mechanism;
	struct str initial; /* base64; ptr NULL: none */
};

static enum err
authenticate_parse(struct imap_cursor *cur, void **ret_args)
{
	struct authenticate_args *args = ARENA_NEW(cur->arena, struct authenticate_args);

	TRY(cur_space(cur));
	TRY(cur_atom(cur, &args->mechanism));
	if (cur_take(cur, ' ') && !cur_is_end(cur))
		TRY(cur_chars(cur, IMAP_ASTRING_CHAR, "expected base64", &args->initial));
	*ret_args = args;
	return ERR_OK;
}

static enum err authenticate_line(struct imap_command *cmd, struct str line);

/* The mechanism's next step; a challenge goes out as a continuation. */
static enum err
step(struct imap_command *cmd, struct str response)
{
	struct str challenge;
	struct sasl *sasl = cmd->session->sasl;
	enum err err = sasl_step(sasl, response, &challenge);

	if (err == ERR_AGAIN) {
		net_printf(cmd->session->conn, "+ %.*s\r\n", STR_ARG(base64_encode(cmd->arena, challenge)));
		return imap_session_continue(cmd->session, authenticate_line);
	}
	cmd->session->sasl = NULL;
	/* What a client sends inside of SASL is no command: a wrong response fails the login. */
	if (err == ERR_SYNTAX)
		err = ERR_AUTH_FAILED;
	if (err == ERR_DENIED)
		imap_reply_no(cmd, err, "AUTHORIZATIONFAILED", "nobody may act for others");
	return answer(cmd, sasl->backend->context, err);
}

/* RFC 3501 s. 6.2.2: BAD. It counts as a login that failed: who begins many and ends none has asked as much. */
static enum err
give_up(struct imap_command *cmd, const char *why)
{
	const struct sasl_login *login = cmd->session->sasl->backend->context;

	cmd->session->sasl = NULL;
	imap_reply_no(cmd, ERR_SYNTAX, "", why);
	return answer(cmd, login, ERR_SYNTAX);
}

static enum err
authenticate_line(struct imap_command *cmd, struct str line)
{
	struct str response;

	if (str_equal(line, STR("*")))
		return give_up(cmd, "cancelled");
	if (!base64_decode(cmd->arena, line, &response))
		return give_up(cmd, "this is no base64");
	return step(cmd, response);
}

static enum err
authenticate_run(struct imap_command *cmd)
{
	struct authenticate_args *args = cmd->args;
	const struct sasl_mechanism *mechanism = sasl_find(args->mechanism);
	enum err err = imap_session_admit(cmd->session, mechanism);
	struct str response = STR_NONE;

	if (err == ERR_DENIED)
		return imap_reply_no(cmd, err, "PRIVACYREQUIRED", "not without TLS");
	if (err != ERR_OK)
		return imap_reply_no(cmd, err, "", "no such mechanism");
	/* "=" is an initial response of no bytes, which is not the same as none (RFC 4959 s. 3). */
	if (str_equal(args->initial, STR("=")))
		response = STR("");
	else if (args->initial.ptr && !base64_decode(cmd->arena, args->initial, &response))
		return imap_reply_no(cmd, ERR_SYNTAX, "", "this is no base64");
	cmd->session->sasl = sasl_login_begin(sasl_login_new(cmd->session->conn, cmd->call, "imap"), mechanism, false);
	return step(cmd, response);
}

const struct imap_command_row imap_commands_login[] = {
	{ "LOGIN",        IMAP_NOT_AUTHENTICATED, 0, login_parse,        login_run },
	{ "AUTHENTICATE", IMAP_NOT_AUTHENTICATED, 0, authenticate_parse, authenticate_run },
	{ 0 },
};
