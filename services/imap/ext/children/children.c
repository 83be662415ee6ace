/* CHILDREN: LIST says \HasChildren or \HasNoChildren, always (commands/list.c).                       RFC 3348 */
#include "services/imap/command.h"

static const struct imap_capability CAPABILITIES[] = { { "CHILDREN", IMAP_ANY, IMAP_WHEN_ALWAYS }, { 0 } };

const struct imap_extension imap_ext_children = { .capabilities = CAPABILITIES };
