/* A message on the wire: dots stuffed, ended by CRLF.CRLF; or only its first lines. */
#include "services/pop3/stuff.h"

/* A line has come to its end: what may come yet? */
static void
end_line(struct pop3_stuffer *out, bool is_empty)
{
	if (out->lines == POP3_ALL_LINES)
		return;
	if (out->is_body)
		out->lines--;
	else
		out->is_body = is_empty;
	out->is_done = out->is_body && out->lines == 0;
}

/* Bytes up to the next line that begins with a dot, or all; of a TOP, up to the next line. */
static size_t
plain_len(struct pop3_stuffer *out, struct str in)
{
	size_t at = 0;

	while (at < in.len && !out->is_done) {
		struct str line = str_sub(in, at, SIZE_MAX);
		size_t len = str_index(line, '\n');
		bool is_empty = len == 0 ? !out->is_within_line || out->is_after_cr : len == 1 && !out->is_within_line && line.ptr[0] == '\r';

		if (len == line.len) {
			/* Of a lone CR nobody knows yet whether it is an empty line's. */
			out->is_after_cr = !out->is_within_line && len == 1 && line.ptr[0] == '\r';
			out->is_within_line = true;
			return in.len;
		}
		at += len + 1;
		out->is_within_line = out->is_after_cr = false;
		end_line(out, is_empty);
		if (at < in.len && in.ptr[at] == '.')
			return at;
	}
	return at;
}

bool
pop3_stuff(struct pop3_stuffer *out, struct str *in, struct str *ret_run)
{
	size_t len;

	if (in->len == 0 || out->is_done)
		return false;
	if (!out->is_within_line && in->ptr[0] == '.' && !out->is_dot_due) {
		out->is_dot_due = true;
		*ret_run = STR(".");
		return true;
	}
	out->is_dot_due = false;
	len = plain_len(out, *in);
	*ret_run = str_sub(*in, 0, len);
	*in = str_sub(*in, len, SIZE_MAX);
	out->ends_in_crlf = len >= 2 ? str_ends_with(*ret_run, STR("\r\n")) : ret_run->ptr[0] == '\n' && out->ends_in_cr;
	out->ends_in_cr = str_ends_with(*ret_run, STR("\r"));
	out->has_bytes = true;
	return true;
}

struct str
pop3_stuff_end(const struct pop3_stuffer *out)
{
	return !out->has_bytes || out->ends_in_crlf ? STR(".\r\n") : STR("\r\n.\r\n");
}
