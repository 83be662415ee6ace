/* keep, discard, redirect.                                                                             RFC 5228 s. 4 */
#include "services/sieve/ext.h"

static enum err
keep_run(struct sieve_run *run, const struct sieve_node *node)
{
	struct sieve_action action = sieve_action_new(run, node, SIEVE_KEEP);

	return sieve_do(run, node, &action);
}

static enum err
discard_run(struct sieve_run *run, const struct sieve_node *node)
{
	struct sieve_action action = sieve_action_new(run, node, SIEVE_DISCARD);

	return sieve_do(run, node, &action);
}

static enum err
redirect_check(struct sieve_check *check, struct sieve_node *node)
{
	const struct sieve_string *string = node->arguments[0].strings;
	struct str address;

	if (string->pieces != NULL || sieve_outbound_address(string->text, sieve_check_arena(check), &address))
		return ERR_OK;
	return SIEVE_PROBLEM(check, string, "\"%.*s\" is no address that mail can be sent to",
	    STR_ARG(str_sub(string->text, 0, 80)));
}

/* Mail that is sent to the owner himself would come back, be known as a loop, and bounce: it is kept instead. */
static enum err
redirect_run(struct sieve_run *run, const struct sieve_node *node)
{
	struct sieve_action action = sieve_action_new(run, node, SIEVE_REDIRECT);
	struct str text;

	TRY(sieve_expand(run, node->arguments[0].strings, &text));
	if (!sieve_outbound_address(text, sieve_arena(run), &action.address))
		return sieve_fail(run, node, "\"%.*s\" is no address that mail can be sent to", STR_ARG(str_sub(text, 0, 80)));
	if (sieve_is_owner(run, action.address)) {
		sieve_explain(run, "to %.*s, the owner: kept", STR_ARG(action.address));
		return keep_run(run, node);
	}
	sieve_explain(run, "to %.*s", STR_ARG(action.address));
	return sieve_do(run, node, &action);
}

static const struct sieve_command COMMANDS[] = {
	{ .name = "keep", .run = keep_run },
	{ .name = "discard", .run = discard_run },
	{ .name = "redirect", .parameters = { { SIEVE_STRING, "address" } }, .check = redirect_check, .run = redirect_run },
	{ 0 },
};

const struct sieve_extension sieve_base_actions = { .is_implied = true, .commands = COMMANDS };
