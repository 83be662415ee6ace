/* Images from metadata: loaded whole, or brought up to date. */
#ifndef SORA_IMAP_LOAD_H
#define SORA_IMAP_LOAD_H

#include "libcommon/bus/bus.h"
#include "services/imap/image.h"

/* What of a mailbox is already here. */
struct imap_have {
	struct imap_image *image; /* NULL: nothing */
	uint64_t mailbox;
	uint32_t uidvalidity;
};

/*
 * Ask for the mailbox `name`: *ret_image (a reference of the caller's) is as *ret_state says, or a little newer. The state lives in
 * call->arena. ERR_NO_MAILBOX, and passing failures.
 */
enum err imap_load(struct bus_call *call, uint64_t account, struct str name, bool is_read_only, const struct imap_have *have,
    struct imap_image **ret_image, MetadataState **ret_state);

/* `image` with the changes of the Sync that are newer than it; a reference of the caller's, `image` itself when there are none. */
enum err imap_load_sync(struct imap_image *image, const MetadataSync *sync, struct imap_image **ret_image);

/* The name of the mailbox with this number. ERR_NO_MAILBOX. */
enum err imap_load_name(struct bus_call *call, uint64_t account, uint64_t mailbox, struct str *ret_name);

#endif
