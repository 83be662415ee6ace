/* What a new mail must be to be taken. */
#include "libcommon/core/clock.h"
#include "services/metadata/rpc/rpc.h"

enum { BLOB_MAX = 64, KEYWORD_BYTES = 255, DERIVED_MAX = 2 << 20, KIND_MAX = 32, MARK_MAX = 64 };

static bool
is_keyword(struct str s)
{
	if (s.len == 0 || s.len > KEYWORD_BYTES)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] <= ' ' || s.ptr[i] == 0x7f)
			return false;
	return true;
}

enum err
mail_check(const MetadataMail *mail, struct str prefix, uint32_t flags, ProtobufCBinaryData *const keywords, size_t keyword_count)
{
	if (mail && (mail->blob.len == 0 || mail->blob.len > BLOB_MAX || mail->blob_size > INT64_MAX / 2))
		return ERR_INVALID;
	if (mail && mail->envelope.len + mail->bodystructure.len + mail->body.len + mail->parts.len + mail->fields.len > DERIVED_MAX)
		return ERR_TOO_BIG;
	if (prefix.len > PREFIX_MAX || (flags & ~(uint32_t)FLAGS_ALL) != 0 || keyword_count > KEYWORDS_MAX)
		return ERR_INVALID;
	for (size_t i = 0; i < keyword_count; i++)
		if (!is_keyword(str_of(keywords[i])))
			return ERR_INVALID;
	return ERR_OK;
}

bool
word_is_kind(struct str word)
{
	for (size_t i = 0; i < word.len; i++)
		if (word.ptr[i] < 'a' || word.ptr[i] > 'z')
			return false;
	return word.len > 0 && word.len <= KIND_MAX;
}

enum err
mark_check(const MetadataMark *mark)
{
	return word_is_kind(str_of(mark->kind)) && mark->key.len > 0 && mark->key.len <= MARK_MAX && mark->life_ms >= 0 ? ERR_OK : ERR_INVALID;
}

int64_t
date_now(void)
{
	return clock_wall_ms() * 2048 + 1024;
}
