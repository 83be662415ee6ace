/*
 * A script tried by hand with a message from a file, for `sieve-run` and `sora-admin sieve test`: nothing is done, no service is asked.
 *
 * What a script asks is answered here: a mailbox exists if it is INBOX or was named, or its id was; no mark is taken; scripts to include are the files
 * NAME.sieve of a directory.
 */
#ifndef SORA_SIEVE_TRIAL_H
#define SORA_SIEVE_TRIAL_H

#include "services/sieve/sieve.h"

enum { SIEVE_TRIAL_SCRIPTS_MAX = 32, SIEVE_TRIAL_ITEMS_MAX = 64, SIEVE_TRIAL_FILE_MAX = 64 * 1024 * 1024 };

struct sieve_trial {
	struct arena *arena;          /* the caller's; scripts are released with it */
	struct sieve_limits limits;
	struct sieve_input input;
	struct sieve_program programs[SIEVE_TRIAL_SCRIPTS_MAX];
	size_t program_count;
	struct str mailboxes[SIEVE_TRIAL_ITEMS_MAX];
	size_t mailbox_count;
	struct str mailbox_ids[SIEVE_TRIAL_ITEMS_MAX];
	size_t mailbox_id_count;
	struct sieve_item environment[SIEVE_TRIAL_ITEMS_MAX];
	const char *include_dir;      /* NULL: nothing can be included */
	struct buffer *said;          /* problems of scripts, a line each: "FILE:3:14: error: text" */
};

void sieve_trial_init(struct sieve_trial *trial, struct arena *arena, struct buffer *said);
/* Compile the script of a file, to run behind those before. ERR_NONEXISTENT, ERR_TOO_BIG: the file; ERR_SYNTAX: the script. All are said. */
enum err sieve_trial_add(struct sieve_trial *trial, const char *path);
/* The message of a file; lines that end in LF alone are given CRLF, as a mail has them. ERR_NONEXISTENT, ERR_TOO_BIG: said. */
enum err sieve_trial_message(struct sieve_trial *trial, const char *path);
/* Run them all; answers are given until it needs none. */
void sieve_trial_run(struct sieve_trial *trial, struct sieve_result *ret_result);

#endif
