/* FETCH and UID FETCH.                                                                            RFC 3501 s. 6.4.5 */
#include "services/imap/fetch.h"

#include <assert.h>

#include "proto/metadata.client.h"
#include "services/imap/reply.h"
#include "services/imap/series.h"
#include "services/imap/views.h"
#include "services/imap/wide.h"
#include "services/imap/wire.h"

struct fetch_args {
	struct imap_set set;
	struct str text; /* of the items */
	struct imap_fetch_item items[IMAP_FETCH_ITEMS_MAX];
	size_t count;
	unsigned needs;
	bool sets_seen, has_flags;
};

/* ---- parsing */

static const struct imap_fetch_row *
find_in(const struct imap_fetch_row *rows, struct str name)
{
	for (const struct imap_fetch_row *row = rows; row && row->name; row++)
		if (str_equal_nocase(str_c(row->name), name))
			return row;
	return NULL;
}

static const struct imap_fetch_row *
find_row(struct str name)
{
	const struct imap_fetch_row *row = find_in(imap_fetch_core, name);

	for (size_t i = 0; imap_extensions[i] && !row; i++)
		row = find_in(imap_extensions[i]->fetch_items, name);
	return row;
}

static bool
has_row(const struct fetch_args *args, const char *name)
{
	for (size_t i = 0; i < args->count; i++)
		if (args->items[i].row == find_row(str_c(name)))
			return true;
	return false;
}

static enum err
add_item(struct imap_cursor *cur, struct fetch_args *args, const struct imap_fetch_row *row)
{
	struct imap_fetch_item *item = &args->items[args->count];

	if (args->count == IMAP_FETCH_ITEMS_MAX)
		return cur_fail(cur, "too many items");
	*item = (struct imap_fetch_item){ .row = row, .needs = row->needs };
	if (row->parse)
		TRY(row->parse(cur, item));
	args->count++;
	args->needs |= item->needs;
	args->sets_seen |= item->sets_seen;
	return ERR_OK;
}

static enum err
parse_item(struct imap_cursor *cur, struct fetch_args *args)
{
	size_t start = cur->at;
	const struct imap_fetch_row *row;
	struct str name;

	TRY(cur_chars(cur, IMAP_FETCH_NAME_CHAR, "expected an item", &name));
	row = find_row(name);
	if (row)
		return add_item(cur, args, row);
	cur->at = start;
	return cur_fail(cur, "no such item");
}

/* What a macro stands for; they may only stand alone. */
static const struct {
	const char *name;
	const char *items[6];
} MACROS[] = {
	{ "ALL",  { "FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", NULL } },
	{ "FAST", { "FLAGS", "INTERNALDATE", "RFC822.SIZE", NULL } },
	{ "FULL", { "FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY", NULL } },
};

static enum err
parse_macro(struct imap_cursor *cur, struct fetch_args *args, bool *ret_is_macro)
{
	struct str word = str_trim(str_sub(cur->in, cur->at, SIZE_MAX));

	*ret_is_macro = false;
	for (size_t i = 0; i < sizeof(MACROS) / sizeof(MACROS[0]); i++) {
		if (!str_equal_nocase(word, str_c(MACROS[i].name)))
			continue;
		*ret_is_macro = true;
		cur->at += word.len;
		for (const char *const *name = MACROS[i].items; *name; name++)
			TRY(add_item(cur, args, find_row(str_c(*name))));
	}
	return ERR_OK;
}

static enum err
parse_items(struct imap_cursor *cur, struct fetch_args *args)
{
	bool is_macro;

	TRY(parse_macro(cur, args, &is_macro));
	if (is_macro)
		return ERR_OK;
	if (!cur_take(cur, '('))
		return parse_item(cur, args);
	do
		TRY(parse_item(cur, args));
	while (cur_take(cur, ' '));
	return cur_byte(cur, ')');
}

/* All that the items are. */
static enum err
parse_rest(struct imap_cursor *cur, struct fetch_args *args)
{
	size_t start = cur->at;

	TRY(parse_items(cur, args));
	args->text = str_sub(cur->in, start, cur->at - start);
	/* UID FETCH says the UID, asked or not (RFC 3501 s. 6.4.8). */
	if (cur->is_uid && !has_row(args, "UID"))
		TRY(add_item(cur, args, find_row(STR("UID"))));
	args->has_flags = has_row(args, "FLAGS");
	return ERR_OK;
}

static enum err
fetch_parse(struct imap_cursor *cur, void **ret_args)
{
	struct fetch_args *args = ARENA_NEW(cur->arena, struct fetch_args);

	TRY(cur_space(cur));
	TRY(cur_set(cur, &args->set));
	TRY(cur_space(cur));
	TRY(parse_rest(cur, args));
	*ret_args = args;
	return ERR_OK;
}

/* The items of a window: they outlive the command, and what is read ahead is known by its section. */
static const struct fetch_args *
window_args(struct imap_window *window)
{
	struct imap_syntax syntax;
	struct imap_cursor cur = { .in = window->items, .arena = &window->arena, .is_uid = window->is_uid, .error = &syntax };

	if (!window->args) {
		struct fetch_args *args = ARENA_NEW(&window->arena, struct fetch_args);

		window->args = parse_rest(&cur, args) == ERR_OK ? args : NULL;
		/* They were parsed before. */
		assert(window->args);
	}
	return window->args;
}

/* ---- \Seen: set for all of them by one call, before they are answered */

/* The UIDs among the messages `seqs` that have no \Seen yet. */
static struct imap_set
unseen_of(struct imap_command *cmd, struct imap_set seqs)
{
	const struct imap_image *told = cmd->session->view->told;
	struct imap_set uids = { ARENA_ARRAY(cmd->arena, struct imap_range, imap_set_size(seqs) + 1), 0 };

	for (size_t i = 0; i < seqs.count; i++) {
		for (uint32_t seq = seqs.ranges[i].first; seq <= seqs.ranges[i].last; seq++) {
			const struct imap_row *row = imap_image_row(told, seq, NULL);

			if (!(row->flags & METADATA_FLAG__METADATA_SEEN))
				imap_set_add(&uids, row->uid);
		}
	}
	return uids;
}

/* *ret_marked: those whose answer must say their flags. A failure is no reason not to show the messages. */
static void
mark_seen(struct imap_command *cmd, struct imap_set seqs, struct imap_set *ret_marked)
{
	struct imap_view *view = cmd->session->view;
	struct imap_set uids = unseen_of(cmd, seqs);
	struct imap_cursor_at have = imap_view_cursor(view);
	MetadataStoreRequest request = METADATA_STORE_REQUEST__INIT;
	MetadataStoreReply *reply;
	struct imap_image *now;
	enum err err;

	if (uids.count == 0)
		return;
	request.account = imap_mailbox_account(view);
	request.mailbox = imap_mailbox_number(view);
	request.n_uids = uids.count;
	request.uids = wire_ranges(uids, cmd->arena);
	request.mode = METADATA_STORE_REQUEST__MODE__ADD;
	request.flags = METADATA_FLAG__METADATA_SEEN;
	request.have = wire_cursor(have, cmd->arena);
	err = metadata_store(cmd->call, &request, &reply);
	if (err != ERR_OK) {
		log_warn(&cmd->log, "imap.fetch.seen", KV_ERR(err));
		return;
	}
	imap_view_sync(view, have, reply->sync);
	if (imap_view_latest(view, cmd->call, &now) != ERR_OK)
		return;
	imap_view_adopt(view, now, uids);
	imap_image_unref(now);
	*ret_marked = uids;
}

/* ---- answering */

struct run {
	struct imap_fetch fetch;
	const struct fetch_args *args;
	struct imap_set marked;
	struct buffer out;
	/* What is read ahead: its own, or the window's of a series. */
	struct imap_wide *wide, own_wide;
	struct imap_ahead own_ahead;
	enum err failed; /* the first that a message failed with */
};

static void
use_own(struct run *run)
{
	struct imap_command *cmd = run->fetch.cmd;

	run->args = cmd->args;
	run->wide = &run->own_wide;
	run->fetch.ahead = &run->own_ahead;
	imap_wide_begin(run->wide, cmd->call, run->fetch.view, imap_view_uids(run->fetch.view, run->args->set, cmd->is_uid, cmd->arena),
	    run->args->needs);
}

static void
use_window(struct run *run, struct imap_window *window)
{
	run->args = window_args(window);
	run->wide = &window->wide;
	run->fetch.ahead = &window->ahead;
}

static void
end_own(struct run *run)
{
	imap_ahead_drop(&run->own_ahead, UINT64_MAX);
	imap_wide_end(&run->own_wide);
}

/* The message's row. What is wrong with those that a window would have besides must not cost this one. */
static enum err
get_wide(struct run *run)
{
	struct imap_fetch *fetch = &run->fetch;
	enum err err = imap_wide_get(run->wide, fetch->row->uid, &fetch->wide);

	if (err != ERR_OK && run->wide != &run->own_wide) {
		imap_series_clear(fetch->cmd->session);
		use_own(run);
		err = imap_wide_get(run->wide, fetch->row->uid, &fetch->wide);
	}
	/* Gone, but its EXPUNGE could not be told yet (RFC 5530, RFC 2180 s. 4.1.2). */
	if (err == ERR_OK && !fetch->wide)
		err = ERR_NONEXISTENT;
	/* What is made of a row of a window is not kept with it. */
	fetch->arena = run->wide == &run->own_wide ? imap_wide_arena(run->wide) : fetch->cmd->arena;
	return err;
}

/* Its flags are said though nobody asked: the command has changed them. */
static enum err
print_items(struct run *run)
{
	static const struct imap_fetch_item FLAGS_ITEM = { .row = &imap_fetch_core[0] };
	const struct fetch_args *args = run->args;
	struct imap_fetch *fetch = &run->fetch;

	if (!args->has_flags && imap_set_has(run->marked, fetch->row->uid)) {
		TRY(FLAGS_ITEM.row->print(fetch, &FLAGS_ITEM));
		buffer_add_byte(fetch->out, ' ');
	}
	for (size_t i = 0; i < args->count; i++) {
		if (i > 0)
			buffer_add_byte(fetch->out, ' ');
		TRY(args->items[i].row->print(fetch, &args->items[i]));
	}
	return ERR_OK;
}

static void
note_failure(struct run *run, uint32_t seq, enum err err)
{
	log_warn(&run->fetch.cmd->log, "imap.fetch.failed", KV_INT("seq", seq), KV_INT("uid", run->fetch.row->uid), KV_ERR(err));
	if (run->failed == ERR_OK)
		run->failed = err;
}

/* The sections of the message that comes first, and of the next ones, as far as there is room. */
static void
add_ahead(struct imap_ahead *ahead, const struct bus_call *call, const struct imap_wide *wide, const struct fetch_args *args)
{
	const MetadataFetchReply__Row *row;

	for (size_t n = 0; n < IMAP_AHEAD && (row = imap_wide_peek(wide, n)) != NULL; n++)
		for (size_t i = 0; i < args->count; i++)
			if (args->items[i].section && !imap_ahead_add(ahead, call, row, args->items[i].section))
				return;
}

static void
read_ahead(struct run *run)
{
	struct imap_ahead *ahead = run->fetch.ahead;

	imap_ahead_drop(ahead, run->fetch.row->uid);
	if (!imap_ahead_is_low(ahead))
		return;
	add_ahead(ahead, run->fetch.cmd->call, run->wide, run->args);
	imap_ahead_start(ahead);
}

/* The same for a window that is not used yet. */
static void
read_window(struct imap_command *cmd, struct imap_window *window)
{
	const struct fetch_args *args = window_args(window);
	const MetadataFetchReply__Row *row;

	if (imap_wide_get(&window->wide, window->first_uid, &row) != ERR_OK) {
		imap_series_drop_next(cmd->session);
		return;
	}
	add_ahead(&window->ahead, cmd->call, &window->wide, args);
	imap_ahead_start(&window->ahead);
}

/* One message. What fails costs this message alone, unless its answer has begun to go out. */
static enum err
print_message(struct run *run, uint32_t seq)
{
	struct imap_fetch *fetch = &run->fetch;
	size_t start;
	enum err err = ERR_OK;

	imap_fetch_flush(fetch);
	fetch->is_committed = false;
	start = buffer_len(fetch->out);
	fetch->row = imap_image_row(fetch->view->told, seq, &fetch->chunk);
	fetch->wide = NULL;
	if (run->args->needs)
		err = get_wide(run);
	if (err == ERR_OK) {
		read_ahead(run);
		buffer_printf(fetch->out, "* %u FETCH (", seq);
		err = print_items(run);
	}
	if (err == ERR_OK) {
		buffer_add(fetch->out, STR(")\r\n"));
		return ERR_OK;
	}
	/* A row without its body is damage, and must not look like an expunge. */
	if (err == ERR_NONEXISTENT && fetch->wide)
		err = ERR_CORRUPT;
	note_failure(run, seq, err);
	if (fetch->is_committed)
		return imap_session_end(fetch->cmd->session, NET_END_ERROR);
	buffer_truncate(fetch->out, start);
	/* Without the backend the others would only wait in vain. */
	return err_row(err)->is_retryable ? err : ERR_OK;
}

static enum err
print_all(struct run *run, struct imap_set seqs)
{
	for (size_t i = 0; i < seqs.count; i++)
		for (uint32_t seq = seqs.ranges[i].first; seq <= seqs.ranges[i].last; seq++)
			TRY(print_message(run, seq));
	return ERR_OK;
}

/* OK, or the first failure. */
static enum err
answer(struct run *run, struct imap_set seqs)
{
	struct imap_command *cmd = run->fetch.cmd;
	struct fetch_args *args = cmd->args;
	struct imap_window *window = args->needs ? imap_series_next(cmd, seqs, args->text, args->needs) : NULL;
	enum err err;

	if (window)
		use_window(run, window);
	else
		use_own(run);
	err = print_all(run, seqs);
	end_own(run);
	if (err != ERR_CLOSED)
		net_write(cmd->session->conn, buffer_str(&run->out));
	if (err == ERR_OK)
		err = run->failed;
	window = args->needs ? imap_series_done(cmd, args->needs, err) : NULL;
	if (window)
		read_window(cmd, window);
	return err;
}

static enum err
fetch_run(struct imap_command *cmd)
{
	struct fetch_args *args = cmd->args;
	struct imap_view *view = cmd->session->view;
	struct imap_set seqs = imap_view_seqs(view, args->set, cmd->is_uid, cmd->arena);
	struct run run = { .fetch = { .cmd = cmd, .view = view, .arena = cmd->arena } };
	enum err err;

	if (seqs.count == 0)
		return ERR_OK;
	run.fetch.out = &run.out;
	if (args->sets_seen && !view->is_read_only)
		mark_seen(cmd, seqs, &run.marked);
	err = answer(&run, seqs);
	buffer_clear(&run.out);
	if (err == ERR_NONEXISTENT)
		return imap_reply_no(cmd, err, "EXPUNGEISSUED", "some of these messages are no more");
	return err;
}

const struct imap_command_row imap_commands_fetch[] = {
	{ "FETCH", IMAP_SELECTED, IMAP_CMD_USES_SEQS | IMAP_CMD_UID_VARIANT | IMAP_CMD_KEEPS_AHEAD, fetch_parse, fetch_run },
	{ 0 },
};
