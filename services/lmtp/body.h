/*
 * A mail as it streams in: into the store, the trace scanner and a hash, all at once.
 *
 * Of its bytes nothing is kept but one chunk of the upload and, where scripts will look at it, its beginning. After a failure the rest is
 * read and forgotten, as the client sends it to its end whatever we think of it.
 */
#ifndef SORA_LMTP_BODY_H
#define SORA_LMTP_BODY_H

#include "libcommon/crypto/hash.h"
#include "services/lmtp/data.h"
#include "services/lmtp/store.h"
#include "services/lmtp/trace.h"

enum { LMTP_HEAD_MAX = 256 * 1024 }; /* bytes from the mail's beginning that are kept for scripts */

struct lmtp_body {
	struct lmtp_data data;
	struct lmtp_trace trace;
	struct lmtp_store store;
	struct sha256 hash;
	struct buffer head; /* with keeps_head: the mail's beginning */
	bool keeps_head;
	uint64_t size, size_max;
	enum err err; /* the first failure; see lmtp_body_finish */
};

/* Begin one, in zeroed memory. What is kept of it lives in `arena`; `call` and `sender` are needed only here. End it by lmtp_body_clear. */
void lmtp_body_begin(struct lmtp_body *body, const struct bus_call *call, struct str sender, uint64_t size_max, struct arena *arena);
/* Bytes of the mail. */
void lmtp_body_add(struct lmtp_body *body, struct str bytes);
/* As they come after DATA: take what belongs to the mail from the front of `*in`. True: that was its end. */
bool lmtp_body_take(struct lmtp_body *body, struct str *in);
/*
 * The end was seen: wait until the body is durable, and write down what is derived from it. `*ret_mail` and `*ret_transaction` live in `arena`;
 * the latter is empty when this mail could not be known again (see DeliverRequest.transaction).
 *
 * ERR_TOO_BIG  larger than size_max
 * ERR_LOOP     more than LMTP_RECEIVED_MAX trace fields
 * others       of lmtp_store_finish
 */
enum err lmtp_body_finish(struct lmtp_body *body, struct arena *arena, MetadataMail *ret_mail, struct str *ret_transaction);
/* Give up what is not finished, free the rest. */
void lmtp_body_clear(struct lmtp_body *body);

#endif
