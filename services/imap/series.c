/* FETCHes that follow each other. */
#include "services/imap/series.h"

#include <stdlib.h>

#include "libcommon/core/clock.h"
#include "libcommon/core/mem.h"
#include "libcommon/core/metrics.h"
#include "services/imap/session.h"

/* ---- windows */

static void
window_free(struct imap_window *window)
{
	if (!window)
		return;
	imap_ahead_drop(&window->ahead, UINT64_MAX);
	imap_wide_end(&window->wide);
	arena_clear(&window->arena);
	free(window);
}

/* For `count` messages from number `first` on, or as many as there are. Nobody waits long for one that is for later. */
static struct imap_window *
window_new(struct imap_command *cmd, uint32_t first, uint32_t count, struct str items, unsigned needs, bool is_later)
{
	const struct imap_view *view = cmd->session->view;
	uint32_t there = view->told->count - first + 1;
	struct imap_window *window = MEM_NEW(struct imap_window);
	struct bus_call call = *cmd->call;
	struct imap_set uids;

	window->since_ms = clock_mono_ms();
	if (is_later)
		call.deadline_ms = window->since_ms + IMAP_SERIES_MS;
	window->items = arena_copy(&window->arena, items);
	window->is_uid = cmd->is_uid;
	window->ahead.is_early = true;
	count = count < IMAP_WINDOW_MAX ? count : IMAP_WINDOW_MAX;
	window->count = count < there ? count : there;
	window->first_uid = imap_image_row(view->told, first, NULL)->uid;
	uids = (struct imap_set){ ARENA_ARRAY(&window->arena, struct imap_range, window->count), 0 };
	for (uint32_t i = 0; i < window->count; i++) {
		window->last_uid = imap_image_row(view->told, first + i, NULL)->uid;
		imap_set_add(&uids, window->last_uid);
	}
	imap_wide_begin(&window->wide, &call, view, uids, needs);
	return window;
}

static bool
is_too_big(const struct imap_window *window)
{
	return imap_wide_bytes(&window->wide) > IMAP_WINDOW_ROWS_BYTES || (window->wide.page && imap_wide_is_waiting(&window->wide));
}

/* ---- what a session holds */

void
imap_series_drop_next(struct imap_session *session)
{
	window_free(session->series.next);
	session->series.next = NULL;
	session->series.window->is_last = true;
}

static void
let_go(struct imap_session *session)
{
	if (!session->series.window)
		return;
	metric_add(METRIC_IMAP_AHEAD, -1);
	net_set_rest(session->conn, 0);
	imap_series_drop_next(session);
	window_free(session->series.window);
	session->series.window = NULL;
}

void
imap_series_clear(struct imap_session *session)
{
	let_go(session);
	session->series = (struct imap_series){ 0 };
}

/* Has it these messages, and are they asked for in order? It may leave some out. */
static bool
has(const struct imap_window *window, uint32_t first_uid, uint32_t last_uid, struct str items, bool is_uid)
{
	return window && first_uid >= window->first_uid && last_uid <= window->last_uid && window->is_uid == is_uid
	    && str_equal(window->items, items) && clock_mono_ms() - window->since_ms <= IMAP_SERIES_MS;
}

/* The window that is held becomes the one that has these messages. */
static bool
move(struct imap_series *series, uint32_t first_uid, uint32_t last_uid, struct str items, bool is_uid)
{
	if (first_uid <= series->last_uid)
		return false;
	if (has(series->window, first_uid, last_uid, items, is_uid))
		return true;
	if (!has(series->next, first_uid, last_uid, items, is_uid))
		return false;
	window_free(series->window);
	series->window = series->next;
	series->next = NULL;
	return true;
}

/* ---- a FETCH */

/* Messages of a new window for a command of so many: of one that was left in the middle only what it was good for counts. */
static uint32_t
size_after(const struct imap_window *last, uint32_t asked)
{
	uint32_t given = last && last->given > asked ? last->given : asked;

	return 2 * given > IMAP_WINDOW_FIRST ? 2 * given : IMAP_WINDOW_FIRST;
}

struct imap_window *
imap_series_next(struct imap_command *cmd, struct imap_set seqs, struct str items, unsigned needs)
{
	struct imap_series *series = &cmd->session->series;
	const struct imap_image *told = cmd->session->view->told;
	uint32_t first = seqs.ranges[0].first, last = seqs.ranges[0].last, asked = last - first + 1, size;
	uint32_t last_uid = imap_image_row(told, last, NULL)->uid;
	uint64_t hash = (str_hash(items) ^ cmd->is_uid) | 1;
	bool follows;

	if (seqs.count > 1 || asked > IMAP_SERIES_SHORT || items.len > IMAP_SERIES_ITEMS) {
		imap_series_clear(cmd->session);
		return NULL;
	}
	if (!move(series, imap_image_row(told, first, NULL)->uid, last_uid, items, cmd->is_uid)) {
		follows = series->items == hash && first == imap_image_lower_bound(told, series->last_uid + 1)
		    && clock_mono_ms() - series->last_ms <= IMAP_SERIES_MS;
		size = size_after(series->window, asked);
		let_go(cmd->session);
		series->items = hash;
		if (follows && last < told->count) {
			series->window = window_new(cmd, first, size, items, needs, false);
			metric_add(METRIC_IMAP_AHEAD, 1);
		}
	}
	series->last_uid = last_uid;
	if (series->window)
		series->window->given += asked;
	return series->window;
}

/* Messages of the window behind this one: twice as many, as far as such rows fit. */
static uint32_t
size_behind(const struct imap_window *window)
{
	size_t row_bytes = imap_wide_bytes(&window->wide) / window->count + 1;
	size_t most = IMAP_WINDOW_ROWS_BYTES / row_bytes;

	return 2 * window->count < most ? 2 * window->count : (uint32_t)most;
}

/* The next window, where it is time for it: half of this one is given. */
static void
look_behind(struct imap_command *cmd, unsigned needs)
{
	struct imap_series *series = &cmd->session->series;
	const struct imap_window *window = series->window;
	const struct imap_image *told = cmd->session->view->told;
	uint32_t first = imap_image_lower_bound(told, window->last_uid + 1);

	if (series->next || window->is_last || 2 * window->given < window->count || first > told->count)
		return;
	series->next = window_new(cmd, first, size_behind(window), window->items, needs, true);
	imap_wide_start(&series->next->wide);
}

struct imap_window *
imap_series_done(struct imap_command *cmd, unsigned needs, enum err err)
{
	struct imap_series *series = &cmd->session->series;
	const struct imap_window *window = series->window, *next = series->next;

	series->last_ms = clock_mono_ms();
	if (err != ERR_OK || (window && is_too_big(window)) || (next && is_too_big(next)))
		imap_series_clear(cmd->session);
	if (!series->window)
		return NULL;
	net_set_rest(cmd->session->conn, IMAP_SERIES_MS);
	look_behind(cmd, needs);
	/* A quarter of this one is left: the rows have come meanwhile. */
	return series->next && !series->next->wide.page && 4 * window->given >= 3 * window->count ? series->next : NULL;
}
