/* The strings of a script: decoded and cut into pieces when it is compiled, put together again when it is run. */
#include "services/sieve/run.h"

/* ---- compiling */

enum err
sieve_check_string(struct sieve_check *check, struct sieve_string *string)
{
	uint64_t enabled = check->script->enabled;

	for (size_t i = 0; sieve_extensions[i] != NULL; i++)
		if ((enabled >> i & 1) && sieve_extensions[i]->decode != NULL)
			TRY(sieve_extensions[i]->decode(check, string));
	string->text = arena_copy(&check->script->arena, string->text);
	for (size_t i = 0; sieve_extensions[i] != NULL; i++)
		if ((enabled >> i & 1) && sieve_extensions[i]->cut != NULL)
			TRY(sieve_extensions[i]->cut(check, string));
	return ERR_OK;
}

const struct sieve_value *
sieve_keys_of(const struct sieve_node *node)
{
	size_t last = 0;

	while (last + 1 < SIEVE_PARAMETERS_MAX && node->row->parameters[last + 1].type != SIEVE_NONE)
		last++;
	return &node->arguments[last];
}

enum err
sieve_check_keys(struct sieve_check *check, struct sieve_node *node)
{
	const struct sieve_match_type *type = node->match->row->what;
	const struct sieve_value *value = sieve_keys_of(node);
	struct sieve_text *keys = ARENA_ARRAY(&check->script->arena, struct sieve_text, value->count);
	struct str text;

	for (size_t i = 0; i < value->count; i++) {
		if (value->strings[i].pieces != NULL)
			continue;
		keys[i].text = value->strings[i].text;
		keys[i].folded = sieve_fold(node->comparator, keys[i].text, &check->script->arena);
		if (type->prepare != NULL && type->prepare(&check->script->arena, node, keys[i].text, &keys[i].prepared, &text) != ERR_OK)
			return SIEVE_PROBLEM(check, &value->strings[i], "%.*s", STR_ARG(text));
	}
	node->keys = keys;
	return ERR_OK;
}

/* ---- running */

struct str
sieve_cut(struct str text, size_t max)
{
	if (max == 0 || text.len <= max)
		return text;
	while (max > 0 && ((unsigned char)text.ptr[max] & 0xC0) == 0x80)
		max--;
	return str_sub(text, 0, max);
}

static enum err
expand_pieces(struct sieve_run *run, const struct sieve_string *string, struct buffer *out)
{
	size_t max = run->limits->variable_bytes;

	for (size_t i = 0; i < string->piece_count && (max == 0 || buffer_len(out) <= max); i++) {
		if (string->pieces[i].expand != NULL)
			TRY(string->pieces[i].expand(run, &string->pieces[i], out));
		else
			buffer_add(out, string->pieces[i].text);
	}
	return ERR_OK;
}

enum err
sieve_expand(struct sieve_run *run, const struct sieve_string *string, struct str *ret_text)
{
	struct buffer out = { 0 };
	enum err err;

	if (string->pieces == NULL) {
		*ret_text = string->text;
		return ERR_OK;
	}
	err = expand_pieces(run, string, &out);
	if (err == ERR_OK) {
		*ret_text = arena_copy(run->arena, sieve_cut(buffer_str(&out), run->limits->variable_bytes));
		err = sieve_spend_bytes(run, ret_text->len);
	}
	buffer_clear(&out);
	return err;
}

enum err
sieve_expand_all(struct sieve_run *run, const struct sieve_value *value, struct str **ret_texts, size_t *ret_count)
{
	struct str *texts = ARENA_ARRAY(run->arena, struct str, value->count + 1);

	for (size_t i = 0; i < value->count; i++)
		TRY(sieve_expand(run, &value->strings[i], &texts[i]));
	*ret_texts = texts;
	*ret_count = value->count;
	return ERR_OK;
}

/* ---- tags */

const struct sieve_value *
sieve_tag(const struct sieve_node *node, const char *name)
{
	for (size_t i = 0; i < node->tag_count; i++)
		if (strcmp(node->tags[i].row->name, name) == 0)
			return &node->tags[i].value;
	return NULL;
}

const struct sieve_tag_use *
sieve_tag_of(const struct sieve_node *node, const char *group)
{
	for (size_t i = 0; i < node->tag_count; i++)
		if (node->tags[i].row->group != NULL && strcmp(node->tags[i].row->group, group) == 0)
			return &node->tags[i];
	return NULL;
}
