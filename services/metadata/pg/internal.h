/* What the files of this directory share. */
#ifndef SORA_METADATA_PG_INTERNAL_H
#define SORA_METADATA_PG_INTERNAL_H

#include <assert.h>
#include <endian.h>
#include <limits.h>

#include <libpq-fe.h>

#include "services/metadata/pg/pg.h"

enum { PG_STATEMENTS_MAX = 128 };

/* A connection. */
struct pg {
	struct pg *next;
	PGconn *conn;
	int64_t timeline;
	int64_t used_ms;     /* monotonic, when it was given back */
	bool is_broken;
	bool has_warned;     /* since it was last looked at */
	const struct pg_statement *prepared[PG_STATEMENTS_MAX];
	size_t prepared_count;
};

void pg_put32(char *out, uint32_t value);
void pg_put64(char *out, uint64_t value);

/* Connect, and know the timeline if `has_schema`. */
enum err pg_connect(const struct config *config, bool has_schema, int64_t deadline_ms, struct arena *arena, struct pg **ret,
    struct str *reterr_text);
/* Wait until the connection can be read, or written if `is_write`. False: the deadline has passed. */
bool pg_wait(struct pg *pg, bool is_write, int64_t deadline_ms);

#endif
