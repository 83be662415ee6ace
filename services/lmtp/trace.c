/* Trace fields: those that a mail arrives with, and those that we put before it. */
#include "services/lmtp/trace.h"

#include "libcommon/mail/header.h"

static bool
str_has(struct str set, char c)
{
	return str_index(set, c) < set.len;
}

/* The next word of `*rest`, comments being passed over; empty at the end, or at the semicolon before the date. */
static struct str
next_word(struct str *rest)
{
	size_t depth = 0, at = 0, start;

	for (; at < rest->len; at++) {
		char c = rest->ptr[at];

		if (c == '(')
			depth++;
		else if (c == ')' && depth > 0)
			depth--;
		else if (depth == 0 && c != ' ' && c != '\t' && c != '\r' && c != '\n')
			break;
	}
	for (start = at; at < rest->len && !str_has(STR(" \t\r\n(;"), rest->ptr[at]); at++)
		continue;
	struct str word = str_sub(*rest, start, at - start);

	*rest = str_sub(*rest, at, SIZE_MAX);
	return word;
}

/* Has this value of Received the clause "id xyz"?                                          RFC 5321 s. 4.4: ID */
static bool
received_has_id(struct str value)
{
	struct str word;

	while ((word = next_word(&value)).len > 0)
		if (str_equal_nocase(word, STR("id")))
			return next_word(&value).len > 0;
	return false;
}

static void
note_delivered_to(struct lmtp_trace *trace, struct str value)
{
	struct str address = str_trim(value);

	if (trace->delivered_to_count == LMTP_DELIVERED_TO_MAX)
		return;
	if (address.len >= 2 && address.ptr[0] == '<' && address.ptr[address.len - 1] == '>')
		address = str_sub(address, 1, address.len - 2);
	trace->delivered_to[trace->delivered_to_count++] = arena_copy(trace->arena, address);
}

static void
finish_field(struct lmtp_trace *trace)
{
	struct str text = str_from(trace->field, trace->field_len);
	struct mail_field field;

	trace->field_len = 0;
	if (!mail_header_next(&text, &field))
		return;
	if (str_equal_nocase(field.name, STR("Received"))) {
		if (trace->received_count++ == 0)
			trace->has_id = received_has_id(field.value);
	} else if (str_equal_nocase(field.name, STR("Delivered-To"))) {
		note_delivered_to(trace, field.value);
	}
}

static void
append(char *to, size_t *len, const char *from, size_t count)
{
	if (count > LMTP_TRACE_FIELD_MAX - *len)
		count = LMTP_TRACE_FIELD_MAX - *len;
	memcpy(to + *len, from, count);
	*len += count;
}

/* A line is complete: it goes on with the field before it, begins one, or ends the header. */
static void
finish_line(struct lmtp_trace *trace)
{
	struct str line = str_from(trace->line, trace->line_len);

	trace->is_over = str_equal(line, STR("\n")) || str_equal(line, STR("\r\n"));
	if (trace->is_over || (line.ptr[0] != ' ' && line.ptr[0] != '\t'))
		finish_field(trace);
	append(trace->field, &trace->field_len, line.ptr, line.len);
	trace->line_len = 0;
}

void
lmtp_trace_feed(struct lmtp_trace *trace, struct str bytes)
{
	while (bytes.len > 0 && !trace->is_over) {
		size_t lf = str_index(bytes, '\n');
		struct str part = str_sub(bytes, 0, lf < bytes.len ? lf + 1 : lf);

		append(trace->line, &trace->line_len, part.ptr, part.len);
		bytes = str_sub(bytes, part.len, SIZE_MAX);
		if (part.ptr[part.len - 1] == '\n')
			finish_line(trace);
	}
}

void
lmtp_trace_finish(struct lmtp_trace *trace)
{
	if (!trace->is_over && trace->line_len > 0)
		finish_line(trace);
	if (!trace->is_over)
		finish_field(trace);
	trace->is_over = true;
}

bool
lmtp_trace_was_delivered_to(const struct lmtp_trace *trace, struct str address)
{
	for (size_t i = 0; i < trace->delivered_to_count; i++)
		if (str_equal_nocase(trace->delivered_to[i], address))
			return true;
	return false;
}

/* What a client calls itself goes into a header: only what a name or an address literal is made of. */
static struct str
plain_name(struct str name, struct arena *arena)
{
	struct str copy = arena_copy(arena, str_sub(name, 0, 255));
	char *bytes = (char *)copy.ptr;

	for (size_t i = 0; i < copy.len; i++) {
		char c = ascii_lower(bytes[i]);

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && !str_has(STR(".-_:[]"), c))
			bytes[i] = '?';
	}
	return copy.len > 0 ? copy : STR("unknown");
}

static struct str
received_for(const struct lmtp_stamp *stamp, bool has_for, struct arena *arena)
{
	return has_for ? arena_printf(arena, "\r\n\tfor <%.*s>", STR_ARG(stamp->recipient)) : STR_NONE;
}

/* RFC 5321 s. 4.4: TCP-info, as far as it is known. */
static struct str
tcp_info(const struct lmtp_client *client, struct arena *arena)
{
	struct str address = str_c(client->address), name = str_c(client->name);

	if (address.len == 0)
		return STR_NONE;
	return arena_printf(arena, " (%.*s%s[%s%s])", STR_ARG(name.len > 0 ? plain_name(name, arena) : name), name.len > 0 ? " " : "",
	    str_index(address, ':') < address.len ? "IPv6:" : "", client->address);
}

/* RFC 3848, RFC 6531 s. 4.3 */
static const char *const protocols[2][2] = { { "LMTP", "LMTPS" }, { "UTF8LMTP", "UTF8LMTPS" } };

static struct str
print_prefix(const struct lmtp_stamp *stamp, bool has_for, struct arena *arena)
{
	char date[MAIL_DATE_SIZE];

	return arena_printf(arena,
	    "Return-Path: <%.*s>\r\n"
	    "Delivered-To: %.*s\r\n"
	    "Received: from %.*s%.*s\r\n"
	    "\tby %.*s with %s id %.*s%.*s;\r\n"
	    "\t%.*s\r\n",
	    STR_ARG(stamp->sender), STR_ARG(stamp->recipient), STR_ARG(plain_name(str_c(stamp->client->helo), arena)),
	    STR_ARG(tcp_info(stamp->client, arena)), STR_ARG(stamp->hostname), protocols[stamp->has_utf8][stamp->has_tls],
	    STR_ARG(stamp->id), STR_ARG(received_for(stamp, has_for, arena)),
	    STR_ARG(mail_date_print(stamp->date, date)));
}

struct str
lmtp_prefix(const struct lmtp_stamp *stamp, struct arena *arena)
{
	struct str prefix = print_prefix(stamp, stamp->has_for, arena);

	return prefix.len <= LMTP_PREFIX_MAX ? prefix : print_prefix(stamp, false, arena);
}
