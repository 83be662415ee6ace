/* Matching: values against the keys of a node, by its match type and comparator.                        RFC 5228 s. 2.7 */
#include "services/sieve/run.h"

#include <stdio.h>

struct str
sieve_fold(const struct sieve_comparator *comparator, struct str text, struct arena *arena)
{
	struct buffer out = { 0 };
	struct str folded;

	if (comparator->fold == NULL || text.len == 0)
		return text;
	if (comparator->growth == 1) {
		char *bytes = arena_alloc(arena, text.len);

		out = (struct buffer){ .bytes = bytes, .size = text.len };
		comparator->fold(text, &out, NULL);
		return str_from(bytes, out.end);
	}
	comparator->fold(text, &out, NULL);
	folded = arena_copy(arena, buffer_str(&out));
	buffer_clear(&out);
	return folded;
}

/* ---- keys */

static enum err
make_key(struct sieve_match *match, struct str text, struct sieve_text *key)
{
	const struct sieve_node *node = match->node;
	const struct sieve_match_type *type = node->match->row->what;
	struct str problem;

	key->text = text;
	key->folded = sieve_fold(node->comparator, text, match->run->arena);
	if (type->prepare != NULL && type->prepare(match->run->arena, node, text, &key->prepared, &problem) != ERR_OK)
		return sieve_fail(match->run, node, "%.*s", STR_ARG(problem));
	return sieve_spend_bytes(match->run, key->folded.len);
}

enum err
sieve_match_keys(struct sieve_match *match, const struct str *keys, size_t count)
{
	struct sieve_text *made = ARENA_ARRAY(match->run->arena, struct sieve_text, count + 1);

	for (size_t i = 0; i < count; i++)
		TRY(make_key(match, keys[i], &made[i]));
	match->keys = made;
	match->key_count = count;
	return ERR_OK;
}

enum err
sieve_match_begin(struct sieve_run *run, const struct sieve_node *node, struct sieve_match *ret_match)
{
	const struct sieve_value *value = sieve_keys_of(node);
	struct sieve_match match = { .run = run, .node = node, .keys = node->keys, .key_count = value->count };
	struct sieve_text *made = NULL;
	struct str text;

	for (size_t i = 0; i < value->count; i++) {
		if (value->strings[i].pieces == NULL)
			continue;
		if (made == NULL) {
			made = ARENA_ARRAY(run->arena, struct sieve_text, value->count);
			memcpy(made, node->keys, value->count * sizeof(*made));
			match.keys = made;
		}
		TRY(sieve_expand(run, &value->strings[i], &text));
		TRY(make_key(&match, text, &made[i]));
	}
	*ret_match = match;
	return ERR_OK;
}

/* ---- values */

bool
sieve_match_counts(const struct sieve_match *match)
{
	return ((const struct sieve_match_type *)match->node->match->row->what)->counts;
}

static enum err
try_keys(struct sieve_match *match, const struct sieve_text *value)
{
	const struct sieve_match_type *type = match->node->match->row->what;

	for (size_t i = 0; i < match->key_count && !match->is_true; i++) {
		TRY(sieve_spend(match->run, 1 + value->folded.len / 256));
		TRY(type->match(match->run, match->node, value, &match->keys[i], &match->is_true));
		if (match->run->trace_at > 0)
			sieve_explain(match->run, "\"%.*s\" :%s \"%.*s\": %s", STR_ARG(str_sub(value->text, 0, 100)),
			    match->node->match->row->name, STR_ARG(str_sub(match->keys[i].text, 0, 100)), match->is_true ? "yes" : "no");
	}
	return ERR_OK;
}

enum err
sieve_match_value(struct sieve_match *match, struct str value)
{
	struct sieve_text text = { .text = value };

	if (!sieve_match_counts(match) && !match->is_true)
		text.folded = sieve_fold(match->node->comparator, value, match->run->arena);
	return sieve_match_folded(match, &text);
}

enum err
sieve_match_folded(struct sieve_match *match, const struct sieve_text *value)
{
	match->values++;
	return sieve_match_counts(match) ? ERR_OK : try_keys(match, value);
}

enum err
sieve_match_end(struct sieve_match *match, bool *ret_is_true)
{
	char digits[24];
	struct sieve_text count;

	if (sieve_match_counts(match)) {
		count.text = str_from(digits, (size_t)snprintf(digits, sizeof(digits), "%llu", (unsigned long long)match->values));
		count.folded = count.text;
		TRY(try_keys(match, &count));
	}
	*ret_is_true = match->is_true;
	return ERR_OK;
}

/* ---- what was found */

bool
sieve_wants_captures(const struct sieve_run *run)
{
	return run->wants_captures;
}

void
sieve_captures_set(struct sieve_run *run, const struct str *texts, size_t count)
{
	if (!run->wants_captures || (run->node->row->flags & SIEVE_NO_CAPTURES))
		return;
	run->capture_count = count < SIEVE_CAPTURES_MAX ? count : SIEVE_CAPTURES_MAX;
	for (size_t i = 0; i < run->capture_count; i++)
		run->captures[i] = arena_copy(run->arena, texts[i]);
}

struct str
sieve_capture(const struct sieve_run *run, size_t index)
{
	return index < run->capture_count ? run->captures[index] : STR_NONE;
}
