/* MAILBOXID and EMAILID. */
#include "libcommon/mail/objectid.h"

#include <string.h>

/* RFC 4648 s. 6, in small letters; the account's digits are always as many. */
static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
enum { ACCOUNT_DIGITS = 13 };

const char *
mail_objectid_print(enum mail_object kind, uint64_t account, uint64_t number, char ret[static MAIL_OBJECTID_SIZE])
{
	int shift = 60;
	char *at = ret;

	*at++ = (char)kind;
	for (int i = ACCOUNT_DIGITS - 1; i >= 0; i--)
		*at++ = digits[account >> 5 * i & 31];
	while (shift > 0 && number >> shift == 0)
		shift -= 5;
	for (; shift >= 0; shift -= 5)
		*at++ = digits[number >> shift & 31];
	*at = '\0';
	return ret;
}

uint64_t
mail_objectid_parse(enum mail_object kind, uint64_t account, struct str id)
{
	char printed[MAIL_OBJECTID_SIZE];
	uint64_t number = 0;

	if (id.len <= 1 + ACCOUNT_DIGITS || id.len >= MAIL_OBJECTID_SIZE)
		return 0;
	for (size_t i = 1 + ACCOUNT_DIGITS; i < id.len; i++) {
		const char *digit = memchr(digits, id.ptr[i], sizeof(digits) - 1);

		if (!digit)
			return 0;
		number = number << 5 | (uint64_t)(digit - digits);
	}
	return str_equal(id, str_c(mail_objectid_print(kind, account, number, printed))) ? number : 0;
}

bool
mail_objectid_is_valid(struct str id)
{
	for (size_t i = 0; i < id.len; i++) {
		char c = id.ptr[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && c != '_' && c != '-')
			return false;
	}
	return id.len > 0 && id.len <= MAIL_OBJECTID_MAX;
}
