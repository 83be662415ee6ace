/* Everything that is written to the client. */
#include "services/pop3/reply.h"

#include <stdarg.h>
#include <stdio.h>

enum { TEXT_MAX = 480 }; /* RFC 2449 s. 4: 512 with the status and the line end */

static enum err
write_line(struct pop3_session *session, const char *status, const char *format, va_list args)
{
	char text[TEXT_MAX];

	vsnprintf(text, sizeof(text), format, args);
	return net_printf(session->conn, "%s%s\r\n", status, text);
}

enum err
pop3_ok(struct pop3_session *session, const char *format, ...)
{
	va_list args;
	enum err err;

	session->errors = 0;
	va_start(args, format);
	err = write_line(session, "+OK ", format, args);
	va_end(args);
	return err;
}

enum err
pop3_line(struct pop3_session *session, const char *format, ...)
{
	va_list args;
	enum err err;

	va_start(args, format);
	err = write_line(session, "", format, args);
	va_end(args);
	return err;
}

enum err
pop3_end_lines(struct pop3_session *session)
{
	return net_write(session->conn, STR(".\r\n"));
}

enum err
pop3_err(struct pop3_session *session, enum err err, const char *format, ...)
{
	const char *code = err_row(err)->pop3;
	char status[32];
	va_list args;
	enum err written;

	snprintf(status, sizeof(status), code[0] ? "-ERR [%s] " : "-ERR ", code);
	va_start(args, format);
	written = write_line(session, status, format, args);
	va_end(args);
	return written;
}

enum err
pop3_mistake(struct pop3_session *session, const char *text)
{
	TRY(net_printf(session->conn, "-ERR %s\r\n", text));
	if (++session->errors < POP3_ERRORS_MAX)
		return ERR_OK;
	net_end(session->conn, NET_END_ERROR);
	return ERR_LIMIT;
}
