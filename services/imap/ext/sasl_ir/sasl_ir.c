/* SASL-IR: AUTHENTICATE takes an initial response (commands/login.c).                                 RFC 4959 */
#include "services/imap/command.h"

static const struct imap_capability CAPABILITIES[] = { { "SASL-IR", IMAP_ANY, IMAP_WHEN_ALWAYS }, { 0 } };

const struct imap_extension imap_ext_sasl_ir = { .capabilities = CAPABILITIES };
