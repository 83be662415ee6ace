/* The pieces of a message's body that a test may look at, found once a run, decoded when they are first looked at.    RFC 5173 s. 5 */
#ifndef SORA_SIEVE_BODY_PARTS_H
#define SORA_SIEVE_BODY_PARTS_H

#include "libcommon/mail/structure.h"
#include "services/sieve/ext.h"

enum {
	/* Of a body so much is searched, decoded or not; what is behind is as if it were not there (RFC 5173 s. 8). */
	BODY_BYTES_MAX = 4 * 1024 * 1024,
};

/* A text, and what it was folded to for the comparator that was last used. */
struct body_text {
	struct sieve_text text;
	const struct sieve_comparator *folded_by;
};

/* A leaf, the prologue or epilogue of a multipart, or the header of a message inside. */
struct body_piece {
	struct str type, subtype; /* upper case */
	struct str raw;
	struct str encoding, charset;
	bool is_decoded, is_plain;
	struct body_text text;
	struct body_text plain; /* of HTML, as people read it */
};

struct body_state {
	bool is_read;
	bool is_there;          /* there is an empty line behind the header */
	struct body_text raw;
	struct body_piece *pieces;
	size_t count;
	size_t bytes_left;      /* of BODY_BYTES_MAX */
};

/* Find the pieces, if that was not done yet. ERR_AGAIN: the body has to be asked for. */
enum err sieve_body_read(struct sieve_run *run, struct body_state *state);
/* Its transfer encoding undone, text made UTF-8: *ret_text is what to compare. */
enum err sieve_body_decode(struct sieve_run *run, struct body_state *state, struct body_piece *piece, struct body_text **ret_text);
/* The same, and of HTML what people read. */
enum err sieve_body_plain(struct sieve_run *run, struct body_state *state, struct body_piece *piece, struct body_text **ret_text);

#endif
