/* Header blocks: fields, filters, unfolding. */
#include "libcommon/mail/header.h"

#include "libcommon/mail/token.h"

/* Cut the first line, with its end, off `*rest`. */
static struct str
take_line(struct str *rest)
{
	size_t at = str_index(*rest, '\n');
	struct str line = str_from(rest->ptr, at < rest->len ? at + 1 : at);

	*rest = str_sub(*rest, line.len, SIZE_MAX);
	return line;
}

static struct str
without_line_end(struct str s)
{
	if (s.len > 0 && s.ptr[s.len - 1] == '\n')
		s.len--;
	if (s.len > 0 && s.ptr[s.len - 1] == '\r')
		s.len--;
	return s;
}

static bool
is_folded(struct str rest)
{
	return rest.len > 0 && (rest.ptr[0] == ' ' || rest.ptr[0] == '\t');
}

/* RFC 5322 s. 2.2: printable ASCII but the colon; 8-bit bytes are let pass. */
static bool
is_field_name(struct str name)
{
	for (size_t i = 0; i < name.len; i++)
		if ((unsigned char)name.ptr[i] <= ' ' || name.ptr[i] == 0x7f)
			return false;
	return name.len > 0;
}

/* The name before the first colon of `line`, if that is one. */
static bool
split_name(struct str line, struct str *ret_name, size_t *ret_value_at)
{
	size_t colon = str_index(line, ':');
	struct str name = str_from(line.ptr, colon);

	while (name.len > 0 && (name.ptr[name.len - 1] == ' ' || name.ptr[name.len - 1] == '\t'))
		name.len--;
	if (colon == line.len || !is_field_name(name))
		return false;
	*ret_name = name;
	*ret_value_at = colon + 1;
	return true;
}

bool
mail_header_next(struct str *rest, struct mail_field *ret_field)
{
	while (rest->len > 0) {
		struct str raw = take_line(rest);
		size_t value_at;

		if (without_line_end(raw).len == 0 && raw.ptr[raw.len - 1] == '\n')
			return false;
		while (is_folded(*rest))
			raw.len += take_line(rest).len;
		if (!split_name(raw, &ret_field->name, &value_at))
			continue;
		ret_field->raw = raw;
		ret_field->value = str_sub(without_line_end(raw), value_at, SIZE_MAX);
		return true;
	}
	return false;
}

bool
mail_header_find(struct str header, struct str name, struct str *ret_value)
{
	struct mail_field field;

	while (mail_header_next(&header, &field)) {
		if (str_equal_nocase(field.name, name)) {
			*ret_value = field.value;
			return true;
		}
	}
	return false;
}

void
mail_header_filter(struct str header, const struct str *names, size_t count, bool is_not, struct buffer *out)
{
	struct mail_field field;

	while (mail_header_next(&header, &field)) {
		bool is_named = false;

		for (size_t i = 0; i < count && !is_named; i++)
			is_named = str_equal_nocase(field.name, names[i]);
		if (is_named == is_not)
			continue;
		buffer_add(out, field.raw);
		if (field.raw.ptr[field.raw.len - 1] != '\n')
			buffer_add(out, STR("\r\n"));
	}
}

void
mail_header_end(struct buffer *out)
{
	buffer_add(out, STR("\r\n"));
}

/* How many bytes from `p` on are left out: NUL, and a line end before a blank. */
static size_t
fold_len(const char *p, const char *end)
{
	size_t len = *p == '\r' && p + 1 < end && p[1] == '\n' ? 2 : *p == '\n' ? 1 : 0;

	if (*p == '\0')
		return 1;
	return len > 0 && p + len < end && (p[len] == ' ' || p[len] == '\t') ? len : 0;
}

void
mail_unfold_into(struct str value, struct buffer *out)
{
	const char *p, *end;

	while (value.len > 0 && (mail_is_blank((unsigned char)value.ptr[0]) || value.ptr[0] == '\0'))
		value = str_sub(value, 1, SIZE_MAX);
	while (value.len > 0 &&
	    (mail_is_blank((unsigned char)value.ptr[value.len - 1]) || value.ptr[value.len - 1] == '\0'))
		value.len--;
	if (value.len == 0)
		return;
	buffer_reserve(out, value.len);
	end = value.ptr + value.len;
	for (p = value.ptr; p < end;) {
		size_t skip = fold_len(p, end);

		if (skip == 0)
			buffer_add_byte(out, *p == '\r' || *p == '\n' ? ' ' : *p);
		p += skip > 0 ? skip : 1;
	}
}

struct str
mail_unfold(struct str value, struct arena *arena)
{
	struct buffer flat = { 0 };
	struct str copy;

	mail_unfold_into(value, &flat);
	copy = arena_copy(arena, buffer_str(&flat));
	buffer_clear(&flat);
	return copy;
}
