/*
 * A world for the tests of the metadata service: a fresh database in the real PostgreSQL that SORA_TEST_PG names ("host=.. port=.. user=..
 * password=.. dbname=.."), two replicas of the service on it, and a caller of each over inproc.
 */
#ifndef SORA_TESTS_METADATA_WORLD_H
#define SORA_TESTS_METADATA_WORLD_H

#include <stdio.h>

#include <criterion/criterion.h>

#include "libcommon/bus/bus.h"
#include "libcommon/config/config.h"
#include "libcommon/core/clock.h"
#include "proto/metadata.client.h"
#include "services/metadata/pg/pg.h"
#include "services/metadata/service.h"

enum { REPLICAS = 2 };

struct world {
	struct arena arena;
	char database[64];
	struct config *server;           /* the server's own database, for CREATE DATABASE */
	struct config *config[REPLICAS];
	struct bus *bus[REPLICAS];
	void *self[REPLICAS];
	struct pg *pg;                   /* past the service: to look, and to break things */
	struct bus_call call[REPLICAS];  /* of role admin, and of whoever world_as says */
};

extern struct world world;

/* Criterion's fixture: TestSuite(name, .init = world_begin, .fini = world_end). */
void world_begin(void);
void world_end(void);
/* With settings of its own, as YAML lines. */
void world_begin_with(const char *settings);
/* Stop one replica; start it again. */
void replica_stop(int i);
void replica_start(int i);

/* A caller of replica `i` with that role and no token. */
struct bus_call *as(int i, enum bus_role role);
/* A caller of replica `i` that has logged in. */
struct bus_call *user(int i, uint64_t account);

/* A token as Login gives it, signed with that key; "secret" is the replicas'. The account's credential begins with version 1. */
struct str mint(const char *key, uint64_t account, int64_t ends_ms, int64_t version);

/* SQL that must succeed. */
void sql(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The one number that a query gives. */
int64_t sql_int(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* An account with INBOX and a few more; its address is user@example.org. Returns its number. */
uint64_t make_account(const char *name, uint64_t quota);
uint64_t mailbox_of(uint64_t account, const char *name);

#define BIN(text) ((ProtobufCBinaryData){ .len = sizeof(text) - 1, .data = (uint8_t *)(text) })
ProtobufCBinaryData bin(const char *text);

/* A mail of `size` octets with a fresh blob; lives in the world's arena. */
MetadataMail *make_mail(uint64_t size);
/* Deliver into a mailbox (NULL: INBOX) through replica `i`; the recipient's status. */
enum err deliver(int i, uint64_t account, const char *mailbox, uint64_t size);
/* An APPEND of that mail; lives in the world's arena. */
MetadataAppendRequest *append_request(uint64_t account, const char *mailbox, MetadataMail *mail);
/* APPEND one mail of 100 octets; its uid. */
uint32_t append(int i, uint64_t account, const char *mailbox, uint32_t flags);
MetadataStoreReply *store(int i, uint64_t account, uint64_t mailbox, uint32_t first, uint32_t last, int mode, uint32_t flags);
MetadataSelectReply *select_all(int i, uint64_t account, const char *mailbox);
MetadataState *status_of(int i, uint64_t account, const char *mailbox);
MetadataUidRange **range(uint32_t first, uint32_t last);

/* Every mailbox's counts, and the account's usage, are what counting gives. */
void check_counts(void);

#endif
