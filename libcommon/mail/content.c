/* What the Content-* fields of a part say. */
#include "libcommon/mail/content.h"

#include "libcommon/mail/header.h"
#include "libcommon/mail/token.h"

static bool
keep(struct str s, struct arena *arena, struct str *ret)
{
	char *copy = arena_try_alloc(arena, s.len + 1);

	if (copy == NULL)
		return false;
	if (s.len > 0)
		memcpy(copy, s.ptr, s.len);
	*ret = str_from(copy, s.len);
	return true;
}

static bool
keep_upper(struct str s, struct arena *arena, struct str *ret)
{
	char *copy;

	if (!keep(s, arena, ret))
		return false;
	copy = (char *)(uintptr_t)ret->ptr;
	for (size_t i = 0; i < s.len; i++)
		copy[i] = ascii_upper(copy[i]);
	return true;
}

bool
mail_keep_unfolded(struct str value, struct arena *arena, struct str *ret)
{
	struct buffer flat = { 0 };
	bool fits;

	mail_unfold_into(value, &flat);
	fits = keep(buffer_str(&flat), arena, ret);
	buffer_clear(&flat);
	return fits;
}

/* An unquoted value reaches to the semicolon or to a comment behind a blank: names with blanks in them are common. */
static struct str
bare_value(struct mail_cursor *cur)
{
	const char *start = cur->p;

	while (cur->p < cur->end && *cur->p != ';') {
		if (*cur->p == '(' && cur->p > start && mail_is_blank((unsigned char)cur->p[-1]))
			break;
		cur->p++;
	}
	return str_trim(str_from(start, (size_t)(cur->p - start)));
}

static void
param_value(struct mail_cursor *cur, struct buffer *out)
{
	struct str quoted;

	mail_cur_cfws(cur, NULL);
	if (mail_cur_peek(cur) != '"') {
		mail_unfold_into(bare_value(cur), out);
		return;
	}
	quoted = str_from(cur->p, mail_cur_quoted_len(cur));
	if (quoted.len == 0) { /* no closing quote */
		cur->p++;
		mail_unfold_into(bare_value(cur), out);
		return;
	}
	cur->p += quoted.len;
	mail_unquote(quoted, out);
}

static void
skip_to_semicolon(struct mail_cursor *cur)
{
	while (cur->p < cur->end && *cur->p != ';') {
		size_t len = mail_cur_quoted_len(cur);

		cur->p += len > 0 ? len : 1;
	}
}

/* One parameter at the cursor; false when there is none, or no memory for it. */
static bool
param(struct mail_cursor *cur, struct buffer *scratch, struct arena *arena, struct mail_param *ret)
{
	struct mail_cursor start = *cur;
	struct buffer flat = { 0 };
	struct str name = mail_cur_token(cur);
	bool fits;

	mail_cur_cfws(cur, NULL);
	if (name.len == 0 || !mail_cur_byte(cur, '=')) {
		*cur = start;
		return false;
	}
	buffer_reset(scratch);
	param_value(cur, scratch);
	mail_unfold_into(buffer_str(scratch), &flat);
	fits = keep_upper(name, arena, &ret->name) && keep(buffer_str(&flat), arena, &ret->value);
	buffer_clear(&flat);
	return fits;
}

/* *(";" attribute "=" value), the semicolon being optional where a parameter follows all the same. */
static bool
params(struct mail_cursor *cur, struct arena *arena, const struct mail_param **ret, size_t *ret_count)
{
	struct mail_param list[MAIL_PARAMS_MAX], *copy;
	struct buffer scratch = { 0 };
	size_t count = 0;
	bool is_complete = true;

	while (cur->p < cur->end) {
		mail_cur_cfws(cur, NULL);
		if (mail_cur_byte(cur, ';'))
			continue;
		if (count == MAIL_PARAMS_MAX) {
			is_complete = false;
			break;
		}
		if (param(cur, &scratch, arena, &list[count]))
			count++;
		else
			skip_to_semicolon(cur);
	}
	buffer_clear(&scratch);
	if (count == 0)
		return is_complete;
	copy = arena_try_alloc(arena, count * sizeof(*copy));
	if (copy == NULL)
		return false;
	memcpy(copy, list, count * sizeof(*copy));
	*ret = copy;
	*ret_count = count;
	return is_complete;
}

/* Types that say what they are even without a subtype; other nonsense is bytes. */
static void
default_subtype(struct mail_part *part)
{
	if (str_equal_nocase(part->type, STR("text"))) {
		part->subtype = STR("PLAIN");
	} else if (str_equal_nocase(part->type, STR("multipart"))) {
		part->subtype = STR("MIXED");
	} else {
		part->type = STR("APPLICATION");
		part->subtype = STR("OCTET-STREAM");
	}
}

bool
mail_content_type(struct str value, struct arena *arena, struct mail_part *part)
{
	struct mail_cursor cur = mail_cur(value);
	struct str type, subtype = STR_NONE;
	bool fits;

	mail_cur_cfws(&cur, NULL);
	if (part->type.ptr != NULL || mail_cur_peek(&cur) < 0 || mail_cur_peek(&cur) == ';')
		return true;
	type = mail_cur_token(&cur);
	mail_cur_cfws(&cur, NULL);
	if (mail_cur_byte(&cur, '/')) {
		mail_cur_cfws(&cur, NULL);
		subtype = mail_cur_token(&cur);
	}
	fits = keep_upper(type, arena, &part->type) && keep_upper(subtype, arena, &part->subtype);
	if (!fits || type.len == 0 || subtype.len == 0)
		default_subtype(part);
	if (cur.p < cur.end && !mail_is_blank((unsigned char)*cur.p) && *cur.p != '(')
		skip_to_semicolon(&cur);
	return params(&cur, arena, &part->params, &part->param_count) && fits;
}

bool
mail_content_disposition(struct str value, struct arena *arena, struct mail_part *part)
{
	struct mail_cursor cur = mail_cur(value);
	struct str token;

	mail_cur_cfws(&cur, NULL);
	if (part->disposition.ptr != NULL || mail_cur_peek(&cur) < 0)
		return true;
	token = mail_cur_token(&cur);
	if (mail_cur_peek(&cur) == '=') { /* parameters only */
		cur.p = token.ptr;
		token = STR_NONE;
	}
	return keep_upper(token.len > 0 ? token : STR("ATTACHMENT"), arena, &part->disposition) &&
	    params(&cur, arena, &part->disposition_params, &part->disposition_param_count);
}

bool
mail_content_encoding(struct str value, struct arena *arena, struct mail_part *part)
{
	struct mail_cursor cur = mail_cur(value);
	struct str token;

	mail_cur_cfws(&cur, NULL);
	token = mail_cur_token(&cur);
	if (part->encoding.ptr != NULL || token.len == 0)
		return true;
	return keep_upper(token, arena, &part->encoding);
}

bool
mail_content_language(struct str value, struct arena *arena, struct mail_part *part)
{
	struct mail_cursor cur = mail_cur(value);
	struct str list[MAIL_LANGUAGES_MAX], *copy;
	size_t count = 0;

	if (part->languages != NULL)
		return true;
	while (cur.p < cur.end && count < MAIL_LANGUAGES_MAX) {
		struct str token;

		mail_cur_cfws(&cur, NULL);
		token = mail_cur_token(&cur);
		if (token.len == 0)
			cur.p += cur.p < cur.end;
		else if (!keep(token, arena, &list[count++]))
			return false;
	}
	if (count == 0)
		return true;
	copy = arena_try_alloc(arena, count * sizeof(*copy));
	if (copy == NULL)
		return false;
	memcpy(copy, list, count * sizeof(*copy));
	part->languages = copy;
	part->language_count = count;
	return mail_cur_peek(&cur) < 0;
}

static bool
keep_first(struct str value, struct arena *arena, struct str *field)
{
	return field->ptr != NULL || mail_keep_unfolded(value, arena, field);
}

bool
mail_content_id(struct str value, struct arena *arena, struct mail_part *part)
{
	return keep_first(value, arena, &part->id);
}

bool
mail_content_description(struct str value, struct arena *arena, struct mail_part *part)
{
	return keep_first(value, arena, &part->description);
}

bool
mail_content_location(struct str value, struct arena *arena, struct mail_part *part)
{
	return keep_first(value, arena, &part->location);
}

bool
mail_content_md5(struct str value, struct arena *arena, struct mail_part *part)
{
	return keep_first(value, arena, &part->md5);
}
