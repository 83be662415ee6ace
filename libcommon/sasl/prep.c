/* SASLprep by libidn, of which this is the only includer. */
#include <stringprep.h>

#include "libcommon/core/mem.h"
#include "libcommon/sasl/sasl.h"

/* Normalisation form KC can make 18 times as many bytes of some characters (U+FDFA). */
enum { GROWTH = 18 };

enum err
sasl_prep(struct str text, struct arena *arena, struct str *ret_prepared)
{
	size_t size = text.len * GROWTH + 1;
	char *work;
	int rc;

	if (text.len == 0 || text.len > SASL_RESPONSE_MAX || str_index(text, '\0') != text.len || !str_is_utf8(text))
		return ERR_SYNTAX;
	work = arena_alloc(arena, size);
	memcpy(work, text.ptr, text.len);
	rc = stringprep(work, size, 0, stringprep_saslprep);
	if (rc != STRINGPREP_OK || !*work)
		return ERR_SYNTAX;
	*ret_prepared = str_c(work);
	return ERR_OK;
}
