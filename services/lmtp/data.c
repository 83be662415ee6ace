/* The bytes after DATA: dots taken off, the end found. */
#include "services/lmtp/data.h"

static struct str
take(struct str *in, size_t len)
{
	struct str taken = str_sub(*in, 0, len);

	*in = str_sub(*in, len, SIZE_MAX);
	return taken;
}

/*
 * How many bytes of `in` can be given out as they are: up to a line that starts with a dot, or all. CRLF at the very end
 * leaves the next line's start unknown.
 */
static size_t
plain_len(struct str in, bool is_after_cr, enum lmtp_data_state *ret_state)
{
	size_t at = 0;
	const char *lf;

	while (at < in.len && (lf = memchr(in.ptr + at, '\n', in.len - at)) != NULL) {
		size_t index = (size_t)(lf - in.ptr);
		bool is_crlf = index > 0 ? lf[-1] == '\r' : is_after_cr;

		at = index + 1;
		if (is_crlf && (at == in.len || in.ptr[at] == '.')) {
			*ret_state = LMTP_DATA_LINE;
			return at;
		}
	}
	*ret_state = in.ptr[in.len - 1] == '\r' ? LMTP_DATA_CR : LMTP_DATA_TEXT;
	return in.len;
}

/* A byte at the start of a line that is not the mail's. False: it is; the state says that text begins. */
static bool
take_dot(struct lmtp_data *data, struct str *in)
{
	char byte = in->ptr[0];

	if (data->state == LMTP_DATA_LINE && byte == '.')
		data->state = LMTP_DATA_DOT;
	else if (data->state == LMTP_DATA_DOT && byte == '\r')
		data->state = LMTP_DATA_DOT_CR;
	else if (data->state == LMTP_DATA_DOT_CR && byte == '\n')
		data->state = LMTP_DATA_END;
	else
		return false;
	take(in, 1);
	return true;
}

bool
lmtp_data_next(struct lmtp_data *data, struct str *in, struct str *ret_run)
{
	while (in->len > 0 && data->state != LMTP_DATA_END) {
		if (take_dot(data, in))
			continue;
		if (data->state == LMTP_DATA_DOT_CR) {
			data->state = LMTP_DATA_CR;
			*ret_run = STR("\r");
			return true;
		}
		*ret_run = take(in, plain_len(*in, data->state == LMTP_DATA_CR, &data->state));
		return true;
	}
	return false;
}
