/* Words of IMAP that scripts use, as the metadata service names them.                          RFC 3501 s. 2.3.2, RFC 6154, RFC 5232 */
#ifndef SORA_LMTP_FLAGS_H
#define SORA_LMTP_FLAGS_H

#include <stdint.h>

#include "libcommon/core/str.h"

/* "\Archive" -> METADATA_ARCHIVE; 0: no use that a mailbox can have. */
uint32_t lmtp_special_use(struct str attribute);
/* "\Seen" -> METADATA_SEEN; 0: it is no system flag that a delivery can set. */
uint32_t lmtp_system_flag(struct str flag);

#endif
