/* What the cases of one file have set: scripts, a message, mailboxes that exist, marks that are taken. And the engine run with it. */
#ifndef SORA_TESTS_SIEVE_WORLD_H
#define SORA_TESTS_SIEVE_WORLD_H

#include "services/sieve/sieve.h"
#include "tests/sieve/case.h"

enum { WORLD_NAMES_MAX = 100, WORLD_ROUNDS_MAX = 32 /* as LMTP has */ };

struct world_script {
	struct str kind; /* "before", "after", "personal", "global" */
	struct str name, source;
};

struct world_mailbox {
	struct str name, special_use, id;
};

struct world_mark {
	struct str kind, key;
	int64_t until_ms;
};

struct world {
	struct arena *arena; /* as long as the file */
	struct str script, message, require, setup;
	struct world_script scripts[WORLD_NAMES_MAX];
	size_t script_count;
	struct world_mailbox mailboxes[WORLD_NAMES_MAX];
	size_t mailbox_count;
	struct world_mark marks[WORLD_NAMES_MAX];
	size_t mark_count;
	bool is_remembering;
	struct sieve_item environment[WORLD_NAMES_MAX];
	struct str addresses[WORLD_NAMES_MAX];
	struct sieve_input input;
	struct sieve_limits limits;
	struct sieve_result result; /* of the last run */
};

void world_init(struct world *world, struct arena *arena);

/* Set what `section` says. False: it is no section that sets something, or says it wrongly. */
bool world_set(struct world *world, const struct section *section);

/*
 * Run `source` between the scripts before and after it, answering what it needs, into world->result. NULL, or why it could not be run:
 * a script that does not compile, needs without end.
 */
const char *world_run(struct world *world, struct str source);

#endif
