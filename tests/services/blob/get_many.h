/* GetMany as a caller sees it. */
#ifndef SORA_TESTS_BLOB_GET_MANY_H
#define SORA_TESTS_BLOB_GET_MANY_H

#include "services/blob/blob.h"

enum { ASKED_MAX = 65 };

/* A list of Gets, and what came: of what was left out is_there is false. */
struct asked {
	struct {
		uint8_t ref[REF_BYTES];
		BlobGetRequest get;
		bool is_there;
		struct str bytes;
		uint64_t size;
	} items[ASKED_MAX];
	size_t count;
	struct arena arena;
};

/* One more: a range of the body. */
void ask_for(struct asked *asked, const struct blob_ref *ref, uint64_t offset, uint64_t len);
/* Call it. The rows of the answer must be in order, and agree with the chunk. */
enum err get_many(struct asked *asked, struct blob *blob, int64_t deadline_ms);
/* "1.1.": which are there. */
struct str which(struct asked *asked);
void asked_clear(struct asked *asked);

#endif
