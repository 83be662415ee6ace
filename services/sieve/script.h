/* What a compiled script is made of, and the tables of what may be in one: for the engine's own files. */
#ifndef SORA_SIEVE_SCRIPT_H
#define SORA_SIEVE_SCRIPT_H

#include <stdatomic.h>

#include "services/sieve/ext.h"
#include "services/sieve/syntax.h"

enum { SIEVE_EXTENSIONS_MAX = 64 }; /* a bit each */

struct sieve_script {
	atomic_uint refs;
	struct arena arena;
	struct sieve_block block;
	uint64_t enabled;    /* extensions that are in effect from the beginning, a bit each */
	struct sieve_need *needs; /* what a run may ask for */
	size_t need_count, need_room;
	bool has_ihave;      /* others may come into effect, so each node is looked at before it runs */
};

/* ---- the tables, gathered by the build: the base language first, then the extensions by name; ended by NULL */

extern const struct sieve_extension *const sieve_extensions[];

/* Where a row was found: `extension` is its place in sieve_extensions. */
struct sieve_found {
	const void *row;
	size_t extension;
};

/* Each: found.row is NULL when there is none. Names of commands and tags in any case; of extensions and comparators exactly. */
struct sieve_found sieve_find_command(struct str name, bool is_test);
struct sieve_found sieve_find_tag(const struct sieve_command *command, struct str name);
struct sieve_found sieve_find_comparator(struct str name);
struct sieve_found sieve_find_extension(struct str name);
/* The name of a command or test that looks most like this one; NULL when none does. */
const char *sieve_nearest_command(struct str name, bool is_test);
/* The bits of what is in effect without `require`. */
uint64_t sieve_implied_extensions(void);

/* ---- check.c */

struct sieve_problem_list {
	struct sieve_problem *items;
	size_t count, room;
};

struct sieve_check {
	struct sieve_script *script;
	const struct sieve_limits *limits;
	struct arena *arena;   /* of the problems, and of what the compiler needs meanwhile */
	struct sieve_problem_list problems;
	size_t errors;
	uint64_t needs;        /* extensions that the node being checked needs */
	bool is_deferring;     /* what is wrong is no error before it is run */
};

/* The tree of a script, checked, into check->script. ERR_SYNTAX when there was an error. */
enum err sieve_check_script(struct sieve_check *check, const struct sieve_syntax *first);

/* The node that is being checked needs this extension; an error, which names `kind` and `name`, if it is not in effect. */
enum err sieve_check_need(struct sieve_check *check, size_t extension, uint32_t line, uint32_t column, const char *kind, struct str name);

/* ---- arguments.c: into node->tags and node->arguments */

enum err sieve_check_arguments(struct sieve_check *check, struct sieve_node *node, const struct sieve_argument *argument);

/* ---- strings.c: the arguments' strings */

/* Decoded and cut; its text and place are set. */
enum err sieve_check_string(struct sieve_check *check, struct sieve_string *string);
/* The keys of a node that matches, folded and prepared as far as they are constants. */
enum err sieve_check_keys(struct sieve_check *check, struct sieve_node *node);
/* Which of the node's arguments has the keys. */
const struct sieve_value *sieve_keys_of(const struct sieve_node *node);

#endif
