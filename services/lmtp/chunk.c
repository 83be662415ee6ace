/* The bytes after BDAT: so many of them, whatever they are. */
#include "services/lmtp/chunk.h"

enum err
lmtp_chunk_parse(struct str args, struct lmtp_chunk *ret_chunk)
{
	size_t space = str_index(args, ' ');
	struct str marker = str_trim(str_sub(args, space, SIZE_MAX));

	if (!str_to_u64(str_sub(args, 0, space), &ret_chunk->left))
		return ERR_SYNTAX;
	ret_chunk->is_last = str_equal_nocase(marker, STR("LAST"));
	return marker.len == 0 || ret_chunk->is_last ? ERR_OK : ERR_INVALID;
}

struct str
lmtp_chunk_take(struct lmtp_chunk *chunk, struct str *in)
{
	struct str taken = str_sub(*in, 0, chunk->left < in->len ? (size_t)chunk->left : in->len);

	*in = str_sub(*in, taken.len, SIZE_MAX);
	chunk->left -= taken.len;
	return taken;
}
