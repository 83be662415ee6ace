/* ihave, which looks for an extension before it is used, and error.                                    RFC 5463 */
#include "services/sieve/ext.h"

/* What it looks for in vain may be what later words of the script are of. */
static enum err
ihave_check(struct sieve_check *check, struct sieve_node *node)
{
	const struct sieve_value *names = &node->arguments[0];

	for (size_t i = 0; i < names->count; i++)
		if (!sieve_check_has(check, names->strings[i].text))
			sieve_check_defer(check);
	return ERR_OK;
}

/* True, and all are in effect, if all are there. What changes how scripts are read is not: this one has been read (RFC 5463 s. 4). */
static enum err
ihave_test(struct sieve_run *run, const struct sieve_node *node, bool *ret_is_true)
{
	const struct sieve_value *names = &node->arguments[0];

	*ret_is_true = true;
	for (size_t i = 0; i < names->count && *ret_is_true; i++) {
		const struct sieve_extension *extension = sieve_extension_find(names->strings[i].text);

		*ret_is_true = extension != NULL && (!extension->is_grammar || sieve_has(run, extension->name));
	}
	for (size_t i = 0; i < names->count && *ret_is_true; i++)
		sieve_enable(run, names->strings[i].text);
	return ERR_OK;
}

static enum err
error_run(struct sieve_run *run, const struct sieve_node *node)
{
	struct str text;

	TRY(sieve_expand(run, node->arguments[0].strings, &text));
	return sieve_fail(run, node, "%.*s", STR_ARG(text));
}

static const struct sieve_command COMMANDS[] = {
	{ .name = "ihave", .flags = SIEVE_TEST, .parameters = { { SIEVE_STRINGS, "list of capabilities", .is_constant = true } },
	    .check = ihave_check, .test = ihave_test },
	{ .name = "error", .parameters = { { SIEVE_STRING, "text" } }, .run = error_run },
	{ 0 },
};

const struct sieve_extension sieve_ext_ihave = { .name = "ihave", .commands = COMMANDS };
