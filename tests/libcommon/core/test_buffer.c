#include "libcommon/core/buffer.h"

#include <criterion/criterion.h>

Test(buffer, is_a_queue_of_bytes)
{
	struct buffer b = { 0 };
	char expected[3000];
	size_t written = 0, read = 0;

	for (size_t i = 0; i < sizeof(expected); i++)
		expected[i] = (char)(i * 31);
	while (read < sizeof(expected)) {
		size_t part = written * 7 % 91 + 1;

		if (part > sizeof(expected) - written)
			part = sizeof(expected) - written;
		buffer_add(&b, str_from(expected + written, part));
		written += part;
		cr_assert(str_equal(buffer_str(&b), str_from(expected + read, written - read)), "at %zu", read);
		part = buffer_len(&b) / 2 + (written == sizeof(expected) ? buffer_len(&b) : 0);
		buffer_consume(&b, part);
		read = written - buffer_len(&b);
	}
	buffer_release(&b);
	cr_assert_null(b.bytes);
}

Test(buffer, prints_and_truncates)
{
	struct buffer b = { 0 };

	buffer_printf(&b, "%s %d", "answer", 42);
	cr_assert(str_equal(buffer_str(&b), STR("answer 42")));
	buffer_truncate(&b, 6);
	buffer_add_byte(&b, '!');
	cr_assert(str_equal(buffer_str(&b), STR("answer!")));
	buffer_release(&b);
	cr_assert_not_null(b.bytes, "release keeps what is not empty");
	buffer_clear(&b);
}
