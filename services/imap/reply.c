/* What is written to the client. */
#include "services/imap/reply.h"

#include "libcommon/mail/charset.h"

static void
write_line(struct imap_session *session, const char *start, const char *format, va_list args)
{
	struct buffer line = { 0 };

	buffer_add(&line, str_c(start));
	buffer_vprintf(&line, format, args);
	buffer_add(&line, STR("\r\n"));
	net_write(session->conn, buffer_str(&line));
	buffer_clear(&line);
}

void
imap_reply_untagged(struct imap_session *session, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	write_line(session, "* ", format, args);
	va_end(args);
}

void
imap_reply_continue(struct imap_session *session, const char *text)
{
	net_printf(session->conn, "+ %s\r\n", text);
}

void
imap_reply_bye(struct imap_session *session, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	write_line(session, "* BYE ", format, args);
	va_end(args);
}

enum err
imap_reply_ok(struct imap_command *cmd, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	cmd->code = arena_vprintf(cmd->arena, format, args);
	va_end(args);
	return ERR_OK;
}

enum err
imap_reply_no(struct imap_command *cmd, enum err err, const char *code, const char *text)
{
	cmd->has_code = true;
	cmd->code = arena_copy(cmd->arena, str_c(code));
	cmd->text = arena_copy(cmd->arena, str_c(text));
	return err;
}

void
imap_reply_tagged(struct imap_command *cmd, enum err err)
{
	const struct err_row *row = err_row(err);
	const char *word = err == ERR_OK ? "OK" : err == ERR_SYNTAX ? "BAD" : "NO";
	struct str code = err == ERR_OK || cmd->has_code ? cmd->code : str_c(row->imap);
	struct str text = cmd->text;

	if (text.len == 0)
		text = err == ERR_OK ? arena_printf(cmd->arena, "%s done", cmd->row->name) : str_c(row->text);
	if (code.len > 0)
		net_printf(cmd->session->conn, "%.*s %s [%.*s] %.*s\r\n", STR_ARG(cmd->request.tag), word, STR_ARG(code), STR_ARG(text));
	else
		net_printf(cmd->session->conn, "%.*s %s %.*s\r\n", STR_ARG(cmd->request.tag), word, STR_ARG(text));
}

void
imap_reply_bad(struct imap_session *session, struct str tag, const char *format, ...)
{
	struct buffer start = { 0 };
	va_list args;

	buffer_printf(&start, "%.*s BAD ", STR_ARG(tag.len ? tag : STR("*")));
	buffer_add_byte(&start, '\0');
	va_start(args, format);
	write_line(session, buffer_str(&start).ptr, format, args);
	va_end(args);
	buffer_clear(&start);
}

void
imap_print_string(struct str s, struct buffer *out)
{
	bool needs_literal = s.len > 1000;

	for (size_t i = 0; i < s.len && !needs_literal; i++)
		needs_literal = (unsigned char)s.ptr[i] >= 0x80 || s.ptr[i] == '\r' || s.ptr[i] == '\n' || s.ptr[i] == '\0';
	if (needs_literal) {
		buffer_printf(out, "{%zu}\r\n", s.len);
		buffer_add(out, s);
		return;
	}
	buffer_add_byte(out, '"');
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '"' || s.ptr[i] == '\\')
			buffer_add_byte(out, '\\');
		buffer_add_byte(out, s.ptr[i]);
	}
	buffer_add_byte(out, '"');
}

void
imap_print_astring(struct str s, struct buffer *out)
{
	bool is_atom = s.len > 0 && s.len < 1000 && !str_equal_nocase(s, STR("NIL"));

	for (size_t i = 0; i < s.len && is_atom; i++)
		is_atom = imap_is(s.ptr[i], IMAP_ASTRING_CHAR);
	if (is_atom)
		buffer_add(out, s);
	else
		imap_print_string(s, out);
}

void
imap_print_mailbox(struct str utf8, struct buffer *out)
{
	struct arena arena = { 0 };
	struct str wire;

	/* Stored names are checked UTF-8; if one were not, its bytes as they are are better than none. */
	if (mail_mutf7_encode(utf8, &arena, &wire) != ERR_OK)
		wire = utf8;
	imap_print_astring(wire, out);
	arena_clear(&arena);
}
