/*
 * What a script looks like before its words mean anything: tokens, then a tree of commands, tests and arguments.     RFC 5228 s. 8
 *
 * Both are pure. The tree lives in the arena, its strings there or in the source; it is as deep as the limit on nesting at most.
 */
#ifndef SORA_SIEVE_SYNTAX_H
#define SORA_SIEVE_SYNTAX_H

#include "services/sieve/sieve.h"

enum sieve_token_kind {
	SIEVE_TOKEN_END,
	SIEVE_TOKEN_IDENTIFIER,
	SIEVE_TOKEN_TAG,
	SIEVE_TOKEN_NUMBER,
	SIEVE_TOKEN_STRING,
	SIEVE_TOKEN_MARK, /* one of ; , ( ) [ ] { } */
};

struct sieve_token {
	enum sieve_token_kind kind;
	uint32_t line, column;
	uint32_t end_line, end_column; /* just behind it */
	struct str text;     /* identifier, tag (without its colon), contents of a string, the mark */
	uint64_t number;
};

struct sieve_lexer {
	struct str source;
	size_t at;
	size_t line_start;
	uint32_t line;
	struct arena *arena;
	struct sieve_problem problem; /* with ERR_SYNTAX */
};

void sieve_lexer_init(struct sieve_lexer *lexer, struct str source, struct arena *arena);
/*
 * The next token; at the end of the source again and again SIEVE_TOKEN_END. ERR_SYNTAX: lexer->problem says what is wrong.
 *
 * Lines may end in CRLF or LF; in strings they become CRLF. A lone CR and a NUL are errors. Numbers go up to 2^63 - 1.
 */
enum err sieve_lex(struct sieve_lexer *lexer, struct sieve_token *ret_token);

enum sieve_argument_kind { SIEVE_ARGUMENT_TAG, SIEVE_ARGUMENT_NUMBER, SIEVE_ARGUMENT_STRING, SIEVE_ARGUMENT_LIST };

struct sieve_syntax_string {
	struct sieve_syntax_string *next;
	uint32_t line, column;
	struct str text;
};

struct sieve_argument {
	struct sieve_argument *next;
	enum sieve_argument_kind kind;
	uint32_t line, column;
	struct str text; /* of a tag */
	uint64_t number;
	struct sieve_syntax_string *strings;
	size_t string_count;
};

/* A command or a test. */
struct sieve_syntax {
	struct sieve_syntax *next;
	uint32_t line, column;
	struct str name;
	struct sieve_argument *arguments;
	uint32_t end_line, end_column; /* just behind the name and the arguments */
	struct sieve_syntax *tests;
	bool has_list;  /* the tests stand in parentheses */
	struct sieve_syntax *block;
	bool has_block;
};

/* ERR_OK: *ret_first is the first command, NULL in an empty script. ERR_SYNTAX: *ret_problem. */
enum err sieve_parse(struct str source, const struct sieve_limits *limits, struct arena *arena, struct sieve_syntax **ret_first,
    struct sieve_problem *ret_problem);

#endif
