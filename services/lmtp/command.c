/* The table of commands, gathered by the build from the files of commands/. */
#include "services/lmtp/command.h"

#include "services/lmtp/answer.h"
#include "services/lmtp/commands.h"

#define X(name) extern const struct lmtp_command lmtp_command_##name;
LMTP_COMMANDS(X)
#undef X

static const struct lmtp_command *const commands[] = {
#define X(name) &lmtp_command_##name,
	LMTP_COMMANDS(X)
#undef X
};
enum { COMMAND_COUNT = sizeof(commands) / sizeof(commands[0]) };

const struct lmtp_command *
lmtp_command_find(struct str verb)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (str_equal_nocase(verb, str_c(commands[i]->name)))
			return commands[i];
	return NULL;
}

bool
lmtp_command_is_offered(const struct lmtp_command *command, const struct lmtp_session *session)
{
	return command->extension == NULL || command->extension->is_offered == NULL || command->extension->is_offered(session);
}

const struct lmtp_command *const *
lmtp_commands(size_t *ret_count)
{
	*ret_count = COMMAND_COUNT;
	return commands;
}

/*
 * What no MTA does. A recipient that is refused is none, nor is the 503 for what was pipelined behind a refused MAIL: there may
 * be hundreds of either.
 */
static bool
is_mistake(enum lmtp_reply reply)
{
	return reply == LMTP_REPLY_UNKNOWN || reply == LMTP_REPLY_BAD_ARGUMENTS || reply == LMTP_REPLY_BAD_PARAMETER;
}

enum err
lmtp_command_refuse(struct lmtp_session *session, enum lmtp_reply reply)
{
	TRY(lmtp_reply(session, reply));
	if (is_mistake(reply))
		session->errors++;
	if (session->errors < LMTP_ERRORS_MAX)
		return ERR_OK;
	lmtp_reply(session, LMTP_REPLY_TOO_MANY_ERRORS);
	net_end(session->conn, NET_END_ERROR);
	return ERR_LIMIT;
}

/* May it come now, and are its arguments right? LMTP_REPLY_NONE: they are. */
static enum lmtp_reply
check(const struct lmtp_session *session, const struct lmtp_command *command, struct str args, struct arena *arena, void **ret_args)
{
	if (command == NULL)
		return LMTP_REPLY_UNKNOWN;
	if (!(command->states & session->state))
		return LMTP_REPLY_BAD_SEQUENCE;
	return command->parse != NULL ? command->parse(args, arena, ret_args) : LMTP_REPLY_NONE;
}

static enum err
check_and_run(struct lmtp_session *session, const struct lmtp_request *request, struct arena *arena)
{
	const struct lmtp_command *command = lmtp_command_find(request->verb);
	void *args = NULL;
	enum lmtp_reply refusal = check(session, command, request->args, arena, &args);

	/* Replies come in the order of the commands: recipients that wait for theirs are first. */
	if (refusal != LMTP_REPLY_NONE || !(command->flags & LMTP_CMD_BATCHED))
		TRY(lmtp_answer_recipients(session));
	return refusal != LMTP_REPLY_NONE ? lmtp_command_refuse(session, refusal) : command->run(session, args);
}

enum err
lmtp_command_run(struct lmtp_session *session, const struct lmtp_request *request)
{
	struct arena arena = { 0 };
	enum err err = check_and_run(session, request, &arena);

	arena_clear(&arena);
	return err;
}
