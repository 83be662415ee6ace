/* What is said of one recipient. */
#include "services/lmtp/outcome.h"

/* What is said of the recipient or of the mail, so that trying again is of no use. */
static const enum err permanent[] = { ERR_NO_ACCOUNT, ERR_DISABLED, ERR_OVERQUOTA, ERR_TOO_BIG, ERR_LOOP, ERR_REFUSED };

static bool
is_permanent(enum err err)
{
	for (size_t i = 0; i < sizeof(permanent) / sizeof(permanent[0]); i++)
		if (permanent[i] == err)
			return true;
	return false;
}

struct lmtp_outcome
lmtp_outcome(enum err err, bool is_overquota_temporary)
{
	const struct err_row *row = err_row(err);

	if (err == ERR_OVERQUOTA && is_overquota_temporary)
		return (struct lmtp_outcome){ "452 4.2.2", row->text };
	if (err == ERR_OK || is_permanent(err) || row->lmtp[0] == '4')
		return (struct lmtp_outcome){ row->lmtp, row->text };
	return (struct lmtp_outcome){ "451 4.3.0", "not possible now, try again later" };
}
