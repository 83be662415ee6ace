/* OBJECTID: names of mailboxes and mails that stay. (MAILBOXID of SELECT and CREATE is in those.)                     RFC 8474 */
#include "libcommon/mail/objectid.h"
#include "proto/metadata.client.h"
#include "services/imap/fetch.h"
#include "services/imap/search.h"
#include "services/imap/session.h"
#include "services/imap/status.h"
#include "services/imap/views.h"

static enum err
print_mailboxid(struct imap_command *cmd, const MetadataState *state, struct buffer *out)
{
	char id[MAIL_OBJECTID_SIZE];

	buffer_printf(out, "(%s)", mail_objectid_print(MAIL_OBJECT_MAILBOX, cmd->session->account, state->mailbox, id));
	return ERR_OK;
}

/* ---- FETCH */

static enum err
print_emailid(struct imap_fetch *fetch, const struct imap_fetch_item *item)
{
	uint64_t account = imap_mailbox_account(fetch->view);
	char id[MAIL_OBJECTID_SIZE];

	(void)item;
	buffer_printf(fetch->out, "EMAILID (%s)", mail_objectid_print(MAIL_OBJECT_EMAIL, account, fetch->wide->email_id, id));
	return ERR_OK;
}

/* There are no threads, so there is none of any mail (RFC 8474 s. 5.2). */
static enum err
print_threadid(struct imap_fetch *fetch, const struct imap_fetch_item *item)
{
	(void)item;
	buffer_add(fetch->out, STR("THREADID NIL"));
	return ERR_OK;
}

/* ---- SEARCH */

static enum err
parse_id(struct imap_search_parse *parse, struct imap_search_key *key)
{
	size_t start;

	TRY(cur_space(parse->cur));
	start = parse->cur->at;
	TRY(cur_astring(parse->cur, &key->text));
	if (mail_objectid_is_valid(key->text))
		return ERR_OK;
	parse->cur->at = start;
	return cur_fail(parse->cur, "expected an object's identifier");
}

static enum err
match_emailid(struct imap_search *search, const struct imap_search_key *key, bool *ret_matches)
{
	const uint64_t *found = key->found;

	*ret_matches = key->number != 0 && found[search->seq] == key->number;
	return ERR_OK;
}

static void
take_page(const struct imap_image *told, const MetadataFindReply *page, uint64_t *found)
{
	for (size_t i = 0; i < page->n_uid; i++)
		found[imap_image_find(told, page->uid[i])] = page->email_id[i];
}

/* The EMAILIDs of those messages that have one of the keys', by sequence number; what the view does not have is at 0. */
static enum err
find_mails(struct imap_command *cmd, const struct imap_view *view, MetadataFindRequest *request, uint64_t *found)
{
	MetadataFindReply *page;

	do {
		TRY(metadata_find(cmd->call, request, &page));
		if (page->n_uid != page->n_email_id || (page->more && page->n_uid == 0))
			return ERR_INTERNAL;
		take_page(view->told, page, found);
		request->after_uid = page->n_uid > 0 ? page->uid[page->n_uid - 1] : 0;
	} while (page->more);
	return ERR_OK;
}

static void
collect(struct imap_search_key *key, struct imap_search_key **keys, size_t *count)
{
	for (; key; key = key->next) {
		collect(key->children, keys, count);
		if (key->row->match != match_emailid)
			continue;
		key->same = *keys;
		*keys = key;
		++*count;
	}
}

static enum err
prepare_search(struct imap_command *cmd, struct imap_search_key *program)
{
	const struct imap_view *view = cmd->session->view;
	MetadataFindRequest request = METADATA_FIND_REQUEST__INIT;
	struct imap_search_key *keys = NULL;
	uint64_t *found;
	size_t count = 0;

	collect(program, &keys, &count);
	if (!keys)
		return ERR_OK;
	found = ARENA_ARRAY(cmd->arena, uint64_t, (size_t)view->told->count + 1);
	request.account = imap_mailbox_account(view);
	request.mailbox = imap_mailbox_number(view);
	request.email_id = ARENA_ARRAY(cmd->arena, uint64_t, count);
	for (; keys; keys = keys->same) {
		keys->found = found;
		keys->number = mail_objectid_parse(MAIL_OBJECT_EMAIL, request.account, keys->text);
		if (keys->number != 0)
			request.email_id[request.n_email_id++] = keys->number;
	}
	return request.n_email_id > 0 ? find_mails(cmd, view, &request, found) : ERR_OK;
}

static enum err
match_threadid(struct imap_search *search, const struct imap_search_key *key, bool *ret_matches)
{
	(void)search, (void)key;
	*ret_matches = false;
	return ERR_OK;
}

static const struct imap_capability CAPABILITIES[] = { { "OBJECTID", IMAP_ANY, IMAP_WHEN_ALWAYS }, { 0 } };
static const struct imap_status_row STATUS_ITEMS[] = { { "MAILBOXID", print_mailboxid }, { 0 } };
static const struct imap_fetch_row FETCH_ITEMS[] = {
	{ "EMAILID",  IMAP_NEEDS_EMAIL_ID, NULL, print_emailid },
	{ "THREADID", 0,                   NULL, print_threadid },
	{ 0 },
};
static const struct imap_search_row SEARCH_KEYS[] = {
	{ "EMAILID",  IMAP_COST_VIEW, 0, parse_id, match_emailid },
	{ "THREADID", IMAP_COST_VIEW, 0, parse_id, match_threadid },
	{ 0 },
};

const struct imap_extension imap_ext_objectid = { .capabilities = CAPABILITIES, .fetch_items = FETCH_ITEMS, .search_keys = SEARCH_KEYS,
	.status_items = STATUS_ITEMS, .prepare_search = prepare_search };
