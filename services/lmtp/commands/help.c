/* HELP: the table of commands.                                                 RFC 5321 s. 4.1.1.8 */
#include "services/lmtp/command.h"

static enum err
help_run(struct lmtp_session *session, void *args)
{
	size_t count;
	const struct lmtp_command *const *commands = lmtp_commands(&count);

	(void)args;
	for (size_t i = 0; i < count; i++)
		if (lmtp_command_is_offered(commands[i], session))
			TRY(net_printf(session->conn, "214-2.0.0 %s\r\n", commands[i]->syntax));
	return net_printf(session->conn, "214 2.0.0 RFC 2033\r\n");
}

const struct lmtp_command lmtp_command_help = { "HELP", "HELP", NULL, LMTP_ANY, 0, NULL, help_run };
