/* set and string.                                                                                      RFC 5229 s. 4, 5 */
#include "services/sieve/ext/variables/internal.h"

/* ---- modifiers: the bigger the precedence, the earlier (RFC 5229 s. 4.1) */

struct modifier {
	unsigned precedence;
	struct str (*apply)(struct arena *arena, struct str text);
};

enum { PRECEDENCE_MAX = 40, PRECEDENCE_STEP = 10 };

static struct str
upper_first(struct arena *arena, struct str text)
{
	struct str copy = arena_copy(arena, text);

	if (copy.len > 0)
		((char *)copy.ptr)[0] = ascii_upper(copy.ptr[0]);
	return copy;
}

static struct str
lower_first(struct arena *arena, struct str text)
{
	struct str copy = arena_copy(arena, text);

	if (copy.len > 0)
		((char *)copy.ptr)[0] = ascii_lower(copy.ptr[0]);
	return copy;
}

static struct str
quote_wildcard(struct arena *arena, struct str text)
{
	char *quoted = arena_alloc(arena, text.len * 2 + 1);
	size_t len = 0;

	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '*' || text.ptr[i] == '?' || text.ptr[i] == '\\')
			quoted[len++] = '\\';
		quoted[len++] = text.ptr[i];
	}
	return str_from(quoted, len);
}

/* In characters, not bytes. */
static struct str
length(struct arena *arena, struct str text)
{
	size_t count = 0;

	for (size_t i = 0; i < text.len; i++)
		count += ((unsigned char)text.ptr[i] & 0xC0) != 0x80;
	return arena_printf(arena, "%zu", count);
}

static const struct modifier LOWER = { 40, arena_lower }, UPPER = { 40, arena_upper }, LOWER_FIRST = { 30, lower_first },
	UPPER_FIRST = { 30, upper_first }, QUOTE_WILDCARD = { 20, quote_wildcard }, LENGTH = { 10, length };

static struct str
modify(struct sieve_run *run, const struct sieve_node *node, struct str text)
{
	for (unsigned precedence = PRECEDENCE_MAX; precedence > 0; precedence -= PRECEDENCE_STEP)
		for (size_t i = 0; i < node->tag_count; i++) {
			const struct modifier *modifier = node->tags[i].row->what;

			if (modifier->precedence == precedence)
				text = modifier->apply(sieve_arena(run), text);
		}
	return text;
}

/* ---- set */

static enum err
set_check(struct sieve_check *check, struct sieve_node *node)
{
	return sieve_variable_check(check, node->arguments[0].strings, node->arguments[0].strings->text);
}

static enum err
set_run(struct sieve_run *run, const struct sieve_node *node)
{
	struct str name = node->arguments[0].strings->text, value;
	size_t dot = str_index(name, '.');

	TRY(sieve_expand(run, node->arguments[1].strings, &value));
	TRY(sieve_spend_bytes(run, value.len));
	value = modify(run, node, value);
	sieve_explain(run, "%.*s = \"%.*s\"", STR_ARG(name), STR_ARG(str_sub(value, 0, 100)));
	if (dot < name.len)
		return sieve_namespace(str_sub(name, 0, dot))->set(run, str_sub(name, dot + 1, SIZE_MAX), value);
	return sieve_variable_set(run, name, value);
}

/* ---- string */

static enum err
string_test(struct sieve_run *run, const struct sieve_node *node, bool *ret_is_true)
{
	struct sieve_match match;
	struct str *texts;
	size_t count;

	TRY(sieve_expand_all(run, &node->arguments[0], &texts, &count));
	TRY(sieve_match_begin(run, node, &match));
	for (size_t i = 0; i < count && !match.is_true; i++)
		/* RFC 5229 s. 5: an empty string does not count. */
		if (texts[i].len > 0 || !sieve_match_counts(&match))
			TRY(sieve_match_value(&match, texts[i]));
	return sieve_match_end(&match, ret_is_true);
}

static const struct sieve_command COMMANDS[] = {
	{ .name = "set", .parameters = { { SIEVE_STRING, "name", .is_constant = true }, { SIEVE_STRING, "value" } }, .check = set_check,
	    .run = set_run },
	{ .name = "string", .flags = SIEVE_TEST | SIEVE_MATCHES,
	    .parameters = { { SIEVE_STRINGS, "list of texts" }, { SIEVE_STRINGS, "list of keys" } }, .test = string_test },
	{ 0 },
};

static const struct sieve_tag TAGS[] = {
	{ .name = "lower", .commands = "set", .group = "of ':lower' and ':upper'", .what = &LOWER },
	{ .name = "upper", .commands = "set", .group = "of ':lower' and ':upper'", .what = &UPPER },
	{ .name = "lowerfirst", .commands = "set", .group = "of ':lowerfirst' and ':upperfirst'", .what = &LOWER_FIRST },
	{ .name = "upperfirst", .commands = "set", .group = "of ':lowerfirst' and ':upperfirst'", .what = &UPPER_FIRST },
	{ .name = "quotewildcard", .commands = "set", .what = &QUOTE_WILDCARD },
	{ .name = "length", .commands = "set", .what = &LENGTH },
	{ 0 },
};

const struct sieve_extension sieve_ext_variables = {
	.name = "variables",
	.is_grammar = true,
	.commands = COMMANDS,
	.tags = TAGS,
	.state_bytes = { [SIEVE_PER_SCRIPT] = sizeof(struct variables), [SIEVE_PER_FILE] = sizeof(struct variables) },
	.cut = sieve_variables_cut,
};
