/* Extended regular expressions of POSIX, as PCRE2 writes them.                                         draft-murchison-sieve-regex s. 3 */
#ifndef SORA_SIEVE_REGEX_TRANSLATE_H
#define SORA_SIEVE_REGEX_TRANSLATE_H

#include "services/sieve/ext.h"

/*
 * Append `ere` to `out` so that PCRE2 understands by it what POSIX.2 does, and nothing more: no lookaround, no back references, no classes
 * behind a backslash. NULL, or what is wrong with it.
 */
const char *sieve_regex_translate(struct str ere, struct buffer *out);

#endif
