/*
 * The bytes after BDAT: so many of them, whatever they are.                                        RFC 3030 s. 2, RFC 2033 s. 4.3
 *
 * Pure. NUL, bare CR and LF, and a dot on a line of its own are bytes like any other.
 */
#ifndef SORA_LMTP_CHUNK_H
#define SORA_LMTP_CHUNK_H

#include "libcommon/core/err.h"
#include "libcommon/core/str.h"

struct lmtp_chunk {
	uint64_t left; /* bytes that are still to come */
	bool is_last;  /* they are the end of the mail */
};

/*
 * The arguments of BDAT: "1000", "0 LAST".
 *
 * ERR_OK
 * ERR_INVALID the length is set, so that the bytes can be passed over; what is behind it is not LAST
 * ERR_SYNTAX  there is no length: nobody knows where the next command begins
 */
enum err lmtp_chunk_parse(struct str args, struct lmtp_chunk *ret_chunk);
/* Take what belongs to the chunk from the front of `*in`: a view of it, empty when there is nothing or the chunk is at its end. */
struct str lmtp_chunk_take(struct lmtp_chunk *chunk, struct str *in);

#endif
