/* Values of settings: from text to their type. */
#include "libcommon/config/value.h"

#include <stdio.h>
#include <stdlib.h>

#include "libcommon/config/config.h"

/* The first line of a file, without its end; an empty file has none. */
static bool
read_line(struct arena *arena, struct str path, struct str *ret)
{
	char line[4096];
	FILE *in = fopen(arena_cstr(arena, path), "re");
	bool ok;

	if (in == NULL)
		return false;
	ok = fgets(line, sizeof(line), in) != NULL;
	fclose(in);
	if (ok)
		*ret = arena_copy(arena, str_trim(str_c(line)));
	explicit_bzero(line, sizeof(line));
	return ok;
}

static bool
expand_one(struct arena *arena, struct str name, struct str *ret, struct str *reterr_why)
{
	const char *value;

	if (str_starts_with(name, STR("file:"))) {
		if (read_line(arena, str_sub(name, 5, SIZE_MAX), ret))
			return true;
		*reterr_why = arena_printf(arena, "the file %.*s cannot be read, or is empty", STR_ARG(str_sub(name, 5, SIZE_MAX)));
		return false;
	}
	value = getenv(arena_cstr(arena, name));
	if (value == NULL) {
		*reterr_why = arena_printf(arena, "the environment has no variable %.*s", STR_ARG(name));
		return false;
	}
	*ret = arena_copy(arena, str_c(value));
	return true;
}

static bool
expand(struct arena *arena, struct str text, struct str *ret, struct str *reterr_why)
{
	struct str done = STR("");

	for (;;) {
		size_t at = str_find(text, STR("${"));
		size_t end = str_index(text, '}');
		struct str value;

		if (at == text.len || end == text.len || end < at) {
			*ret = arena_printf(arena, "%.*s%.*s", STR_ARG(done), STR_ARG(text));
			return true;
		}
		if (!expand_one(arena, str_sub(text, at + 2, end - at - 2), &value, reterr_why))
			return false;
		done = arena_printf(arena, "%.*s%.*s%.*s", STR_ARG(done), (int)at, text.ptr, STR_ARG(value));
		text = str_sub(text, end + 1, SIZE_MAX);
	}
}

struct unit {
	const char *suffix;
	int64_t factor;
};

/* A number with one of `units` behind it, or with none where a row has the suffix "". */
static bool
parse_unit(struct str text, const struct unit *units, int64_t *ret)
{
	size_t digits = 0;
	uint64_t value;

	while (digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9')
		digits++;
	if (!str_to_u64(str_sub(text, 0, digits), &value))
		return false;
	for (; units->suffix != NULL; units++) {
		if (!str_equal(str_sub(text, digits, SIZE_MAX), str_c(units->suffix)))
			continue;
		if (value > (uint64_t)(INT64_MAX / units->factor))
			return false;
		*ret = (int64_t)value * units->factor;
		return true;
	}
	return false;
}

static bool
parse_bool(struct str text, bool *ret)
{
	*ret = str_equal(text, STR("true"));
	return *ret || str_equal(text, STR("false"));
}

static const struct unit no_units[] = { { "", 1 }, { NULL, 0 } };
static const struct unit size_units[] = { { "", 1 }, { "K", 1 << 10 }, { "M", 1 << 20 }, { "G", 1 << 30 }, { NULL, 0 } };
static const struct unit time_units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 },
	{ "", 1000 }, { NULL, 0 } };

/* A number from 1 to `max`, as nothing of any size may be asked of the system. */
static bool
parse_count(struct str text, int64_t max, int64_t *ret)
{
	return parse_unit(text, no_units, ret) && *ret >= 1 && *ret <= max;
}

static bool
convert(enum value_type type, struct str text, void *field, const char **reterr_expected)
{
	switch (type) {
	case VALUE_BOOL:
		*reterr_expected = "true or false";
		return parse_bool(text, field);
	case VALUE_INT:
		*reterr_expected = "a number from 1 to 1000000";
		return parse_count(text, 1000000, field);
	case VALUE_THREADS:
		*reterr_expected = "a number from 1 to 1000";
		return parse_count(text, 1000, field);
	case VALUE_PORT:
		*reterr_expected = "a port from 1 to 65535";
		return parse_count(text, 65535, field);
	case VALUE_SIZE:
		*reterr_expected = "a size such as 512K, 50M or 2G";
		return parse_unit(text, size_units, field);
	case VALUE_TIME:
		*reterr_expected = "a time such as 500ms, 30s, 10m, 6h or 14d";
		return parse_unit(text, time_units, field);
	default:
		*(struct str *)field = text;
		return true;
	}
}

bool
value_set(struct arena *arena, enum value_type type, const struct str *items, size_t count, void *field,
    struct str *reterr_why)
{
	struct str *expanded = ARENA_ARRAY(arena, struct str, count + 1);
	const char *expected = "";

	for (size_t i = 0; i < count; i++)
		if (!expand(arena, items[i], &expanded[i], reterr_why))
			return false;
	if (type == VALUE_LIST) {
		*(struct str_list *)field = (struct str_list){ expanded, count };
		return true;
	}
	if (convert(type, expanded[0], field, &expected))
		return true;
	*reterr_why = arena_printf(arena, "%s is expected, not \"%.*s\"", expected, STR_ARG(items[0]));
	return false;
}

size_t
value_split_list(struct str text, struct str *ret_items, size_t max)
{
	size_t count = 0;
	struct str rest = str_sub(text, 1, text.len < 2 ? 0 : text.len - 2);
	struct str item;

	while (rest.len > 0 && count < max && str_split(&rest, ',', &item))
		ret_items[count++] = str_trim(item);
	return count;
}
