/* SPECIAL-USE: LIST says which mailboxes are \Drafts, \Sent and so on, and can list those alone (commands/list.c).   RFC 6154 */
#include "services/imap/command.h"

static const struct imap_capability CAPABILITIES[] = { { "SPECIAL-USE", IMAP_ANY, IMAP_WHEN_ALWAYS }, { 0 } };

const struct imap_extension imap_ext_special_use = { .capabilities = CAPABILITIES };
