/* Dates of mail: an instant and the offset it was written in.    RFC 5322 s. 3.3, 4.3; RFC 3501 s. 9 (date-time, date) */
#ifndef SORA_MAIL_DATE_H
#define SORA_MAIL_DATE_H

#include <stdint.h>

#include "libcommon/core/str.h"

struct mail_date {
	int64_t unix_s;        /* seconds since 1970, UTC */
	int32_t offset_minutes; /* east of UTC: "+0130" is 90 */
};

enum { MAIL_DATE_SIZE = 40 }; /* of a buffer for any of the printed forms, with the NUL */

/*
 * The value of a Date field, leniently: day name, seconds and zone may be missing, years may have two or three digits, zones may have
 * names (unknown ones are UTC), comments and folds anywhere. False when there is no day, month, year and time in it.
 */
bool mail_date_parse(struct str value, struct mail_date *ret_date);
/* "17-Jul-1996 02:44:25 -0700", without quotes, the day with a leading space, a zero, or one digit; strict otherwise. */
bool mail_date_parse_imap(struct str text, struct mail_date *ret_date);
/* "1-Feb-1994" as SEARCH has it, without quotes: days since 1970. Strict. */
bool mail_date_parse_imap_day(struct str text, int32_t *ret_day);
/* The day of `date` in its own offset, as days since 1970: what SEARCH compares, "disregarding time and timezone". */
int32_t mail_date_day(struct mail_date date);

/* Each writes into `text` and returns it as a view. */
struct str mail_date_print_imap(struct mail_date date, char text[static MAIL_DATE_SIZE]); /* "17-Jul-1996 02:44:25 -0700", day " 7" */
struct str mail_date_print(struct mail_date date, char text[static MAIL_DATE_SIZE]);      /* "Wed, 17 Jul 1996 02:44:25 -0700" */

#endif
