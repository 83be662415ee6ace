#include "libcommon/core/err.h"

#include <criterion/criterion.h>
#include <string.h>

Test(err, every_error_can_be_told_by_imap_and_lmtp)
{
	for (unsigned e = ERR_INTERNAL; e < ERR_COUNT; e++) {
		const struct err_row *row = err_row((enum err)e);

		if (e == ERR_CLOSED)
			continue;
		cr_assert(strlen(row->imap) > 0, "%s has no IMAP response code", row->name);
		cr_assert(strchr("45", row->lmtp[0]) != NULL, "%s: %s", row->name, row->lmtp);
		cr_assert_eq(row->lmtp[0], row->lmtp[4], "%s: reply and enhanced code differ: %s", row->name, row->lmtp);
	}
}

Test(err, what_may_succeed_later_is_a_temporary_failure)
{
	for (unsigned e = ERR_INTERNAL; e < ERR_COUNT; e++) {
		const struct err_row *row = err_row((enum err)e);

		if (row->is_retryable)
			cr_assert_eq(row->lmtp[0], '4', "%s would bounce mail: %s", row->name, row->lmtp);
	}
}

Test(err, an_unknown_status_is_internal)
{
	cr_assert_eq(err_from_wire(9999), ERR_INTERNAL);
	cr_assert_eq(err_from_wire(ERR_OVERQUOTA), ERR_OVERQUOTA);
}
