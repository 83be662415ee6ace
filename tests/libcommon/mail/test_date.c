#include "libcommon/mail/date.h"

#include <criterion/criterion.h>
#include <inttypes.h>

/* 760686745 is Mon, 7 Feb 1994 21:52:25 +0000 less 8 hours west: the example of RFC 3501 */
static const struct {
	const char *text;
	bool is_date;
	int64_t unix_s;
	int32_t offset;
} dates[] = {
	{ "Mon, 7 Feb 1994 21:52:25 -0800 (PST)", true, 760686745, -480 },
	{ "Thu, 01 Jan 1970 00:00:00 +0000", true, 0, 0 },
	{ "1 Jan 1970 01:30:00 +0130", true, 0, 90 },
	{ "31 Dec 1969 23:59:59 GMT", true, -1, 0 },
	{ "Tue, 29 Feb 2000 12:00:00 -0000", true, 951825600, 0 },
	{ " 7\r\n Feb (a (nested) comment) 1994 21 : 52 : 25 -0800", true, 760686745, -480 },
	/* RFC 5322 s. 4.3: names of zones, short years */
	{ "7 Feb 94 21:52:25 PST", true, 760686745, -480 },
	{ "7 Feb 94 21:52 EST", true, 760675920, -300 },
	{ "1 Jan 00 00:00 UT", true, 946684800, 0 },
	{ "1 Jan 100 00:00 Z", true, 946684800, 0 },
	{ "1 Jan 49 00:00 Z", true, 2493072000, 0 },
	{ "1 Jan 50 00:00 Z", true, -631152000, 0 },
	{ "1 Jan 2000 00:00 XYZ", true, 946684800, 0 },
	{ "1 Jan 2000 00:00", true, 946684800, 0 },
	/* other writings that are met */
	{ "Mon Feb  7 21:52:25 1994", true, 760657945, 0 },
	{ "Mon Feb  7 21:52:25 PST 1994", true, 760686745, -480 },
	{ "Monday, 07-Feb-94 21:52:25 -0800", true, 760686745, -480 },
	{ "1994-02-07T21:52:25-08:00", true, 760686745, -480 },
	{ "1994-02-07 21:52:25.123 -0800", true, 760686745, -480 },
	{ "Mon, 7 February 1994 9:52:25 PM -0800", true, 760686745, -480 },
	{ "7 Feb 1994 12:00 AM", true, 760579200, 0 },
	{ "7 Feb 1994 12:00 PM", true, 760622400, 0 },
	{ "7 Feb 1994 23:59:60 +0000", true, 760665600, 0 },
	{ "7 Feb 1994 21:52:25 -0860", true, 760657945, 0 },
	{ "7 Feb 1994 21:52:25 +9999", true, 760657945, 0 },
	{ "", false, 0, 0 }, { "yesterday", false, 0, 0 }, { "7 Feb 1994", false, 0, 0 }, { "7 Foo 1994 00:00", false, 0, 0 },
	{ "30 Feb 1994 00:00", false, 0, 0 }, { "29 Feb 1900 00:00", false, 0, 0 }, { "7 Feb 1994 24:00", false, 0, 0 },
	{ "7 Feb 1994 00:60", false, 0, 0 }, { "0 Feb 1994 00:00", false, 0, 0 }, { "7 Feb 99999999999 00:00", false, 0, 0 },
	{ "21:52:25", false, 0, 0 },
};

Test(date, fields_are_read_leniently)
{
	for (size_t i = 0; i < sizeof(dates) / sizeof(dates[0]); i++) {
		struct mail_date date = { 0 };

		cr_assert_eq(mail_date_parse(str_c(dates[i].text), &date), dates[i].is_date, "%s", dates[i].text);
		cr_assert_eq(date.unix_s, dates[i].unix_s, "%s: %" PRId64, dates[i].text, date.unix_s);
		cr_assert_eq(date.offset_minutes, dates[i].offset, "%s: %d", dates[i].text, date.offset_minutes);
	}
}

Test(date, imap_date_times_are_exact)
{
	static const struct { const char *text; bool is_date; int64_t unix_s; int32_t offset; } cases[] = {
		{ " 7-Feb-1994 21:52:25 -0800", true, 760686745, -480 }, { "07-feb-1994 21:52:25 -0800", true, 760686745, -480 },
		{ "7-Feb-1994 21:52:25 -0800", true, 760686745, -480 }, { "17-Jul-1996 02:44:25 -0700", true, 837596665, -420 },
		{ "01-Jan-1970 00:00:00 +0000", true, 0, 0 }, { "", false, 0, 0 }, { " 7-Feb-1994", false, 0, 0 },
		{ "007-Feb-1994 21:52:25 -0800", false, 0, 0 }, { "7-Feb-94 21:52:25 -0800", false, 0, 0 },
		{ "7-Feb-1994 21:52:25", false, 0, 0 }, { "7-Feb-1994 21:52:25 0800", false, 0, 0 },
		{ "7-Feb-1994 21:52:25 -0800 ", false, 0, 0 }, { "7-Feb-1994 1:52:25 -0800", false, 0, 0 },
		{ "7-Febr-1994 21:52:25 -0800", false, 0, 0 }, { "31-Feb-1994 21:52:25 -0800", false, 0, 0 },
		{ "7-Feb-1994 21:52:25 -2400", false, 0, 0 }, { "7-Feb-1994 21:52:25 -0060", false, 0, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct mail_date date = { 0 };

		cr_assert_eq(mail_date_parse_imap(str_c(cases[i].text), &date), cases[i].is_date, "%s", cases[i].text);
		cr_assert_eq(date.unix_s, cases[i].unix_s, "%s: %" PRId64, cases[i].text, date.unix_s);
		cr_assert_eq(date.offset_minutes, cases[i].offset, "%s", cases[i].text);
	}
}

Test(date, search_compares_days_disregarding_time_and_zone)
{
	struct mail_date late = { 0 };
	int32_t day = 0;

	cr_assert(mail_date_parse_imap_day(STR("1-Jan-1970"), &day) && day == 0);
	cr_assert(mail_date_parse_imap_day(STR("31-dec-1969"), &day) && day == -1);
	cr_assert(mail_date_parse_imap_day(STR("07-Feb-1994"), &day) && day == 8803);
	cr_assert_not(mail_date_parse_imap_day(STR("7-Feb-1994 "), &day));
	cr_assert_not(mail_date_parse_imap_day(STR(" 7-Feb-1994"), &day));
	cr_assert_not(mail_date_parse_imap_day(STR("7-Feb-94"), &day));
	cr_assert_not(mail_date_parse_imap_day(STR("32-Jan-1994"), &day));
	cr_assert(mail_date_parse(STR("7 Feb 1994 23:30:00 -0800"), &late));
	cr_assert_eq(mail_date_day(late), 8803);
	cr_assert_eq(mail_date_day((struct mail_date){ .unix_s = -1 }), -1);
}

Test(date, what_is_printed_reads_back)
{
	static const struct { struct mail_date date; const char *imap, *rfc5322; } cases[] = {
		{ { 760686745, -480 }, " 7-Feb-1994 21:52:25 -0800", "Mon, 7 Feb 1994 21:52:25 -0800" },
		{ { 0, 90 }, " 1-Jan-1970 01:30:00 +0130", "Thu, 1 Jan 1970 01:30:00 +0130" },
		{ { -1, 0 }, "31-Dec-1969 23:59:59 +0000", "Wed, 31 Dec 1969 23:59:59 +0000" },
		{ { 951825600, 0 }, "29-Feb-2000 12:00:00 +0000", "Tue, 29 Feb 2000 12:00:00 +0000" },
		{ { INT64_MAX / 2, 0 }, "31-Dec-9999 23:59:59 +0000", "Fri, 31 Dec 9999 23:59:59 +0000" },
		{ { INT64_MIN / 2, 0 }, " 1-Jan-0001 00:00:00 +0000", "Mon, 1 Jan 0001 00:00:00 +0000" },
	};
	char text[MAIL_DATE_SIZE];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str printed = mail_date_print_imap(cases[i].date, text);

		cr_assert(str_equal(printed, str_c(cases[i].imap)), "case %zu: %s", i, text);
		printed = mail_date_print(cases[i].date, text);
		cr_assert(str_equal(printed, str_c(cases[i].rfc5322)), "case %zu: %s", i, text);
	}
	for (int64_t s = -5000000000; s < 5000000000; s += 8640077) {
		struct mail_date date = { s, (int32_t)(s % 700) }, again;

		cr_assert(mail_date_parse_imap(mail_date_print_imap(date, text), &again), "%s", text);
		cr_assert(again.unix_s == s && again.offset_minutes == date.offset_minutes, "%s", text);
		cr_assert(mail_date_parse(mail_date_print(date, text), &again), "%s", text);
		cr_assert(again.unix_s == s && again.offset_minutes == date.offset_minutes, "%s", text);
	}
}
