/* Everything that is written to the client. */
#include "services/managesieve/reply.h"

/* RFC 5804 s. 4: response-ok, response-nobye */
static enum err
answer(struct managesieve_session *session, const char *status, struct str code, struct str text)
{
	struct buffer out = { 0 };
	enum err err;

	buffer_add(&out, str_c(status));
	if (code.len > 0)
		buffer_printf(&out, " (%.*s)", STR_ARG(code));
	if (text.len > 0) {
		buffer_add_byte(&out, ' ');
		managesieve_add_string(&out, text);
	}
	buffer_add(&out, STR("\r\n"));
	err = net_write(session->conn, buffer_str(&out));
	buffer_clear(&out);
	return err;
}

enum err
managesieve_ok(struct managesieve_session *session, struct str text)
{
	return managesieve_ok_code(session, STR_NONE, text);
}

enum err
managesieve_ok_code(struct managesieve_session *session, struct str code, struct str text)
{
	session->errors = 0;
	return answer(session, "OK", code, text);
}

enum err
managesieve_no(struct managesieve_session *session, enum err err, struct str text)
{
	if (err == ERR_AUTH_EXPIRED || (err == ERR_DISABLED && session->state == MANAGESIEVE_AUTHENTICATED)) {
		managesieve_bye(session, err_row(err)->sieve, text);
		net_end(session->conn, NET_END_KICKED);
		return ERR_CLOSED;
	}
	return managesieve_no_code(session, err_row(err)->sieve, text);
}

enum err
managesieve_no_code(struct managesieve_session *session, const char *code, struct str text)
{
	return answer(session, "NO", str_c(code), text);
}

enum err
managesieve_answer(struct managesieve_session *session, const struct bus_call *call, enum err err)
{
	if (err == ERR_OK)
		return managesieve_ok(session, STR("done"));
	if (!err_row(err)->is_retryable)
		return managesieve_no(session, err, call->detail.len > 0 ? call->detail : str_c(err_row(err)->text));
	log_warn(net_log(session->conn), "managesieve.failed", KV_ERR(err), KV_STR("detail", call->detail));
	return managesieve_no(session, err, str_c(err_row(err)->text));
}

enum err
managesieve_mistake(struct managesieve_session *session, const char *text)
{
	if (++session->errors < MANAGESIEVE_ERRORS_MAX)
		return managesieve_no_code(session, "", str_c(text));
	managesieve_bye(session, "", STR("too many mistakes"));
	net_end(session->conn, NET_END_ERROR);
	return ERR_LIMIT;
}

void
managesieve_bye(struct managesieve_session *session, const char *code, struct str text)
{
	answer(session, "BYE", str_c(code), text);
}
