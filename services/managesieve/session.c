/* One connection of a script editor: capabilities, login, scripts, end. */
#include "services/managesieve/session.h"

#include "libcommon/sasl/sasl.h"
#include "services/managesieve/command.h"

enum {
	/* Before login nobody needs more than a name and a password. */
	LINE_BEFORE_LOGIN = 8192,
	LITERALS_BEFORE_LOGIN = 8192,
	LINE_MAX_BYTES = 16384,
	SCRIPT_MAX = 1024 * 1024, /* whatever sieve.script_size says */
	NAME_MAX_BYTES = 4096,    /* as a literal beside the script */
	SKIP_MAX = 16 * 1024 * 1024,
	/* What a parked connection may hold: a command's lines and literals, and some of the next. */
	INPUT_MAX = 2 * 1024 * 1024,
};

struct bus_call
managesieve_call(struct managesieve_session *session)
{
	return (struct bus_call){ .bus = session->server->context->bus, .arena = &session->arena, .role = BUS_ROLE_MANAGESIEVE,
		.log = *net_log(session->conn), .token = session->token, .route = session->account };
}

bool
managesieve_can_login(const struct managesieve_session *session)
{
	return net_is_private(session->conn) || managesieve_config(session)->managesieve_plain_login;
}

enum err
managesieve_admit(const struct managesieve_session *session, const struct sasl_mechanism *mechanism)
{
	return sasl_admit(mechanism, managesieve_can_login(session), net_can_bind(session->conn));
}

static void
set_limits(struct managesieve_session *session)
{
	int64_t script = managesieve_config(session)->sieve_script_size;

	if (session->state == MANAGESIEVE_NOT_AUTHENTICATED)
		session->limits = (struct managesieve_limits){ LINE_BEFORE_LOGIN, LITERALS_BEFORE_LOGIN, 0 };
	else
		session->limits = (struct managesieve_limits){ LINE_MAX_BYTES,
			(size_t)(script < SCRIPT_MAX ? script : SCRIPT_MAX) + NAME_MAX_BYTES, SKIP_MAX };
}

enum err
managesieve_enter(struct managesieve_session *session, uint64_t account, struct str user, struct str token)
{
	/* The limit is the connections', not the scripts'. */
	if (net_set_user(session->conn, user) != ERR_OK)
		return ERR_BUSY;
	session->account = account;
	session->user = arena_copy(&session->login, user);
	session->token = arena_copy(&session->login, token);
	session->state = MANAGESIEVE_AUTHENTICATED;
	set_limits(session);
	return ERR_OK;
}

void
managesieve_leave(struct managesieve_session *session)
{
	net_clear_user(session->conn);
	arena_clear(&session->login);
	session->account = 0;
	session->user = session->token = STR_NONE;
	session->state = MANAGESIEVE_NOT_AUTHENTICATED;
	set_limits(session);
}

/* ---- requests, as they come */

/* Between commands; harmless, and some clients send them. */
static void
drop_empty_lines(struct managesieve_session *session)
{
	struct buffer *input = net_input(session->conn);

	while (session->sasl == NULL && session->framer.at == 0 && !session->framer.is_refused) {
		struct str bytes = buffer_str(input);
		size_t len = str_starts_with(bytes, STR("\r\n")) ? 2 : str_starts_with(bytes, STR("\n"));

		if (len == 0)
			return;
		buffer_consume(input, len);
		session->framer = (struct managesieve_framer){ 0 };
	}
}

/* STARTTLS reads on behind the command, which must be gone from the input by then. */
static struct str
take_frame(struct managesieve_session *session)
{
	struct buffer *input = net_input(session->conn);
	struct str line = arena_copy(&session->arena, str_sub(buffer_str(input), 0, session->framer.len));

	buffer_consume(input, session->framer.len);
	session->framer = (struct managesieve_framer){ 0 };
	return line;
}

static enum err
run_ready(struct managesieve_session *session)
{
	bool is_refused = session->framer.is_refused;
	struct str line = take_frame(session);
	enum err err;

	if (is_refused)
		err = managesieve_no(session, ERR_TOO_BIG, STR("this is too big"));
	else if (session->sasl != NULL)
		err = managesieve_authenticate_line(session, line);
	else
		err = managesieve_command_run(session, line);
	if (session->sasl == NULL)
		arena_clear(&session->arena);
	return err;
}

static enum err
run_frame(struct managesieve_session *session, enum managesieve_frame frame)
{
	switch (frame) {
	case MANAGESIEVE_FRAME_SKIP:
		buffer_consume(net_input(session->conn), session->framer.len);
		managesieve_framer_skipped(&session->framer);
		return ERR_OK;
	case MANAGESIEVE_FRAME_TOO_LONG:
		managesieve_bye(session, "", STR("this is too long"));
		net_end(session->conn, NET_END_LIMIT);
		return ERR_LIMIT;
	case MANAGESIEVE_FRAME_MORE:
	case MANAGESIEVE_FRAME_READY:
		break;
	}
	return run_ready(session);
}

/* ---- libcommon/net */

static enum err
session_open(struct net_conn *conn)
{
	struct managesieve_session *session = net_session(conn);

	session->conn = conn;
	session->server = net_self(conn);
	session->state = MANAGESIEVE_NOT_AUTHENTICATED;
	set_limits(session);
	return managesieve_capabilities(session, true);
}

/* STARTTLS has come to its end: what is offered now depends on what TLS it is. */
static enum err
session_wake(struct net_conn *conn)
{
	struct managesieve_session *session = net_session(conn);
	enum err err = managesieve_capabilities(session, true);

	arena_clear(&session->arena);
	return err;
}

static enum net_frame
session_frame(struct net_conn *conn, struct str input, size_t *scanned)
{
	struct managesieve_session *session = net_session(conn);

	/* The framer remembers more than one number. */
	(void)scanned;
	return managesieve_frame(&session->framer, &session->limits, input) == MANAGESIEVE_FRAME_MORE ? NET_FRAME_MORE : NET_FRAME_READY;
}

static enum err
session_run(struct net_conn *conn)
{
	struct managesieve_session *session = net_session(conn);
	enum managesieve_frame frame;
	enum err err = ERR_OK;

	while (err == ERR_OK) {
		drop_empty_lines(session);
		frame = managesieve_frame(&session->framer, &session->limits, buffer_str(net_input(conn)));
		if (frame == MANAGESIEVE_FRAME_MORE)
			return ERR_OK;
		err = run_frame(session, frame);
	}
	return err == ERR_AGAIN ? ERR_OK : err;
}

static void
session_bye(struct net_conn *conn, enum net_end end)
{
	struct managesieve_session *session = net_session(conn);

	if (end == NET_END_TIMEOUT)
		managesieve_bye(session, "", STR("idle for too long"));
	else if (end == NET_END_DRAIN)
		managesieve_bye(session, err_row(ERR_GOING_AWAY)->sieve, STR("shutting down, come back soon"));
	else if (end == NET_END_LIMIT)
		managesieve_bye(session, err_row(ERR_BUSY)->sieve, STR("too many connections"));
}

static void
session_close(struct net_conn *conn)
{
	struct managesieve_session *session = net_session(conn);

	managesieve_abilities_unref(session->abilities);
	arena_clear(&session->login);
	arena_clear(&session->arena);
}

const struct net_protocol managesieve_protocol = {
	.name = "managesieve",
	.session_bytes = sizeof(struct managesieve_session),
	.input_max = INPUT_MAX,
	.open = session_open,
	.frame = session_frame,
	.run = session_run,
	.wake = session_wake,
	.bye = session_bye,
	.close = session_close,
};
