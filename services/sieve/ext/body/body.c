/* body: what is in the message's body.                                                                 RFC 5173 */
#include "services/sieve/ext/body/parts.h"

extern const struct sieve_extension sieve_ext_body;

/* Folded once for all tests that compare in the same way: bodies are long. */
static enum err
match_text(struct sieve_match *match, struct body_text *text)
{
	if (text->folded_by != match->node->comparator) {
		TRY(sieve_spend(match->run, text->text.text.len / 256));
		text->text.folded = sieve_fold(match->node->comparator, text->text.text, sieve_arena(match->run));
		text->folded_by = match->node->comparator;
	}
	return sieve_match_folded(match, &text->text);
}

/* RFC 5173 s. 5.2: "text/plain", "text", or "" for all; with a slash at either end, or with two, none. */
static bool
is_of_type(const struct body_piece *piece, struct str wanted)
{
	size_t slash = str_index(wanted, '/');

	if (wanted.len == 0)
		return true;
	if (!str_equal_nocase(piece->type, str_sub(wanted, 0, slash)))
		return false;
	return slash == wanted.len || str_equal_nocase(piece->subtype, str_sub(wanted, slash + 1, SIZE_MAX));
}

/* The pieces of these types; without types, what is text, as people read it. */
static enum err
match_pieces(struct sieve_match *match, struct body_state *state, const struct str *types, size_t count)
{
	struct body_text *text;

	for (size_t i = 0; i < state->count && !match->is_true; i++) {
		bool is_wanted = types == NULL && is_of_type(&state->pieces[i], STR("text"));

		for (size_t k = 0; k < count && !is_wanted; k++)
			is_wanted = is_of_type(&state->pieces[i], types[k]);
		TRY(sieve_spend(match->run, 1 + count / 16));
		if (!is_wanted)
			continue;
		TRY((types != NULL ? sieve_body_decode : sieve_body_plain)(match->run, state, &state->pieces[i], &text));
		TRY(match_text(match, text));
	}
	return ERR_OK;
}

static enum err
body_test(struct sieve_run *run, const struct sieve_node *node, bool *ret_is_true)
{
	struct body_state *state = sieve_state(run, &sieve_ext_body, SIEVE_PER_RUN);
	const struct sieve_value *content = sieve_tag(node, "content");
	struct sieve_match match;
	struct str *types = NULL;
	size_t count = 0;

	TRY(sieve_body_read(run, state));
	if (content != NULL)
		TRY(sieve_expand_all(run, content, &types, &count));
	TRY(sieve_match_begin(run, node, &match));
	if (state->is_there && sieve_tag(node, "raw") != NULL)
		TRY(match_text(&match, &state->raw));
	else if (state->is_there)
		TRY(match_pieces(&match, state, types, count));
	return sieve_match_end(&match, ret_is_true);
}

static const struct sieve_command COMMANDS[] = {
	{ .name = "body", .flags = SIEVE_TEST | SIEVE_MATCHES | SIEVE_NO_CAPTURES, .parameters = { { SIEVE_STRINGS, "list of keys" } },
	    .test = body_test },
	{ 0 },
};

static const struct sieve_tag TAGS[] = {
	{ .name = "raw", .commands = "body", .group = "part of the body" },
	{ .name = "text", .commands = "body", .group = "part of the body" },
	{ .name = "content", .commands = "body", .argument = { SIEVE_STRINGS, "list of content types" }, .group = "part of the body" },
	{ 0 },
};

const struct sieve_extension sieve_ext_body = {
	.name = "body",
	.commands = COMMANDS,
	.tags = TAGS,
	.state_bytes = { [SIEVE_PER_RUN] = sizeof(struct body_state) },
};
