/* :user and :detail.                                                                                   RFC 5233 */
#include "services/sieve/ext.h"

/* Where the local part is cut: in front of the first separator; its length when there is none. */
static size_t
separator_at(struct sieve_run *run, const struct sieve_address *address)
{
	struct str separator = sieve_input(run)->detail_separator;

	return separator.len > 0 ? str_find(address->localpart, separator) : address->localpart.len;
}

static bool
part_user(struct sieve_run *run, const struct sieve_address *address, struct str *ret_part)
{
	*ret_part = str_sub(address->localpart, 0, separator_at(run, address));
	return address->localpart.ptr != NULL;
}

static bool
part_detail(struct sieve_run *run, const struct sieve_address *address, struct str *ret_part)
{
	size_t at = separator_at(run, address);

	if (at == address->localpart.len)
		return false;
	*ret_part = str_sub(address->localpart, at + sieve_input(run)->detail_separator.len, SIZE_MAX);
	return true;
}

static const struct sieve_address_part USER = { part_user }, DETAIL = { part_detail };

static const struct sieve_tag TAGS[] = {
	{ .name = "user", .group = SIEVE_GROUP_ADDRESS_PART, .what = &USER },
	{ .name = "detail", .group = SIEVE_GROUP_ADDRESS_PART, .what = &DETAIL },
	{ 0 },
};

const struct sieve_extension sieve_ext_subaddress = { .name = "subaddress", .tags = TAGS };
