/* fileinto.                                                                                            RFC 5228 s. 4.1 */
#include "services/sieve/ext.h"

static enum err
fileinto_check(struct sieve_check *check, struct sieve_node *node)
{
	return sieve_check_mailbox(check, &node->arguments[0]);
}

static enum err
fileinto_run(struct sieve_run *run, const struct sieve_node *node)
{
	struct sieve_action action = sieve_action_new(run, node, SIEVE_FILEINTO);

	TRY(sieve_mailbox(run, node, node->arguments[0].strings, &action.mailbox));
	sieve_explain(run, "into %.*s", STR_ARG(action.mailbox));
	return sieve_do(run, node, &action);
}

static const struct sieve_command COMMANDS[] = {
	{ .name = "fileinto", .parameters = { { SIEVE_STRING, "mailbox" } }, .check = fileinto_check, .run = fileinto_run },
	{ 0 },
};

const struct sieve_extension sieve_ext_fileinto = { .name = "fileinto", .commands = COMMANDS };
