/* Which back ends there are, and what objects are called in them. */
#include "services/blob/store.h"

#include "libcommon/core/clock.h"
#include "libcommon/crypto/encode.h"

static const struct store_ops *const stores[] = { &dir_store, &s3_store };

const struct store_ops *
store_find(struct str name)
{
	for (size_t i = 0; i < sizeof(stores) / sizeof(*stores); i++) {
		if (str_equal(name, str_c(stores[i]->name)))
			return stores[i];
	}
	return NULL;
}

void
store_path(const struct uuid *id, char ret[STORE_PATH_BYTES + 1])
{
	hex_write(str_from(id->bytes + 15, 1), ret);
	ret[2] = '/';
	hex_write(str_from(id->bytes + 14, 1), ret + 3);
	ret[5] = '/';
	hex_write(str_from(id->bytes, 16), ret + 6);
	ret[STORE_PATH_BYTES] = '\0';
}

bool
store_path_read(struct str path, struct uuid *ret_id)
{
	char expected[STORE_PATH_BYTES + 1];
	struct uuid id;

	if (path.len != STORE_PATH_BYTES || !hex_read(str_sub(path, 6, SIZE_MAX), id.bytes, sizeof(id.bytes)))
		return false;
	store_path(&id, expected);
	if (!str_equal(path, str_from(expected, STORE_PATH_BYTES)))
		return false;
	*ret_id = id;
	return true;
}

void
store_clock_note(struct store_clock *clock, int64_t theirs_ms)
{
	clock->ahead_ms = theirs_ms - clock_wall_ms();
	clock->seen_ms = clock_mono_ms();
}

bool
store_clock_is_apart(const struct store_clock *clock)
{
	int64_t ahead_ms = clock->ahead_ms;

	return ahead_ms > STORE_CLOCK_APART_MS || ahead_ms < -STORE_CLOCK_APART_MS;
}
