/* A run of scripts: everything that changes. For the engine's own files. */
#ifndef SORA_SIEVE_RUN_H
#define SORA_SIEVE_RUN_H

#include "services/sieve/script.h"

/* A field, and what was made of it. */
struct sieve_field_entry {
	struct sieve_field field;
	uint32_t hash; /* of the name in lower case */
	bool has_text, has_addresses;
	struct str text;
	struct sieve_address *addresses;
	size_t address_count;
};

struct sieve_message {
	struct str header;
	bool is_changed;
	bool is_split;   /* into `fields` */
	struct sieve_field_entry *fields;
	size_t count, room;
};

/* The script that runs, and those that include it. */
struct sieve_frame {
	struct sieve_frame *above;
	const struct sieve_script *script;
	struct str name;
	uint64_t enabled;
	bool is_returning;
	void **states; /* SIEVE_PER_FILE */
};

struct sieve_run {
	const struct sieve_input *input;
	const struct sieve_limits *limits;
	struct arena *arena;
	size_t arena_start;      /* bytes in it before the run */
	uint64_t steps, steps_to_look; /* at the clock, the next time */
	int64_t cpu_end_ns;

	struct sieve_message message;
	struct sieve_frame *frame;
	const struct sieve_node *node; /* that runs */
	bool is_stopped;
	void **states[SIEVE_LIFETIMES - 1];

	struct sieve_action *actions;
	size_t action_count, action_room;
	uint64_t redirects, messages;
	bool is_keep_cancelled, is_kept;

	struct sieve_need *needs;
	size_t need_count, need_room;
	struct sieve_failure failure;

	struct sieve_trace *trace;
	size_t trace_count, trace_room, trace_at; /* trace_at: what sieve_explain adds to, from 1 */
	uint32_t depth;

	struct str captures[SIEVE_CAPTURES_MAX];
	size_t capture_count;
	bool wants_captures;
};

/* The implicit keep, if nothing has cancelled it. */
enum err sieve_keep_implicitly(struct sieve_run *run);

#endif
