/* addheader and deleteheader.                                                                          RFC 5293 */
#include "services/sieve/compose.h"
#include "services/sieve/ext.h"

/* RFC 5293 s. 6: no script takes these away; the first ends loops, the second keeps machines from answering each other. */
static const struct str PROTECTED[] = { STR("Received"), STR("Auto-Submitted") };

static bool
is_protected(struct str name)
{
	for (size_t i = 0; i < sizeof(PROTECTED) / sizeof(PROTECTED[0]); i++)
		if (str_equal_nocase(name, PROTECTED[i]))
			return true;
	return false;
}

/* RFC 5322 s. 2.2: printable ASCII but the colon. */
static bool
is_field_name(struct str name)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.ptr[i] <= ' ' || name.ptr[i] >= 0x7f || name.ptr[i] == ':')
			return false;
	return name.len > 0;
}

static enum err
name_check(struct sieve_check *check, struct sieve_node *node)
{
	const struct sieve_string *name = node->arguments[0].strings;

	if (name->pieces != NULL || is_field_name(name->text))
		return ERR_OK;
	return SIEVE_PROBLEM(check, name, "\"%.*s\" can not be the name of a header field", STR_ARG(str_sub(name->text, 0, 40)));
}

static enum err
find_name(struct sieve_run *run, const struct sieve_node *node, struct str *ret_name)
{
	TRY(sieve_expand(run, node->arguments[0].strings, ret_name));
	if (is_field_name(*ret_name))
		return ERR_OK;
	return sieve_fail(run, node, "\"%.*s\" can not be the name of a header field", STR_ARG(str_sub(*ret_name, 0, 40)));
}

/* The fields of the header, all lines ended, without the empty line. */
static struct str
fields_of(struct str header)
{
	if (str_equal(header, STR("\r\n")) || str_equal(header, STR("\n")))
		return STR("");
	if (str_ends_with(header, STR("\n\r\n")) || str_ends_with(header, STR("\n\n")))
		return str_sub(header, 0, header.len - (header.ptr[header.len - 2] == '\r' ? 2 : 1));
	return header;
}

/* What was made of fields becomes the header; the buffer is given back. */
static enum err
put_fields(struct sieve_run *run, struct buffer *made)
{
	struct str header = str_ends_with(buffer_str(made), STR("\n")) || buffer_len(made) == 0 ? STR("\r\n") : STR("\r\n\r\n");

	buffer_add(made, header);
	header = arena_copy(sieve_arena(run), buffer_str(made));
	buffer_clear(made);
	return sieve_set_header(run, header);
}

/* ---- addheader */

static enum err
addheader_run(struct sieve_run *run, const struct sieve_node *node)
{
	struct str fields = fields_of(sieve_header(run)), name, value;
	bool is_last = sieve_tag(node, "last") != NULL;
	struct buffer made = { 0 };

	TRY(find_name(run, node, &name));
	TRY(sieve_expand(run, node->arguments[1].strings, &value));
	TRY(sieve_spend_bytes(run, fields.len));
	if (is_last)
		buffer_add(&made, fields);
	if (is_last && fields.len > 0 && !str_ends_with(fields, STR("\n")))
		buffer_add(&made, STR("\r\n"));
	sieve_add_field(&made, arena_cstr(sieve_arena(run), name), value);
	if (!is_last)
		buffer_add(&made, fields);
	sieve_explain(run, "%.*s: %.*s", STR_ARG(name), STR_ARG(str_sub(value, 0, 100)));
	return put_fields(run, &made);
}

/* ---- deleteheader */

/* Without patterns every field goes; else those whose value matches, as the header test has it. */
static enum err
is_meant(struct sieve_run *run, const struct sieve_node *node, size_t field, bool *ret_is_meant)
{
	struct sieve_match match;
	struct str text;

	*ret_is_meant = true;
	if (node->arguments[1].type == SIEVE_NONE)
		return ERR_OK;
	TRY(sieve_field_text(run, field, &text));
	TRY(sieve_match_begin(run, node, &match));
	TRY(sieve_match_value(&match, text));
	return sieve_match_end(&match, ret_is_meant);
}

/* Copy what stands between `*at` and the field, and go behind it. */
static void
cut_out(struct str header, const struct sieve_field *field, size_t *at, struct buffer *made)
{
	size_t start = (size_t)(field->raw.ptr - header.ptr);

	buffer_add(made, str_sub(header, *at, start - *at));
	*at = start + field->raw.len;
}

static enum err
find_meant(struct sieve_run *run, const struct sieve_node *node, struct str name, size_t *fields, size_t *ret_count)
{
	struct sieve_walk walk;
	size_t field, count = 0;

	TRY(sieve_walk_begin(run, node, &name, 1, &walk));
	while (sieve_walk_next(&walk, &field)) {
		bool is_it;

		TRY(is_meant(run, node, field, &is_it));
		if (is_it)
			fields[count++] = field;
	}
	*ret_count = count;
	return ERR_OK;
}

static enum err
deleteheader_run(struct sieve_run *run, const struct sieve_node *node)
{
	struct str header = fields_of(sieve_header(run)), name;
	struct buffer made = { 0 };
	size_t *fields, count, at = 0;

	TRY(find_name(run, node, &name));
	if (is_protected(name))
		return ERR_OK;
	TRY(sieve_spend_bytes(run, header.len));
	fields = ARENA_ARRAY(sieve_arena(run), size_t, sieve_field_count(run) + 1);
	TRY(find_meant(run, node, name, fields, &count));
	sieve_explain(run, "%zu of the fields %.*s", count, STR_ARG(name));
	if (count == 0)
		return ERR_OK;
	for (size_t i = 0; i < count; i++)
		cut_out(header, sieve_field(run, fields[i]), &at, &made);
	buffer_add(&made, str_sub(header, at, SIZE_MAX));
	return put_fields(run, &made);
}

static const struct sieve_command COMMANDS[] = {
	{ .name = "addheader", .parameters = { { SIEVE_STRING, "name of a header field" }, { SIEVE_STRING, "value" } },
	    .check = name_check, .run = addheader_run },
	{ .name = "deleteheader", .flags = SIEVE_MATCHES,
	    .parameters = { { SIEVE_STRING, "name of a header field" }, { SIEVE_STRINGS, "list of values", .is_optional = true } },
	    .check = name_check, .run = deleteheader_run },
	{ 0 },
};

static const struct sieve_tag TAGS[] = {
	{ .name = "last", .commands = "addheader" },
	{ .name = "index", .commands = "deleteheader", .argument = { SIEVE_NUMBER, "number of the field" } },
	{ .name = "last", .commands = "deleteheader", .check = sieve_check_last },
	{ 0 },
};

const struct sieve_extension sieve_ext_editheader = { .name = "editheader", .commands = COMMANDS, .tags = TAGS };
