/* The table of commands, gathered by the build from the files of commands/. */
#include "services/pop3/command.h"

#include "libcommon/core/clock.h"
#include "services/pop3/commands.h"

#define X(file) extern const struct pop3_command pop3_commands_##file[];
POP3_COMMANDS(X)
#undef X

static const struct pop3_command *const files[] = {
#define X(file) pop3_commands_##file,
	POP3_COMMANDS(X)
#undef X
};

const struct pop3_command *
pop3_command_find(struct str keyword)
{
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		for (const struct pop3_command *row = files[i]; row->name != NULL; row++)
			if (str_equal_nocase(keyword, str_c(row->name)))
				return row;
	return NULL;
}

static enum err
run(struct pop3_session *session, const struct pop3_command *command, const struct pop3_request *request)
{
	int64_t begin_us = clock_mono_us();
	enum err err = command->run(session, request);

	log_debug(net_log(session->conn), "pop3.command", KV_C("cmd", command->name), KV_ERR(err),
	    KV_INT("elapsed_us", clock_mono_us() - begin_us));
	return err;
}

enum err
pop3_command_run(struct pop3_session *session, struct pop3_request *request)
{
	const struct pop3_command *command = pop3_command_find(request->keyword);

	if (command == NULL)
		return pop3_mistake(session, "unknown command");
	if (!(command->states & session->state))
		return pop3_mistake(session, session->state == POP3_AUTHORIZATION ? "log in first" : "you are logged in");
	if (pop3_parse_args(request, command->args) != ERR_OK)
		return pop3_mistake(session, "wrong arguments");
	return run(session, command, request);
}
