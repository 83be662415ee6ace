/* require, if, elsif, else, stop; the tests that are made of tests.                                    RFC 5228 s. 3, 5 */
#include "services/sieve/ext.h"

/* RFC 5228 s. 3.2. Done when the script is compiled: what follows is read with the extension in effect. */
static enum err
require_check(struct sieve_check *check, struct sieve_node *node)
{
	const struct sieve_value *names = &node->arguments[0];
	enum err err = ERR_OK;

	for (size_t i = 0; i < names->count; i++)
		if (!sieve_check_enable(check, names->strings[i].text))
			err = SIEVE_PROBLEM(check, &names->strings[i], "the extension \"%.*s\" is not there",
			    STR_ARG(str_sub(names->strings[i].text, 0, 80)));
	return err;
}

static enum err
require_run(struct sieve_run *run, const struct sieve_node *node)
{
	(void)run;
	(void)node;
	return ERR_OK;
}

/* `else` has no test. */
static enum err
if_run(struct sieve_run *run, const struct sieve_node *node)
{
	bool is_true = true;

	for (; node != NULL; node = node->otherwise) {
		if (node->test_count > 0)
			TRY(sieve_run_test(run, node->tests[0], &is_true));
		else
			is_true = true;
		if (is_true)
			return sieve_run_block(run, &node->block);
	}
	return ERR_OK;
}

static enum err
stop_run(struct sieve_run *run, const struct sieve_node *node)
{
	(void)node;
	sieve_stop(run);
	return ERR_OK;
}

/* From left to right, and no further than the result is known (RFC 5229 s. 3.2 asks for it). */
static enum err
until(struct sieve_run *run, const struct sieve_node *node, bool end, bool *ret_is_true)
{
	bool is_true = !end;

	for (size_t i = 0; i < node->test_count && is_true != end; i++)
		TRY(sieve_run_test(run, node->tests[i], &is_true));
	*ret_is_true = is_true;
	return ERR_OK;
}

static enum err
allof_test(struct sieve_run *run, const struct sieve_node *node, bool *ret_is_true)
{
	return until(run, node, false, ret_is_true);
}

static enum err
anyof_test(struct sieve_run *run, const struct sieve_node *node, bool *ret_is_true)
{
	return until(run, node, true, ret_is_true);
}

static enum err
not_test(struct sieve_run *run, const struct sieve_node *node, bool *ret_is_true)
{
	bool is_true = false;

	TRY(sieve_run_test(run, node->tests[0], &is_true));
	*ret_is_true = !is_true;
	return ERR_OK;
}

static enum err
true_test(struct sieve_run *run, const struct sieve_node *node, bool *ret_is_true)
{
	(void)run;
	(void)node;
	*ret_is_true = true;
	return ERR_OK;
}

static enum err
false_test(struct sieve_run *run, const struct sieve_node *node, bool *ret_is_true)
{
	(void)run;
	(void)node;
	*ret_is_true = false;
	return ERR_OK;
}

static const struct sieve_command COMMANDS[] = {
	{ .name = "require", .flags = SIEVE_FIRST, .parameters = { { SIEVE_STRINGS, "list of extensions", .is_constant = true } },
	    .check = require_check, .run = require_run },
	{ .name = "if", .flags = SIEVE_TAKES_TEST | SIEVE_TAKES_BLOCK | SIEVE_BEGINS, .run = if_run },
	{ .name = "elsif", .flags = SIEVE_TAKES_TEST | SIEVE_TAKES_BLOCK | SIEVE_CONTINUES, .run = if_run },
	{ .name = "else", .flags = SIEVE_TAKES_BLOCK | SIEVE_CONTINUES | SIEVE_ENDS, .run = if_run },
	{ .name = "stop", .run = stop_run },
	{ .name = "allof", .flags = SIEVE_TEST | SIEVE_TAKES_TESTS, .test = allof_test },
	{ .name = "anyof", .flags = SIEVE_TEST | SIEVE_TAKES_TESTS, .test = anyof_test },
	{ .name = "not", .flags = SIEVE_TEST | SIEVE_TAKES_TEST, .test = not_test },
	{ .name = "true", .flags = SIEVE_TEST, .test = true_test },
	{ .name = "false", .flags = SIEVE_TEST, .test = false_test },
	{ 0 },
};

const struct sieve_extension sieve_base_control = { .is_implied = true, .commands = COMMANDS };
