/* Readers whose first pieces were asked for together, and what they and a reader want of each other. */
#ifndef SORA_BLOB_BATCH_H
#define SORA_BLOB_BATCH_H

#include "libcommon/blob/blob.h"
#include "proto/blob.client.h"

/* ---- batch.c */

/*
 * It is this reader's turn: wait for the answer. It leaves the batch, and has its piece now or has asked for it by itself, as have some of the
 * others that did not come with the answer.
 */
void blob_batch_settle(struct blob_reader *in);
/* The reader does not want its piece any more. The last one to leave waits for the answer. */
void blob_batch_leave(struct blob_reader *in);

/* ---- reader.c */

/* There is something to ask for, and it was not. */
bool blob_reader_is_idle(const struct blob_reader *in);
/* What it asks for next. */
void blob_reader_request(struct blob_reader *in, BlobGetRequest *ret);
/* Ask for it, alone. */
void blob_reader_ask(struct blob_reader *in);
/* The answer; copied. */
void blob_reader_take(struct blob_reader *in, struct str piece, uint64_t size);

#endif
