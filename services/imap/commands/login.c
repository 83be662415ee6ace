/* LOGIN and AUTHENTICATE.                                             RFC 3501 s. 6.2.2, 6.2.3; RFC 4959 (SASL-IR) */
#include "libcommon/core/metrics.h"
#include "libcommon/crypto/encode.h"
#include "libcommon/sasl/sasl.h"
#include "proto/metadata.client.h"
#include "services/imap/reply.h"
#include "services/imap/wire.h"

enum { LOGINS_MAX = 3 };

/* Ask metadata; on success the session is logged in. */
static enum err
check_password(void *context, struct str user, struct str password)
{
	struct imap_command *cmd = context;
	MetadataLoginRequest request = METADATA_LOGIN_REQUEST__INIT;
	MetadataLoginReply *reply;

	request.user = wire_bytes(user);
	request.password = wire_bytes(password);
	request.service = wire_bytes(STR("imap"));
	request.peer = wire_bytes(net_peer(cmd->session->conn));
	cmd->call->route = str_hash(user);
	TRY(metadata_login(cmd->call, &request, &reply));
	TRY(imap_session_login(cmd->session, reply->account, wire_str(reply->user), wire_str(reply->token)));
	cmd->log.user = cmd->session->user;
	return ERR_OK;
}

/* The answer to a finished attempt. */
static enum err
answer(struct imap_command *cmd, enum err err)
{
	struct imap_session *session = cmd->session;

	if (err == ERR_OK) {
		metric_add(METRIC_LOGIN_OK, 1);
		cmd->text = STR("logged in");
		return imap_reply_ok(cmd, "CAPABILITY %.*s", STR_ARG(imap_capabilities(session, cmd->arena)));
	}
	metric_add(METRIC_LOGIN_FAILED, 1);
	if (err_row(err)->is_retryable || ++session->logins_failed < LOGINS_MAX)
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
	struct str user, password;
	enum err err;

	if (!imap_session_can_login(cmd->session))
		return imap_reply_no(cmd, ERR_DENIED, "PRIVACYREQUIRED", "not without TLS");
	if (args->user.len > SASL_NAME_MAX || args->password.len > SASL_PASSWORD_MAX
	    || sasl_prep(args->user, cmd->arena, &user) != ERR_OK || sasl_prep(args->password, cmd->arena, &password) != ERR_OK)
		return answer(cmd, ERR_AUTH_FAILED);
	err = check_password(cmd, user, password);
	return answer(cmd, err);
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
	enum err err = sasl_step(cmd->session->sasl, response, &challenge);

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
	return answer(cmd, err);
}

static enum err
authenticate_line(struct imap_command *cmd, struct str line)
{
	struct str response;

	if (str_equal(line, STR("*"))) {
		cmd->session->sasl = NULL;
		return imap_reply_no(cmd, ERR_SYNTAX, "", "cancelled");
	}
	if (!base64_decode(cmd->arena, line, &response))
		return imap_reply_no(cmd, ERR_SYNTAX, "", "this is no base64");
	return step(cmd, response);
}

static enum err
authenticate_run(struct imap_command *cmd)
{
	static const struct sasl_backend template = { .password = check_password };
	struct authenticate_args *args = cmd->args;
	const struct sasl_mechanism *mechanism = sasl_find(args->mechanism);
	struct sasl_backend *backend = arena_alloc(cmd->arena, sizeof(*backend));
	struct str response = STR_NONE;

	if (!mechanism)
		return imap_reply_no(cmd, ERR_NOT_SUPPORTED, "", "no such mechanism");
	if (mechanism->is_cleartext && !imap_session_can_login(cmd->session))
		return imap_reply_no(cmd, ERR_DENIED, "PRIVACYREQUIRED", "not without TLS");
	/* "=" is an initial response of no bytes, which is not the same as none (RFC 4959 s. 3). */
	if (str_equal(args->initial, STR("=")))
		response = STR("");
	else if (args->initial.ptr && !base64_decode(cmd->arena, args->initial, &response))
		return imap_reply_no(cmd, ERR_SYNTAX, "", "this is no base64");
	*backend = template;
	backend->context = cmd;
	cmd->session->sasl = sasl_new(mechanism, backend, cmd->arena);
	return step(cmd, response);
}

const struct imap_command_row imap_commands_login[] = {
	{ "LOGIN",        IMAP_NOT_AUTHENTICATED, 0, login_parse,        login_run },
	{ "AUTHENTICATE", IMAP_NOT_AUTHENTICATED, 0, authenticate_parse, authenticate_run },
	{ 0 },
};
