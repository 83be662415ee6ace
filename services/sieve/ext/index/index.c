/* :index and :last: one of the header fields. What they choose, the tests find by sieve_walk_begin.   RFC 5260 s. 6 */
#include "services/sieve/ext.h"

static const struct sieve_tag TAGS[] = {
	{ .name = "index", .commands = "header address date", .argument = { SIEVE_NUMBER, "number of the field" } },
	{ .name = "last", .commands = "header address date", .check = sieve_check_last },
	{ 0 },
};

const struct sieve_extension sieve_ext_index = { .name = "index", .tags = TAGS };
