/* FETCHes that follow each other. */
#include "services/imap/series.h"

#include <stdlib.h>

#include "libcommon/core/clock.h"
#include "libcommon/core/mem.h"
#include "libcommon/core/metrics.h"
#include "services/imap/session.h"

static void
close_window(struct imap_session *session)
{
	struct imap_window *window = session->series.window;

	if (!window)
		return;
	session->series.window = NULL;
	metric_add(METRIC_IMAP_AHEAD, -1);
	net_set_rest(session->conn, 0);
	imap_ahead_drop(&window->ahead, UINT64_MAX);
	imap_wide_end(&window->wide);
	arena_clear(&window->arena);
	free(window);
}

void
imap_series_clear(struct imap_session *session)
{
	close_window(session);
	session->series = (struct imap_series){ 0 };
}

/* The window for the messages from number `first` on, if there are more than `asked`. */
static struct imap_window *
open_window(struct imap_command *cmd, uint32_t first, uint32_t asked, uint32_t count, struct str items, unsigned needs)
{
	const struct imap_view *view = cmd->session->view;
	uint32_t there = view->told->count - first + 1;
	struct imap_window *window;
	struct imap_set uids;

	count = count < 2 * asked ? 2 * asked : count;
	count = count < IMAP_WINDOW_FIRST ? IMAP_WINDOW_FIRST : count;
	count = count < IMAP_WINDOW_MAX ? count : IMAP_WINDOW_MAX;
	count = count < there ? count : there;
	if (count <= asked)
		return NULL;
	window = MEM_NEW(struct imap_window);
	metric_add(METRIC_IMAP_AHEAD, 1);
	window->items = arena_copy(&window->arena, items);
	window->is_uid = cmd->is_uid;
	window->since_ms = clock_mono_ms();
	window->ahead.is_early = true;
	uids = (struct imap_set){ ARENA_ARRAY(&window->arena, struct imap_range, count), 0 };
	for (uint32_t i = 0; i < count; i++) {
		window->last_uid = imap_image_row(view->told, first + i, NULL)->uid;
		imap_set_add(&uids, window->last_uid);
	}
	imap_wide_begin(&window->wide, cmd->call, view, uids, needs);
	return window;
}

/* Has it these messages, and are they asked for in order? It may leave some out. */
static bool
has(const struct imap_series *series, uint32_t first_uid, uint32_t last_uid, struct str items, bool is_uid)
{
	const struct imap_window *window = series->window;

	return window && first_uid > series->last_uid && last_uid <= window->last_uid && window->is_uid == is_uid
	    && str_equal(window->items, items) && clock_mono_ms() - window->since_ms <= IMAP_SERIES_MS;
}

struct imap_window *
imap_series_next(struct imap_command *cmd, struct imap_set seqs, struct str items, unsigned needs)
{
	struct imap_series *series = &cmd->session->series;
	const struct imap_image *told = cmd->session->view->told;
	uint32_t first = seqs.ranges[0].first, last = seqs.ranges[0].last, asked = last - first + 1, count;
	uint32_t last_uid = imap_image_row(told, last, NULL)->uid;
	uint64_t hash = (str_hash(items) ^ cmd->is_uid) | 1;
	bool follows;

	if (seqs.count > 1 || asked > IMAP_SERIES_SHORT || items.len > IMAP_SERIES_ITEMS) {
		imap_series_clear(cmd->session);
		return NULL;
	}
	if (!has(series, imap_image_row(told, first, NULL)->uid, last_uid, items, cmd->is_uid)) {
		follows = series->items == hash && first == imap_image_lower_bound(told, series->last_uid + 1)
		    && clock_mono_ms() - series->last_ms <= IMAP_SERIES_MS;
		count = series->window ? 2 * series->window->given : 0;
		close_window(cmd->session);
		series->items = hash;
		if (follows)
			series->window = open_window(cmd, first, asked, count, items, needs);
	}
	series->last_uid = last_uid;
	if (series->window)
		series->window->given += asked;
	return series->window;
}

void
imap_series_done(struct imap_session *session, enum err err)
{
	struct imap_series *series = &session->series;
	const struct imap_window *window = series->window;

	if (err != ERR_OK || (window && (window->wide.future || imap_wide_bytes(&window->wide) > IMAP_WINDOW_ROWS_BYTES)))
		imap_series_clear(session);
	if (series->window)
		net_set_rest(session->conn, IMAP_SERIES_MS);
	series->last_ms = clock_mono_ms();
}
