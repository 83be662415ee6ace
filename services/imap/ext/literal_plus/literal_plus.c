/* LITERAL+: literals that do not wait for "+" (framer.c).                                             RFC 7888 */
#include "services/imap/command.h"

static const struct imap_capability CAPABILITIES[] = { { "LITERAL+", IMAP_ANY, IMAP_WHEN_ALWAYS }, { 0 } };

const struct imap_extension imap_ext_literal_plus = { .capabilities = CAPABILITIES };
