/* The parts of a date.                                                                                 RFC 5260 s. 4.2 */
#ifndef SORA_SIEVE_DATE_PARTS_H
#define SORA_SIEVE_DATE_PARTS_H

#include "libcommon/mail/date.h"
#include "services/sieve/ext.h"

struct date_part {
	const char *name;
	/* The part of `date`, in its own zone, into `text`. */
	struct str (*print)(struct mail_date date, char text[static MAIL_DATE_SIZE]);
};

/* By its name, in any case; NULL: there is none. */
const struct date_part *sieve_date_part_find(struct str name);

#endif
