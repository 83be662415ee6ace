/* Dates of mail. */
#include "libcommon/mail/date.h"

#include <inttypes.h>
#include <stdio.h>

#include "libcommon/mail/token.h"

static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
static const char days[][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };

/* RFC 5322 s. 4.3, and what is common beside it. */
static const struct {
	const char *name;
	int hours;
} zones[] = {
	{ "UT", 0 }, { "UTC", 0 }, { "GMT", 0 }, { "Z", 0 },
	{ "EST", -5 }, { "EDT", -4 }, { "CST", -6 }, { "CDT", -5 },
	{ "MST", -7 }, { "MDT", -6 }, { "PST", -8 }, { "PDT", -7 },
	{ "WET", 0 }, { "WEST", 1 }, { "BST", 1 }, { "CET", 1 }, { "CEST", 2 }, { "MET", 1 }, { "MEST", 2 },
	{ "EET", 2 }, { "EEST", 3 }, { "MSK", 3 }, { "JST", 9 }, { "KST", 9 },
};

/* Fields as they were read; -1: not yet. */
struct parts {
	int year, month, day, hour, minute, second, offset_minutes;
};

/* Days since 1970-01-01 in the proleptic Gregorian calendar (H. Hinnant, "chrono-compatible low-level date algorithms"). */
static int32_t
days_from(int year, int month, int day)
{
	int y = year - (month <= 2), era, year_of_era, day_of_year, day_of_era;

	era = (y >= 0 ? y : y - 399) / 400;
	year_of_era = y - era * 400;
	day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
	return era * 146097 + day_of_era - 719468;
}

static void
date_from(int32_t day_number, int *ret_year, int *ret_month, int *ret_day)
{
	int z = day_number + 719468, era, day_of_era, year_of_era, day_of_year, m;

	era = (z >= 0 ? z : z - 146096) / 146097;
	day_of_era = z - era * 146097;
	year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	m = (5 * day_of_year + 2) / 153;
	*ret_day = day_of_year - (153 * m + 2) / 5 + 1;
	*ret_month = m < 10 ? m + 3 : m - 9;
	*ret_year = year_of_era + era * 400 + (*ret_month <= 2);
}

static int
days_in_month(int year, int month)
{
	static const int lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return lengths[month - 1] + (month == 2 && is_leap);
}

static bool
is_valid(const struct parts *t)
{
	return t->year >= 1 && t->year <= 9999 && t->month >= 1 && t->month <= 12 && t->day >= 1 &&
	    t->day <= days_in_month(t->year, t->month) && t->hour >= 0 && t->hour <= 23 && t->minute >= 0 &&
	    t->minute <= 59 && t->second >= 0 && t->second <= 60;
}

static struct mail_date
date_of(const struct parts *t)
{
	int64_t local_s = (int64_t)days_from(t->year, t->month, t->day) * 86400 + t->hour * 3600 + t->minute * 60 + t->second;

	return (struct mail_date){ .unix_s = local_s - t->offset_minutes * 60, .offset_minutes = t->offset_minutes };
}

static bool
is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static bool
is_letter(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Digits at the cursor: their count, and their value (of the first nine). */
static int
take_digits(struct mail_cursor *cur, int *ret_value)
{
	int count = 0;

	*ret_value = 0;
	for (; is_digit(mail_cur_peek(cur)); cur->p++)
		if (count++ < 9)
			*ret_value = *ret_value * 10 + (*cur->p - '0');
	return count;
}

static bool
month_named(struct str word, int *ret_month)
{
	for (int i = 0; i < 12; i++) {
		if (str_starts_with_nocase(word, str_from(months[i], 3))) {
			*ret_month = i + 1;
			return true;
		}
	}
	return false;
}

/*
 * The lenient parser: pieces are known by what they look like, in any order that is in use: "Mon, 7 Feb 1994 21:52:25 -0800",
 * "Mon Feb  7 21:52:25 1994", "07-Feb-94 21:52 PST", "1994-02-07T21:52:25-08:00".
 */

static void
take_word(struct mail_cursor *cur, struct parts *t)
{
	const char *start = cur->p;
	struct str word;

	while (is_letter(mail_cur_peek(cur)))
		cur->p++;
	word = str_from(start, (size_t)(cur->p - start));
	if (t->month < 0 && month_named(word, &t->month))
		return;
	for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]) && t->hour >= 0; i++)
		if (str_equal_nocase(word, str_c(zones[i].name)))
			t->offset_minutes = zones[i].hours * 60;
	if (t->hour >= 1 && t->hour <= 12 && str_equal_nocase(word, STR("PM")))
		t->hour = t->hour % 12 + 12;
	else if (t->hour == 12 && str_equal_nocase(word, STR("AM")))
		t->hour = 0;
}

/* "+0130", "-08:00": only behind a time, elsewhere a hyphen only separates. */
static void
take_zone(struct mail_cursor *cur, struct parts *t)
{
	bool is_west = *cur->p++ == '-';
	int value, minutes, count;

	if (t->hour < 0 || !is_digit(mail_cur_peek(cur)))
		return;
	count = take_digits(cur, &value);
	if (count <= 2) {
		minutes = 0;
		if (mail_cur_byte(cur, ':'))
			take_digits(cur, &minutes);
		value = value * 100 + minutes;
	}
	minutes = value / 100 * 60 + value % 100;
	if (count <= 4 && value % 100 < 60 && minutes < 24 * 60)
		t->offset_minutes = is_west ? -minutes : minutes;
}

/* ":minute", perhaps ":second" and a fraction, behind the hour. */
static void
take_time(struct mail_cursor *cur, int hour, struct parts *t)
{
	int fraction;

	t->hour = hour;
	t->second = 0;
	cur->p++;
	mail_cur_cfws(cur, NULL);
	take_digits(cur, &t->minute);
	mail_cur_cfws(cur, NULL);
	if (mail_cur_byte(cur, ':')) {
		mail_cur_cfws(cur, NULL);
		take_digits(cur, &t->second);
		if (mail_cur_byte(cur, '.'))
			take_digits(cur, &fraction);
	}
}

/* RFC 5322 s. 4.3 */
static int
full_year(int year, int digits)
{
	if (digits == 2)
		return year < 50 ? year + 2000 : year + 1900;
	return digits == 3 ? year + 1900 : year;
}

static void
take_number(struct mail_cursor *cur, struct parts *t)
{
	int value, count = take_digits(cur, &value);
	struct mail_cursor behind = *cur;

	mail_cur_cfws(&behind, NULL);
	if (t->hour < 0 && count <= 2 && mail_cur_peek(&behind) == ':') {
		mail_cur_cfws(&behind, NULL);
		*cur = behind;
		take_time(cur, value, t);
	} else if (t->year < 0 && (count >= 3 || t->day >= 0)) {
		t->year = full_year(value, count);
	} else if (t->month < 0 && t->year >= 0 && count <= 2) {
		t->month = value;
	} else if (t->day < 0 && count <= 2) {
		t->day = value;
	}
}

bool
mail_date_parse(struct str value, struct mail_date *ret_date)
{
	struct parts t = { -1, -1, -1, -1, -1, -1, 0 };
	struct mail_cursor cur = mail_cur(value);

	while (cur.p < cur.end) {
		mail_cur_cfws(&cur, NULL);
		if (is_letter(mail_cur_peek(&cur)))
			take_word(&cur, &t);
		else if (is_digit(mail_cur_peek(&cur)))
			take_number(&cur, &t);
		else if (mail_cur_peek(&cur) == '+' || mail_cur_peek(&cur) == '-')
			take_zone(&cur, &t);
		else if (cur.p < cur.end)
			cur.p++;
	}
	if (!is_valid(&t))
		return false;
	*ret_date = date_of(&t);
	return true;
}

/*
 * IMAP's dates, strict
 */

/* Exactly `count` digits. */
static bool
exact_digits(struct mail_cursor *cur, int count, int *ret_value)
{
	return take_digits(cur, ret_value) == count;
}

/* "-Feb-1994" */
static bool
imap_month_year(struct mail_cursor *cur, struct parts *t)
{
	struct str word;

	if (!mail_cur_byte(cur, '-') || cur->end - cur->p < 3)
		return false;
	word = str_from(cur->p, 3);
	cur->p += 3;
	return month_named(word, &t->month) && mail_cur_byte(cur, '-') && exact_digits(cur, 4, &t->year);
}

/* "02:44:25 -0700" */
static bool
imap_time_zone(struct mail_cursor *cur, struct parts *t)
{
	bool is_west;
	int zone;

	if (!exact_digits(cur, 2, &t->hour) || !mail_cur_byte(cur, ':') || !exact_digits(cur, 2, &t->minute) ||
	    !mail_cur_byte(cur, ':') || !exact_digits(cur, 2, &t->second) || !mail_cur_byte(cur, ' '))
		return false;
	is_west = mail_cur_peek(cur) == '-';
	if (!mail_cur_byte(cur, '+') && !mail_cur_byte(cur, '-'))
		return false;
	if (!exact_digits(cur, 4, &zone) || zone % 100 > 59 || zone >= 2400 || cur->p != cur->end)
		return false;
	t->offset_minutes = (zone / 100 * 60 + zone % 100) * (is_west ? -1 : 1);
	return true;
}

bool
mail_date_parse_imap(struct str text, struct mail_date *ret_date)
{
	struct mail_cursor cur = mail_cur(text);
	struct parts t = { 0 };
	int digits;

	mail_cur_byte(&cur, ' ');
	digits = take_digits(&cur, &t.day);
	if (digits < 1 || digits > 2 || !imap_month_year(&cur, &t) || !mail_cur_byte(&cur, ' ') || !imap_time_zone(&cur, &t) ||
	    !is_valid(&t))
		return false;
	*ret_date = date_of(&t);
	return true;
}

bool
mail_date_parse_imap_day(struct str text, int32_t *ret_day)
{
	struct mail_cursor cur = mail_cur(text);
	struct parts t = { 0 };
	int digits = take_digits(&cur, &t.day);

	if (digits < 1 || digits > 2 || !imap_month_year(&cur, &t) || cur.p != cur.end || !is_valid(&t))
		return false;
	*ret_day = days_from(t.year, t.month, t.day);
	return true;
}

static int64_t
local_seconds(struct mail_date date)
{
	return date.unix_s + (int64_t)date.offset_minutes * 60;
}

static int64_t
floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

int32_t
mail_date_day(struct mail_date date)
{
	return (int32_t)floor_div(local_seconds(date), 86400);
}

/* What both forms print; years that have no four digits cannot be written and become the nearest that can. */
static struct parts
parts_of(struct mail_date date)
{
	static const int64_t first_s = -62135596800, last_s = 253402300799; /* years 1 to 9999 */
	int64_t local = local_seconds(date);
	struct parts t = { .offset_minutes = date.offset_minutes };
	int second_of_day;

	if (t.offset_minutes <= -24 * 60 || t.offset_minutes >= 24 * 60)
		t.offset_minutes = 0;
	local = local < first_s ? first_s : local > last_s ? last_s : local;
	date_from((int32_t)floor_div(local, 86400), &t.year, &t.month, &t.day);
	second_of_day = (int)(local - floor_div(local, 86400) * 86400);
	t.hour = second_of_day / 3600;
	t.minute = second_of_day / 60 % 60;
	t.second = second_of_day % 60;
	return t;
}

static int
zone_number(const struct parts *t)
{
	int minutes = t->offset_minutes < 0 ? -t->offset_minutes : t->offset_minutes;

	return minutes / 60 * 100 + minutes % 60;
}

struct str
mail_date_print_imap(struct mail_date date, char text[static MAIL_DATE_SIZE])
{
	struct parts t = parts_of(date);
	int len = snprintf(text, MAIL_DATE_SIZE, "%2d-%s-%04d %02d:%02d:%02d %c%04d", t.day, months[t.month - 1], t.year, t.hour,
	    t.minute, t.second, t.offset_minutes < 0 ? '-' : '+', zone_number(&t));

	return str_from(text, (size_t)len);
}

struct str
mail_date_print(struct mail_date date, char text[static MAIL_DATE_SIZE])
{
	struct parts t = parts_of(date);
	int weekday = ((days_from(t.year, t.month, t.day) + 4) % 7 + 7) % 7;
	int len = snprintf(text, MAIL_DATE_SIZE, "%s, %d %s %04d %02d:%02d:%02d %c%04d", days[weekday], t.day, months[t.month - 1],
	    t.year, t.hour, t.minute, t.second, t.offset_minutes < 0 ? '-' : '+', zone_number(&t));

	return str_from(text, (size_t)len);
}
