/*
 * A database that was away when the process started: its schema is looked at as soon as it is there.
 *
 * Everything else gets on by itself, as connections are made when they are needed; but nobody would migrate an empty database, or say
 * that it is old.
 */
#ifndef SORA_METADATA_SCHEMA_WAIT_H
#define SORA_METADATA_SCHEMA_WAIT_H

#include "libcommon/config/config.h"
#include "libcommon/core/err.h"

struct schema_wait;

/* Ask again and again, on a thread of its own, until schema_ready (migrate.h) has an answer. End it by schema_wait_stop. */
enum err schema_wait_start(const struct config *config, bool may_migrate, struct schema_wait **ret_wait);
/* NULL is none. A step that is being run is waited for. */
void schema_wait_stop(struct schema_wait *wait);

#endif
