/* Commands: found in the tables, checked against the state, run, answered. */
#include "services/imap/command.h"

#include "libcommon/core/clock.h"
#include "libcommon/core/metrics.h"
#include "libcommon/sasl/sasl.h"
#include "services/imap/reply.h"
#include "services/imap/views.h"

enum { BAD_MAX = 50 };

/* ---- tables */

static const struct imap_command_row *
find_in(const struct imap_command_row *rows, struct str name, bool is_uid)
{
	for (const struct imap_command_row *row = rows; row && row->name; row++) {
		struct str full = str_c(row->name);

		if (is_uid && str_starts_with(full, STR("UID ")) && str_equal_nocase(str_sub(full, 4, SIZE_MAX), name))
			return row;
		if (str_equal_nocase(full, name) && (!is_uid || row->flags & IMAP_CMD_UID_VARIANT))
			return row;
	}
	return NULL;
}

const struct imap_command_row *
imap_command_find(struct str name, bool is_uid)
{
	const struct imap_command_row *row = NULL;

	for (size_t i = 0; imap_command_tables[i] && !row; i++)
		row = find_in(imap_command_tables[i], name, is_uid);
	for (size_t i = 0; imap_extensions[i] && !row; i++)
		row = find_in(imap_extensions[i]->commands, name, is_uid);
	return row;
}

/* Of the base protocol; SASL mechanisms and extensions bring theirs. */
static const struct imap_capability CORE_CAPABILITIES[] = {
	{ "IMAP4rev1", IMAP_ANY, IMAP_WHEN_ALWAYS },
	{ "STARTTLS", IMAP_NOT_AUTHENTICATED, IMAP_WHEN_CAN_STARTTLS },
	{ "LOGINDISABLED", IMAP_NOT_AUTHENTICATED, IMAP_WHEN_CANNOT_LOGIN },
	{ 0 },
};

static bool
is_shown(const struct imap_session *session, const struct imap_capability *capability)
{
	if (!(capability->states & session->state))
		return false;
	switch (capability->when) {
	case IMAP_WHEN_CAN_STARTTLS:
		return net_can_starttls(session->conn);
	case IMAP_WHEN_CANNOT_LOGIN:
		return !imap_session_can_login(session);
	case IMAP_WHEN_ALWAYS:
		break;
	}
	return true;
}

static void
add_capabilities(const struct imap_session *session, const struct imap_capability *rows, struct buffer *out)
{
	for (const struct imap_capability *row = rows; row && row->name; row++)
		if (is_shown(session, row))
			buffer_printf(out, "%s%s", buffer_len(out) ? " " : "", row->name);
}

struct str
imap_capabilities(struct imap_session *session, struct arena *arena)
{
	struct buffer out = { 0 };
	struct str text;

	add_capabilities(session, CORE_CAPABILITIES, &out);
	for (const struct sasl_mechanism *m = sasl_mechanisms; m->name && session->state == IMAP_NOT_AUTHENTICATED; m++)
		if (imap_session_admit(session, m) == ERR_OK)
			buffer_printf(&out, " AUTH=%s", m->name);
	for (size_t i = 0; imap_extensions[i]; i++)
		add_capabilities(session, imap_extensions[i]->capabilities, &out);
	text = arena_copy(arena, buffer_str(&out));
	buffer_clear(&out);
	return text;
}

/* ---- what the client must hear before the tagged answer */

static enum err
tell_changes(struct imap_command *cmd)
{
	struct imap_session *session = cmd->session;
	bool holds_seqs = cmd->row->flags & IMAP_CMD_USES_SEQS && !cmd->is_uid;
	struct imap_image *now;
	struct buffer out = { 0 };
	enum err err;

	if (!session->view || cmd->row->flags & IMAP_CMD_QUIET)
		return ERR_OK;
	err = imap_session_latest(session, cmd->call, &now);
	if (err != ERR_OK)
		return imap_session_kick(session, err);
	imap_view_tell(session->view, now, holds_seqs ? IMAP_TELL_NO_EXPUNGE : IMAP_TELL_ALL, cmd->is_uid, &out);
	imap_image_unref(now);
	net_write(session->conn, buffer_str(&out));
	buffer_clear(&out);
	return ERR_OK;
}

/*
 * What the session itself has brought in may be named by its UID, although it could not be told of it yet: a UID that is not known is no
 * error (RFC 3501 s. 6.4.8), so the command would be answered OK, and have done nothing.
 */
static enum err
look_first(struct imap_command *cmd)
{
	struct imap_session *session = cmd->session;

	if (!cmd->is_uid || !session->view || !imap_view_is_doubtful(session->view))
		return ERR_OK;
	TRY(tell_changes(cmd));
	return imap_view_is_doubtful(session->view) ? ERR_UNAVAILABLE : ERR_OK;
}

/* ---- the end of a command */

static void
log_command(struct imap_command *cmd, enum err err)
{
	int64_t elapsed_us = clock_mono_us() - cmd->start_us - cmd->client_us;
	struct str name = str_c(cmd->row ? cmd->row->name : "");

	metric_add(METRIC_IMAP_COMMANDS, 1);
	metric_latency(METRIC_IMAP_COMMAND_US, elapsed_us);
	log_info(&cmd->log, "imap.command", KV_STR("cmd", name), KV_BOOL("uid", cmd->is_uid), KV_ERR(err), KV_STR("detail", cmd->call->detail),
	    KV_INT("elapsed_ms", elapsed_us / 1000));
}

/* A session that sends much nonsense is no mail client. */
static enum err
count_bad(struct imap_session *session)
{
	if (++session->bad_commands < BAD_MAX)
		return ERR_OK;
	imap_reply_bye(session, "too many bad commands");
	return imap_session_end(session, NET_END_LIMIT);
}

/* A message that the command did not take is still on its way, unless it waits for a "+" that will not come. */
static enum err
drop_message(struct imap_command *cmd)
{
	if (!cmd->request.has_message || cmd->message_left == 0 || cmd->request.is_sync)
		return ERR_OK;
	if (cmd->message_left > imap_session_drain_max(cmd->session)) {
		imap_reply_bye(cmd->session, "[TOOBIG] this literal is too big to be waited for");
		return imap_session_end(cmd->session, NET_END_LIMIT);
	}
	TRY(imap_session_drain(cmd->session, cmd->message_left));
	cmd->message_left = 0;
	return imap_session_drain_line(cmd->session, NULL);
}

static void
clear_command(struct imap_session *session)
{
	arena_clear(&session->arena);
	session->cmd = (struct imap_command){ 0 };
}

enum err
imap_command_finish(struct imap_command *cmd, enum err err)
{
	struct imap_session *session = cmd->session;
	enum err end = ERR_OK;

	if (err == ERR_AGAIN)
		return ERR_AGAIN;
	session->continuation = NULL;
	session->framer.is_line = false;
	if (err == ERR_CLOSED) {
		log_command(cmd, err);
		clear_command(session);
		return ERR_CLOSED;
	}
	end = drop_message(cmd);
	if (end == ERR_OK && err != ERR_SYNTAX)
		end = tell_changes(cmd);
	if (end == ERR_OK) {
		if (!cmd->is_answered)
			imap_reply_tagged(cmd, err);
		if (err == ERR_SYNTAX)
			end = count_bad(session);
		else if (session->state != IMAP_NOT_AUTHENTICATED)
			session->bad_commands = 0;
	}
	log_command(cmd, err);
	if (end == ERR_OK && session->state != IMAP_NOT_AUTHENTICATED && imap_login_is_over(err))
		end = imap_session_kick(session, err);
	if (session->state == IMAP_LOGOUT)
		end = imap_session_end(session, NET_END_QUIT);
	clear_command(session);
	return end;
}

/* ---- running */

static const char *
wrong_state(enum imap_state state)
{
	switch (state) {
	case IMAP_NOT_AUTHENTICATED:
		return "log in first";
	case IMAP_AUTHENTICATED:
		return "no mailbox is selected";
	default:
		return "not in this state";
	}
}

/* Where and why the command is wrong: BAD. */
static enum err
refuse(struct imap_command *cmd, const struct imap_syntax *syntax)
{
	struct imap_session *session = cmd->session;
	enum err end;

	log_info(&cmd->log, "imap.bad", KV_C("why", syntax->why), KV_INT("at", syntax->at));
	end = drop_message(cmd);
	if (end == ERR_OK) {
		imap_reply_bad(session, cmd->request.tag, "column %zu: %s", syntax->at + 1, syntax->why);
		end = count_bad(session);
	}
	clear_command(session);
	return end;
}

static void
begin(struct imap_session *session, struct imap_command *cmd)
{
	*cmd = (struct imap_command){ .session = session, .arena = &session->arena, .start_us = clock_mono_us() };
	cmd->log = *net_log(session->conn);
	cmd->log.trace = random_u64();
	cmd->call->bus = session->server->bus;
	cmd->call->arena = cmd->arena;
	cmd->call->role = BUS_ROLE_IMAP;
	cmd->call->log = cmd->log;
	cmd->call->token = session->token;
	cmd->call->route = session->account;
}

/* The command's bytes, out of the connection's input into its arena. */
static struct str
take_line(struct imap_session *session, struct imap_framer *ret_framer)
{
	struct buffer *input = net_input(session->conn);
	struct str line = arena_copy(&session->arena, str_sub(buffer_str(input), 0, session->framer.len));

	*ret_framer = session->framer;
	buffer_consume(input, session->framer.len);
	imap_framer_reset(&session->framer);
	return line;
}

enum err
imap_command_run(struct imap_session *session)
{
	struct imap_command *cmd = &session->cmd;
	struct imap_framer framer;
	struct imap_syntax syntax = { 0 };
	struct str line;
	enum err err;

	begin(session, cmd);
	line = take_line(session, &framer);
	err = imap_parse(line, &framer, cmd->arena, &cmd->request, &syntax);
	cmd->row = cmd->request.row;
	cmd->args = cmd->request.args;
	cmd->is_uid = cmd->request.is_uid;
	cmd->message_left = cmd->request.has_message ? cmd->request.message_size : 0;
	if (cmd->row && !(cmd->row->states & session->state)) {
		syntax = (struct imap_syntax){ cmd->request.tag.len + 1, wrong_state(session->state) };
		err = ERR_SYNTAX;
	}
	if (err != ERR_OK)
		return refuse(cmd, &syntax);
	if (!(cmd->row->flags & IMAP_CMD_KEEPS_AHEAD))
		imap_series_clear(session);
	err = look_first(cmd);
	return imap_command_finish(cmd, err == ERR_OK ? cmd->row->run(cmd) : err);
}
