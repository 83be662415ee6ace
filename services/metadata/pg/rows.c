/* Results in PostgreSQL's binary formats. */
#include "services/metadata/pg/internal.h"

static uint32_t
get32(const char *in)
{
	uint32_t value;

	memcpy(&value, in, sizeof(value));
	return be32toh(value);
}

static int64_t
get_int(const char *in, int len)
{
	uint64_t wide;
	uint16_t narrow;

	switch (len) {
	case 1:
		return in[0];
	case 2:
		memcpy(&narrow, in, sizeof(narrow));
		return (int16_t)be16toh(narrow);
	case 4:
		return (int32_t)get32(in);
	case 8:
		memcpy(&wide, in, sizeof(wide));
		return (int64_t)be64toh(wide);
	}
	return 0;
}

bool
pg_is_null(const struct pg_rows *rows, size_t row, int column)
{
	return PQgetisnull(rows->result, (int)row, column);
}

int64_t
pg_int(const struct pg_rows *rows, size_t row, int column)
{
	if (pg_is_null(rows, row, column))
		return 0;
	return get_int(PQgetvalue(rows->result, (int)row, column), PQgetlength(rows->result, (int)row, column));
}

struct str
pg_bytes(const struct pg_rows *rows, size_t row, int column)
{
	if (pg_is_null(rows, row, column))
		return STR_NONE;
	return str_from(PQgetvalue(rows->result, (int)row, column), (size_t)PQgetlength(rows->result, (int)row, column));
}

/* Steps over an array's header: how many elements follow at *ret_elements, each after its length. */
static size_t
array_open(const struct pg_rows *rows, size_t row, int column, const char **ret_elements)
{
	struct str in = pg_bytes(rows, row, column);

	if (in.len < 20 || get32(in.ptr) != 1)
		return 0;
	*ret_elements = in.ptr + 20;
	return get32(in.ptr + 12);
}

struct pg_ints
pg_ints(const struct pg_rows *rows, size_t row, int column, struct arena *arena)
{
	const char *at = NULL;
	struct pg_ints out = { NULL, array_open(rows, row, column, &at) };

	if (out.count > 0)
		out.items = ARENA_ARRAY(arena, int64_t, out.count);
	for (size_t i = 0; i < out.count; i++) {
		int len = (int)get32(at);

		out.items[i] = get_int(at + 4, len);
		at += 4 + (len > 0 ? len : 0);
	}
	return out;
}

struct str_list
pg_byteses(const struct pg_rows *rows, size_t row, int column, struct arena *arena)
{
	const char *at = NULL;
	struct str_list out = { NULL, array_open(rows, row, column, &at) };

	if (out.count > 0)
		out.items = ARENA_ARRAY(arena, struct str, out.count);
	for (size_t i = 0; i < out.count; i++) {
		int len = (int)get32(at);

		out.items[i] = str_from(at + 4, len > 0 ? (size_t)len : 0);
		at += 4 + (len > 0 ? len : 0);
	}
	return out;
}
