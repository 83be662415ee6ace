/*
 * The match type :regex.                                                                               draft-murchison-sieve-regex
 *
 * PCRE2 matches by trying, so it is given a limit of steps that grows with the text and no faster: an expression that needs more fails the
 * script, and the mail is kept. What it allocates comes out of the arena of the script or of the run, and so is counted with theirs.
 * Of alternatives the first that fits is taken, not the longest as by POSIX: for whether there is a match that is the same; what was matched
 * (${0} and the groups) may be less. PCRE2's other matcher finds the longest, but no groups, in a time that its limits
 * do not bound.
 * With i;octet bytes are compared, else characters; letters of both cases are equal in all alphabets.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "services/sieve/ext/regex/translate.h"

extern const struct sieve_extension sieve_ext_regex;

enum {
	STEPS_A_BYTE = 4,        /* of the limit, beside limits->regex_steps */
	HEAP_KIB = 4 * 1024,     /* for what has to be tried again */
	PATTERN_BYTES_MAX = 4096,
	COMPILED_BYTES_MAX = 16 * 1024, /* repetitions are written out, and a script may have many expressions */
	SPENT_A_MATCH = 64,      /* of the run's steps: a match may take as long as some hundred tests */
};

/* Of a run. */
struct regex_state {
	pcre2_match_data *data;
	pcre2_match_context *context;
};

static void *
take(size_t size, void *arena)
{
	return arena_alloc(arena, size);
}

/* An arena gives back everything at once. */
static void
give_back(void *memory, void *arena)
{
	(void)memory;
	(void)arena;
}

/* ---- compiling */

static enum err
compile(struct arena *arena, const struct sieve_node *node, struct str pattern, void **ret_prepared, struct str *ret_text)
{
	pcre2_compile_context *context = pcre2_compile_context_create(pcre2_general_context_create(take, give_back, arena));
	bool is_text = node->comparator->is_case_blind && str_is_utf8(pattern);
	uint32_t options = PCRE2_MULTILINE | (is_text ? PCRE2_UTF | PCRE2_MATCH_INVALID_UTF : 0) |
	    (node->comparator->is_case_blind ? PCRE2_CASELESS : 0);
	char text[256];
	int number;
	size_t at;

	pcre2_set_newline(context, PCRE2_NEWLINE_ANYCRLF);
	pcre2_set_max_pattern_compiled_length(context, COMPILED_BYTES_MAX);
	*ret_prepared = pcre2_compile((PCRE2_SPTR)pattern.ptr, pattern.len, options, &number, &at, context);
	if (*ret_prepared != NULL)
		return ERR_OK;
	pcre2_get_error_message(number, (PCRE2_UCHAR *)text, sizeof(text));
	*ret_text = arena_printf(arena, "the regular expression is wrong: %s", text);
	return ERR_SYNTAX;
}

static enum err
regex_prepare(struct arena *arena, const struct sieve_node *node, struct str key, void **ret_prepared, struct str *ret_text)
{
	struct buffer pattern = { 0 };
	const char *wrong = key.len > PATTERN_BYTES_MAX ? "it is too long" : sieve_regex_translate(key, &pattern);
	enum err err = ERR_SYNTAX;

	if (wrong != NULL)
		*ret_text = arena_printf(arena, "the regular expression is wrong: %s", wrong);
	else
		err = compile(arena, node, arena_copy(arena, buffer_str(&pattern)), ret_prepared, ret_text);
	buffer_clear(&pattern);
	return err;
}

/* ---- matching */

static struct regex_state *
state_of(struct sieve_run *run)
{
	struct regex_state *state = sieve_state(run, &sieve_ext_regex, SIEVE_PER_RUN);

	if (state->data == NULL) {
		pcre2_general_context *general = pcre2_general_context_create(take, give_back, sieve_arena(run));

		state->data = pcre2_match_data_create(SIEVE_CAPTURES_MAX, general);
		state->context = pcre2_match_context_create(general);
		pcre2_set_heap_limit(state->context, HEAP_KIB);
	}
	return state;
}

/* ${0} is what matched, ${1} what the first group did. */
static void
set_captures(struct sieve_run *run, const struct regex_state *state, int pairs, struct str text)
{
	const size_t *at = pcre2_get_ovector_pointer(state->data);
	size_t count = pairs > 0 ? (size_t)pairs : SIEVE_CAPTURES_MAX;
	struct str texts[SIEVE_CAPTURES_MAX] = { 0 };

	for (size_t i = 0; i < count; i++)
		if (at[2 * i] != PCRE2_UNSET && at[2 * i] <= at[2 * i + 1])
			texts[i] = str_sub(text, at[2 * i], at[2 * i + 1] - at[2 * i]);
	sieve_captures_set(run, texts, count);
}

static enum err
regex_match(struct sieve_run *run, const struct sieve_node *node, const struct sieve_text *value, const struct sieve_text *key, bool *ret_is_true)
{
	struct regex_state *state = state_of(run);
	uint64_t limit = sieve_limits(run)->regex_steps + value->text.len * STEPS_A_BYTE;
	int pairs;

	TRY(sieve_spend(run, SPENT_A_MATCH + value->text.len / 16));
	if (sieve_limits(run)->regex_steps > 0) {
		pcre2_set_match_limit(state->context, (uint32_t)(limit < UINT32_MAX ? limit : UINT32_MAX));
		pcre2_set_depth_limit(state->context, (uint32_t)(limit < UINT32_MAX ? limit : UINT32_MAX));
	}
	pairs = pcre2_match(key->prepared, (PCRE2_SPTR)(value->text.len > 0 ? value->text.ptr : ""), value->text.len, 0, 0, state->data,
	    state->context);
	if (pairs < 0 && pairs != PCRE2_ERROR_NOMATCH)
		return sieve_fail(run, node, "the regular expression \"%.*s\" takes too much work on this mail",
		    STR_ARG(str_sub(key->text, 0, 100)));
	*ret_is_true = pairs >= 0;
	if (*ret_is_true && sieve_wants_captures(run))
		set_captures(run, state, pairs, value->text);
	return ERR_OK;
}

static const struct sieve_match_type REGEX = { .needs_substring = true, .prepare = regex_prepare, .match = regex_match };

static const struct sieve_tag TAGS[] = { { .name = "regex", .group = SIEVE_GROUP_MATCH, .what = &REGEX }, { 0 } };

const struct sieve_extension sieve_ext_regex = { .name = "regex", .tags = TAGS, .state_bytes = { [SIEVE_PER_RUN] = sizeof(struct regex_state) } };
