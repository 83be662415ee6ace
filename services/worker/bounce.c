/* A delivery status notification: for people, for programs, and the header of what was sent. */
#include "services/worker/bounce.h"

#include "libcommon/core/buffer.h"
#include "libcommon/crypto/encode.h"
#include "libcommon/mail/date.h"

static bool
is_ascii(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] >= 0x80)
			return false;
	return true;
}

struct str
bounce_header(struct str bytes, size_t max)
{
	struct str rest = str_sub(bytes, 0, max);
	size_t len = 0;

	while (rest.len > 0) {
		size_t line = str_index(rest, '\n');

		if (line == rest.len || line == 0 || (line == 1 && rest.ptr[0] == '\r'))
			break;
		len += line + 1;
		rest = str_sub(rest, line + 1, SIZE_MAX);
	}
	return str_sub(bytes, 0, len);
}

static struct str
for_people(const struct bounce *b, struct arena *arena)
{
	return arena_printf(arena,
	    "Your mail could not be delivered to\r\n\r\n    %.*s\r\n\r\n%s\r\n\r\n    %.*s\r\n\r\n"
	    "It will not be tried again. Its header is below.\r\n\r\n-- \r\n%.*s\r\n",
	    STR_ARG(b->recipient), b->is_expired ? "It was tried for long, in vain. This was said last:" : "This was said:", STR_ARG(b->reply),
	    STR_ARG(b->hostname));
}

/* Characters beyond ASCII as RFC 6533 s. 3 has them in 7 bits: utf-8-addr-xtext. What is no UTF-8 is a question mark. */
static struct str
in_ascii(struct str s, struct arena *arena)
{
	bool is_utf8 = str_is_utf8(s);
	struct buffer out = { 0 };
	struct str text;

	for (size_t i = 0; i < s.len;) {
		unsigned char first = (unsigned char)s.ptr[i++];
		unsigned c = first >= 0xf0 ? first & 0x07 : first >= 0xe0 ? first & 0x0f : first & 0x1f;

		for (; is_utf8 && first >= 0x80 && i < s.len && ((unsigned char)s.ptr[i] & 0xc0) == 0x80; i++)
			c = c << 6 | ((unsigned char)s.ptr[i] & 0x3f);
		if (first < 0x80)
			buffer_add_byte(&out, (char)first);
		else if (is_utf8)
			buffer_printf(&out, "\\x{%X}", c);
		else
			buffer_add_byte(&out, '?');
	}
	text = arena_copy(arena, buffer_str(&out));
	buffer_clear(&out);
	return text;
}

/* RFC 3464 s. 2.2, 2.3 */
static struct str
for_programs(const struct bounce *b, struct arena *arena)
{
	char arrived[MAIL_DATE_SIZE], now[MAIL_DATE_SIZE];
	struct str remote = b->remote.len > 0 ? arena_printf(arena, "Remote-MTA: dns; %.*s\r\n", STR_ARG(b->remote)) : STR_NONE;

	return arena_printf(arena,
	    "Reporting-MTA: dns; %.*s\r\n"
	    "Arrival-Date: %.*s\r\n"
	    "\r\n"
	    "Final-Recipient: %s; %.*s\r\n"
	    "Action: failed\r\n"
	    "Status: %.*s\r\n"
	    "%.*s"
	    "Diagnostic-Code: %s; %.*s\r\n"
	    "Last-Attempt-Date: %.*s\r\n",
	    STR_ARG(b->hostname), STR_ARG(mail_date_print((struct mail_date){ .unix_s = b->arrived_s }, arrived)),
	    is_ascii(b->recipient) ? "rfc822" : "utf-8", STR_ARG(in_ascii(b->recipient, arena)), STR_ARG(b->status), STR_ARG(remote),
	    b->reply.len > 0 && b->reply.ptr[0] >= '2' && b->reply.ptr[0] <= '5' ? "smtp" : "x-sora", STR_ARG(in_ascii(b->reply, arena)),
	    STR_ARG(mail_date_print((struct mail_date){ .unix_s = b->now_s }, now)));
}

static struct str
head(const struct bounce *b, struct str message_id, struct arena *arena)
{
	char date[MAIL_DATE_SIZE];
	struct str answers = b->message_id.len == 0
	    ? STR_NONE
	    : arena_printf(arena, "In-Reply-To: %.*s\r\nReferences: %.*s\r\n", STR_ARG(b->message_id), STR_ARG(b->message_id));

	return arena_printf(arena,
	    "Date: %.*s\r\n"
	    "From: Mail Delivery System <MAILER-DAEMON@%.*s>\r\n"
	    "To: <%.*s>\r\n"
	    "Subject: Undelivered mail\r\n"
	    "Message-ID: %.*s\r\n"
	    "%.*s"
	    "Auto-Submitted: auto-replied\r\n"
	    "MIME-Version: 1.0\r\n"
	    "Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"=_%.*s\"\r\n"
	    "\r\n",
	    STR_ARG(mail_date_print((struct mail_date){ .unix_s = b->now_s }, date)), STR_ARG(b->hostname), STR_ARG(b->sender),
	    STR_ARG(message_id), STR_ARG(answers), STR_ARG(b->id));
}

/* RFC 2045 s. 6.8: in lines of 76. */
static struct str
in_base64(struct str body, struct arena *arena)
{
	struct str text = base64_encode(arena, body);
	struct buffer out = { 0 };

	for (size_t at = 0; at < text.len; at += 76)
		buffer_printf(&out, "%.*s\r\n", STR_ARG(str_sub(text, at, 76)));
	text = arena_copy(arena, buffer_str(&out));
	buffer_clear(&out);
	return text;
}

/* In 7 bits whatever it is: a server that did not take the mail takes this. */
static struct str
part(const struct bounce *b, const char *type, struct str body, struct arena *arena)
{
	bool is_plain = is_ascii(body);

	return arena_printf(arena, "--=_%.*s\r\nContent-Type: %s\r\nContent-Transfer-Encoding: %s\r\n\r\n%.*s\r\n", STR_ARG(b->id), type,
	    is_plain ? "7bit" : "base64", STR_ARG(is_plain ? body : in_base64(body, arena)));
}

struct str
bounce_make(const struct bounce *b, struct arena *arena, struct str *ret_message_id)
{
	struct str message_id = arena_printf(arena, "<%.*s@%.*s>", STR_ARG(b->id), STR_ARG(b->hostname));
	bool is_global = !is_ascii(b->header) && str_is_utf8(b->header);

	*ret_message_id = message_id;
	return arena_printf(arena, "%.*s%.*s%.*s%.*s--=_%.*s--\r\n", STR_ARG(head(b, message_id, arena)),
	    STR_ARG(part(b, "text/plain; charset=utf-8", for_people(b, arena), arena)),
	    STR_ARG(part(b, "message/delivery-status", for_programs(b, arena), arena)),
	    STR_ARG(part(b, is_global ? "message/global-headers" : "text/rfc822-headers", b->header, arena)), STR_ARG(b->id));
}
