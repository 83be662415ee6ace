/* Lists of flags. */
#include "services/imap/flags.h"

#include "proto/metadata.pb-c.h"

static const struct {
	const char *name;
	uint32_t flag;
} SYSTEM[] = {
	{ "Seen", METADATA_FLAG__METADATA_SEEN },
	{ "Answered", METADATA_FLAG__METADATA_ANSWERED },
	{ "Flagged", METADATA_FLAG__METADATA_FLAGGED },
	{ "Deleted", METADATA_FLAG__METADATA_DELETED },
	{ "Draft", METADATA_FLAG__METADATA_DRAFT },
};

static enum err
parse_system(struct imap_cursor *cur, struct imap_flags *flags)
{
	size_t start = cur->at;
	struct str name;

	TRY(cur_atom(cur, &name));
	for (size_t i = 0; i < sizeof(SYSTEM) / sizeof(SYSTEM[0]); i++) {
		if (!str_equal_nocase(name, str_c(SYSTEM[i].name)))
			continue;
		flags->system |= SYSTEM[i].flag;
		return ERR_OK;
	}
	cur->at = start;
	return cur_fail(cur, str_equal_nocase(name, STR("Recent")) ? "\\Recent is the server's alone" : "no such system flag");
}

enum err
imap_flags_parse_keyword(struct imap_cursor *cur, struct str *ret)
{
	size_t start = cur->at;

	TRY(cur_atom(cur, ret));
	if (!str_equal_nocase(*ret, STR("NIL")) && ret->len <= IMAP_KEYWORD_BYTES_MAX)
		return ERR_OK;
	cur->at = start;
	return cur_fail(cur, ret->len > IMAP_KEYWORD_BYTES_MAX ? "the keyword is too long" : "NIL is no keyword");
}

static enum err
parse_flag(struct imap_cursor *cur, struct imap_flags *flags)
{
	struct str keyword;

	if (cur_take(cur, '\\'))
		return parse_system(cur, flags);
	TRY(imap_flags_parse_keyword(cur, &keyword));
	for (size_t i = 0; i < flags->keyword_count; i++)
		if (str_equal_nocase(flags->keywords[i], keyword))
			return ERR_OK;
	if (flags->keyword_count == IMAP_KEYWORDS_PER_COMMAND)
		return cur_fail(cur, "too many keywords");
	flags->keywords[flags->keyword_count++] = keyword;
	return ERR_OK;
}

enum err
imap_flags_parse_list(struct imap_cursor *cur, struct imap_flags *ret)
{
	TRY(cur_byte(cur, '('));
	if (cur_take(cur, ')'))
		return ERR_OK;
	do
		TRY(parse_flag(cur, ret));
	while (cur_take(cur, ' '));
	return cur_byte(cur, ')');
}

enum err
imap_flags_parse_bare(struct imap_cursor *cur, struct imap_flags *ret)
{
	do
		TRY(parse_flag(cur, ret));
	while (cur_take(cur, ' '));
	return ERR_OK;
}
