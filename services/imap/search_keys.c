/* The SEARCH keys that the view answers, and those that join keys. */
#include "libcommon/mail/charset.h"
#include "libcommon/mail/date.h"
#include "services/imap/flags.h"
#include "services/imap/search.h"

/* ---- flags */

static enum err
match_all(struct imap_search *search, const struct imap_search_key *key, bool *ret_matches)
{
	(void)search, (void)key;
	*ret_matches = true;
	return ERR_OK;
}

static enum err
match_flag(struct imap_search *search, const struct imap_search_key *key, bool *ret_matches)
{
	*ret_matches = search->row->flags & key->row->data;
	return ERR_OK;
}

static enum err
match_no_flag(struct imap_search *search, const struct imap_search_key *key, bool *ret_matches)
{
	*ret_matches = !(search->row->flags & key->row->data);
	return ERR_OK;
}

static bool
is_recent(const struct imap_search *search)
{
	return search->row->uid > search->view->recent_uid;
}

static enum err
match_recent(struct imap_search *search, const struct imap_search_key *key, bool *ret_matches)
{
	(void)key;
	*ret_matches = is_recent(search);
	return ERR_OK;
}

static enum err
match_old(struct imap_search *search, const struct imap_search_key *key, bool *ret_matches)
{
	(void)key;
	*ret_matches = !is_recent(search);
	return ERR_OK;
}

static enum err
match_new(struct imap_search *search, const struct imap_search_key *key, bool *ret_matches)
{
	(void)key;
	*ret_matches = is_recent(search) && !(search->row->flags & METADATA_FLAG__METADATA_SEEN);
	return ERR_OK;
}

static enum err
parse_keyword(struct imap_search_parse *parse, struct imap_search_key *key)
{
	TRY(cur_space(parse->cur));
	return imap_flags_parse_keyword(parse->cur, &key->text);
}

static bool
has_keyword(const struct imap_search *search, struct str name)
{
	int number = imap_image_keyword(search->view->told, name);

	for (uint32_t i = 0; number >= 0 && i < search->row->keyword_count; i++)
		if (search->chunk->keywords[search->row->keyword_at + i] == number)
			return true;
	return false;
}

static enum err
match_keyword(struct imap_search *search, const struct imap_search_key *key, bool *ret_matches)
{
	*ret_matches = has_keyword(search, key->text);
	return ERR_OK;
}

static enum err
match_unkeyword(struct imap_search *search, const struct imap_search_key *key, bool *ret_matches)
{
	*ret_matches = !has_keyword(search, key->text);
	return ERR_OK;
}

/* ---- dates, "disregarding time and timezone", and sizes */

static enum err
parse_date(struct imap_search_parse *parse, struct imap_search_key *key)
{
	TRY(cur_space(parse->cur));
	return cur_date(parse->cur, &key->day);
}

static enum err
match_before(struct imap_search *search, const struct imap_search_key *key, bool *ret_matches)
{
	*ret_matches = mail_date_day(imap_row_date(search->row)) < key->day;
	return ERR_OK;
}

static enum err
match_on(struct imap_search *search, const struct imap_search_key *key, bool *ret_matches)
{
	*ret_matches = mail_date_day(imap_row_date(search->row)) == key->day;
	return ERR_OK;
}

static enum err
match_since(struct imap_search *search, const struct imap_search_key *key, bool *ret_matches)
{
	*ret_matches = mail_date_day(imap_row_date(search->row)) >= key->day;
	return ERR_OK;
}

static enum err
parse_number(struct imap_search_parse *parse, struct imap_search_key *key)
{
	TRY(cur_space(parse->cur));
	return cur_number64(parse->cur, &key->number);
}

static enum err
match_larger(struct imap_search *search, const struct imap_search_key *key, bool *ret_matches)
{
	*ret_matches = search->row->size > key->number;
	return ERR_OK;
}

static enum err
match_smaller(struct imap_search *search, const struct imap_search_key *key, bool *ret_matches)
{
	*ret_matches = search->row->size < key->number;
	return ERR_OK;
}

/* ---- sets */

static enum err
parse_uid(struct imap_search_parse *parse, struct imap_search_key *key)
{
	key->is_uid_set = true;
	TRY(cur_space(parse->cur));
	return cur_set(parse->cur, &key->set);
}

static enum err
match_set(struct imap_search *search, const struct imap_search_key *key, bool *ret_matches)
{
	*ret_matches = imap_set_has(key->set, search->seq);
	return ERR_OK;
}

/* ---- keys of keys */

static enum err
parse_not(struct imap_search_parse *parse, struct imap_search_key *key)
{
	TRY(cur_space(parse->cur));
	return imap_search_parse_key(parse, &key->children);
}

/* An OR that is one of the two of another one adds a key to it: clients make chains of them, one for each mail that they look for. */
static enum err
parse_or(struct imap_search_parse *parse, struct imap_search_key *key)
{
	struct imap_search_key **next = &key->children;

	for (size_t missing = 2; missing > 0; missing--) {
		TRY(cur_space(parse->cur));
		while (cur_take_word(parse->cur, "OR "))
			missing++;
		TRY(imap_search_parse_key(parse, next));
		next = &(*next)->next;
	}
	return ERR_OK;
}

const struct imap_search_row imap_search_and[] = { { "AND", IMAP_COST_VIEW, 0, NULL, NULL } };
const struct imap_search_row imap_search_set[] = { { "SET", IMAP_COST_VIEW, 0, NULL, match_set } };

#define SEEN METADATA_FLAG__METADATA_SEEN
#define ANSWERED METADATA_FLAG__METADATA_ANSWERED
#define FLAGGED METADATA_FLAG__METADATA_FLAGGED
#define DELETED METADATA_FLAG__METADATA_DELETED
#define DRAFT METADATA_FLAG__METADATA_DRAFT

const struct imap_search_row imap_search_core[] = {
	/* name         cost            data      parse          match */
	{ "ALL",        IMAP_COST_VIEW, 0,        NULL,          match_all },
	{ "SEEN",       IMAP_COST_VIEW, SEEN,     NULL,          match_flag },
	{ "UNSEEN",     IMAP_COST_VIEW, SEEN,     NULL,          match_no_flag },
	{ "ANSWERED",   IMAP_COST_VIEW, ANSWERED, NULL,          match_flag },
	{ "UNANSWERED", IMAP_COST_VIEW, ANSWERED, NULL,          match_no_flag },
	{ "FLAGGED",    IMAP_COST_VIEW, FLAGGED,  NULL,          match_flag },
	{ "UNFLAGGED",  IMAP_COST_VIEW, FLAGGED,  NULL,          match_no_flag },
	{ "DELETED",    IMAP_COST_VIEW, DELETED,  NULL,          match_flag },
	{ "UNDELETED",  IMAP_COST_VIEW, DELETED,  NULL,          match_no_flag },
	{ "DRAFT",      IMAP_COST_VIEW, DRAFT,    NULL,          match_flag },
	{ "UNDRAFT",    IMAP_COST_VIEW, DRAFT,    NULL,          match_no_flag },
	{ "RECENT",     IMAP_COST_VIEW, 0,        NULL,          match_recent },
	{ "OLD",        IMAP_COST_VIEW, 0,        NULL,          match_old },
	{ "NEW",        IMAP_COST_VIEW, 0,        NULL,          match_new },
	{ "KEYWORD",    IMAP_COST_VIEW, 0,        parse_keyword, match_keyword },
	{ "UNKEYWORD",  IMAP_COST_VIEW, 0,        parse_keyword, match_unkeyword },
	{ "BEFORE",     IMAP_COST_VIEW, 0,        parse_date,    match_before },
	{ "ON",         IMAP_COST_VIEW, 0,        parse_date,    match_on },
	{ "SINCE",      IMAP_COST_VIEW, 0,        parse_date,    match_since },
	{ "LARGER",     IMAP_COST_VIEW, 0,        parse_number,  match_larger },
	{ "SMALLER",    IMAP_COST_VIEW, 0,        parse_number,  match_smaller },
	{ "UID",        IMAP_COST_VIEW, 0,        parse_uid,     match_set },
	{ "NOT",        IMAP_COST_VIEW, 0,        parse_not,     NULL },
	{ "OR",         IMAP_COST_VIEW, 0,        parse_or,      NULL },
	{ 0 },
};
