/* A program of SEARCH keys: parsed, and evaluated over the view. */
#include "services/imap/fetch.h"
#include "services/imap/search.h"
#include "services/imap/reply.h"
#include "services/imap/wide.h"

/* ---- parsing */

static const struct imap_search_row *
find_in(const struct imap_search_row *rows, struct str name)
{
	for (const struct imap_search_row *row = rows; row && row->name; row++)
		if (str_equal_nocase(str_c(row->name), name))
			return row;
	return NULL;
}

static const struct imap_search_row *
find_row(struct str name)
{
	const struct imap_search_row *row = find_in(imap_search_core, name);

	if (!row)
		row = find_in(imap_search_header_keys, name);
	for (size_t i = 0; imap_extensions[i] && !row; i++)
		row = find_in(imap_extensions[i]->search_keys, name);
	return row;
}

static enum err
parse_named(struct imap_search_parse *parse, struct imap_search_key *key)
{
	struct imap_cursor *cur = parse->cur;
	size_t start = cur->at;
	struct str name;

	TRY(cur_atom(cur, &name));
	key->row = find_row(name);
	if (key->row)
		return key->row->parse ? key->row->parse(parse, key) : ERR_OK;
	cur->at = start;
	return cur_fail(cur, "no such search key");
}

static enum err
parse_any(struct imap_search_parse *parse, struct imap_search_key *key, struct imap_search_key **ret_key)
{
	struct imap_cursor *cur = parse->cur;

	*ret_key = key;
	if (cur_is(cur, '*') || (cur->at < cur->in.len && imap_is(cur->in.ptr[cur->at], IMAP_DIGIT))) {
		key->row = imap_search_set;
		return cur_set(cur, &key->set);
	}
	if (!cur_take(cur, '('))
		return parse_named(parse, key);
	TRY(imap_search_parse_keys(parse, ret_key));
	return cur_byte(cur, ')');
}

enum err
imap_search_parse_key(struct imap_search_parse *parse, struct imap_search_key **ret_key)
{
	struct imap_search_key *key = ARENA_NEW(parse->cur->arena, struct imap_search_key);
	enum err err;

	if (parse->cur->depth == IMAP_DEPTH_MAX)
		return cur_fail(parse->cur, "nested too deeply");
	parse->cur->depth++;
	err = parse_any(parse, key, ret_key);
	parse->cur->depth--;
	return err;
}

enum err
imap_search_parse_keys(struct imap_search_parse *parse, struct imap_search_key **ret_key)
{
	struct imap_search_key *all = ARENA_NEW(parse->cur->arena, struct imap_search_key), **next = &all->children;

	all->row = imap_search_and;
	do {
		TRY(imap_search_parse_key(parse, next));
		next = &(*next)->next;
	} while (cur_take(parse->cur, ' ') && !cur_is_end(parse->cur));
	*ret_key = all;
	return ERR_OK;
}

/* ---- evaluating: a key that costs more than is allowed now is undecided */

enum verdict { NO, YES, UNDECIDED };

static enum err evaluate(struct imap_search *search, const struct imap_search_key *key, enum imap_cost max, enum verdict *ret);

/* AND is decided by the first no, OR by the first yes. */
static enum err
evaluate_children(struct imap_search *search, const struct imap_search_key *key, enum imap_cost max, enum verdict deciding, enum verdict *ret)
{
	enum verdict result = deciding == NO ? YES : NO, v;

	for (const struct imap_search_key *child = key->children; child; child = child->next) {
		TRY(evaluate(search, child, max, &v));
		if (v == deciding) {
			*ret = v;
			return ERR_OK;
		}
		if (v == UNDECIDED)
			result = UNDECIDED;
	}
	*ret = result;
	return ERR_OK;
}

static enum err
evaluate(struct imap_search *search, const struct imap_search_key *key, enum imap_cost max, enum verdict *ret)
{
	bool matches = false;

	if (key->row == imap_search_and)
		return evaluate_children(search, key, max, NO, ret);
	if (!key->row->match && key->children->next)
		return evaluate_children(search, key, max, YES, ret);
	if (!key->row->match) {
		TRY(evaluate(search, key->children, max, ret));
		*ret = *ret == UNDECIDED ? UNDECIDED : *ret == YES ? NO : YES;
		return ERR_OK;
	}
	if (key->row->cost > max) {
		*ret = UNDECIDED;
		return ERR_OK;
	}
	TRY(key->row->match(search, key, &matches));
	*ret = matches ? YES : NO;
	return ERR_OK;
}

static enum err
prepare(struct imap_command *cmd, struct imap_search_key *program)
{
	for (size_t i = 0; imap_extensions[i]; i++)
		if (imap_extensions[i]->prepare_search)
			TRY(imap_extensions[i]->prepare_search(cmd, program));
	return ERR_OK;
}

/* Sets become sequence numbers that exist. */
static void
resolve_sets(struct imap_command *cmd, const struct imap_view *view, struct imap_search_key *key)
{
	for (; key; key = key->next) {
		if (key->set.count > 0)
			key->set = imap_view_seqs(view, key->set, key->is_uid_set, cmd->arena);
		resolve_sets(cmd, view, key->children);
	}
}

static void
look_at(struct imap_search *search, uint32_t seq)
{
	search->seq = seq;
	search->row = imap_image_row(search->view->told, seq, &search->chunk);
	search->wide = NULL;
	search->has_whole = false;
}

/* What the view decides; the undecided ones are left in `rest`. */
static enum err
run_view(struct imap_search *search, const struct imap_search_key *program, bool *hits, struct imap_set *rest)
{
	for (uint32_t seq = 1; seq <= search->view->told->count; seq++) {
		enum verdict v;

		look_at(search, seq);
		TRY(evaluate(search, program, IMAP_COST_VIEW, &v));
		hits[seq] = v == YES;
		if (v == UNDECIDED)
			imap_set_add(rest, search->row->uid);
	}
	return ERR_OK;
}

/* One undecided message. A broken one matches nothing, and does not fail the search of the others. */
static enum err
run_one(struct imap_search *search, const struct imap_search_key *program, enum imap_cost max, enum verdict *ret)
{
	enum err err = evaluate(search, program, max, ret);

	arena_reset(search->arena);
	if (err == ERR_OK || err_row(err)->is_retryable)
		return err;
	log_warn(&search->cmd->log, "imap.search.failed", KV_INT("uid", search->row->uid), KV_ERR(err));
	*ret = NO;
	return ERR_OK;
}

/* Messages that only their bodies decide: some of them wait, so that their bodies are asked for together. */
struct waiting {
	uint32_t seqs[IMAP_AHEAD];
	const MetadataFetchReply__Row *rows[IMAP_AHEAD];
	size_t count;
};

/* This message waits. False: it is the last one that can. */
static bool
wait_for_body(struct imap_search *search, struct waiting *waiting)
{
	bool is_small = search->wide->mail->blob_size <= IMAP_SEARCH_WHOLE_MAX;

	waiting->seqs[waiting->count] = search->seq;
	waiting->rows[waiting->count++] = search->wide;
	if (is_small && !imap_ahead_add(search->ahead, search->cmd->call, search->wide, &imap_search_whole))
		return false;
	return waiting->count < IMAP_AHEAD;
}

static enum err
run_bodies(struct imap_search *search, const struct imap_search_key *program, struct waiting *waiting, bool *hits)
{
	enum err err = ERR_OK;
	enum verdict v;

	imap_ahead_start(search->ahead);
	for (size_t i = 0; i < waiting->count && err == ERR_OK; i++) {
		look_at(search, waiting->seqs[i]);
		search->wide = waiting->rows[i];
		err = run_one(search, program, IMAP_COST_BODY, &v);
		hits[search->seq] = err == ERR_OK && v == YES;
	}
	imap_ahead_drop(search->ahead, UINT64_MAX);
	waiting->count = 0;
	return err;
}

/* The message that is looked at, whose row is in `wide`. Those that wait go before the next page takes their rows away. */
static enum err
run_row(struct imap_search *search, const struct imap_search_key *program, const struct imap_wide *wide, struct waiting *waiting, bool *hits)
{
	enum verdict v = NO;

	if (search->wide)
		TRY(run_one(search, program, IMAP_COST_WIDE, &v));
	hits[search->seq] = v == YES;
	if ((v == UNDECIDED && !wait_for_body(search, waiting)) || !imap_wide_peek(wide, 1))
		return run_bodies(search, program, waiting, hits);
	return ERR_OK;
}

static enum err
run_wide(struct imap_search *search, const struct imap_search_key *program, struct imap_set rest, bool *hits)
{
	struct imap_wide wide;
	struct imap_ahead ahead = { 0 };
	struct waiting waiting = { .count = 0 };
	struct arena arena = { 0 };
	enum err err = ERR_OK;

	imap_wide_begin(&wide, search->cmd->call, search->view, rest, IMAP_NEEDS_PARTS | IMAP_NEEDS_FIELDS);
	search->arena = &arena;
	search->ahead = &ahead;
	for (size_t i = 0; i < rest.count && err == ERR_OK; i++) {
		uint32_t seq = imap_image_lower_bound(search->view->told, rest.ranges[i].first);

		for (; seq <= search->view->told->count && err == ERR_OK; seq++) {
			look_at(search, seq);
			if (search->row->uid > rest.ranges[i].last)
				break;
			err = imap_wide_get(&wide, search->row->uid, &search->wide);
			if (err == ERR_OK)
				err = run_row(search, program, &wide, &waiting, hits);
		}
	}
	if (err == ERR_OK)
		err = run_bodies(search, program, &waiting, hits);
	imap_ahead_drop(&ahead, UINT64_MAX);
	imap_wide_end(&wide);
	arena_clear(&arena);
	return err;
}

enum err
imap_search_run(struct imap_command *cmd, struct imap_search_key *program, uint32_t **ret_seqs, size_t *ret_count)
{
	struct imap_search search = { .cmd = cmd, .view = cmd->session->view };
	uint32_t count = search.view->told->count;
	bool *hits = ARENA_ARRAY(cmd->arena, bool, (size_t)count + 1);
	uint32_t *seqs = ARENA_ARRAY(cmd->arena, uint32_t, (size_t)count + 1);
	struct imap_set rest = { ARENA_ARRAY(cmd->arena, struct imap_range, (size_t)count + 1), 0 };
	size_t found = 0;

	TRY(prepare(cmd, program));
	resolve_sets(cmd, search.view, program);
	TRY(run_view(&search, program, hits, &rest));
	if (rest.count > 0)
		TRY(run_wide(&search, program, rest, hits));
	for (uint32_t seq = 1; seq <= count; seq++)
		if (hits[seq])
			seqs[found++] = seq;
	*ret_seqs = seqs;
	*ret_count = found;
	return ERR_OK;
}
