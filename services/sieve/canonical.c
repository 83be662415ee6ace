/* A script printed from its tree, one command a line: parsed again, the tree is the same. */
#include "services/sieve/syntax.h"

#include "libcommon/core/buffer.h"

static void
print_string(struct str text, struct buffer *out)
{
	buffer_add_byte(out, '"');
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '"' || text.ptr[i] == '\\')
			buffer_add_byte(out, '\\');
		buffer_add_byte(out, text.ptr[i]);
	}
	buffer_add_byte(out, '"');
}

static void
print_argument(const struct sieve_argument *argument, struct buffer *out)
{
	switch (argument->kind) {
	case SIEVE_ARGUMENT_TAG:
		buffer_printf(out, " :%.*s", STR_ARG(argument->text));
		return;
	case SIEVE_ARGUMENT_NUMBER:
		buffer_printf(out, " %llu", (unsigned long long)argument->number);
		return;
	case SIEVE_ARGUMENT_STRING:
	case SIEVE_ARGUMENT_LIST:
		break;
	}
	buffer_add(out, argument->kind == SIEVE_ARGUMENT_LIST ? STR(" [") : STR(" "));
	for (const struct sieve_syntax_string *string = argument->strings; string != NULL; string = string->next) {
		print_string(string->text, out);
		if (string->next != NULL)
			buffer_add(out, STR(", "));
	}
	if (argument->kind == SIEVE_ARGUMENT_LIST)
		buffer_add_byte(out, ']');
}

static void
print_call(const struct sieve_syntax *syntax, struct buffer *out)
{
	buffer_add(out, syntax->name);
	for (const struct sieve_argument *argument = syntax->arguments; argument != NULL; argument = argument->next)
		print_argument(argument, out);
	for (const struct sieve_syntax *test = syntax->tests; test != NULL; test = test->next) {
		buffer_add(out, test != syntax->tests ? STR(", ") : syntax->has_list ? STR(" (") : STR(" "));
		print_call(test, out);
	}
	if (syntax->has_list)
		buffer_add_byte(out, ')');
}

static void
print_commands(const struct sieve_syntax *syntax, unsigned depth, struct buffer *out)
{
	for (; syntax != NULL; syntax = syntax->next) {
		buffer_printf(out, "%*s", (int)depth, "");
		print_call(syntax, out);
		if (syntax->has_block) {
			buffer_add(out, STR(" {\r\n"));
			print_commands(syntax->block, depth + 1, out);
			buffer_printf(out, "%*s}\r\n", (int)depth, "");
		} else {
			buffer_add(out, STR(";\r\n"));
		}
	}
}

bool
sieve_canonical(struct str source, const struct sieve_limits *limits, struct arena *arena, struct str *ret_text)
{
	struct sieve_problem problem;
	struct sieve_syntax *first;
	struct buffer out = { 0 };

	if (sieve_parse(source, limits, arena, &first, &problem) != ERR_OK)
		return false;
	print_commands(first, 0, &out);
	*ret_text = arena_copy(arena, buffer_str(&out));
	buffer_clear(&out);
	return true;
}
