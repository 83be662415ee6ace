/* The comparator i;unicode-casemap.                                                                    RFC 5051 */
#include "libcommon/mail/casemap.h"
#include "services/sieve/ext.h"

static const struct sieve_comparator COMPARATORS[] = {
	{ .name = "i;unicode-casemap", .has_substring = true, .is_unicode = true, .is_case_blind = true, .fold = mail_casemap,
	    .growth = MAIL_CASEMAP_GROWTH },
	{ 0 },
};

const struct sieve_extension sieve_ext_unicode_casemap = { .name = "comparator-i;unicode-casemap", .comparators = COMPARATORS };
