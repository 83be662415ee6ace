/* The commands: rows with their help and options, one file for each group. */
#ifndef SORA_ADMIN_COMMAND_H
#define SORA_ADMIN_COMMAND_H

#include "admin/connect.h"
#include "admin/options.h"

/* What sora-admin ends with. */
enum admin_exit {
	ADMIN_DONE = 0,
	ADMIN_FAILED = 1,
	ADMIN_USAGE = 2,
	ADMIN_NO_SUCH = 3,
	ADMIN_EXISTS = 4,
	ADMIN_NOT_REACHED = 5,
};

enum { ADMIN_COMMAND_OPERANDS = 3 };

struct admin_command {
	const char *name;                                  /* one word, or two: noun and verb */
	const char *help;                                  /* one line */
	uint64_t options;                                  /* ADMIN_OPT(..), or-ed, beside those of every command */
	uint64_t needs;                                    /* those that must be given */
	enum admin_option operands[ADMIN_COMMAND_OPERANDS]; /* what arguments without a name are, in order */
	enum err (*connect)(struct admin *admin, const struct admin_line *line); /* before it: connect.h */
	/* ERR_SYNTAX: the line is wrong; `admin_explain` said how. Others: as the service answered. */
	enum err (*run)(struct admin *admin, const struct admin_line *line);
};

/* The groups, each ended by a row without a name. */
extern const struct admin_command admin_accounts[];
extern const struct admin_command admin_addresses[];
extern const struct admin_command admin_bus[];
extern const struct admin_command admin_queue[];
extern const struct admin_command admin_scripts[];
extern const struct admin_command admin_sieve_test[];
extern const struct admin_command admin_uidl[];

/* All commands, by number; NULL past the last. */
const struct admin_command *admin_command_at(size_t i);
/* NULL: there is none. */
const struct admin_command *admin_command_find(struct str name);
/* All of them, or one, for people. */
void admin_help_all(struct buffer *out);
void admin_help_command(const struct admin_command *command, struct buffer *out);

/* The exit code that goes with the outcome. */
enum admin_exit admin_exit_code(enum err err);

int admin_main(int argc, char **argv);

#endif
