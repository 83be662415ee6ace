/*
 * A maildrop: the messages that a mailbox had at the login, and those of them that are marked as deleted.             RFC 1939 s. 4, 5
 *
 * Nothing is locked: others go on reading, delivering and deleting. A number stays with its message for the session's life.
 */
#ifndef SORA_POP3_MAILDROP_H
#define SORA_POP3_MAILDROP_H

#include "libcommon/bus/bus.h"
#include "proto/metadata.pb-c.h"

struct pop3_maildrop {
	struct arena arena;     /* all of it: 13 bytes a message */
	uint64_t account, mailbox;
	uint32_t uidvalidity, uidnext;
	size_t count, room;
	uint32_t *uids;         /* ascending */
	uint64_t *sizes;        /* octets */
	bool *is_deleted;
	bool has_asked;         /* for unique-ids that came from elsewhere */
	struct str *uidls;      /* NULL: there are none; an empty one: it is made of the UID */
	size_t deleted;         /* how many are */
	uint64_t bytes;         /* of those that are not */
};

enum { POP3_UIDL_MAX = 70 }; /* RFC 1939 s. 7 */

/*
 * Load the mailbox `name`; `drop->account` is set by the caller. `call` has the login's token, and an arena of its own, which is reset. Messages
 * that arrive meanwhile belong to the next session.
 */
enum err pop3_maildrop_open(struct pop3_maildrop *drop, struct bus_call *call, struct str name);
/* Zeroed: nothing. */
void pop3_maildrop_clear(struct pop3_maildrop *drop);

/* The place of message `number`, counted from 1. ERR_NONEXISTENT: there is none, or it is marked as deleted. */
enum err pop3_maildrop_find(const struct pop3_maildrop *drop, uint32_t number, size_t *ret_place);
void pop3_maildrop_delete(struct pop3_maildrop *drop, size_t place);
/* RSET. */
void pop3_maildrop_undelete(struct pop3_maildrop *drop);

/*
 * Ask where the bytes of `count` messages from `place` on are; for metadata_fetch_wait. Of what another session has expunged there will be
 * no row.
 */
struct bus_future *pop3_maildrop_fetch_start(const struct pop3_maildrop *drop, struct bus_call *call, size_t place, size_t count);
/* UPDATE: remove what is marked, all or nothing. Done twice is done once. */
enum err pop3_maildrop_update(const struct pop3_maildrop *drop, struct bus_call *call);

/* Ask for the unique-ids that came from elsewhere, if that was not done. `call` as with open. */
enum err pop3_maildrop_load_uidls(struct pop3_maildrop *drop, struct bus_call *call);
/* NUL-terminated. Never given to another message of this mailbox. */
void pop3_maildrop_uidl(const struct pop3_maildrop *drop, size_t place, char ret[POP3_UIDL_MAX + 1]);

#endif
