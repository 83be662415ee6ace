/* Tokens into a tree.                                                                                 RFC 5228 s. 8.2 */
#include "services/sieve/syntax.h"

struct parser {
	struct sieve_lexer lexer;
	struct sieve_token token; /* the next one */
	struct sieve_token last;  /* the one before */
	struct arena *arena;
	uint64_t nesting;
	uint64_t nesting_max;
	struct sieve_problem problem;
};

static enum err
advance(struct parser *parser)
{
	enum err err;

	parser->last = parser->token;
	err = sieve_lex(&parser->lexer, &parser->token);
	if (err != ERR_OK)
		parser->problem = parser->lexer.problem;
	return err;
}

/* The next token as people know it. */
static struct str
found(struct parser *parser)
{
	const struct sieve_token *token = &parser->token;

	switch (token->kind) {
	case SIEVE_TOKEN_END:
		return STR("the end of the script");
	case SIEVE_TOKEN_NUMBER:
		return STR("a number");
	case SIEVE_TOKEN_STRING:
		return STR("a string");
	case SIEVE_TOKEN_TAG:
		return arena_printf(parser->arena, "':%.*s'", STR_ARG(str_sub(token->text, 0, 40)));
	case SIEVE_TOKEN_IDENTIFIER:
	case SIEVE_TOKEN_MARK:
		break;
	}
	return arena_printf(parser->arena, "'%.*s'", STR_ARG(str_sub(token->text, 0, 40)));
}

static enum err
wrong(struct parser *parser, uint32_t line, uint32_t column, const char *what)
{
	struct str there = found(parser);

	parser->problem = (struct sieve_problem){ .line = line, .column = column,
		.text = arena_printf(parser->arena, "%s is expected here, not %.*s", what, STR_ARG(there)) };
	return ERR_SYNTAX;
}

/* The next token should not be there. */
static enum err
expected(struct parser *parser, const char *what)
{
	return wrong(parser, parser->token.line, parser->token.column, what);
}

/* The last one needs something behind it; the next may be many lines further down. */
static enum err
missing(struct parser *parser, const char *what)
{
	return wrong(parser, parser->last.end_line, parser->last.end_column, what);
}

static bool
is_mark(const struct parser *parser, char c)
{
	return parser->token.kind == SIEVE_TOKEN_MARK && parser->token.text.ptr[0] == c;
}

/* Deeper by one; ERR_SYNTAX past the limit. */
static enum err
enter(struct parser *parser)
{
	if (parser->nesting_max == 0 || parser->nesting < parser->nesting_max) {
		parser->nesting++;
		return ERR_OK;
	}
	parser->problem = (struct sieve_problem){ .line = parser->token.line, .column = parser->token.column,
		.text = arena_printf(parser->arena, "blocks and tests are nested deeper than %llu", (unsigned long long)parser->nesting_max) };
	return ERR_SYNTAX;
}

static enum err
parse_string(struct parser *parser, struct sieve_argument *argument, struct sieve_syntax_string ***end)
{
	struct sieve_syntax_string *string;

	if (parser->token.kind != SIEVE_TOKEN_STRING)
		return missing(parser, "a string");
	string = ARENA_NEW(parser->arena, struct sieve_syntax_string);
	string->line = parser->token.line;
	string->column = parser->token.column;
	string->text = parser->token.text;
	**end = string;
	*end = &string->next;
	argument->string_count++;
	return advance(parser);
}

static enum err
parse_list(struct parser *parser, struct sieve_argument *argument)
{
	struct sieve_syntax_string **end = &argument->strings;

	argument->kind = SIEVE_ARGUMENT_LIST;
	do {
		TRY(advance(parser));
		TRY(parse_string(parser, argument, &end));
	} while (is_mark(parser, ','));
	if (!is_mark(parser, ']'))
		return missing(parser, "',' or ']'");
	return advance(parser);
}

/* One argument; *ret NULL when the next token begins none. */
static enum err
parse_argument(struct parser *parser, struct sieve_argument **ret)
{
	const struct sieve_token *token = &parser->token;
	struct sieve_syntax_string **end;
	struct sieve_argument *argument;

	*ret = NULL;
	if (token->kind != SIEVE_TOKEN_TAG && token->kind != SIEVE_TOKEN_NUMBER && token->kind != SIEVE_TOKEN_STRING && !is_mark(parser, '['))
		return ERR_OK;
	*ret = argument = ARENA_NEW(parser->arena, struct sieve_argument);
	argument->line = token->line;
	argument->column = token->column;
	switch (token->kind) {
	case SIEVE_TOKEN_TAG:
		argument->kind = SIEVE_ARGUMENT_TAG;
		argument->text = token->text;
		return advance(parser);
	case SIEVE_TOKEN_NUMBER:
		argument->kind = SIEVE_ARGUMENT_NUMBER;
		argument->number = token->number;
		return advance(parser);
	case SIEVE_TOKEN_STRING:
		argument->kind = SIEVE_ARGUMENT_STRING;
		end = &argument->strings;
		return parse_string(parser, argument, &end);
	default:
		return parse_list(parser, argument);
	}
}

static enum err parse_test(struct parser *parser, struct sieve_syntax **ret);

static enum err
parse_tests(struct parser *parser, struct sieve_syntax *syntax)
{
	struct sieve_syntax **end = &syntax->tests;

	syntax->has_list = true;
	do {
		TRY(advance(parser));
		if (parser->token.kind != SIEVE_TOKEN_IDENTIFIER)
			return missing(parser, "a test");
		TRY(parse_test(parser, end));
		end = &(*end)->next;
	} while (is_mark(parser, ','));
	if (!is_mark(parser, ')'))
		return missing(parser, "',' or ')'");
	return advance(parser);
}

/* What a command and a test have in common: a name, arguments, then a test or a list of tests. */
static enum err
parse_call(struct parser *parser, struct sieve_syntax **ret)
{
	struct sieve_syntax *syntax = ARENA_NEW(parser->arena, struct sieve_syntax);
	struct sieve_argument **end = &syntax->arguments;

	*ret = syntax;
	syntax->line = parser->token.line;
	syntax->column = parser->token.column;
	syntax->name = parser->token.text;
	TRY(advance(parser));
	for (;;) {
		TRY(parse_argument(parser, end));
		if (*end == NULL)
			break;
		end = &(*end)->next;
	}
	syntax->end_line = parser->last.end_line;
	syntax->end_column = parser->last.end_column;
	if (parser->token.kind == SIEVE_TOKEN_IDENTIFIER)
		return parse_test(parser, &syntax->tests);
	return is_mark(parser, '(') ? parse_tests(parser, syntax) : ERR_OK;
}

static enum err
parse_test(struct parser *parser, struct sieve_syntax **ret)
{
	TRY(enter(parser));
	TRY(parse_call(parser, ret));
	parser->nesting--;
	return ERR_OK;
}

static enum err parse_commands(struct parser *parser, struct sieve_syntax **ret);

static enum err
parse_block(struct parser *parser, struct sieve_syntax *syntax)
{
	syntax->has_block = true;
	TRY(enter(parser));
	TRY(advance(parser));
	TRY(parse_commands(parser, &syntax->block));
	if (parser->token.kind == SIEVE_TOKEN_END)
		return missing(parser, "a command or '}'");
	if (!is_mark(parser, '}'))
		return expected(parser, "a command or '}'");
	parser->nesting--;
	return advance(parser);
}

static enum err
parse_commands(struct parser *parser, struct sieve_syntax **ret)
{
	struct sieve_syntax **end = ret;

	*end = NULL;
	while (parser->token.kind == SIEVE_TOKEN_IDENTIFIER) {
		TRY(parse_call(parser, end));
		if (is_mark(parser, '{'))
			TRY(parse_block(parser, *end));
		else if (is_mark(parser, ';'))
			TRY(advance(parser));
		else
			return missing(parser, "';' or '{'");
		end = &(*end)->next;
	}
	return ERR_OK;
}

static enum err
parse(struct parser *parser, struct sieve_syntax **ret_first)
{
	TRY(advance(parser));
	TRY(parse_commands(parser, ret_first));
	return parser->token.kind == SIEVE_TOKEN_END ? ERR_OK : expected(parser, "a command");
}

enum err
sieve_parse(struct str source, const struct sieve_limits *limits, struct arena *arena, struct sieve_syntax **ret_first,
    struct sieve_problem *ret_problem)
{
	struct parser parser = { .arena = arena, .nesting_max = limits->nesting };
	enum err err;

	sieve_lexer_init(&parser.lexer, source, arena);
	err = parse(&parser, ret_first);
	if (err != ERR_OK)
		*ret_problem = parser.problem;
	return err;
}
