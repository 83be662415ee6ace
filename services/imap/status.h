/* The items of STATUS: rows, here and in extensions. */
#ifndef SORA_IMAP_STATUS_H
#define SORA_IMAP_STATUS_H

#include "proto/metadata.pb-c.h"
#include "services/imap/command.h"

struct imap_status_row {
	const char *name;
	/* The value, behind "NAME ". */
	enum err (*print)(struct imap_command *cmd, const MetadataState *state, struct buffer *out);
};

#endif
