/* The one table of errors. */
#include "libcommon/core/err.h"

static const struct err_row rows[ERR_COUNT] = {
#define X(name, text, retry, imap, lmtp, pop3, sieve) { #name, text, retry, imap, lmtp, pop3, sieve },
	ERR_TABLE(X)
#undef X
};

enum err
err_from_wire(unsigned status)
{
	return status < ERR_COUNT ? (enum err)status : ERR_INTERNAL;
}

const struct err_row *
err_row(enum err err)
{
	return &rows[err_from_wire(err)];
}
