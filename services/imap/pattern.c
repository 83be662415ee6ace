/* Patterns of mailbox names. */
#include "services/imap/pattern.h"

/*
 * Where to go on from when what follows a wildcard does not match. The last "%" is widened first, then the last "*"; earlier ones need
 * not be: "*" can take over whatever they took, and "%" ends at the same separator. So time is bounded by the product of the lengths.
 */
struct retry {
	size_t pattern, name;
	bool is_set;
};

static bool
same(struct str pattern, size_t at, struct str name, size_t name_at, size_t inbox_len)
{
	char a = pattern.ptr[at], b = name.ptr[name_at];

	return a == b || (name_at < inbox_len && ascii_upper(a) == b);
}

/* Widen a wildcard by one character. */
static bool
widen(struct retry *retry, struct str name, bool crosses, size_t *pattern_at, size_t *name_at)
{
	if (!retry->is_set || retry->name >= name.len || (!crosses && name.ptr[retry->name] == IMAP_SEPARATOR))
		return false;
	retry->name++;
	*pattern_at = retry->pattern;
	*name_at = retry->name;
	return true;
}

bool
imap_pattern_matches(struct str pattern, struct str name)
{
	bool is_inbox = str_equal(name, STR("INBOX")) || str_starts_with(name, STR("INBOX/"));
	size_t p = 0, n = 0, inbox_len = is_inbox ? 5 : 0; /* to be matched in any case */
	struct retry star = { 0 }, percent = { 0 };

	while (n < name.len || p < pattern.len) {
		if (p < pattern.len && (pattern.ptr[p] == '*' || pattern.ptr[p] == '%'))
			inbox_len = 0;
		if (p < pattern.len && pattern.ptr[p] == '*') {
			star = (struct retry){ ++p, n, true };
			percent.is_set = false;
		} else if (p < pattern.len && pattern.ptr[p] == '%') {
			percent = (struct retry){ ++p, n, true };
		} else if (p < pattern.len && n < name.len && same(pattern, p, name, n, inbox_len)) {
			p++, n++;
		} else if (!widen(&percent, name, false, &p, &n)) {
			percent.is_set = false;
			if (!widen(&star, name, true, &p, &n))
				return false;
		}
	}
	return true;
}
