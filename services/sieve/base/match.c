/* The comparators and match types of the base language.                                       RFC 5228 s. 2.7; RFC 4790 s. 9.2, 9.3 */
#include "services/sieve/base/base.h"

/* ---- comparators */

/* RFC 4790 s. 9.2: to upper case in ASCII, everything else as it is. */
static void
ascii_casemap(struct str text, struct buffer *out, uint32_t *offsets)
{
	char *to = buffer_reserve(out, text.len);

	for (size_t i = 0; i < text.len; i++)
		to[i] = ascii_upper(text.ptr[i]);
	for (size_t i = 0; offsets != NULL && i < text.len; i++)
		offsets[i] = (uint32_t)i;
	buffer_grew(out, text.len);
}

static const struct sieve_comparator OCTET[] = { { .name = "i;octet", .has_substring = true }, { 0 } };
static const struct sieve_comparator ASCII_CASEMAP[] = {
	{ .name = "i;ascii-casemap", .has_substring = true, .is_case_blind = true, .fold = ascii_casemap, .growth = 1 },
	{ 0 },
};

bool
sieve_compare(const struct sieve_comparator *comparator, const struct sieve_text *a, const struct sieve_text *b, int *ret_order)
{
	if (comparator->order != NULL)
		return comparator->order(a->text, b->text, ret_order);
	*ret_order = str_compare(a->folded, b->folded);
	return true;
}

/* ---- :is and :contains */

static enum err
is_match(struct sieve_run *run, const struct sieve_node *node, const struct sieve_text *value, const struct sieve_text *key, bool *ret_is_true)
{
	int order;

	(void)run;
	if (node->comparator->order == NULL)
		*ret_is_true = str_equal(value->folded, key->folded);
	else
		*ret_is_true = sieve_compare(node->comparator, value, key, &order) && order == 0;
	return ERR_OK;
}

static enum err
contains_match(struct sieve_run *run, const struct sieve_node *node, const struct sieve_text *value, const struct sieve_text *key,
    bool *ret_is_true)
{
	(void)run;
	(void)node;
	*ret_is_true = key->folded.len == 0 ||
	    (value->folded.len > 0 && memmem(value->folded.ptr, value->folded.len, key->folded.ptr, key->folded.len) != NULL);
	return ERR_OK;
}

/* ---- :matches */

/*
 * A value under a pattern: both folded, `offsets` saying where in `text` a byte of the value came from (NULL: at the same place). What a
 * wildcard stood for is remembered as a place in the folded value; "*" takes as little as it can (RFC 5229 s. 3.2).
 */
struct glob {
	struct sieve_run *run;
	struct str value, pattern, text;
	const uint32_t *offsets;
	size_t starts[SIEVE_CAPTURES_MAX], ends[SIEVE_CAPTURES_MAX];
	size_t count; /* wildcards so far */
};

/* The place behind the character at `at`: of all bytes that came from the same place. */
static size_t
next_character(const struct glob *glob, size_t at)
{
	size_t next = at + 1;

	while (glob->offsets != NULL && next < glob->value.len && glob->offsets[next] == glob->offsets[at])
		next++;
	return next;
}

static void
note(struct glob *glob, size_t start, size_t end)
{
	if (glob->count < SIEVE_CAPTURES_MAX - 1) {
		glob->starts[glob->count] = start;
		glob->ends[glob->count] = end;
	}
	glob->count++;
}

/* One byte of the value under one of the pattern, or a character under "?"; false: it is not the same, or the pattern is at "*" or its end. */
static bool
step(struct glob *glob, size_t *p, size_t *v)
{
	struct str pattern = glob->pattern;
	char c;

	if (*p == pattern.len || pattern.ptr[*p] == '*')
		return false;
	if (pattern.ptr[*p] == '?') {
		note(glob, *v, next_character(glob, *v));
		*v = next_character(glob, *v);
		++*p;
		return true;
	}
	c = pattern.ptr[*p];
	if (c == '\\' && *p + 1 < pattern.len)
		c = pattern.ptr[*p + 1];
	if (glob->value.ptr[*v] != c)
		return false;
	*p += pattern.ptr[*p] == '\\' && *p + 1 < pattern.len ? 2 : 1;
	++*v;
	return true;
}

/* With one step back at the last "*" only: those before have taken as little as they can, and more would not help. */
static enum err
glob_match(struct glob *glob, bool *ret_is_true)
{
	size_t p = 0, v = 0, star_p = SIZE_MAX, star_v = 0, star_count = 0, tries = 0;

	*ret_is_true = false;
	for (;;) {
		if (p < glob->pattern.len && glob->pattern.ptr[p] == '*') {
			star_p = ++p;
			star_v = v;
			star_count = glob->count;
			note(glob, v, v);
		} else if (v < glob->value.len && step(glob, &p, &v)) {
			continue;
		} else if (v == glob->value.len && p == glob->pattern.len) {
			*ret_is_true = true;
			return ERR_OK;
		} else if (star_p == SIZE_MAX || star_v == glob->value.len) {
			return ERR_OK;
		} else {
			star_v = next_character(glob, star_v);
			p = star_p;
			v = star_v;
			glob->count = star_count + 1;
			if (star_count < SIEVE_CAPTURES_MAX - 1)
				glob->ends[star_count] = star_v;
			/* Each try may look at the rest of the value again. */
			if (++tries % 64 == 0)
				TRY(sieve_spend(glob->run, 1 + (glob->pattern.len - star_p) / 8));
		}
	}
}

static size_t
place(const struct glob *glob, size_t at)
{
	if (glob->offsets == NULL)
		return at;
	return at < glob->value.len ? glob->offsets[at] : glob->text.len;
}

/* ${0} is all of it, ${1} what the first wildcard stood for. */
static void
set_captures(const struct glob *glob)
{
	size_t count = glob->count < SIEVE_CAPTURES_MAX - 1 ? glob->count : SIEVE_CAPTURES_MAX - 1;
	struct str texts[SIEVE_CAPTURES_MAX] = { glob->text };

	for (size_t i = 0; i < count; i++) {
		size_t start = place(glob, glob->starts[i]), end = place(glob, glob->ends[i]);

		texts[i + 1] = str_sub(glob->text, start, end - start);
	}
	sieve_captures_set(glob->run, texts, count + 1);
}

static enum err
matches_match(struct sieve_run *run, const struct sieve_node *node, const struct sieve_text *value, const struct sieve_text *key, bool *ret_is_true)
{
	struct glob glob = { .run = run, .value = value->folded, .pattern = key->folded, .text = value->text };

	if (node->comparator->is_unicode) {
		struct buffer again = { 0 };
		uint32_t *offsets = ARENA_ARRAY(sieve_arena(run), uint32_t, value->folded.len + 1);

		TRY(sieve_spend_bytes(run, value->folded.len * sizeof(*offsets)));
		node->comparator->fold(value->text, &again, offsets);
		buffer_clear(&again);
		glob.offsets = offsets;
	}
	TRY(glob_match(&glob, ret_is_true));
	if (*ret_is_true)
		set_captures(&glob);
	return ERR_OK;
}

static const struct sieve_match_type IS = { .match = is_match };
static const struct sieve_match_type CONTAINS = { .needs_substring = true, .match = contains_match };
static const struct sieve_match_type MATCHES = { .needs_substring = true, .match = matches_match };

/* ---- parts of addresses */

static bool
part_all(struct sieve_run *run, const struct sieve_address *address, struct str *ret_part)
{
	(void)run;
	*ret_part = address->all;
	return true;
}

static bool
part_localpart(struct sieve_run *run, const struct sieve_address *address, struct str *ret_part)
{
	(void)run;
	*ret_part = address->localpart;
	return address->localpart.ptr != NULL;
}

static bool
part_domain(struct sieve_run *run, const struct sieve_address *address, struct str *ret_part)
{
	(void)run;
	*ret_part = address->domain;
	return address->domain.ptr != NULL;
}

static const struct sieve_address_part ALL = { part_all }, LOCALPART = { part_localpart }, DOMAIN = { part_domain };

static const struct sieve_tag TAGS[] = {
	{ .name = "comparator", .group = SIEVE_GROUP_COMPARATOR, .argument = { SIEVE_STRING, "name of a comparator", .is_constant = true } },
	{ .name = "is", .group = SIEVE_GROUP_MATCH, .what = &IS },
	{ .name = "contains", .group = SIEVE_GROUP_MATCH, .what = &CONTAINS },
	{ .name = "matches", .group = SIEVE_GROUP_MATCH, .what = &MATCHES },
	{ .name = "all", .group = SIEVE_GROUP_ADDRESS_PART, .what = &ALL },
	{ .name = "localpart", .group = SIEVE_GROUP_ADDRESS_PART, .what = &LOCALPART },
	{ .name = "domain", .group = SIEVE_GROUP_ADDRESS_PART, .what = &DOMAIN },
	{ 0 },
};

const struct sieve_extension sieve_base_match = { .is_implied = true, .tags = TAGS };
const struct sieve_extension sieve_base_octet = { .name = "comparator-i;octet", .is_implied = true, .comparators = OCTET };
const struct sieve_extension sieve_base_ascii_casemap = { .name = "comparator-i;ascii-casemap", .is_implied = true, .comparators = ASCII_CASEMAP };
