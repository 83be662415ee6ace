/* The table of commands, gathered by the build from the files of commands/. */
#include "services/managesieve/command.h"

#include "libcommon/core/clock.h"
#include "services/managesieve/commands.h"

#define X(file) extern const struct managesieve_command managesieve_commands_##file[];
MANAGESIEVE_COMMANDS(X)
#undef X

static const struct managesieve_command *const files[] = {
#define X(file) managesieve_commands_##file,
	MANAGESIEVE_COMMANDS(X)
#undef X
};

const struct managesieve_command *
managesieve_command_find(struct str name)
{
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		for (const struct managesieve_command *row = files[i]; row->name != NULL; row++)
			if (str_equal_nocase(name, str_c(row->name)))
				return row;
	return NULL;
}

static enum err
run(struct managesieve_session *session, const struct managesieve_command *command, const struct managesieve_request *request)
{
	int64_t begin_us = clock_mono_us();
	enum err err = command->run(session, request);

	log_debug(net_log(session->conn), "managesieve.command", KV_C("cmd", command->name), KV_ERR(err),
	    KV_INT("elapsed_us", clock_mono_us() - begin_us));
	return err;
}

enum err
managesieve_command_run(struct managesieve_session *session, struct str line)
{
	const struct managesieve_command *command;
	struct managesieve_request request;
	const char *why;
	enum err err = managesieve_parse(line, &session->arena, &request, &why);

	command = managesieve_command_find(request.name);
	if (command == NULL)
		return managesieve_mistake(session, request.name.len > 0 ? "unknown command" : why);
	if (err != ERR_OK)
		return managesieve_mistake(session, why);
	if (!(command->states & session->state))
		return managesieve_mistake(session, session->state == MANAGESIEVE_NOT_AUTHENTICATED ? "log in first" : "you are logged in");
	if (!managesieve_has_args(&request, command->args))
		return managesieve_mistake(session, "wrong arguments");
	return run(session, command, &request);
}
