/* :seconds of vacation, which it brings along.                                                         RFC 6131 */
#include "services/sieve/ext.h"

static const struct sieve_tag TAGS[] = {
	{ .name = "seconds", .commands = "vacation", .argument = { SIEVE_NUMBER, "number of seconds" }, .group = "of ':days' and ':seconds'" },
	{ 0 },
};

const struct sieve_extension sieve_ext_vacation_seconds = { .name = "vacation-seconds", .brings = "vacation", .tags = TAGS };
