/* Parameters in PostgreSQL's binary formats. */
#include "services/metadata/pg/internal.h"

enum { OID_BOOL = 16, OID_BYTEA = 17, OID_INT8 = 20, OID_INT4 = 23, OID_TEXT = 25, OID_BOOLS = 1000, OID_BYTEAS = 1001,
	OID_INT4S = 1007, OID_INT8S = 1016 };

static void
add(struct pg_args *args, unsigned type, const void *value, size_t length)
{
	assert(args->count < PG_ARGS_MAX && length <= INT_MAX);
	args->types[args->count] = type;
	args->values[args->count] = value;
	args->lengths[args->count] = (int)length;
	args->count++;
}

void
pg_put32(char *out, uint32_t value)
{
	value = htobe32(value);
	memcpy(out, &value, sizeof(value));
}

void
pg_put64(char *out, uint64_t value)
{
	value = htobe64(value);
	memcpy(out, &value, sizeof(value));
}

/* A one-dimensional array's header; its elements follow. */
static char *
array(struct pg_args *args, unsigned type, unsigned element, size_t count, size_t elements_bytes)
{
	size_t header = count > 0 ? 20 : 12;
	char *out = arena_alloc(args->arena, header + elements_bytes);

	pg_put32(out, count > 0 ? 1 : 0);
	pg_put32(out + 4, 0);
	pg_put32(out + 8, element);
	if (count > 0) {
		pg_put32(out + 12, (uint32_t)count);
		pg_put32(out + 16, 1);
	}
	add(args, type, out, header + elements_bytes);
	return out + header;
}

void
pg_arg_int(struct pg_args *args, int64_t value)
{
	char *out = arena_alloc(args->arena, 8);

	pg_put64(out, (uint64_t)value);
	add(args, OID_INT8, out, 8);
}

void
pg_arg_int4(struct pg_args *args, int32_t value)
{
	char *out = arena_alloc(args->arena, 4);

	pg_put32(out, (uint32_t)value);
	add(args, OID_INT4, out, 4);
}

void
pg_arg_bool(struct pg_args *args, bool value)
{
	add(args, OID_BOOL, value ? "\1" : "\0", 1);
}

void
pg_arg_bytes(struct pg_args *args, struct str value)
{
	add(args, OID_BYTEA, value.ptr ? value.ptr : "", value.len);
}

void
pg_arg_text(struct pg_args *args, struct str value)
{
	add(args, OID_TEXT, value.ptr ? value.ptr : "", value.len);
}

void
pg_arg_text_or_null(struct pg_args *args, struct str value)
{
	add(args, OID_TEXT, value.len > 0 ? value.ptr : NULL, value.len);
}

void
pg_arg_int_or_null(struct pg_args *args, int64_t value, bool is_there)
{
	if (is_there)
		pg_arg_int(args, value);
	else
		add(args, OID_INT8, NULL, 0);
}

void
pg_arg_ints(struct pg_args *args, const int64_t *values, size_t count)
{
	char *out = array(args, OID_INT8S, OID_INT8, count, count * 12);

	for (size_t i = 0; i < count; i++, out += 12) {
		pg_put32(out, 8);
		pg_put64(out + 4, (uint64_t)values[i]);
	}
}

void
pg_arg_int4s(struct pg_args *args, const int32_t *values, size_t count)
{
	char *out = array(args, OID_INT4S, OID_INT4, count, count * 8);

	for (size_t i = 0; i < count; i++, out += 8) {
		pg_put32(out, 4);
		pg_put32(out + 4, (uint32_t)values[i]);
	}
}

void
pg_arg_bools(struct pg_args *args, const bool *values, size_t count)
{
	char *out = array(args, OID_BOOLS, OID_BOOL, count, count * 5);

	for (size_t i = 0; i < count; i++, out += 5) {
		pg_put32(out, 1);
		out[4] = values[i];
	}
}

void
pg_arg_byteses(struct pg_args *args, const struct str *values, size_t count)
{
	size_t bytes = count * 4;
	char *out;

	for (size_t i = 0; i < count; i++)
		bytes += values[i].len;
	out = array(args, OID_BYTEAS, OID_BYTEA, count, bytes);
	for (size_t i = 0; i < count; i++) {
		pg_put32(out, (uint32_t)values[i].len);
		if (values[i].len > 0)
			memcpy(out + 4, values[i].ptr, values[i].len);
		out += 4 + values[i].len;
	}
}

void
pg_arg_timeline(struct pg_args *args)
{
	args->timeline_at = args->count + 1;
	add(args, OID_INT8, arena_alloc(args->arena, 8), 8);
}
