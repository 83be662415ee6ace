/* Messages that will be asked for next. */
#include "services/pop3/ahead.h"

#include <stdlib.h>

#include "libcommon/core/clock.h"
#include "libcommon/core/mem.h"
#include "libcommon/core/metrics.h"
#include "services/pop3/session.h"

enum {
	AHEAD_BYTES = 256 * 1024, /* of bodies; when half of it is sent more is asked for, all at once */
	ROWS_BYTES = 256 * 1024,  /* a window with more does not outlive its command */
	AHEAD_MS = 1000,          /* it is held, and waited for */
};

/* ---- windows */

static void
window_free(struct pop3_window *window)
{
	MetadataFetchReply *reply;

	if (window == NULL)
		return;
	if (window->rows != NULL)
		(void)metadata_fetch_wait(window->rows, &reply);
	for (size_t i = 0; i < window->count; i++)
		pop3_ahead_end(&window->mails[i]);
	arena_clear(&window->arena);
	free(window);
}

static size_t
at_most(size_t n, size_t max)
{
	return n < max ? n : max;
}

/*
 * Of `count` messages from `place` on, or as many as there are and fit: their rows are asked for. Nobody waits long for one that is for
 * later.
 */
static struct pop3_window *
window_new(struct pop3_session *session, size_t place, size_t count, bool is_later)
{
	const struct pop3_maildrop *drop = &session->maildrop;
	struct pop3_window *window = MEM_NEW(struct pop3_window);

	window->call = pop3_call(session);
	window->call.arena = &window->arena;
	window->since_ms = clock_mono_ms();
	if (is_later)
		window->call.deadline_ms = window->since_ms + AHEAD_MS;
	window->first = place;
	window->count = at_most(at_most(count, POP3_WINDOW_MAX), drop->count - place);
	window->rows = pop3_maildrop_fetch_start(drop, &window->call, place, window->count);
	return window;
}

/* Both are in ascending order of UID. */
static void
place_rows(struct pop3_window *window, const struct pop3_maildrop *drop, const MetadataFetchReply *reply)
{
	size_t i = 0;

	for (size_t row = 0; row < reply->n_row; row++) {
		while (i < window->count && drop->uids[window->first + i] < reply->row[row]->uid)
			i++;
		if (i < window->count && drop->uids[window->first + i] == reply->row[row]->uid && reply->row[row]->mail != NULL)
			window->mails[i].row = reply->row[row];
	}
	/* Of those behind the last row nothing is known when there is more. */
	if (reply->more)
		window->count = at_most(i + 1, window->count);
}

/* Wait for its rows, if that was not done. */
static enum err
settle(struct pop3_window *window, const struct pop3_maildrop *drop)
{
	struct bus_future *rows = window->rows;
	MetadataFetchReply *reply;

	window->rows = NULL;
	if (rows == NULL)
		return ERR_OK;
	TRY(metadata_fetch_wait(rows, &reply));
	place_rows(window, drop, reply);
	return ERR_OK;
}

static bool
has_time(const struct pop3_window *window)
{
	return window != NULL && clock_mono_ms() - window->since_ms <= AHEAD_MS;
}

static bool
has(const struct pop3_window *window, size_t place)
{
	return has_time(window) && place >= window->first && place < window->first + window->count;
}

static bool
is_too_big(const struct pop3_window *window)
{
	return window != NULL && window->rows == NULL && window->arena.used_bytes > ROWS_BYTES;
}

/* ---- taking */

void
pop3_ahead_clear(struct pop3_session *session)
{
	struct pop3_ahead *ahead = &session->ahead;

	if (ahead->window == NULL)
		return;
	metric_add(METRIC_POP3_AHEAD, -1);
	net_set_rest(session->conn, 0);
	window_free(ahead->window);
	window_free(ahead->next);
	ahead->window = ahead->next = NULL;
}

void
pop3_ahead_expire(struct pop3_session *session)
{
	struct pop3_ahead *ahead = &session->ahead;
	bool is_big = is_too_big(ahead->window) || is_too_big(ahead->next);

	if (ahead->window == NULL || (!is_big && (has_time(ahead->window) || has_time(ahead->next))))
		return;
	if (is_big)
		ahead->given = 0;
	net_flush(session->conn);
	pop3_ahead_clear(session);
}

/* The window that is held becomes the one that has the message, if there is one. */
static bool
move(struct pop3_session *session, size_t place)
{
	struct pop3_ahead *ahead = &session->ahead;

	if (has(ahead->window, place))
		return true;
	if (!has(ahead->next, place))
		return false;
	window_free(ahead->window);
	ahead->window = ahead->next;
	ahead->next = NULL;
	ahead->given = 0;
	ahead->taken = place;
	return settle(ahead->window, &session->maildrop) == ERR_OK && has(ahead->window, place);
}

static enum err
fetch(struct pop3_session *session, size_t place)
{
	struct pop3_ahead *ahead = &session->ahead;
	size_t count = place == ahead->taken ? 2 * ahead->given : 0;
	enum err err;

	pop3_ahead_clear(session);
	ahead->window = window_new(session, place, count > 0 ? count : 1, false);
	metric_add(METRIC_POP3_AHEAD, 1);
	err = settle(ahead->window, &session->maildrop);
	if (err != ERR_OK) {
		pop3_ahead_clear(session);
		return err;
	}
	ahead->window->since_ms = clock_mono_ms();
	ahead->given = 0;
	ahead->taken = place;
	return ERR_OK;
}

enum err
pop3_ahead_find(struct pop3_session *session, size_t place, struct pop3_ahead_mail **ret_mail)
{
	struct pop3_ahead *ahead = &session->ahead;
	struct pop3_ahead_mail *mails;

	if (!move(session, place))
		TRY(fetch(session, place));
	net_set_rest(session->conn, AHEAD_MS);
	mails = ahead->window->mails;
	*ret_mail = &mails[place - ahead->window->first];
	/* Those that were left out are not wanted. */
	while (mails < *ret_mail)
		pop3_ahead_end(mails++);
	if (place >= ahead->taken)
		ahead->given++;
	ahead->taken = place + 1;
	return (*ret_mail)->row != NULL ? ERR_OK : ERR_NONEXISTENT;
}

/* ---- bodies */

/* Nobody waits long for one that is for later. */
static void
begin(struct pop3_session *session, struct pop3_ahead_mail *mail, bool is_later)
{
	struct bus_call call = pop3_call(session);
	ProtobufCBinaryData ref = mail->row->mail->blob;

	if (is_later)
		call.deadline_ms = clock_mono_ms() + AHEAD_MS;
	blob_reader_begin(&mail->in, &call, str_from(ref.data, ref.len), 0, UINT64_MAX);
	mail->is_begun = true;
}

/* The message at `place`, of either window; NULL: it is not in them, or its rows are not there. */
static struct pop3_ahead_mail *
mail_at(const struct pop3_ahead *ahead, size_t place)
{
	struct pop3_window *window = place < ahead->window->first + ahead->window->count ? ahead->window : ahead->next;

	return window != NULL && window->rows == NULL && place < window->first + window->count ? &window->mails[place - window->first] : NULL;
}

/* Bytes of the bodies from `place` on that are read, or on their way. */
static uint64_t
begun_bytes(const struct pop3_session *session, size_t place)
{
	const struct pop3_ahead_mail *mail;
	uint64_t bytes = 0;

	for (; (mail = mail_at(&session->ahead, place)) != NULL; place++) {
		if (mail->is_begun)
			bytes += session->maildrop.sizes[place];
	}
	return bytes;
}

/* Ask for the bodies from `place` on, all at once, unless enough is under way. */
static void
start(struct pop3_session *session, size_t place)
{
	struct blob_reader *readers[2 * POP3_WINDOW_MAX];
	struct pop3_ahead_mail *mail;
	size_t count = 0;
	uint64_t bytes = 0;

	if (begun_bytes(session, place) > AHEAD_BYTES / 2)
		return;
	for (; (mail = mail_at(&session->ahead, place)) != NULL; place++) {
		if (mail->row == NULL || session->maildrop.is_deleted[place])
			continue;
		bytes += session->maildrop.sizes[place];
		if (bytes > AHEAD_BYTES)
			break;
		if (mail->is_begun)
			continue;
		begin(session, mail, place >= session->ahead.taken);
		readers[count++] = &mail->in;
	}
	if (count > 0)
		net_flush(session->conn);
	blob_readers_start(readers, count);
}

enum err
pop3_ahead_first(struct pop3_session *session, struct pop3_ahead_mail *mail, struct str *ret_piece)
{
	bool was_begun = mail->is_begun;
	enum err err = ERR_AGAIN;

	if (!was_begun)
		start(session, session->ahead.taken - 1);
	if (mail->is_begun)
		err = blob_reader_next(&mail->in, ret_piece);
	if (err == ERR_OK || (mail->is_begun && !was_begun))
		return err;
	/* What failed a while ago may be over. */
	pop3_ahead_end(mail);
	begin(session, mail, false);
	return blob_reader_next(&mail->in, ret_piece);
}

void
pop3_ahead_end(struct pop3_ahead_mail *mail)
{
	if (mail->is_begun)
		blob_reader_end(&mail->in);
	mail->is_begun = false;
}

/* Rows behind the window: asked for when half of it is given; when little is left they are waited for, if they have not come meanwhile. */
static void
look_behind(struct pop3_session *session)
{
	struct pop3_ahead *ahead = &session->ahead;
	struct pop3_window *window = ahead->window;
	size_t given = ahead->taken - window->first, end = window->first + window->count;

	if (window->count == 1 || window->is_last || 2 * given < window->count || end == session->maildrop.count)
		return;
	if (ahead->next == NULL) {
		net_flush(session->conn);
		ahead->next = window_new(session, end, 2 * window->count, true);
	}
	if (ahead->next->rows == NULL || 4 * given < 3 * window->count)
		return;
	net_flush(session->conn);
	if (settle(ahead->next, &session->maildrop) == ERR_OK)
		return;
	window_free(ahead->next);
	ahead->next = NULL;
	window->is_last = true;
}

void
pop3_ahead_start(struct pop3_session *session, size_t place)
{
	const struct pop3_window *window = session->ahead.window;

	if (!has(window, place) || is_too_big(window))
		return;
	look_behind(session);
	start(session, place + 1);
}
