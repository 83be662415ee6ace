/* Where the values of variables are: those of each file, and the global ones of a script.                          RFC 5229 s. 4, RFC 6609 s. 3.4 */
#include "services/sieve/ext/variables/internal.h"

static struct variables *
variables_of(struct sieve_run *run, enum sieve_lifetime lifetime)
{
	return sieve_state(run, &sieve_ext_variables, lifetime);
}

static struct variable *
find(const struct variables *variables, struct str name)
{
	for (size_t i = 0; i < variables->count; i++)
		if (str_equal_nocase(variables->items[i].name, name))
			return &variables->items[i];
	return NULL;
}

static enum err
find_or_add(struct sieve_run *run, struct variables *variables, struct str name, struct variable **ret)
{
	uint64_t max = sieve_limits(run)->variables;

	*ret = find(variables, name);
	if (*ret != NULL)
		return ERR_OK;
	if (max > 0 && variables->count >= max)
		return sieve_fail(run, NULL, "more than %llu variables", (unsigned long long)max);
	variables->items = sieve_grow(sieve_arena(run), variables->items, variables->count, &variables->room, sizeof(*variables->items));
	*ret = &variables->items[variables->count++];
	**ret = (struct variable){ .name = name };
	return ERR_OK;
}

static enum err
set(struct sieve_run *run, struct variable *variable, struct str value)
{
	variable->value = arena_copy(sieve_arena(run), sieve_cut(value, sieve_limits(run)->variable_bytes));
	return sieve_spend_bytes(run, variable->value.len);
}

struct str
sieve_global_get(struct sieve_run *run, struct str name)
{
	const struct variable *variable = find(variables_of(run, SIEVE_PER_SCRIPT), name);

	return variable != NULL ? variable->value : STR_NONE;
}

enum err
sieve_global_set(struct sieve_run *run, struct str name, struct str value)
{
	struct variable *variable;

	TRY(find_or_add(run, variables_of(run, SIEVE_PER_SCRIPT), name, &variable));
	return set(run, variable, value);
}

struct str
sieve_variable_get(struct sieve_run *run, struct str name)
{
	const struct variable *variable = find(variables_of(run, SIEVE_PER_FILE), name);

	if (variable == NULL)
		return STR_NONE;
	return variable->is_global ? sieve_global_get(run, name) : variable->value;
}

enum err
sieve_variable_set(struct sieve_run *run, struct str name, struct str value)
{
	struct variable *variable;

	TRY(find_or_add(run, variables_of(run, SIEVE_PER_FILE), name, &variable));
	return variable->is_global ? sieve_global_set(run, name, value) : set(run, variable, value);
}

enum err
sieve_variable_make_global(struct sieve_run *run, struct str name)
{
	struct variables *variables = variables_of(run, SIEVE_PER_FILE);
	struct variable *variable = find(variables, name);

	if (variable != NULL && !variable->is_global)
		return sieve_fail(run, NULL, "the variable \"%.*s\" was set before it was made global", STR_ARG(name));
	TRY(find_or_add(run, variables, name, &variable));
	variable->is_global = true;
	return ERR_OK;
}
