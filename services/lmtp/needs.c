/* What scripts need to know before they decide, is asked of the metadata service and of the store. */
#include "services/lmtp/needs.h"

#include "libcommon/mail/objectid.h"
#include "proto/metadata.client.h"
#include "services/lmtp/flags.h"
#include "services/lmtp/head.h"
#include "services/lmtp/wire.h"

/* The questions of one filter, by the call that answers them. */
struct needs {
	struct lmtp_transaction *mail;
	struct lmtp_filter *filter;
	struct arena *arena;
	MetadataLookupRequest lookup;
	MetadataLookupReply *found;
	struct bus_call lookup_call;
	struct bus_future *lookup_future;
	MetadataFetchScriptsRequest fetch;
	MetadataFetchScriptsReply *fetched;
	struct bus_call fetch_call;
	struct bus_future *fetch_future;
	size_t names, uses, mailboxes, marks, scripts; /* how many of the answers have been taken */
};

/* ---- questions: each is added to a list, and its answer taken from the same place of the reply's */

static enum err
ask_name(struct needs *needs, const SieveNeed *need)
{
	needs->lookup.name[needs->lookup.n_name++] = need->name;
	return ERR_OK;
}

static void
take_found(const MetadataLookupReply__Found *found, SieveAnswer *answer)
{
	answer->exists = found->mailbox != 0;
	answer->mailbox = found->name;
}

static bool
answer_name(struct needs *needs, const SieveNeed *need, SieveAnswer *answer)
{
	(void)need;
	take_found(needs->found->name[needs->names++], answer);
	return true;
}

static enum err
ask_use(struct needs *needs, const SieveNeed *need)
{
	needs->lookup.special_use[needs->lookup.n_special_use++] = lmtp_special_use(lmtp_str(need->name));
	needs->lookup.special_use_of[needs->lookup.n_special_use_of++] = need->scope;
	return ERR_OK;
}

static bool
answer_use(struct needs *needs, const SieveNeed *need, SieveAnswer *answer)
{
	(void)need;
	take_found(needs->found->special_use[needs->uses++], answer);
	return true;
}

static enum err
ask_mark(struct needs *needs, const SieveNeed *need)
{
	MetadataMark *mark = ARENA_NEW(needs->arena, MetadataMark);

	metadata_mark__init(mark);
	mark->kind = need->scope;
	mark->key = need->name;
	needs->lookup.mark[needs->lookup.n_mark++] = mark;
	return ERR_OK;
}

static bool
answer_mark(struct needs *needs, const SieveNeed *need, SieveAnswer *answer)
{
	(void)need;
	answer->exists = needs->found->taken[needs->marks++];
	return true;
}

static MetadataScript *
fetch_script(struct needs *needs, bool is_global, MetadataScriptKind kind, ProtobufCBinaryData name)
{
	MetadataScript *script = ARENA_NEW(needs->arena, MetadataScript);

	metadata_script__init(script);
	script->global = is_global;
	script->kind = kind;
	script->name = name;
	needs->fetch.script[needs->fetch.n_script++] = script;
	return script;
}

static enum err
ask_include(struct needs *needs, const SieveNeed *need)
{
	fetch_script(needs, need->kind == SIEVE_NEED_KIND__SIEVE_KIND_INCLUDE_GLOBAL, METADATA_SCRIPT_KIND__METADATA_OWN, need->name);
	return ERR_OK;
}

static bool
answer_include(struct needs *needs, const SieveNeed *need, SieveAnswer *answer)
{
	const MetadataScript *fetched = needs->fetched->script[needs->scripts++];

	answer->exists = fetched->hash.len > 0;
	answer->script = ARENA_NEW(needs->arena, SieveScript);
	sieve_script__init(answer->script);
	answer->script->name = need->name;
	answer->script->hash = fetched->hash;
	answer->script->source = fetched->source;
	return true;
}

/* The place among the filter's own scripts of the one with this hash; as many as there are: none of them has. */
static size_t
place_of(const struct lmtp_filter *filter, ProtobufCBinaryData hash)
{
	size_t i = 0;

	while (i < filter->request.n_script && !str_equal(lmtp_str(filter->request.script[i]->hash), lmtp_str(hash)))
		i++;
	return i;
}

static enum err
ask_source(struct needs *needs, const SieveNeed *need)
{
	size_t place = place_of(needs->filter, need->name);
	const MetadataScript *script;

	if (place == needs->filter->request.n_script)
		return ERR_INTERNAL;
	script = needs->filter->scripts[place];
	fetch_script(needs, script->global, script->kind, script->name)->active = script->active;
	return ERR_OK;
}

/*
 * The script as it is now, or the one that is active now: it may be another than when the recipient was looked up, and the old one may be
 * gone. When none is any more, none is run.
 */
static bool
answer_source(struct needs *needs, const SieveNeed *need, SieveAnswer *answer)
{
	const MetadataScript *fetched = needs->fetched->script[needs->scripts++];
	SieveFilterRequest *request = &needs->filter->request;
	size_t place = place_of(needs->filter, need->name);

	(void)answer;
	if (fetched->hash.len > 0) {
		needs->filter->scripts[place] = fetched;
		request->script[place]->name = fetched->name;
		request->script[place]->hash = fetched->hash;
		request->script[place]->source = fetched->source;
		return false;
	}
	request->n_script--;
	for (size_t i = place; i < request->n_script; i++) {
		request->script[i] = request->script[i + 1];
		needs->filter->scripts[i] = needs->filter->scripts[i + 1];
	}
	return false;
}

static enum err
ask_body(struct needs *needs, const SieveNeed *need)
{
	SieveInput *input = &needs->filter->input;
	struct str text;

	(void)need;
	TRY(lmtp_head_text(needs->mail, &text));
	input->has_body = true;
	input->body = lmtp_wire(text);
	return ERR_OK;
}

static bool
answer_body(struct needs *needs, const SieveNeed *need, SieveAnswer *answer)
{
	(void)needs;
	(void)need;
	(void)answer;
	return false;
}

/* An id that is none of this account's is number 0, which no mailbox has. */
static enum err
ask_mailbox_id(struct needs *needs, const SieveNeed *need)
{
	uint64_t account = needs->filter->recipient->account;

	needs->lookup.mailbox[needs->lookup.n_mailbox++] = mail_objectid_parse(MAIL_OBJECT_MAILBOX, account, lmtp_str(need->name));
	return ERR_OK;
}

static bool
answer_mailbox_id(struct needs *needs, const SieveNeed *need, SieveAnswer *answer)
{
	(void)need;
	take_found(needs->found->mailbox[needs->mailboxes++], answer);
	return true;
}

static const struct {
	enum err (*ask)(struct needs *needs, const SieveNeed *need);
	bool (*answer)(struct needs *needs, const SieveNeed *need, SieveAnswer *answer); /* true: it is to be added to the request */
} kinds[] = {
	[SIEVE_NEED_KIND__SIEVE_KIND_MAILBOX] = { ask_name, answer_name },
	[SIEVE_NEED_KIND__SIEVE_KIND_SPECIAL_USE] = { ask_use, answer_use },
	[SIEVE_NEED_KIND__SIEVE_KIND_MAILBOX_ID] = { ask_mailbox_id, answer_mailbox_id },
	[SIEVE_NEED_KIND__SIEVE_KIND_INCLUDE_PERSONAL] = { ask_include, answer_include },
	[SIEVE_NEED_KIND__SIEVE_KIND_INCLUDE_GLOBAL] = { ask_include, answer_include },
	[SIEVE_NEED_KIND__SIEVE_KIND_MARK] = { ask_mark, answer_mark },
	[SIEVE_NEED_KIND__SIEVE_KIND_BODY] = { ask_body, answer_body },
	[SIEVE_NEED_KIND__SIEVE_KIND_SOURCE] = { ask_source, answer_source },
};
enum { KIND_COUNT = sizeof(kinds) / sizeof(kinds[0]) };

/* ---- one filter's */

static enum err
collect(struct needs *needs)
{
	const SieveFilterReply *reply = needs->filter->reply;
	size_t count = reply->n_need;

	if (count == 0 || count + needs->filter->request.n_answer > LMTP_FILTER_ANSWERS_MAX)
		return ERR_LIMIT;
	metadata_lookup_request__init(&needs->lookup);
	metadata_fetch_scripts_request__init(&needs->fetch);
	needs->lookup.account = needs->fetch.account = needs->filter->recipient->account;
	needs->lookup.name = ARENA_ARRAY(needs->arena, ProtobufCBinaryData, count);
	needs->lookup.special_use = ARENA_ARRAY(needs->arena, uint32_t, count);
	needs->lookup.special_use_of = ARENA_ARRAY(needs->arena, ProtobufCBinaryData, count);
	needs->lookup.mailbox = ARENA_ARRAY(needs->arena, uint64_t, count);
	needs->lookup.mark = ARENA_ARRAY(needs->arena, MetadataMark *, count);
	needs->fetch.script = ARENA_ARRAY(needs->arena, MetadataScript *, count);
	for (size_t i = 0; i < count; i++) {
		if ((unsigned)reply->need[i]->kind >= KIND_COUNT)
			return ERR_INTERNAL;
		TRY(kinds[reply->need[i]->kind].ask(needs, reply->need[i]));
	}
	return ERR_OK;
}

static void
start(struct needs *needs)
{
	struct bus_call call = lmtp_transaction_call(needs->mail, needs->arena);

	call.route = needs->filter->recipient->account;
	call.deadline_ms = needs->filter->call.deadline_ms;
	needs->lookup_call = needs->fetch_call = call;
	if (needs->lookup.n_name + needs->lookup.n_special_use + needs->lookup.n_mailbox + needs->lookup.n_mark > 0)
		needs->lookup_future = metadata_lookup_start(&needs->lookup_call, &needs->lookup);
	if (needs->fetch.n_script > 0)
		needs->fetch_future = metadata_fetch_scripts_start(&needs->fetch_call, &needs->fetch);
}

/* Futures must be waited for, whatever became of the other. */
static enum err
wait(struct needs *needs)
{
	enum err err = ERR_OK, fetch_err = ERR_OK;

	if (needs->lookup_future != NULL)
		err = metadata_lookup_wait(needs->lookup_future, &needs->found);
	if (needs->fetch_future != NULL)
		fetch_err = metadata_fetch_scripts_wait(needs->fetch_future, &needs->fetched);
	TRY(err);
	TRY(fetch_err);
	if (needs->lookup_future != NULL && (needs->found->n_name != needs->lookup.n_name ||
	    needs->found->n_special_use != needs->lookup.n_special_use || needs->found->n_mailbox != needs->lookup.n_mailbox ||
	    needs->found->n_taken != needs->lookup.n_mark))
		return ERR_INTERNAL;
	return needs->fetch_future != NULL && needs->fetched->n_script != needs->fetch.n_script ? ERR_INTERNAL : ERR_OK;
}

static void
add_answers(struct needs *needs)
{
	const SieveFilterReply *reply = needs->filter->reply;
	SieveFilterRequest *request = &needs->filter->request;
	SieveAnswer **all = ARENA_ARRAY(needs->arena, SieveAnswer *, request->n_answer + reply->n_need);

	if (request->n_answer > 0)
		memcpy(all, request->answer, request->n_answer * sizeof(all[0]));
	request->answer = all;
	for (size_t i = 0; i < reply->n_need; i++) {
		SieveAnswer *answer = ARENA_NEW(needs->arena, SieveAnswer);

		sieve_answer__init(answer);
		answer->need = reply->need[i];
		if (kinds[reply->need[i]->kind].answer(needs, reply->need[i], answer))
			all[request->n_answer++] = answer;
	}
}

void
lmtp_needs_answer(struct lmtp_transaction *mail, struct lmtp_filter *const *filters, size_t count, struct arena *arena)
{
	struct needs *all = ARENA_ARRAY(arena, struct needs, count);

	for (size_t i = 0; i < count; i++) {
		all[i] = (struct needs){ .mail = mail, .filter = filters[i], .arena = arena };
		filters[i]->err = collect(&all[i]);
		if (filters[i]->err == ERR_OK)
			start(&all[i]);
	}
	for (size_t i = 0; i < count; i++) {
		if (filters[i]->err == ERR_OK)
			filters[i]->err = wait(&all[i]);
		if (filters[i]->err == ERR_OK)
			add_answers(&all[i]);
	}
}
