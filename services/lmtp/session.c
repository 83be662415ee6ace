/* One connection of an MTA: greeting, command after command, timeouts, end. */
#include "services/lmtp/session.h"

#include "services/lmtp/answer.h"
#include "services/lmtp/command.h"
#include "services/lmtp/receive.h"

static const char *
state_name(enum lmtp_state state)
{
	return state == LMTP_GREETED ? "greeted" : state == LMTP_READY ? "ready" : state == LMTP_MAIL ? "mail" : "chunks";
}

void
lmtp_session_move(struct lmtp_session *session, enum lmtp_state state)
{
	if (session->state != state)
		log_debug(net_log(session->conn), "lmtp.state", KV_C("old", state_name(session->state)),
		    KV_C("new", state_name(state)));
	session->state = state;
}

void
lmtp_session_reset(struct lmtp_session *session)
{
	if (session->mail.body != NULL)
		net_hold(session->conn, false);
	lmtp_transaction_end(&session->mail);
	session->is_forwarded = false;
	session->forwarded = (struct lmtp_client){ .helo = "" };
	if (session->state & (LMTP_MAIL | LMTP_CHUNKS))
		lmtp_session_move(session, LMTP_READY);
}

bool
lmtp_session_trusts(const struct lmtp_session *session)
{
	return session->is_trusted;
}

enum err
lmtp_session_greet(struct lmtp_session *session)
{
	return net_printf(session->conn, "220 %.*s LMTP Sora\r\n", STR_ARG(session->server->context->hostname));
}

static enum err
session_open(struct net_conn *conn)
{
	struct lmtp_session *session = net_session(conn);
	struct str peer = str_sub(net_peer(conn), 0, sizeof(session->client.address) - 1);

	session->conn = conn;
	session->server = net_self(conn);
	session->state = LMTP_GREETED;
	session->is_trusted = net_can_xclient(conn);
	memcpy(session->client.address, peer.ptr, peer.len);
	return lmtp_session_greet(session);
}

static enum net_frame
session_frame(struct net_conn *conn, struct str input, size_t *scanned)
{
	const struct lmtp_session *session = net_session(conn);

	if (session->receiving != LMTP_RECEIVE_NONE)
		return input.len > 0 ? NET_FRAME_READY : NET_FRAME_MORE;
	if (str_index(str_sub(input, *scanned, SIZE_MAX), '\n') < input.len - *scanned)
		return NET_FRAME_READY;
	*scanned = input.len;
	return input.len >= LMTP_LINE_MAX ? NET_FRAME_TOO_LONG : NET_FRAME_MORE;
}

/* What can not be read as a command ends the connection: what follows it may be anything. */
static enum err
refuse_line(struct lmtp_session *session, enum lmtp_reply reply)
{
	TRY(lmtp_answer_recipients(session));
	lmtp_reply(session, reply);
	net_end(session->conn, NET_END_ERROR);
	return ERR_SYNTAX;
}

/* The next command. ERR_AGAIN: it is not there yet. */
static enum err
run_one(struct lmtp_session *session)
{
	struct buffer *input = net_input(session->conn);
	struct lmtp_request request;
	size_t used = 0;
	enum err err = lmtp_parse(buffer_str(input), &request, &used);
	struct arena line = { 0 };

	if (err == ERR_AGAIN)
		return err;
	if (err != ERR_OK)
		return refuse_line(session, err == ERR_TOO_BIG ? LMTP_REPLY_LINE_TOO_LONG : LMTP_REPLY_BAD_LINE);

	/* DATA, BDAT and STARTTLS read on behind the line, which must be gone from the input by then. */
	request.verb = arena_copy(&line, request.verb);
	request.args = arena_copy(&line, request.args);
	buffer_consume(input, used);
	err = lmtp_command_run(session, &request);
	arena_clear(&line);
	return err;
}

static enum err
session_run(struct net_conn *conn)
{
	struct lmtp_session *session = net_session(conn);
	enum err err;

	do
		err = session->receiving != LMTP_RECEIVE_NONE ? lmtp_receive(session) : run_one(session);
	while (err == ERR_OK);
	return err == ERR_AGAIN ? lmtp_answer_recipients(session) : err;
}

static void
session_bye(struct net_conn *conn, enum net_end end)
{
	static const enum lmtp_reply last_words[] = {
		[NET_END_TIMEOUT] = LMTP_REPLY_IDLE,
		[NET_END_DRAIN] = LMTP_REPLY_DRAINING,
		[NET_END_LIMIT] = LMTP_REPLY_REFUSED,
	};

	if (end < sizeof(last_words) / sizeof(last_words[0]) && last_words[end] != LMTP_REPLY_NONE)
		net_printf(conn, "%s\r\n", lmtp_reply_text(last_words[end]));
}

static void
session_close(struct net_conn *conn)
{
	lmtp_session_reset(net_session(conn));
}

const struct net_protocol lmtp_protocol = {
	.name = "lmtp",
	.session_bytes = sizeof(struct lmtp_session),
	.input_max = LMTP_LINE_MAX,
	.open = session_open,
	.frame = session_frame,
	.run = session_run,
	.bye = session_bye,
	.close = session_close,
};
