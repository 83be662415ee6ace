/* Which fields a test or action looks at: those of some names, or one of them.                                       RFC 5260 s. 6 */
#include "services/sieve/ext.h"

/* The next field of the names, none left out. */
static bool
next_named(struct sieve_walk *walk, size_t *ret_field)
{
	for (; walk->name < walk->name_count; walk->name++, walk->field = 0) {
		*ret_field = sieve_field_find(walk->run, walk->names[walk->name], walk->field);
		if (*ret_field < sieve_field_count(walk->run)) {
			walk->field = *ret_field + 1;
			return true;
		}
	}
	return false;
}

enum err
sieve_walk_begin(struct sieve_run *run, const struct sieve_node *node, const struct str *names, size_t name_count, struct sieve_walk *ret_walk)
{
	const struct sieve_value *index = sieve_tag(node, "index");
	struct sieve_walk all = { .run = run, .names = names, .name_count = name_count };
	uint64_t total = 0;
	size_t field;

	TRY(sieve_spend(run, name_count * (1 + sieve_field_count(run) / 64)));
	*ret_walk = all;
	if (index == NULL)
		return ERR_OK;
	while (sieve_tag(node, "last") != NULL && next_named(&all, &field))
		total++;
	ret_walk->is_one = true;
	ret_walk->one = sieve_tag(node, "last") == NULL ? index->number : index->number > total ? 0 : total + 1 - index->number;
	return ERR_OK;
}

bool
sieve_walk_next(struct sieve_walk *walk, size_t *ret_field)
{
	while (next_named(walk, ret_field))
		if (!walk->is_one || ++walk->seen == walk->one)
			return true;
	return false;
}

enum err
sieve_check_last(struct sieve_check *check, struct sieve_node *node, const struct sieve_value *value)
{
	if (sieve_tag(node, "index") != NULL)
		return ERR_OK;
	return sieve_problem(check, value->line, value->column, "':last' needs ':index' and a number beside it");
}
