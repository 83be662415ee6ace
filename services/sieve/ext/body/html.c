/* HTML as text. */
#include "services/sieve/ext/body/html.h"

#include "libcommon/mail/unicode.h"

/* Tags that part no words; all others do. */
static const struct str inlines[] = { STR("a"), STR("abbr"), STR("b"), STR("big"), STR("em"), STR("font"), STR("i"), STR("mark"), STR("s"),
	STR("small"), STR("span"), STR("strong"), STR("sub"), STR("sup"), STR("tt"), STR("u"), STR("wbr") };

static const struct {
	struct str name;
	char text;
} entities[] = { { STR("amp"), '&' }, { STR("lt"), '<' }, { STR("gt"), '>' }, { STR("quot"), '"' }, { STR("apos"), '\'' }, { STR("nbsp"), ' ' } };

enum { ENTITY_MAX = 10 };

/* The name of the tag that begins at the start of `tag`, behind "<" and perhaps "/". */
static struct str
tag_name(struct str tag)
{
	size_t len = 0;

	while (len < tag.len && tag.ptr[len] != '>' && tag.ptr[len] != '/' && tag.ptr[len] != ' ' && (unsigned char)tag.ptr[len] > ' ')
		len++;
	return str_sub(tag, 0, len);
}

static bool
is_inline(struct str name)
{
	for (size_t i = 0; i < sizeof(inlines) / sizeof(inlines[0]); i++)
		if (str_equal_nocase(name, inlines[i]))
			return true;
	return false;
}

/* What is left behind the first `end` in `rest`; nothing, if it is not there. */
static struct str
behind(struct str rest, struct str end)
{
	return str_sub(rest, str_find_nocase(rest, end) + end.len, SIZE_MAX);
}

/* `rest` begins with "<": skip the tag, or all of a comment, a script, a style. */
static struct str
skip_tag(struct str rest, struct buffer *out)
{
	struct str name;

	if (str_starts_with(rest, STR("<!--")))
		return behind(rest, STR("-->"));
	rest = str_sub(rest, 1, SIZE_MAX);
	name = tag_name(str_starts_with(rest, STR("/")) ? str_sub(rest, 1, SIZE_MAX) : rest);
	if (!is_inline(name))
		buffer_add_byte(out, ' ');
	if (str_starts_with_nocase(rest, STR("script")))
		rest = behind(rest, STR("</script"));
	else if (str_starts_with_nocase(rest, STR("style")))
		rest = behind(rest, STR("</style"));
	return behind(rest, STR(">"));
}

static bool
add_number(struct str digits, struct buffer *out)
{
	bool is_hex = digits.len > 0 && ascii_lower(digits.ptr[0]) == 'x';
	int32_t c = 0;

	for (size_t i = is_hex; i < digits.len; i++) {
		char digit = ascii_lower(digits.ptr[i]);
		int value = digit >= '0' && digit <= '9' ? digit - '0' : is_hex && digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;

		if (value < 0 || (c = c * (is_hex ? 16 : 10) + value) > 0x10ffff)
			return false;
	}
	if (c <= 0 || (c >= 0xd800 && c <= 0xdfff))
		return false;
	mail_add_code_point(c, out);
	return true;
}

/* `rest` begins with "&": an entity, or else the character itself. */
static struct str
add_entity(struct str rest, struct buffer *out)
{
	size_t end = str_index(str_sub(rest, 0, ENTITY_MAX), ';');
	struct str name = str_sub(rest, 1, end - 1);

	if (end < rest.len && rest.ptr[end] == ';') {
		for (size_t i = 0; i < sizeof(entities) / sizeof(entities[0]); i++)
			if (str_equal(name, entities[i].name)) {
				buffer_add_byte(out, entities[i].text);
				return str_sub(rest, end + 1, SIZE_MAX);
			}
		if (name.len > 1 && name.ptr[0] == '#' && add_number(str_sub(name, 1, SIZE_MAX), out))
			return str_sub(rest, end + 1, SIZE_MAX);
	}
	buffer_add_byte(out, '&');
	return str_sub(rest, 1, SIZE_MAX);
}

void
sieve_html_text(struct str html, struct buffer *out)
{
	while (html.len > 0) {
		size_t len = 0;

		while (len < html.len && html.ptr[len] != '<' && html.ptr[len] != '&')
			len++;
		buffer_add(out, str_sub(html, 0, len));
		html = str_sub(html, len, SIZE_MAX);
		if (html.len > 0)
			html = html.ptr[0] == '<' ? skip_tag(html, out) : add_entity(html, out);
	}
}
