#include "libcommon/core/random.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/core/clock.h"

Test(random, a_uuid_is_version_7_and_knows_its_time)
{
	struct uuid a = uuid_v7(), b = uuid_v7();

	cr_assert_eq(a.bytes[6] >> 4, 7);
	cr_assert_eq(a.bytes[8] >> 6, 2);
	cr_assert_leq(llabs(uuid_ms(a) - clock_wall_ms()), 1000);
	cr_assert_neq(memcmp(a.bytes, b.bytes, sizeof(a.bytes)), 0);
}

Test(random, every_byte_is_filled)
{
	uint8_t all[600] = { 0 }, seen = 0;

	for (int i = 0; i < 20; i++) {
		random_bytes(all, sizeof(all));
		seen |= all[sizeof(all) - 1];
	}
	cr_assert_neq(seen, 0);
}
