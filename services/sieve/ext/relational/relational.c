/* :value and :count.                                                                                   RFC 5231 */
#include "services/sieve/base/base.h"

/* Which of the three outcomes of a comparison each operator takes: less, equal, greater. */
static const struct operator {
	const char *name;
	bool takes[3];
} OPERATORS[] = {
	{ "gt", { false, false, true } },
	{ "ge", { false, true, true } },
	{ "lt", { true, false, false } },
	{ "le", { true, true, false } },
	{ "eq", { false, true, false } },
	{ "ne", { true, false, true } },
};

static const struct operator *
find_operator(const struct sieve_value *value)
{
	for (size_t i = 0; i < sizeof(OPERATORS) / sizeof(OPERATORS[0]); i++)
		if (str_equal_nocase(value->strings->text, str_c(OPERATORS[i].name)))
			return &OPERATORS[i];
	return NULL;
}

static enum err
operator_check(struct sieve_check *check, struct sieve_node *node, const struct sieve_value *value)
{
	(void)node;
	if (find_operator(value) != NULL)
		return ERR_OK;
	return SIEVE_PROBLEM(check, value, "\"%.*s\" is no comparison: \"gt\", \"ge\", \"lt\", \"le\", \"eq\" or \"ne\" is",
	    STR_ARG(str_sub(value->strings->text, 0, 40)));
}

static enum err
relation_match(struct sieve_run *run, const struct sieve_node *node, const struct sieve_text *value, const struct sieve_text *key,
    bool *ret_is_true)
{
	int order;

	(void)run;
	*ret_is_true = sieve_compare(node->comparator, value, key, &order) &&
	    find_operator(&node->match->value)->takes[order < 0 ? 0 : order == 0 ? 1 : 2];
	return ERR_OK;
}

static const struct sieve_match_type VALUE = { .match = relation_match }, COUNT = { .counts = true, .match = relation_match };

static const struct sieve_tag TAGS[] = {
	{ .name = "value", .group = SIEVE_GROUP_MATCH, .argument = { SIEVE_STRING, "comparison", .is_constant = true }, .what = &VALUE,
	    .check = operator_check },
	{ .name = "count", .group = SIEVE_GROUP_MATCH, .argument = { SIEVE_STRING, "comparison", .is_constant = true }, .what = &COUNT,
	    .check = operator_check },
	{ 0 },
};

const struct sieve_extension sieve_ext_relational = { .name = "relational", .tags = TAGS };
