/* ereject: refused at the end of DATA, always.                                                         RFC 5429 s. 2.1 */
#include "services/sieve/compose.h"

static enum err
ereject_run(struct sieve_run *run, const struct sieve_node *node)
{
	struct sieve_action action = sieve_action_new(run, node, SIEVE_REFUSE);

	TRY(sieve_expand(run, node->arguments[0].strings, &action.text));
	/* RFC 5429 s. 2.1.1: a reply is ASCII. */
	if (!sieve_is_ascii(action.text))
		action.text = STR("The recipient's mail filter refused this message");
	action.text = sieve_lines(sieve_arena(run), action.text);
	return sieve_do(run, node, &action);
}

static const struct sieve_command COMMANDS[] = { { .name = "ereject", .parameters = { { SIEVE_STRING, "reason" } }, .run = ereject_run }, { 0 } };

const struct sieve_extension sieve_ext_ereject = { .name = "ereject", .commands = COMMANDS };
