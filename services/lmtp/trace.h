/*
 * Trace fields: those that a mail arrives with, and those that we put before it.          RFC 5321 s. 4.4, 6.3, RFC 3848, RFC 6531 s. 4.3
 *
 * Pure: no connection, no bus.
 */
#ifndef SORA_LMTP_TRACE_H
#define SORA_LMTP_TRACE_H

#include "libcommon/core/arena.h"
#include "libcommon/mail/date.h"
#include "services/lmtp/client.h"

enum {
	LMTP_TRACE_FIELD_MAX = 4096,   /* bytes of one field that are looked at */
	LMTP_DELIVERED_TO_MAX = 100,   /* fields that are remembered */
	LMTP_RECEIVED_MAX = 100,       /* with more than these a mail is in a loop */
	LMTP_PREFIX_MAX = 4096,
};

/* What a header says about the mail's way to us. Zero it, set `arena`, feed it the mail. */
struct lmtp_trace {
	struct arena *arena;
	size_t received_count;
	bool has_id; /* the topmost Received has an id: the MTA that gave it would send this very mail again */
	struct str delivered_to[LMTP_DELIVERED_TO_MAX];
	size_t delivered_to_count;

	/* Private: the field so far, and the line after it so far; what is longer than the limit is cut. */
	bool is_over;
	char field[LMTP_TRACE_FIELD_MAX], line[LMTP_TRACE_FIELD_MAX];
	size_t field_len, line_len;
};

/* The next bytes of the mail, any number; those behind the header do nothing. */
void lmtp_trace_feed(struct lmtp_trace *trace, struct str bytes);
/* There are no more: a header without a body ends here. */
void lmtp_trace_finish(struct lmtp_trace *trace);
/* Has the mail been delivered to `address` before? Case is not looked at. */
bool lmtp_trace_was_delivered_to(const struct lmtp_trace *trace, struct str address);

/* One delivery, as its trace fields tell it. */
struct lmtp_stamp {
	struct str sender;    /* without angle brackets; empty: <> */
	struct str recipient; /* as the MTA named it */
	const struct lmtp_client *client;
	struct str hostname;  /* ours */
	struct str id;
	bool has_tls, has_utf8;
	bool has_for;         /* name the recipient in Received: never when there are others */
	struct mail_date date;
};

/* Return-Path, Delivered-To and Received, each with its line end; LMTP_PREFIX_MAX at most. */
struct str lmtp_prefix(const struct lmtp_stamp *stamp, struct arena *arena);

#endif
