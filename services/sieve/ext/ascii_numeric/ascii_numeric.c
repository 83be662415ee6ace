/* The comparator i;ascii-numeric.                                                                      RFC 4790 s. 9.1 */
#include "services/sieve/ext.h"

/* The digits at the beginning, without leading zeros. False: there is none, which is positive infinity. */
static bool
digits(struct str text, struct str *ret_digits)
{
	size_t start = 0, end;

	while (start < text.len && text.ptr[start] == '0')
		start++;
	for (end = start; end < text.len && text.ptr[end] >= '0' && text.ptr[end] <= '9'; end++)
		;
	*ret_digits = str_sub(text, start, end - start);
	return end > 0;
}

static bool
numeric_order(struct str a, struct str b, int *ret_order)
{
	struct str x, y;
	bool is_number_a = digits(a, &x), is_number_b = digits(b, &y);

	if (!is_number_a || !is_number_b)
		*ret_order = is_number_b - is_number_a;
	else if (x.len != y.len)
		*ret_order = x.len < y.len ? -1 : 1;
	else
		*ret_order = str_compare(x, y);
	return true;
}

static const struct sieve_comparator COMPARATORS[] = { { .name = "i;ascii-numeric", .order = numeric_order }, { 0 } };

const struct sieve_extension sieve_ext_ascii_numeric = { .name = "comparator-i;ascii-numeric", .comparators = COMPARATORS };
