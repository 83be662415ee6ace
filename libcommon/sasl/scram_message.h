/*
 * SCRAM's messages, without the exchange.                                                               RFC 5802 s. 5.1, 7
 *
 * Views are of the message that was parsed, or in the arena that was given.
 */
#ifndef SORA_SASL_SCRAM_MESSAGE_H
#define SORA_SASL_SCRAM_MESSAGE_H

#include "libcommon/core/arena.h"
#include "libcommon/core/err.h"

/* client-first-message */
struct scram_first {
	char flag;         /* of channel binding: 'n' the client cannot, 'y' it could but thinks that the server cannot, 'p' it does */
	struct str binding;  /* with 'p': which type, "tls-exporter" */
	struct str authzid;  /* empty: none; with =2C and =3D undone, as `user` */
	struct str user;
	struct str nonce;
	struct str header;   /* gs2-header, as it was sent */
	struct str bare;     /* client-first-message-bare, as it was sent: with the header all of the message */
};

/* client-final-message */
struct scram_final {
	struct str binding;  /* gs2-header and the channel's data: bytes */
	struct str nonce;
	struct str proof;    /* bytes */
	struct str unproved; /* client-final-message-without-proof, as it was sent */
};

/*
 * ERR_SYNTAX: it is none. So are messages with "m", which a later SCRAM may define and this one must refuse; other extensions are passed
 * over.
 */
enum err scram_first_parse(struct str message, struct arena *arena, struct scram_first *ret);
enum err scram_final_parse(struct str message, struct arena *arena, struct scram_final *ret);

/* server-first-message; `nonce` is the client's and the server's. */
struct str scram_server_first(struct arena *arena, struct str nonce, struct str salt, uint32_t iterations);
/* server-final-message, when all is well. */
struct str scram_server_final(struct arena *arena, struct str signature);
struct str scram_auth_message(struct arena *arena, struct str first_bare, struct str server_first, struct str final_unproved);

#endif
