/* The parts of a date, printed. */
#include "services/sieve/ext/date/parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* From 17 November 1858 to 1 January 1970: RFC 5260 s. 4.2, app. A. */
enum { DAYS_BEFORE_1970 = 40587 };

/* The date's own clock and calendar. */
static struct tm
local(struct mail_date date)
{
	time_t seconds = date.unix_s + date.offset_minutes * 60;
	struct tm tm = { 0 };

	gmtime_r(&seconds, &tm);
	return tm;
}

/* What strftime knows. */
#define PART(name_, format)                                                              \
	static struct str name_(struct mail_date date, char text[static MAIL_DATE_SIZE]) \
	{                                                                                \
		struct tm tm = local(date);                                              \
                                                                                         \
		return str_from(text, strftime(text, MAIL_DATE_SIZE, format, &tm));      \
	}
PART(month, "%m")
PART(day, "%d")
PART(hour, "%H")
PART(minute, "%M")
PART(second, "%S")
PART(time_of_day, "%H:%M:%S")
PART(weekday, "%w")

static struct str
year(struct mail_date date, char text[static MAIL_DATE_SIZE])
{
	return str_from(text, (size_t)snprintf(text, MAIL_DATE_SIZE, "%04d", local(date).tm_year + 1900));
}

static struct str
calendar(struct mail_date date, char text[static MAIL_DATE_SIZE])
{
	struct tm tm = local(date);

	return str_from(text, (size_t)snprintf(text, MAIL_DATE_SIZE, "%04d-%02d-%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday));
}

static struct str
julian(struct mail_date date, char text[static MAIL_DATE_SIZE])
{
	return str_from(text, (size_t)snprintf(text, MAIL_DATE_SIZE, "%d", mail_date_day(date) + DAYS_BEFORE_1970));
}

/* "+0100"; with `colon` between hours and minutes. No offset is positive (RFC 5260 s. 4.2). */
static size_t
print_zone(struct mail_date date, const char *colon, char *text, size_t size)
{
	int minutes = abs(date.offset_minutes);

	return (size_t)snprintf(text, size, "%c%02d%s%02d", date.offset_minutes < 0 ? '-' : '+', minutes / 60, colon, minutes % 60);
}

static struct str
zone(struct mail_date date, char text[static MAIL_DATE_SIZE])
{
	return str_from(text, print_zone(date, "", text, MAIL_DATE_SIZE));
}

/* RFC 3339 s. 5.6, "Z" for no offset. */
static struct str
iso8601(struct mail_date date, char text[static MAIL_DATE_SIZE])
{
	struct tm tm = local(date);
	size_t len = (size_t)snprintf(text, MAIL_DATE_SIZE, "%04d-%02d-%02dT%02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
	    tm.tm_hour, tm.tm_min, tm.tm_sec);

	if (date.offset_minutes != 0)
		return str_from(text, len + print_zone(date, ":", text + len, MAIL_DATE_SIZE - len));
	text[len] = 'Z';
	return str_from(text, len + 1);
}

static const struct date_part PARTS[] = {
	{ "year", year },
	{ "month", month },
	{ "day", day },
	{ "date", calendar },
	{ "julian", julian },
	{ "hour", hour },
	{ "minute", minute },
	{ "second", second },
	{ "time", time_of_day },
	{ "iso8601", iso8601 },
	{ "std11", mail_date_print },
	{ "zone", zone },
	{ "weekday", weekday },
};

const struct date_part *
sieve_date_part_find(struct str name)
{
	for (size_t i = 0; i < sizeof(PARTS) / sizeof(PARTS[0]); i++)
		if (str_equal_nocase(name, str_c(PARTS[i].name)))
			return &PARTS[i];
	return NULL;
}
