/* Random numbers from the kernel, and identifiers made of them. */
#ifndef SORA_CORE_RANDOM_H
#define SORA_CORE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* `len` bytes that no one can guess. Cannot fail. */
void random_bytes(void *ret, size_t len);
uint64_t random_u64(void);

/* A UUIDv7 (RFC 9562 s. 5.7): 48 bits of wall clock, then random. For idempotency keys and object names. */
struct uuid {
	uint8_t bytes[16];
};
struct uuid uuid_v7(void);
/* The wall clock, ms since 1970, that is written in a UUIDv7. */
int64_t uuid_ms(struct uuid uuid);

#endif
