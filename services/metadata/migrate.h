/* The schema: numbered steps (schema/NNNN-*.sql, in the binary), run in order under a lock, each in a transaction of its own. */
#ifndef SORA_METADATA_MIGRATE_H
#define SORA_METADATA_MIGRATE_H

#include "libcommon/service/service.h"

/* One file of schema/; made by the build, in the order of their numbers, ended by a row with number 0. */
struct schema_step {
	int number;
	const char *name;
	const char *sql;
};
extern const struct schema_step schema_steps[];

/* Bring the database up to this binary; what is done is logged. Several may try at once: one does it, the others wait. */
enum err migrate(const struct config *config);
/* `sora-metadata migrate`. */
int migrate_verb(const struct config *config, int argc, char **argv);
/* `sora-metadata new-timeline`: after a restore that keeps PostgreSQL's own timeline (a dump, a snapshot). */
int new_timeline_verb(const struct config *config, int argc, char **argv);

/*
 * Is the schema as new as this binary? An empty database is migrated if `may_migrate`. What is wrong is logged.
 *
 * ERR_CONFIG       it is older: the operator has to migrate it
 * ERR_UNAVAILABLE  the database cannot be reached, or went away: it may come later; not logged when `is_quiet`
 */
enum err schema_ready(const struct config *config, bool may_migrate, bool is_quiet);
/* For --check: a line for each problem. An empty database is none for the all-in-one, which migrates it. */
enum err schema_check(const struct service_context *context, struct buffer *problems);

#endif
