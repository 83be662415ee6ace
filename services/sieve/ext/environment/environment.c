/* environment: what is known of where the script runs.                                                 RFC 5183 */
#include "services/sieve/ext.h"
#include "version.h"

/* False: there is no such item, and no key matches it, not even the empty one. */
static bool
find_item(const struct sieve_input *input, struct str name, struct str *ret_value)
{
	const struct sieve_item own[] = { { STR("name"), STR("sora") }, { STR("version"), STR(SORA_VERSION) } };
	const size_t own_count = sizeof(own) / sizeof(own[0]);

	for (size_t i = 0; i < own_count + input->environment_count; i++) {
		const struct sieve_item *item = i < own_count ? &own[i] : &input->environment[i - own_count];

		if (str_equal_nocase(name, item->name)) {
			*ret_value = item->value;
			return true;
		}
	}
	return false;
}

static enum err
environment_test(struct sieve_run *run, const struct sieve_node *node, bool *ret_is_true)
{
	struct sieve_match match;
	struct str name, value;

	TRY(sieve_expand(run, node->arguments[0].strings, &name));
	TRY(sieve_match_begin(run, node, &match));
	/* RFC 5183 s. 4: the empty string counts for nothing. */
	if (find_item(sieve_input(run), name, &value) && !(sieve_match_counts(&match) && value.len == 0))
		TRY(sieve_match_value(&match, value));
	return sieve_match_end(&match, ret_is_true);
}

static const struct sieve_command COMMANDS[] = {
	{ .name = "environment", .flags = SIEVE_TEST | SIEVE_MATCHES,
	    .parameters = { { SIEVE_STRING, "name of an item" }, { SIEVE_STRINGS, "list of keys" } }, .test = environment_test },
	{ 0 },
};

const struct sieve_extension sieve_ext_environment = { .name = "environment", .commands = COMMANDS };
