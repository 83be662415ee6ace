/* The metadata service's own: what every handler in rpc/ finds in rpc->service. */
#ifndef SORA_METADATA_METADATA_H
#define SORA_METADATA_METADATA_H

#include "libcommon/bus/bus.h"
#include "libcommon/config/config.h"
#include "proto/metadata.server.h"
#include "services/metadata/pg/pg.h"

struct accounts;
struct logins;
struct queue;
struct schema_wait;
struct watch;

struct metadata {
	const struct config *config;
	struct bus *bus;
	struct log log;
	struct pg_pool *pool;
	struct queue *queue;       /* queue.h: changes wait here */
	struct watch *watch;       /* watch.h: events leave here */
	struct logins *logins;     /* login.h: passwords are checked here */
	struct accounts *accounts; /* authorise.h: who may do what */
	struct schema_wait *schema_wait; /* schema_wait.h: NULL, the database was there */
	struct log_seldom full;    /* PostgreSQL's disk */
};

/* The constant that service.c serves: a row for each method, its file in rpc/. */
extern const struct metadata_handlers metadata_handlers;

/*
 * Run a statement that only reads, for a call: on any connection, until its deadline. An error is logged here, once, and is
 * ERR_UNAVAILABLE or ERR_INTERNAL.
 */
enum err metadata_read(struct rpc *rpc, const struct pg_statement *statement, struct pg_args *args, struct pg_rows *ret);

/*
 * Run a statement that changes something and may be done twice, in a transaction of its own; one that lost against another is run again.
 * Errors as above.
 */
enum err metadata_run(struct rpc *rpc, const struct pg_statement *statement, struct pg_args *args, struct pg_rows *ret);

/* What PostgreSQL did not do is logged, as `event`; that its disk is full once a minute. */
void metadata_log_failure(struct metadata *metadata, const struct log *log, const char *event, enum err err, struct str statement,
    const struct pg_failure *failure);

/* A view of a message's `bytes`. */
static inline struct str
str_of(ProtobufCBinaryData data)
{
	return str_from(data.data, data.len);
}

static inline ProtobufCBinaryData
data_of(struct str s)
{
	return (ProtobufCBinaryData){ .len = s.len, .data = (uint8_t *)s.ptr };
}

#endif
