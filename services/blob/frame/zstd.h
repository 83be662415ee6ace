/* One frame's compression. Contexts (some 100 KiB to 1 MiB each) are kept and shared: there are as many as were ever used at once. */
#ifndef SORA_BLOB_FRAME_ZSTD_H
#define SORA_BLOB_FRAME_ZSTD_H

#include "libcommon/core/str.h"

/* Compress `plain` into `ret`, which has room for as much. Returns the length; 0: it would not be smaller. */
size_t frame_compress(struct str plain, char *ret);
/* Decompress into exactly `len` bytes. False: it is broken, or has another length. */
bool frame_decompress(struct str stored, char *ret, size_t len);

#endif
