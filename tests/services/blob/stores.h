/* A blob service's parts over each back end, for the tests: a fresh directory, and a fresh prefix in the bucket of SORA_TEST_S3. */
#ifndef SORA_TESTS_BLOB_STORES_H
#define SORA_TESTS_BLOB_STORES_H

#include "services/blob/blob.h"

/* The back ends: "dir", "s3". */
extern const char *const store_names[2];

/*
 * Open one; the test fails clearly when SORA_TEST_S3 is not set. `endpoint` NULL: that of SORA_TEST_S3. Gives the config too, which must
 * stay as long.
 */
struct blob *store_open(const char *name, const char *endpoint, struct config **ret_config);
/* Closes it and removes what was stored. */
void store_close(struct blob *blob, struct config *config);

/* Put `body` in pieces of `piece` bytes. */
enum err body_put(struct blob *blob, struct str body, size_t piece, struct blob_ref *ret);

/* `len` bytes: random, or such as compress well. On the heap. */
char *body_make(size_t len, bool is_random);

/* Monotonic, `seconds` from now. */
int64_t soon(int seconds);

#endif
