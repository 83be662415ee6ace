#include "services/imap/pattern.h"

#include <criterion/criterion.h>

#include "libcommon/core/clock.h"

Test(imap_pattern, matches_as_rfc_3501_says)
{
	static const struct {
		const char *pattern, *name;
		bool matches;
	} cases[] = {
		{ "*", "INBOX", true },
		{ "*", "a/b/c", true },
		{ "%", "a", true },
		{ "%", "a/b", false },
		{ "%/%", "a/b", true },
		{ "%/%", "a/b/c", false },
		{ "a*", "a/b/c", true },
		{ "a%", "a/b", false },
		{ "a%", "ab", true },
		{ "a%", "a", true },
		{ "a/%", "a", false },
		{ "*b", "a/b", true },
		{ "%b", "a/b", false },
		{ "*/b%", "a/c/bd", true },
		{ "*%", "a/b", true },
		{ "%*", "a/b", true },
		{ "a%b%c", "aXbYc", true },
		{ "a%b%c", "abXbc", true },
		{ "a%b%c", "ab/bc", false },
		{ "a*b%c", "ab/bc", true },
		{ "*a%b", "a/ab", true },
		{ "*a%b", "aa/b", false },
		{ "*a%/b", "aa/b", true },
		{ "", "a", false },
		{ "a", "", false },
		{ "a", "A", false },
		{ "inbox", "INBOX", true },
		{ "Inb*", "INBOX", true },
		{ "inbox/%", "INBOX/x", true },
		{ "inbox/X", "INBOX/x", false },
		{ "%b%", "INBOX", false },
		{ "inbox", "INBOXES", false },
		{ "\xc3\xbc%", "\xc3\xbc" "ber", true },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_expect_eq(imap_pattern_matches(str_c(cases[i].pattern), str_c(cases[i].name)), cases[i].matches, "%s ~ %s",
		    cases[i].pattern, cases[i].name);
}

Test(imap_pattern, takes_bounded_time)
{
	static char pattern[1001], name[1001];
	int64_t start = clock_mono_ms();

	for (size_t i = 0; i < 1000; i++)
		pattern[i] = i % 2 ? 'a' : i % 4 ? '%' : '*';
	memset(name, 'a', 1000);
	pattern[999] = 'b';
	for (size_t i = 0; i < 100; i++)
		cr_assert(!imap_pattern_matches(str_c(pattern), str_c(name)));
	cr_assert_lt(clock_mono_ms() - start, 5000);
}
