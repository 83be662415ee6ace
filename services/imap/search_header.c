/* The SEARCH keys that look into headers and bodies. */
#include "libcommon/blob/blob.h"
#include "libcommon/mail/charset.h"
#include "libcommon/mail/date.h"
#include "libcommon/mail/fields.h"
#include "libcommon/mail/header.h"
#include "libcommon/mail/match.h"
#include "libcommon/mail/parts.h"
#include "services/imap/search.h"
#include "services/imap/wire.h"

enum { HEADER_BYTES_MAX = 4 * 1024 * 1024 };

/* Text as it is compared, from the charset that the command named. Without one, what is no UTF-8 is read as Latin-1. */
enum err
imap_search_parse_text(struct imap_search_parse *parse, struct imap_search_key *key)
{
	struct arena *arena = parse->cur->arena;
	struct buffer folded = { 0 };
	struct str text;

	TRY(cur_space(parse->cur));
	TRY(cur_astring(parse->cur, &text));
	if (!mail_charset_to_utf8(parse->charset.len > 0 ? parse->charset : STR("us-ascii"), text, arena, &text))
		parse->is_bad_charset = true;
	mail_fold(text, &folded);
	key->text = arena_copy(arena, buffer_str(&folded));
	buffer_clear(&folded);
	return ERR_OK;
}

static enum err
parse_header(struct imap_search_parse *parse, struct imap_search_key *key)
{
	TRY(cur_space(parse->cur));
	TRY(cur_astring(parse->cur, &key->field));
	return imap_search_parse_text(parse, key);
}

static enum err
parse_sent(struct imap_search_parse *parse, struct imap_search_key *key)
{
	TRY(cur_space(parse->cur));
	return cur_date(parse->cur, &key->day);
}

bool
imap_search_header_block(struct str header, struct str name, struct str text, struct arena *arena)
{
	struct mail_field field;

	while (mail_header_next(&header, &field)) {
		struct str value;

		if (name.len > 0 && !str_equal_nocase(field.name, name))
			continue;
		value = mail_decode_words(field.value, arena);
		if (name.len == 0)
			value = arena_printf(arena, "%.*s: %.*s", STR_ARG(field.name), STR_ARG(value));
		/* An empty text asks whether there is such a field (RFC 3501 s. 6.4.4, HEADER). */
		if (text.len == 0 || mail_match_text(value, text))
			return true;
	}
	return false;
}

/* The part of the header that has every field `name`: the stored common fields, or the blob's whole header. */
static enum err
header_for(struct imap_search *search, struct str name, struct str *ret_header)
{
	const MetadataMail *mail = search->wide->mail;
	struct mail_range range;

	if (mail->fields_complete && mail_fields_covers(name, mail->parser_version)) {
		*ret_header = wire_str(mail->fields);
		return ERR_OK;
	}
	TRY(mail_parts_find(wire_str(mail->parts), NULL, 0, MAIL_SECTION_HEADER, &range));
	return blob_read(search->cmd->call, wire_str(mail->blob), range.offset,
	    (size_t)(range.len < HEADER_BYTES_MAX ? range.len : HEADER_BYTES_MAX), search->arena, ret_header);
}

static enum err
match_header(struct imap_search *search, const struct imap_search_key *key, bool *ret_matches)
{
	struct str name = key->field.len > 0 ? key->field : str_c(key->row->name), header;

	if (imap_search_header_block(wire_str(search->wide->prefix), name, key->text, search->arena)) {
		*ret_matches = true;
		return ERR_OK;
	}
	TRY(header_for(search, name, &header));
	*ret_matches = imap_search_header_block(header, name, key->text, search->arena);
	return ERR_OK;
}

/* The day of the Date field; false: there is none that can be read, and no comparison holds. */
static enum err
sent_day(struct imap_search *search, int32_t *ret_day, bool *ret_has)
{
	struct mail_date date;
	struct str header, value;

	TRY(header_for(search, STR("Date"), &header));
	*ret_has = mail_header_find(header, STR("Date"), &value) && mail_date_parse(value, &date);
	if (*ret_has)
		*ret_day = mail_date_day(date);
	return ERR_OK;
}

static enum err
match_sent_before(struct imap_search *search, const struct imap_search_key *key, bool *ret_matches)
{
	int32_t day = 0;

	TRY(sent_day(search, &day, ret_matches));
	*ret_matches = *ret_matches && day < key->day;
	return ERR_OK;
}

static enum err
match_sent_on(struct imap_search *search, const struct imap_search_key *key, bool *ret_matches)
{
	int32_t day = 0;

	TRY(sent_day(search, &day, ret_matches));
	*ret_matches = *ret_matches && day == key->day;
	return ERR_OK;
}

static enum err
match_sent_since(struct imap_search *search, const struct imap_search_key *key, bool *ret_matches)
{
	int32_t day = 0;

	TRY(sent_day(search, &day, ret_matches));
	*ret_matches = *ret_matches && day >= key->day;
	return ERR_OK;
}

static enum err
match_body(struct imap_search *search, const struct imap_search_key *key, bool *ret_matches)
{
	return imap_search_body(search, key->text, false, ret_matches);
}

static enum err
match_text(struct imap_search *search, const struct imap_search_key *key, bool *ret_matches)
{
	return imap_search_body(search, key->text, true, ret_matches);
}

const struct imap_search_row imap_search_header_keys[] = {
	/* name         cost            data parse                   match */
	{ "FROM",       IMAP_COST_WIDE, 0,   imap_search_parse_text, match_header },
	{ "TO",         IMAP_COST_WIDE, 0,   imap_search_parse_text, match_header },
	{ "CC",         IMAP_COST_WIDE, 0,   imap_search_parse_text, match_header },
	{ "BCC",        IMAP_COST_WIDE, 0,   imap_search_parse_text, match_header },
	{ "SUBJECT",    IMAP_COST_WIDE, 0,   imap_search_parse_text, match_header },
	{ "HEADER",     IMAP_COST_WIDE, 0,   parse_header,           match_header },
	{ "SENTBEFORE", IMAP_COST_WIDE, 0,   parse_sent,             match_sent_before },
	{ "SENTON",     IMAP_COST_WIDE, 0,   parse_sent,             match_sent_on },
	{ "SENTSINCE",  IMAP_COST_WIDE, 0,   parse_sent,             match_sent_since },
	{ "BODY",       IMAP_COST_BODY, 0,   imap_search_parse_text, match_body },
	{ "TEXT",       IMAP_COST_BODY, 0,   imap_search_parse_text, match_text },
	{ 0 },
};
