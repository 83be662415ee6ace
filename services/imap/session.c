/* One connection, from its greeting to its end. */
#include "services/imap/session.h"

#include "libcommon/core/clock.h"
#include "libcommon/core/metrics.h"
#include "libcommon/sasl/sasl.h"
#include "services/imap/reply.h"
#include "services/imap/views.h"
#include "services/imap/watch.h"

enum {
	/* Before login nobody needs more than a name and a password. */
	LINE_BEFORE_LOGIN = 8192,
	LITERALS_BEFORE_LOGIN = 4096,
	LITERAL_READ_MS = 60000, /* of silence in the middle of a literal */
	/* What a parked connection may hold: a command's lines and literals, and some of the next. */
	INPUT_MAX = 4 * 1024 * 1024,
};

static size_t
at_most(size_t size, size_t max)
{
	return size < max ? size : max;
}

static const char *
state_name(enum imap_state state)
{
	switch (state) {
	case IMAP_NOT_AUTHENTICATED:
		return "not authenticated";
	case IMAP_AUTHENTICATED:
		return "authenticated";
	case IMAP_SELECTED:
		return "selected";
	default:
		return "logout";
	}
}

void
imap_session_enter(struct imap_session *session, enum imap_state state)
{
	if (session->state == state)
		return;
	log_debug(net_log(session->conn), "imap.state", KV_C("from", state_name(session->state)), KV_C("to", state_name(state)));
	session->state = state;
}

enum err
imap_session_end(struct imap_session *session, enum net_end end)
{
	net_end(session->conn, end);
	return ERR_CLOSED;
}

enum err
imap_session_kick(struct imap_session *session, enum err err)
{
	if (imap_login_is_over(err))
		imap_reply_bye(session, "[%s] %s", err_row(err)->imap, err_row(err)->text);
	else if (err == ERR_LOST)
		imap_reply_bye(session, "the database has lost changes of the selected mailbox, connect again");
	else
		imap_reply_bye(session, "the selected mailbox is no more");
	return imap_session_end(session, NET_END_KICKED);
}

bool
imap_session_can_login(const struct imap_session *session)
{
	return session->server->config->imap_plain_login || net_is_private(session->conn);
}

enum err
imap_session_admit(const struct imap_session *session, const struct sasl_mechanism *mechanism)
{
	return sasl_admit(mechanism, imap_session_can_login(session), net_can_bind(session->conn));
}

enum err
imap_session_login(struct imap_session *session, uint64_t account, struct str user, struct str token)
{
	const struct config *config = session->server->config;

	TRY(net_set_user(session->conn, user));
	session->account = account;
	session->user = arena_copy(net_arena(session->conn), user);
	session->token = arena_copy(net_arena(session->conn), token);
	session->limits.line_bytes = at_most((size_t)config->imap_line, INPUT_MAX / 4);
	session->limits.literal_bytes = at_most((size_t)config->imap_literal, INPUT_MAX / 2);
	imap_session_enter(session, IMAP_AUTHENTICATED);
	return ERR_OK;
}

enum err
imap_session_continue(struct imap_session *session, enum err (*continuation)(struct imap_command *cmd, struct str line))
{
	session->continuation = continuation;
	session->framer.is_line = true;
	return ERR_AGAIN;
}

enum err
imap_session_latest(struct imap_session *session, struct bus_call *call, struct imap_image **ret_image)
{
	TRY(imap_view_latest(session->view, call, ret_image));
	if (imap_watch_keep(session->server->watch, session->account, session->token))
		return ERR_OK;
	imap_image_unref(*ret_image);
	imap_view_recheck(session->view);
	return imap_view_latest(session->view, call, ret_image);
}

void
imap_session_unselect(struct imap_session *session)
{
	if (!session->view)
		return;
	imap_series_clear(session);
	imap_watch_remove(session->server->watch, imap_mailbox_account(session->view));
	imap_views_leave(session->server->views, session->view);
	session->view = NULL;
	if (session->state == IMAP_SELECTED)
		imap_session_enter(session, IMAP_AUTHENTICATED);
}

/* ---- input beyond the framed command */

enum err
imap_session_read(struct imap_session *session)
{
	int64_t start_us = clock_mono_us();
	enum err err;

	TRY(net_flush(session->conn));
	err = net_read(session->conn, LITERAL_READ_MS);
	session->cmd.client_us += clock_mono_us() - start_us;
	if (err == ERR_DEADLINE)
		return imap_session_end(session, NET_END_TIMEOUT);
	return err == ERR_OK ? ERR_OK : ERR_CLOSED;
}

uint64_t
imap_session_drain_max(const struct imap_session *session)
{
	/* Who has no name has no share of the threads either: none waits for his bytes. */
	if (session->state == IMAP_NOT_AUTHENTICATED)
		return 0;
	return 4 * (uint64_t)session->server->config->message_size;
}

enum err
imap_session_drain(struct imap_session *session, uint64_t size)
{
	struct buffer *input = net_input(session->conn);

	for (;;) {
		size_t take = buffer_len(input) < size ? buffer_len(input) : (size_t)size;

		buffer_consume(input, take);
		size -= take;
		if (size == 0)
			return ERR_OK;
		TRY(imap_session_read(session));
	}
}

enum err
imap_session_drain_line(struct imap_session *session, bool *ret_is_empty)
{
	struct buffer *input = net_input(session->conn);
	bool is_empty = true;

	for (;;) {
		size_t feed = str_index(buffer_str(input), '\n');
		struct str line = str_trim(str_sub(buffer_str(input), 0, feed));
		uint64_t size;
		bool is_sync;

		if (feed > session->limits.line_bytes)
			return imap_session_end(session, NET_END_LIMIT);
		if (feed == buffer_len(input)) {
			TRY(imap_session_read(session));
			continue;
		}
		is_empty &= line.len == 0;
		is_sync = !imap_line_literal(line, &size, &is_sync) || is_sync;
		buffer_consume(input, feed + 1);
		if (is_sync)
			break;
		if (size > imap_session_drain_max(session))
			return imap_session_end(session, NET_END_LIMIT);
		TRY(imap_session_drain(session, size));
	}
	if (ret_is_empty)
		*ret_is_empty = is_empty;
	return ERR_OK;
}

/* ---- requests, as they come */

/* Between commands; harmless, and some clients send them. */
static void
drop_empty_lines(struct imap_session *session)
{
	struct buffer *input = net_input(session->conn);

	if (session->continuation || session->framer.at > 0)
		return;
	for (;;) {
		struct str bytes = buffer_str(input);
		size_t len = str_starts_with(bytes, STR("\r\n")) ? 2 : str_starts_with(bytes, STR("\n"));

		if (len == 0)
			return;
		buffer_consume(input, len);
		imap_framer_reset(&session->framer);
	}
}

/* A line for the command that waits for it. */
static enum err
run_continuation(struct imap_session *session)
{
	struct imap_command *cmd = &session->cmd;
	struct buffer *input = net_input(session->conn);
	struct str line = arena_copy(&session->arena, str_sub(buffer_str(input), 0, session->framer.len));

	buffer_consume(input, session->framer.len);
	imap_framer_reset(&session->framer);
	cmd->start_us = clock_mono_us();
	cmd->client_us = 0;
	line = str_sub(line, 0, line.len - 1);
	if (str_ends_with(line, STR("\r")))
		line.len--;
	return imap_command_finish(cmd, session->continuation(cmd, line));
}

/* A literal that is no message, beyond the limit: NO if it can be waited for. */
static enum err
refuse_literal(struct imap_session *session)
{
	struct buffer *input = net_input(session->conn);
	struct imap_framer framer = session->framer;
	struct str tag = str_sub(buffer_str(input), 0, str_index(buffer_str(input), ' '));

	if (!framer.is_sync && framer.literal > imap_session_drain_max(session)) {
		imap_reply_bye(session, "[TOOBIG] this literal is too big to be waited for");
		return imap_session_end(session, NET_END_LIMIT);
	}
	tag = arena_copy(&session->arena, str_sub(tag, 0, 100));
	buffer_consume(input, framer.len);
	imap_framer_reset(&session->framer);
	if (!framer.is_sync) {
		TRY(imap_session_drain(session, framer.literal));
		TRY(imap_session_drain_line(session, NULL));
	}
	net_printf(session->conn, "%.*s NO [TOOBIG] a literal is too big\r\n", STR_ARG(tag));
	arena_clear(&session->arena);
	return ERR_OK;
}

static enum err
run_frame(struct imap_session *session, enum imap_frame frame)
{
	switch (frame) {
	case IMAP_FRAME_CONTINUE:
		imap_framer_grant(&session->framer);
		imap_reply_continue(session, "go ahead");
		return ERR_OK;
	case IMAP_FRAME_TOO_BIG:
		return refuse_literal(session);
	case IMAP_FRAME_TOO_LONG:
		imap_reply_bye(session, "the line is too long");
		return imap_session_end(session, NET_END_LIMIT);
	case IMAP_FRAME_MORE:
	case IMAP_FRAME_READY:
		break;
	}
	return session->continuation ? run_continuation(session) : imap_command_run(session);
}

static enum err
session_run(struct net_conn *conn)
{
	struct imap_session *session = net_session(conn);

	for (;;) {
		enum imap_frame frame;
		enum err err;

		drop_empty_lines(session);
		frame = imap_frame(&session->framer, &session->limits, buffer_str(net_input(conn)));
		if (frame == IMAP_FRAME_MORE)
			return ERR_OK;
		err = run_frame(session, frame);
		if (err != ERR_OK && err != ERR_AGAIN)
			return err;
	}
}

static enum net_frame
session_frame(struct net_conn *conn, struct str input, size_t *scanned)
{
	struct imap_session *session = net_session(conn);

	/* The framer remembers more than one number. */
	(void)scanned;
	return imap_frame(&session->framer, &session->limits, input) == IMAP_FRAME_MORE ? NET_FRAME_MORE : NET_FRAME_READY;
}

/* ---- the connection */

static enum err
session_open(struct net_conn *conn)
{
	struct imap_session *session = net_session(conn);

	session->conn = conn;
	session->server = net_self(conn);
	session->state = IMAP_NOT_AUTHENTICATED;
	session->limits = (struct imap_limits){ LINE_BEFORE_LOGIN, LITERALS_BEFORE_LOGIN };
	imap_reply_untagged(session, "OK [CAPABILITY %.*s] %.*s ready", STR_ARG(imap_capabilities(session, &session->arena)),
	    STR_ARG(session->server->hostname));
	arena_clear(&session->arena);
	return ERR_OK;
}

/* While idling: what has happened in the mailbox. A client that rests after a FETCH will not ask for the next one so soon. */
static enum err
session_wake(struct net_conn *conn)
{
	struct imap_session *session = net_session(conn);
	struct imap_view *view = session->view;
	struct bus_call call = *session->cmd.call;
	struct arena arena = { 0 };
	struct buffer out = { 0 };
	struct imap_image *now;
	enum err err;

	imap_series_clear(session);
	if (!view || !view->is_idling)
		return ERR_OK;
	call.arena = &arena;
	err = imap_session_latest(session, &call, &now);
	arena_clear(&arena);
	if (err != ERR_OK)
		return imap_session_kick(session, err);
	imap_view_tell(view, now, IMAP_TELL_ALL, false, &out);
	imap_image_unref(now);
	net_write(conn, buffer_str(&out));
	buffer_clear(&out);
	return ERR_OK;
}

static void
session_bye(struct net_conn *conn, enum net_end end)
{
	struct imap_session *session = net_session(conn);

	if (end == NET_END_TIMEOUT)
		imap_reply_bye(session, "idle for too long");
	else if (end == NET_END_DRAIN)
		imap_reply_bye(session, "this server is shutting down, connect again");
	else
		imap_reply_bye(session, "%s", net_end_name(end));
}

static void
session_close(struct net_conn *conn)
{
	struct imap_session *session = net_session(conn);

	if (session->server)
		imap_session_unselect(session);
	arena_clear(&session->arena);
}

const struct net_protocol imap_protocol = {
	.name = "imap",
	.session_bytes = sizeof(struct imap_session),
	.input_max = INPUT_MAX,
	.open = session_open,
	.frame = session_frame,
	.run = session_run,
	.wake = session_wake,
	.bye = session_bye,
	.close = session_close,
};
