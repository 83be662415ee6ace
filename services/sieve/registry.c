/* The tables of the language: which extension has a command, a tag, a comparator of this name. */
#include "services/sieve/script.h"


struct sieve_found
sieve_find_command(struct str name, bool is_test)
{
	for (size_t i = 0; sieve_extensions[i] != NULL; i++)
		for (const struct sieve_command *row = sieve_extensions[i]->commands; row != NULL && row->name != NULL; row++)
			if (((row->flags & SIEVE_TEST) != 0) == is_test && str_equal_nocase(name, str_c(row->name)))
				return (struct sieve_found){ row, i };
	return (struct sieve_found){ 0 };
}

/* Is the command among the names in `list`? */
static bool
is_listed(const char *list, const char *name)
{
	struct str rest = str_c(list), word;

	while (str_split(&rest, ' ', &word))
		if (str_equal(word, str_c(name)))
			return true;
	return false;
}

static bool
takes(const struct sieve_command *command, const struct sieve_tag *tag)
{
	if (tag->commands != NULL && is_listed(tag->commands, command->name))
		return true;
	if (tag->is_fcc_option && (command->flags & SIEVE_FCC))
		return true;
	if (tag->commands != NULL || tag->group == NULL)
		return false;
	if (strcmp(tag->group, SIEVE_GROUP_ADDRESS_PART) == 0)
		return (command->flags & SIEVE_ADDRESS_PARTS) != 0;
	return (command->flags & SIEVE_MATCHES) != 0;
}

struct sieve_found
sieve_find_tag(const struct sieve_command *command, struct str name)
{
	for (size_t i = 0; sieve_extensions[i] != NULL; i++)
		for (const struct sieve_tag *row = sieve_extensions[i]->tags; row != NULL && row->name != NULL; row++)
			if (str_equal_nocase(name, str_c(row->name)) && takes(command, row))
				return (struct sieve_found){ row, i };
	return (struct sieve_found){ 0 };
}

struct sieve_found
sieve_find_comparator(struct str name)
{
	for (size_t i = 0; sieve_extensions[i] != NULL; i++)
		for (const struct sieve_comparator *row = sieve_extensions[i]->comparators; row != NULL && row->name != NULL; row++)
			if (str_equal(name, str_c(row->name)))
				return (struct sieve_found){ row, i };
	return (struct sieve_found){ 0 };
}

struct sieve_found
sieve_find_extension(struct str name)
{
	for (size_t i = 0; sieve_extensions[i] != NULL; i++)
		if (sieve_extensions[i]->name != NULL && str_equal(name, str_c(sieve_extensions[i]->name)))
			return (struct sieve_found){ sieve_extensions[i], i };
	return (struct sieve_found){ 0 };
}

const struct sieve_extension *
sieve_extension_find(struct str name)
{
	return sieve_find_extension(name).row;
}

/* The place of the extension that has the namespace; that of the table's end when none does. */
static size_t
find_namespace(struct str name)
{
	size_t i = 0;

	while (sieve_extensions[i] != NULL && (sieve_extensions[i]->space == NULL || !str_equal_nocase(name, str_c(sieve_extensions[i]->space->name))))
		i++;
	return i;
}

const struct sieve_namespace *
sieve_namespace(struct str name)
{
	return sieve_extensions[find_namespace(name)]->space;
}

const struct sieve_namespace *
sieve_check_namespace(struct sieve_check *check, struct str name)
{
	const struct sieve_extension *extension = sieve_extensions[find_namespace(name)];

	return extension != NULL && sieve_check_has(check, str_c(extension->name)) ? extension->space : NULL;
}

uint64_t
sieve_implied_extensions(void)
{
	uint64_t bits = 0;

	for (size_t i = 0; sieve_extensions[i] != NULL; i++)
		if (sieve_extensions[i]->is_implied)
			bits |= UINT64_C(1) << i;
	return bits;
}

const char *
sieve_extension_name(size_t index)
{
	for (size_t i = 0; sieve_extensions[i] != NULL; i++)
		if (sieve_extensions[i]->name != NULL && index-- == 0)
			return sieve_extensions[i]->name;
	return NULL;
}

/* ---- the nearest name */

enum { NEAR_MAX = 16, NEAR_ENOUGH = 2 };

/* How many letters have to be put in, left out or changed to make one of the other (Levenshtein). */
static size_t
distance(struct str a, struct str b)
{
	size_t row[NEAR_MAX + 1];

	if (a.len > NEAR_MAX || b.len > NEAR_MAX)
		return NEAR_MAX;
	for (size_t j = 0; j <= b.len; j++)
		row[j] = j;
	for (size_t i = 1; i <= a.len; i++) {
		size_t corner = row[0]++;

		for (size_t j = 1; j <= b.len; j++) {
			size_t best = corner + (ascii_lower(a.ptr[i - 1]) != ascii_lower(b.ptr[j - 1]));

			corner = row[j];
			best = best < row[j] + 1 ? best : row[j] + 1;
			row[j] = best < row[j - 1] + 1 ? best : row[j - 1] + 1;
		}
	}
	return row[b.len];
}

const char *
sieve_nearest_command(struct str name, bool is_test)
{
	const char *nearest = NULL;
	size_t best = NEAR_ENOUGH + 1;

	for (size_t i = 0; sieve_extensions[i] != NULL; i++)
		for (const struct sieve_command *row = sieve_extensions[i]->commands; row != NULL && row->name != NULL; row++) {
			size_t apart = distance(name, str_c(row->name));

			if (((row->flags & SIEVE_TEST) != 0) == is_test && apart < best && apart < name.len) {
				best = apart;
				nearest = row->name;
			}
		}
	return nearest;
}
