/* The variables of a script: for the extensions that have some too (imap4flags, include).                          RFC 5229 */
#ifndef SORA_SIEVE_VARIABLES_H
#define SORA_SIEVE_VARIABLES_H

#include "services/sieve/ext.h"

/* An identifier: a letter or "_", then letters, digits and "_". */
bool sieve_variable_is_name(struct str name);
/* A name that may be set: an identifier, or that of a namespace that allows it; a problem says why not. */
enum err sieve_variable_check(struct sieve_check *check, const struct sieve_string *at, struct str name);

/* Names are compared without regard to case; what was never set is empty. */
struct str sieve_variable_get(struct sieve_run *run, struct str name);
/* A copy of the value, cut to the limit. ERR_INVALID: there are too many variables. */
enum err sieve_variable_set(struct sieve_run *run, struct str name, struct str value);

/* ---- those that scripts share (RFC 6609 s. 3.4) */

struct str sieve_global_get(struct sieve_run *run, struct str name);
enum err sieve_global_set(struct sieve_run *run, struct str name, struct str value);
/* From here on the name is that of the global variable in this file. ERR_INVALID: it was set already. */
enum err sieve_variable_make_global(struct sieve_run *run, struct str name);

#endif
