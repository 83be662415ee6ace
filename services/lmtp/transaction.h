/*
 * One mail, from one sender to its recipients: from MAIL to the fate of each recipient.                 RFC 5321 s. 3.3, RFC 2033 s. 4.2
 *
 *	lmtp_transaction_begin(&mail, &origin, sender, size);
 *	lmtp_transaction_add(&mail, address), ..
 *	lmtp_recipients_ask(&mail);
 *	lmtp_transaction_body(&mail);
 *	lmtp_body_take(mail.body, &bytes), or lmtp_body_add, ..
 *	lmtp_deliver(&mail);
 *	lmtp_transaction_end(&mail);
 *
 * It knows no connection: sessions of MTAs use it, and those who embed Sora.
 */
#ifndef SORA_LMTP_TRANSACTION_H
#define SORA_LMTP_TRANSACTION_H

#include "libcommon/bus/bus.h"
#include "libcommon/service/service.h"
#include "proto/metadata.pb-c.h"
#include "services/lmtp/client.h"

struct lmtp_body;

/* Who brings the mail. */
struct lmtp_origin {
	const struct service_context *context;
	struct log *log;                     /* the mail's id becomes its trace */
	const struct lmtp_client *client;
	const struct lmtp_client *forwarded; /* whom it has the mail from, as XFORWARD told; NULL: nobody told */
	bool has_tls;
	bool has_utf8;                       /* SMTPUTF8: addresses and headers may be UTF-8 */
};

/* The one farthest back that is known of. */
static inline const struct lmtp_client *
lmtp_origin_client(const struct lmtp_origin *origin)
{
	return origin->forwarded != NULL ? origin->forwarded : origin->client;
}

struct lmtp_recipient {
	struct str address;  /* as the MTA named it */
	uint64_t account;
	const MetadataResolveReply__Result *found; /* what else is known of it: its scripts */
	enum err err;        /* what became of it */
	struct str refusal;  /* with ERR_REFUSED: the words of its filter, in ASCII, lines with "\n" between them */
	struct lmtp_copy *copy; /* deliver.c's own */
};

static inline bool
lmtp_has_scripts(const struct lmtp_recipient *recipient)
{
	return recipient->found != NULL && recipient->found->n_script > 0;
}

/* Zeroed: none. Everything it points to lives in its arena, but for what the origin brought. */
struct lmtp_transaction {
	struct arena arena;
	struct lmtp_origin origin;
	struct str sender;
	uint64_t size;         /* as MAIL said, or 0 */
	bool is_binary;        /* BODY=BINARYMIME */
	struct lmtp_recipient *recipients;
	size_t recipient_count;
	size_t resolved_count; /* those behind have not been asked about yet */
	size_t recipient_room;
	struct lmtp_body *body; /* NULL: it has not begun */
	int64_t body_ms;        /* when it did */

	/* Once the body is stored: what is derived from it, and a name by which it is known when it comes again; empty: it has none. */
	MetadataMail stored;
	struct str transaction;
	struct str text; /* head.c's own */
};

/* `sender` is copied; what the origin points to must live as long as the transaction. */
void lmtp_transaction_begin(struct lmtp_transaction *mail, const struct lmtp_origin *origin, struct str sender, uint64_t size);
/* One more recipient, to be asked about. `address` is copied. */
void lmtp_transaction_add(struct lmtp_transaction *mail, struct str address);
/* The mail itself begins; see body.h. */
void lmtp_transaction_body(struct lmtp_transaction *mail);
/* Forget it; a body that was not delivered is given up. */
void lmtp_transaction_end(struct lmtp_transaction *mail);

/* A context for calls, with replies in `arena`. */
struct bus_call lmtp_transaction_call(const struct lmtp_transaction *mail, struct arena *arena);

static inline const struct config *
lmtp_transaction_config(const struct lmtp_transaction *mail)
{
	return mail->origin.context->config;
}

#endif
