/* envelope.                                                                                            RFC 5228 s. 5.4 */
#include "services/sieve/ext.h"

static const struct str PARTS[] = { STR("from"), STR("to") };

static bool
is_part(struct str name)
{
	return str_equal_nocase(name, PARTS[0]) || str_equal_nocase(name, PARTS[1]);
}

static enum err
envelope_check(struct sieve_check *check, struct sieve_node *node)
{
	const struct sieve_value *names = &node->arguments[0];

	for (size_t i = 0; i < names->count; i++)
		if (names->strings[i].pieces == NULL && !is_part(names->strings[i].text))
			return SIEVE_PROBLEM(check, &names->strings[i], "the envelope has no \"%.*s\", only \"from\" and \"to\"",
			    STR_ARG(str_sub(names->strings[i].text, 0, 40)));
	return ERR_OK;
}

static enum err
match_part(struct sieve_match *match, struct str name)
{
	const struct sieve_input *input = sieve_input(match->run);
	bool is_from = str_equal_nocase(name, PARTS[0]);
	struct sieve_address address;
	struct str part = STR_NONE;

	if (!is_part(name))
		return sieve_fail(match->run, match->node, "the envelope has no \"%.*s\"", STR_ARG(str_sub(name, 0, 40)));
	/* The null sender is the empty string, whatever part is asked for; it does not count (RFC 5231 s. 4.2). */
	if (is_from && input->sender.len == 0)
		return sieve_match_counts(match) ? ERR_OK : sieve_match_value(match, STR(""));
	address = sieve_address_of(is_from ? input->sender : input->recipient, sieve_arena(match->run));
	if (match->node->address_part->get(match->run, &address, &part) || sieve_match_counts(match))
		return sieve_match_value(match, part);
	return ERR_OK;
}

static enum err
envelope_test(struct sieve_run *run, const struct sieve_node *node, bool *ret_is_true)
{
	struct sieve_match match;
	struct str *names;
	size_t count;

	TRY(sieve_expand_all(run, &node->arguments[0], &names, &count));
	TRY(sieve_match_begin(run, node, &match));
	for (size_t i = 0; i < count && !match.is_true; i++)
		TRY(match_part(&match, names[i]));
	return sieve_match_end(&match, ret_is_true);
}

static const struct sieve_command COMMANDS[] = {
	{ .name = "envelope", .flags = SIEVE_TEST | SIEVE_MATCHES | SIEVE_ADDRESS_PARTS,
	    .parameters = { { SIEVE_STRINGS, "list of envelope parts" }, { SIEVE_STRINGS, "list of keys" } },
	    .check = envelope_check, .test = envelope_test },
	{ 0 },
};

const struct sieve_extension sieve_ext_envelope = { .name = "envelope", .commands = COMMANDS };
