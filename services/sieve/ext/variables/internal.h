/* What the files of this directory share. */
#ifndef SORA_SIEVE_VARIABLES_INTERNAL_H
#define SORA_SIEVE_VARIABLES_INTERNAL_H

#include "services/sieve/ext/variables/variables.h"

extern const struct sieve_extension sieve_ext_variables;

struct variable {
	struct str name, value;
	bool is_global; /* the value is among the global ones */
};

/* Of a file, or the global ones. */
struct variables {
	struct variable *items;
	size_t count, room;
};

/* Cut "${name}" out of a string of the script. */
enum err sieve_variables_cut(struct sieve_check *check, struct sieve_string *string);

#endif
