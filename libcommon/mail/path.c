/* Paths of SMTP commands, and addresses written out. */
#include "libcommon/mail/address.h"
#include "libcommon/mail/token.h"

/* RFC 5321 s. 4.1.2 Atom, with RFC 6531's UTF-8. */
static bool
is_atext(int c)
{
	return c > ' ' && c != 0x7f && strchr("()<>@,;:\\\"[]", c) == NULL;
}

static size_t
quoted_local(struct str text, struct buffer *out)
{
	for (size_t i = 1; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (c == '"')
			return i + 1;
		if (c == '\\' && i + 1 < text.len)
			c = (unsigned char)text.ptr[++i];
		if (c < ' ' || c == 0x7f)
			return 0;
		buffer_add_byte(out, (char)c);
	}
	return 0;
}

static size_t
bare_local(struct str text, struct buffer *out)
{
	size_t len = 0;

	while (len < text.len && is_atext((unsigned char)text.ptr[len]))
		len++;
	buffer_add(out, str_sub(text, 0, len));
	return len;
}

/* RFC 5321 s. 4.1.2 Domain and s. 4.1.3 address-literal, loosely: letters, digits, hyphens, underscores, dots, UTF-8. */
static bool
is_domain(struct str domain)
{
	bool is_literal = domain.len > 2 && domain.ptr[0] == '[' && domain.ptr[domain.len - 1] == ']';
	const char *also = is_literal ? ":.-" : "-_.";

	if (is_literal)
		domain = str_sub(domain, 1, domain.len - 2);
	else if (domain.len > 0 && (domain.ptr[0] == '.' || str_find(domain, STR("..")) < domain.len))
		return false;
	for (size_t i = 0; i < domain.len; i++) {
		unsigned char c = (unsigned char)domain.ptr[i];
		bool is_alphanumeric = (c >= '0' && c <= '9') || (ascii_lower((char)c) >= 'a' && ascii_lower((char)c) <= 'z');

		if (!is_alphanumeric && c < 0x80 && memchr(also, c, 3) == NULL)
			return false;
	}
	return domain.len > 0 && domain.len <= MAIL_DOMAIN_MAX;
}

/* local [ "@" domain ], all of `text`. */
static bool
parse_mailbox(struct str text, struct arena *arena, struct mail_path *ret_path)
{
	struct buffer local = { 0 };
	size_t len = text.ptr[0] == '"' ? quoted_local(text, &local) : bare_local(text, &local);
	struct str rest = str_sub(text, len, SIZE_MAX);
	bool is_valid = len > 0 && len <= MAIL_LOCAL_MAX && str_is_utf8(text);

	if (rest.len > 0)
		is_valid = is_valid && rest.ptr[0] == '@' && is_domain(str_sub(rest, 1, SIZE_MAX));
	if (is_valid) {
		ret_path->local = arena_copy(arena, buffer_str(&local));
		ret_path->domain = str_sub(rest, 1, SIZE_MAX);
		ret_path->address = text;
	}
	buffer_clear(&local);
	return is_valid;
}

/* The length of a path that begins at `in`, to ">" (or to the blank, when there is no "<"), quotes being respected. */
static size_t
path_len(struct str in, bool has_angle)
{
	for (size_t i = 0; i < in.len; i++) {
		struct mail_cursor cur = mail_cur(str_sub(in, i, SIZE_MAX));
		size_t quoted = mail_cur_quoted_len(&cur);

		if (quoted > 0)
			i += quoted - 1;
		else if (has_angle ? in.ptr[i] == '>' : mail_is_blank((unsigned char)in.ptr[i]))
			return i;
	}
	return in.len;
}

enum err
mail_path_parse(struct str in, struct arena *arena, struct mail_path *ret_path, struct str *ret_rest)
{
	struct mail_path path = { 0 };
	struct str text, rest;
	bool has_angle;

	while (in.len > 0 && in.ptr[0] == ' ')
		in = str_sub(in, 1, SIZE_MAX);
	has_angle = in.len > 0 && in.ptr[0] == '<';
	in = str_sub(in, has_angle ? 1 : 0, SIZE_MAX);
	text = str_sub(in, 0, path_len(str_sub(in, 0, MAIL_PATH_MAX + 1), has_angle));
	rest = str_sub(in, text.len, SIZE_MAX);
	if (text.len > MAIL_PATH_MAX || (has_angle && rest.len == 0) || (!has_angle && text.len == 0))
		return ERR_SYNTAX;
	if (has_angle)
		rest = str_sub(rest, 1, SIZE_MAX);
	if (text.len > 0 && text.ptr[0] == '@')
		text = str_sub(text, str_index(text, ':') + 1, SIZE_MAX);
	else if (has_angle && text.len == 0)
		path.address = STR("");
	if (path.address.ptr == NULL && (text.len == 0 || !parse_mailbox(text, arena, &path)))
		return ERR_SYNTAX;
	*ret_path = path;
	*ret_rest = rest;
	return ERR_OK;
}

/* RFC 5321 s. 4.1.2: Dot-string needs no quotes. */
static bool
is_dot_string(struct str local)
{
	for (size_t i = 0; i < local.len; i++)
		if (!is_atext((unsigned char)local.ptr[i]))
			return false;
	return local.len > 0 && local.ptr[0] != '.' && local.ptr[local.len - 1] != '.' &&
	    str_find(local, STR("..")) == local.len;
}

struct str
mail_address_print(struct str local, struct str domain, struct arena *arena)
{
	struct buffer out = { 0 };
	bool is_bare = is_dot_string(local);
	struct str copy;

	if (!is_bare)
		buffer_add_byte(&out, '"');
	for (size_t i = 0; i < local.len; i++) {
		if (!is_bare && (local.ptr[i] == '"' || local.ptr[i] == '\\'))
			buffer_add_byte(&out, '\\');
		buffer_add_byte(&out, local.ptr[i]);
	}
	if (!is_bare)
		buffer_add_byte(&out, '"');
	if (domain.len > 0) {
		buffer_add_byte(&out, '@');
		buffer_add(&out, domain);
	}
	copy = arena_copy(arena, buffer_str(&out));
	buffer_clear(&out);
	return copy;
}
