/* Random numbers from the kernel. */
#include "libcommon/core/random.h"

#include <stdlib.h>
#include <sys/random.h>

#include "libcommon/core/clock.h"

void
random_bytes(void *ret, size_t len)
{
	char *at = ret;

	while (len > 0) {
		size_t part = len < 256 ? len : 256;

		/* Up to 256 bytes are never interrupted nor cut short (getrandom(2)). */
		if (getrandom(at, part, 0) != (ssize_t)part)
			abort();
		at += part;
		len -= part;
	}
}

uint64_t
random_u64(void)
{
	uint64_t value;

	random_bytes(&value, sizeof(value));
	return value;
}

struct uuid
uuid_v7(void)
{
	uint64_t ms = (uint64_t)clock_wall_ms();
	struct uuid uuid;

	random_bytes(uuid.bytes, sizeof(uuid.bytes));
	for (int i = 0; i < 6; i++)
		uuid.bytes[i] = (uint8_t)(ms >> (40 - 8 * i));
	uuid.bytes[6] = (uint8_t)(0x70 | (uuid.bytes[6] & 0x0f));
	uuid.bytes[8] = (uint8_t)(0x80 | (uuid.bytes[8] & 0x3f));
	return uuid;
}

int64_t
uuid_ms(struct uuid uuid)
{
	uint64_t ms = 0;

	for (int i = 0; i < 6; i++)
		ms = ms << 8 | uuid.bytes[i];
	return (int64_t)ms;
}
