/* One connection of a mail program: greeting, login, maildrop, end. */
#include "services/pop3/session.h"

#include "libcommon/core/metrics.h"
#include "libcommon/sasl/login.h"
#include "services/pop3/command.h"

/* What SASL may need (RFC 5034 s. 4): its base64, and the line end. */
enum { AUTH_LINE_MAX = 12288 };

struct bus_call
pop3_call(struct pop3_session *session)
{
	return (struct bus_call){ .bus = session->server->context->bus, .arena = &session->arena, .role = BUS_ROLE_POP3,
		.log = *net_log(session->conn), .token = session->token, .route = session->maildrop.account };
}

bool
pop3_can_login(const struct pop3_session *session)
{
	return net_is_private(session->conn) || pop3_config(session)->pop3_plain_login;
}

enum err
pop3_admit(const struct pop3_session *session, const struct sasl_mechanism *mechanism)
{
	return sasl_admit(mechanism, pop3_can_login(session), net_can_bind(session->conn));
}

/* ---- login */

/* RFC 2449 s. 6.5: only who has proved who he is hears that it is too soon. */
static enum err
note_login(struct pop3_session *session)
{
	MetadataNoteLoginRequest request = METADATA_NOTE_LOGIN_REQUEST__INIT;
	struct bus_call call = pop3_call(session);

	request.account = session->maildrop.account;
	request.delay_ms = pop3_config(session)->pop3_login_delay;
	return request.delay_ms > 0 ? metadata_note_login(&call, &request, NULL) : ERR_OK;
}

static enum err
open_maildrop(struct pop3_session *session)
{
	struct arena arena = { 0 };
	struct bus_call call = pop3_call(session);
	enum err err = note_login(session);

	call.arena = &arena;
	if (err == ERR_OK)
		err = pop3_maildrop_open(&session->maildrop, &call, pop3_config(session)->pop3_mailbox);
	arena_clear(&arena);
	if (err != ERR_OK)
		pop3_maildrop_clear(&session->maildrop);
	return err;
}

static enum err
enter(struct pop3_session *session, const MetadataLoginReply *who)
{
	enum err err;

	session->token = arena_copy(net_arena(session->conn), str_from(who->token.data, who->token.len));
	session->maildrop.account = who->account;
	TRY(open_maildrop(session));
	err = net_set_user(session->conn, str_from(who->user.data, who->user.len));
	if (err == ERR_OK)
		session->state = POP3_TRANSACTION;
	else
		pop3_maildrop_clear(&session->maildrop);
	return err;
}

enum err
pop3_login_failed(struct pop3_session *session, enum err err, const char *text)
{
	metric_add(METRIC_LOGIN_FAILED, 1);
	TRY(pop3_err(session, err, "%s", text));
	if (sasl_login_again(session->conn, err, &session->logins_failed))
		return ERR_OK;
	net_end(session->conn, NET_END_LIMIT);
	return ERR_LIMIT;
}

enum err
pop3_login_answer(struct pop3_session *session, const struct sasl_login *login, enum err err)
{
	const struct pop3_maildrop *drop = &session->maildrop;

	if (err == ERR_OK)
		err = enter(session, login->reply);
	if (err != ERR_OK)
		return pop3_login_failed(session, err, err_row(err)->text);
	metric_add(METRIC_LOGIN_OK, 1);
	return pop3_ok(session, "%zu messages, %llu octets", drop->count, (unsigned long long)drop->bytes);
}

/* ---- lines */

static enum err
refuse_long_line(struct pop3_session *session)
{
	net_printf(session->conn, "-ERR the line is too long\r\n");
	net_end(session->conn, NET_END_LIMIT);
	return ERR_LIMIT;
}

/* AUTH's next line. */
static enum err
run_auth_line(struct pop3_session *session)
{
	struct buffer *input = net_input(session->conn);
	size_t len = str_index(buffer_str(input), '\n');
	struct str line;

	if (len == buffer_len(input))
		return len < AUTH_LINE_MAX ? ERR_AGAIN : refuse_long_line(session);
	line = arena_copy(&session->arena, str_sub(buffer_str(input), 0, len));
	buffer_consume(input, len + 1);
	if (str_ends_with(line, STR("\r")))
		line.len--;
	return pop3_auth_line(session, line);
}

static enum err
run_command(struct pop3_session *session)
{
	struct buffer *input = net_input(session->conn);
	struct pop3_request request;
	size_t used;
	enum err err = pop3_parse(buffer_str(input), &request, &used);

	if (err == ERR_AGAIN)
		return err;
	if (err != ERR_OK)
		return refuse_long_line(session);
	/* STLS reads on behind the line, which must be gone from the input by then. */
	request.keyword = arena_copy(&session->arena, request.keyword);
	request.text = arena_copy(&session->arena, request.text);
	buffer_consume(input, used);
	return pop3_command_run(session, &request);
}

/* ---- libcommon/net */

static enum err
session_open(struct net_conn *conn)
{
	struct pop3_session *session = net_session(conn);

	session->conn = conn;
	session->server = net_self(conn);
	session->state = POP3_AUTHORIZATION;
	/* Proxies know by this word that they may say XCLIENT, without asking for CAPA. */
	return pop3_ok(session, "%s%.*s POP3 Sora", net_can_xclient(conn) ? "[XCLIENT] " : "", STR_ARG(session->server->context->hostname));
}

static enum net_frame
session_frame(struct net_conn *conn, struct str input, size_t *scanned)
{
	const struct pop3_session *session = net_session(conn);

	if (str_index(str_sub(input, *scanned, SIZE_MAX), '\n') < input.len - *scanned)
		return NET_FRAME_READY;
	*scanned = input.len;
	return input.len >= (session->sasl ? AUTH_LINE_MAX : POP3_LINE_MAX) ? NET_FRAME_TOO_LONG : NET_FRAME_MORE;
}

static enum err
session_run(struct net_conn *conn)
{
	struct pop3_session *session = net_session(conn);
	enum err err;

	do {
		err = session->sasl != NULL ? run_auth_line(session) : run_command(session);
		if (session->sasl == NULL)
			arena_clear(&session->arena);
	} while (err == ERR_OK);
	pop3_ahead_expire(session);
	return err == ERR_AGAIN ? ERR_OK : err;
}

/* The client goes on no more, or later: nothing is held for it, and what comes then follows nothing. */
static enum err
session_wake(struct net_conn *conn)
{
	struct pop3_session *session = net_session(conn);

	pop3_ahead_clear(session);
	session->ahead = (struct pop3_ahead){ 0 };
	return ERR_OK;
}

/* RFC 1939 s. 3: who is silent for too long is told nothing. */
static void
session_bye(struct net_conn *conn, enum net_end end)
{
	if (end == NET_END_DRAIN)
		net_printf(conn, "-ERR [%s] shutting down, come back soon\r\n", err_row(ERR_GOING_AWAY)->pop3);
	else if (end == NET_END_LIMIT)
		net_printf(conn, "-ERR [%s] too many connections\r\n", err_row(ERR_BUSY)->pop3);
}

/* Nothing is deleted here: that is QUIT's alone. */
static void
session_close(struct net_conn *conn)
{
	struct pop3_session *session = net_session(conn);

	pop3_ahead_clear(session);
	pop3_maildrop_clear(&session->maildrop);
	arena_clear(&session->arena);
}

const struct net_protocol pop3_protocol = {
	.name = "pop3",
	.session_bytes = sizeof(struct pop3_session),
	.input_max = AUTH_LINE_MAX,
	.open = session_open,
	.frame = session_frame,
	.run = session_run,
	.wake = session_wake,
	.bye = session_bye,
	.close = session_close,
};
