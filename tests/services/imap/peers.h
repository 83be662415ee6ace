/*
 * A metadata and a blob service that answer as they are told, and clients of the IMAP service between them: for what the real services
 * answer only when something is wrong with them. There is one account with one mailbox, INBOX.
 */
#ifndef SORA_TESTS_IMAP_PEERS_H
#define SORA_TESTS_IMAP_PEERS_H

#include <pthread.h>
#include <stdatomic.h>

#include "libcommon/service/service.h"

enum { PEER_MESSAGES_MAX = 300, PEER_CLIENTS = 2, PEER_TEXT_MAX = 1 << 20 };

struct peers {
	/* The mailbox; under the lock. */
	pthread_mutex_t lock;
	struct {
		uint32_t uid, flags;
	} messages[PEER_MESSAGES_MAX];
	size_t count;
	uint32_t uidnext, uidvalidity;
	uint64_t timeline, modseq;
	size_t body_bytes;      /* of every message */

	/* Told. */
	enum err login, sync, fetch, find, store, watch;
	enum err fetch_many;    /* of Fetch for more than one message */
	size_t row_bytes;       /* of every envelope; 0: few */
	bool is_at_hand;        /* GetMany has them all */
	atomic_int many_late_ms; /* so long does it take to answer */
	bool is_find_broken;    /* Find says that there is more, and never what */
	size_t fetch_most;      /* that Fetch gives at once; 0: all */
	bool is_texts_broken;   /* Fetch's texts are shorter than it says */
	bool is_lost;           /* Sync's journal does not reach back */
	atomic_int get_failure; /* enum err of Get, from this offset on: */
	size_t get_failure_at;
	uint32_t get_failure_uid; /* of this message alone; 0: of all */
	int get_together;       /* no Get is answered before there are so many at once */

	/* An event for the poll that waits. */
	struct {
		bool is_there, has_change, is_gone;
		uint64_t old;
	} event;

	/* Seen. */
	atomic_int selects, syncs, stores, polls, finds;
	atomic_int gets, gets_most; /* Gets under way now, and the most that there were */
	atomic_int many, many_most; /* asked for by GetMany, and the most by one */
	atomic_int fetches, rows, rows_most; /* calls of Fetch, what they answered, and the most that one did */

	/* Private. */
	struct config *config;
	struct service_context context;
	struct arena arena;
	void *imap;
	char port[8];
	int clients[PEER_CLIENTS];
	char *text;
};

/* The account; a message's email_id is its UID and this. */
enum { PEER_ACCOUNT = 7, PEER_EMAILS = 100 };

/* Start all of it, with messages 1 to `count`; the clients are connected and logged in. */
void peers_start(struct peers *peers, size_t count);
void peers_stop(struct peers *peers);

/* What happens in the mailbox by someone else's doing. Whether and how it is told is the test's to say. */
void peers_deliver(struct peers *peers);
void peers_remove(struct peers *peers, uint32_t uid);
/* Tell it by an event which follows the cursor `old`; without the change, as when it is large. */
void peers_tell(struct peers *peers, uint64_t old, bool has_change);
void peers_tell_gone(struct peers *peers);

/* Send `text` and read up to the tagged answer to its last line (a tag is all before the first blank); all that came. */
struct str peers_talk(struct peers *peers, int client, const char *text);
void peers_send(struct peers *peers, int client, const char *text);
/* Read until `end` has come, or the server has closed. */
struct str peers_until(struct peers *peers, int client, const char *end);

#endif
