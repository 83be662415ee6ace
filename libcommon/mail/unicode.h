/* Code points, for charset.c and mutf7.c. */
#ifndef SORA_MAIL_UNICODE_H
#define SORA_MAIL_UNICODE_H

#include "libcommon/core/buffer.h"

/* Append `c`, which is valid (no surrogate), as UTF-8. */
void mail_add_code_point(int32_t c, struct buffer *out);

#endif
