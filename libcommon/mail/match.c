/* Streams searched for a folded string. */
#include "libcommon/mail/match.h"

void
mail_match_init(struct mail_match *match, struct str needle, enum mail_encoding encoding, struct str charset)
{
	*match = (struct mail_match){ .needle = needle, .decoder = { .encoding = encoding }, .is_found = needle.len == 0 };
	if (!mail_charset_open(&match->charset, charset))
		mail_charset_open(&match->charset, STR_NONE);
}

bool
mail_match_feed(struct mail_match *match, struct str bytes, bool is_last)
{
	size_t keep = match->needle.len - 1, len;

	if (match->is_found)
		return true;
	mail_decode(&match->decoder, bytes, is_last, &match->decoded);
	mail_charset_convert(&match->charset, buffer_str(&match->decoded), is_last, &match->utf8);
	mail_fold(buffer_str(&match->utf8), &match->folded);
	buffer_reset(&match->decoded);
	buffer_reset(&match->utf8);
	len = buffer_len(&match->folded);
	match->is_found = str_find(buffer_str(&match->folded), match->needle) < len;
	if (len > keep)
		buffer_consume(&match->folded, len - keep);
	return match->is_found;
}

void
mail_match_clear(struct mail_match *match)
{
	mail_charset_close(&match->charset);
	buffer_clear(&match->decoded);
	buffer_clear(&match->utf8);
	buffer_clear(&match->folded);
}

bool
mail_match_text(struct str utf8, struct str needle)
{
	struct buffer folded = { 0 };
	bool is_found;

	mail_fold(utf8, &folded);
	is_found = needle.len == 0 || str_find(buffer_str(&folded), needle) < buffer_len(&folded);
	buffer_clear(&folded);
	return is_found;
}
