/* What is pure in SMTP: lines of replies, what a server offers, and a mail's bytes on the wire. */
#include "libcommon/smtp/smtp.h"

bool
smtp_reply_line(struct str line, int *ret_code, bool *ret_is_last, struct str *ret_text)
{
	uint32_t code;

	if (line.len < 3 || !str_to_u32(str_sub(line, 0, 3), &code) || code < 200 || code > 599)
		return false;
	if (line.len > 3 && line.ptr[3] != ' ' && line.ptr[3] != '-')
		return false;
	*ret_code = (int)code;
	*ret_is_last = line.len == 3 || line.ptr[3] == ' ';
	*ret_text = str_sub(line, 4, SIZE_MAX);
	return true;
}

static void
offer_auth(struct smtp_offer *offer, struct str mechanisms)
{
	struct str mechanism;

	while (str_split(&mechanisms, ' ', &mechanism)) {
		offer->auth_plain |= str_equal_nocase(mechanism, STR("PLAIN"));
		offer->auth_login |= str_equal_nocase(mechanism, STR("LOGIN"));
	}
}

void
smtp_offer_add(struct smtp_offer *offer, struct str text)
{
	struct str keyword = str_sub(text, 0, str_index(text, ' '));

	offer->starttls |= str_equal_nocase(keyword, STR("STARTTLS"));
	offer->eight_bit |= str_equal_nocase(keyword, STR("8BITMIME"));
	offer->utf8 |= str_equal_nocase(keyword, STR("SMTPUTF8"));
	offer->size |= str_equal_nocase(keyword, STR("SIZE"));
	if (str_equal_nocase(keyword, STR("AUTH")))
		offer_auth(offer, str_sub(text, keyword.len + 1, SIZE_MAX));
	/* As some wrote it before there was a standard. */
	if (str_starts_with_nocase(keyword, STR("AUTH=")))
		offer_auth(offer, str_sub(text, 5, SIZE_MAX));
}

static void
end_line(struct smtp_stuffer *stuffer, struct buffer *out)
{
	buffer_add(out, STR("\r\n"));
	stuffer->is_within_line = stuffer->is_after_cr = false;
}

void
smtp_stuff(struct smtp_stuffer *stuffer, struct str bytes, struct buffer *out)
{
	size_t plain = 0;

	for (size_t i = 0; i < bytes.len; i++) {
		char c = bytes.ptr[i];
		bool was_after_cr = stuffer->is_after_cr;

		if (c != '\r' && c != '\n' && !was_after_cr && stuffer->is_within_line)
			continue;
		buffer_add(out, str_sub(bytes, plain, i - plain));
		plain = i + 1;
		if (was_after_cr || c == '\n')
			end_line(stuffer, out);
		if (c == '\r') {
			stuffer->is_after_cr = true;
		} else if (c != '\n') {
			if (c == '.')
				buffer_add_byte(out, '.');
			stuffer->is_within_line = true;
			plain = i;
		}
	}
	buffer_add(out, str_sub(bytes, plain, SIZE_MAX));
}

void
smtp_stuff_end(struct smtp_stuffer *stuffer, struct buffer *out)
{
	if (stuffer->is_within_line || stuffer->is_after_cr)
		end_line(stuffer, out);
	buffer_add(out, STR(".\r\n"));
}
