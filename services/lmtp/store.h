/*
 * A mail that is being stored: uploaded and parsed as its bytes come.
 *
 *	lmtp_store_begin(&store, &call);
 *	lmtp_store_add(&store, bytes), ..
 *	lmtp_store_complete(&store);                  (so that several overlap)
 *	err = lmtp_store_finish(&store, arena, &mail);
 *	lmtp_store_clear(&store);
 */
#ifndef SORA_LMTP_STORE_H
#define SORA_LMTP_STORE_H

#include "libcommon/blob/blob.h"
#include "libcommon/mail/structure.h"
#include "proto/metadata.pb-c.h"

struct lmtp_store {
	struct mail_parser parser;
	struct blob_upload upload;
	uint64_t header_len; /* once finished: with the empty line */
};

/* In zeroed memory; `call` is needed only here. End it by lmtp_store_clear. */
void lmtp_store_begin(struct lmtp_store *store, const struct bus_call *call);
/* Errors of blob_upload_add, which stay. */
enum err lmtp_store_add(struct lmtp_store *store, struct str bytes);
/* These were all: do not wait yet. */
void lmtp_store_complete(struct lmtp_store *store);
/* Wait until it is durable; `*ret_mail`, all that is derived from it, lives in `arena`. Errors of blob_upload_finish. */
enum err lmtp_store_finish(struct lmtp_store *store, struct arena *arena, MetadataMail *ret_mail);
/* Give up what is not finished, free the rest. */
void lmtp_store_clear(struct lmtp_store *store);

#endif
