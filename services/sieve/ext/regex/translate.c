/* From POSIX.2 to PCRE2: what both have goes through, the rest is a literal there or an error here. */
#include "services/sieve/ext/regex/translate.h"

#include "libcommon/mail/token.h"

enum { TIMES_MAX = 255 }; /* POSIX: RE_DUP_MAX */

struct translation {
	struct mail_cursor in;
	struct buffer *out;
	size_t depth;        /* of parentheses */
	size_t opens[250];   /* where in `out` each began; PCRE2 has no more either */
	size_t atom;         /* where in `out` what may be repeated begins; SIZE_MAX: there is nothing */
	bool is_repeated;    /* it has been */
};

static void
add_literal(struct buffer *out, unsigned char c)
{
	if (c >= 0x80 || (c >= '0' && c <= '9') || (ascii_lower((char)c) >= 'a' && ascii_lower((char)c) <= 'z'))
		buffer_add_byte(out, (char)c);
	else
		buffer_printf(out, "\\x%02x", c);
}

/* ---- bracket expressions */

static const char *const classes[] = { "alnum", "alpha", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper",
	"xdigit" };

/* "[:alpha:]", "[=a=]", "[.a.]": *ret_c is the character, or -1 for a class, which is added. */
static const char *
add_named(struct translation *t, int *ret_c)
{
	char kind = t->in.p[1], end[2] = { kind, ']' };
	struct str rest = str_from(t->in.p + 2, (size_t)(t->in.end - t->in.p) - 2), name = str_sub(rest, 0, str_find(rest, str_from(end, 2)));

	if (name.len == rest.len)
		return "a class in a bracket expression has no end";
	t->in.p += name.len + 4;
	*ret_c = -1;
	if (kind != ':') {
		*ret_c = name.len == 1 ? (unsigned char)name.ptr[0] : -1;
		return name.len == 1 ? NULL : "only single characters can be named in a bracket expression";
	}
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		if (str_equal(name, str_c(classes[i]))) {
			buffer_printf(t->out, "[:%s:]", classes[i]);
			return NULL;
		}
	return "there is no such class of characters";
}

static bool
is_named(const struct translation *t)
{
	return t->in.end - t->in.p >= 2 && t->in.p[0] == '[' && strchr(":=.", t->in.p[1]) != NULL && t->in.p[1] != '\0';
}

/* One character, or one end of a range; more than a byte where it is not ASCII. -1: it was a class. */
static const char *
add_item(struct translation *t, int *ret_c)
{
	if (is_named(t)) {
		const char *wrong = add_named(t, ret_c);

		if (wrong == NULL && *ret_c >= 0)
			add_literal(t->out, (unsigned char)*ret_c);
		return wrong;
	}
	*ret_c = (unsigned char)*t->in.p++;
	add_literal(t->out, (unsigned char)*ret_c);
	while (*ret_c >= 0xc0 && t->in.p < t->in.end && ((unsigned char)*t->in.p & 0xc0) == 0x80)
		buffer_add_byte(t->out, *t->in.p++);
	return NULL;
}

/* "-" and what follows it, unless that is the end. */
static const char *
add_range(struct translation *t, int from)
{
	const char *wrong;
	int to;

	if (mail_cur_peek(&t->in) != '-' || t->in.end - t->in.p < 2 || t->in.p[1] == ']')
		return NULL;
	t->in.p++;
	buffer_add_byte(t->out, '-');
	wrong = add_item(t, &to);
	if (wrong != NULL)
		return wrong;
	return from < 0 || to < 0 || from > to ? "a range in a bracket expression goes backwards" : NULL;
}

static const char *
add_bracket(struct translation *t)
{
	bool is_first = true;
	const char *wrong;
	int c;

	t->in.p++;
	buffer_add(t->out, mail_cur_byte(&t->in, '^') ? STR("[^") : STR("["));
	while (is_first || mail_cur_peek(&t->in) != ']') {
		if (t->in.p == t->in.end)
			return "a bracket expression has no end";
		if ((wrong = add_item(t, &c)) != NULL || (wrong = add_range(t, c)) != NULL)
			return wrong;
		is_first = false;
	}
	t->in.p++;
	buffer_add_byte(t->out, ']');
	return NULL;
}

/* ---- repetitions */

/* Decimal digits; false: there are none, or the number is too big. */
static bool
take_times(struct translation *t, uint32_t *ret_times)
{
	const char *start = t->in.p;

	while (mail_cur_peek(&t->in) >= '0' && mail_cur_peek(&t->in) <= '9')
		t->in.p++;
	return str_to_u32(str_from(start, (size_t)(t->in.p - start)), ret_times) && *ret_times <= TIMES_MAX;
}

/* "{n}", "{n,}", "{n,m}", "{,m}" */
static const char *
add_interval(struct translation *t)
{
	uint32_t least = 0, most;

	t->in.p++;
	if (mail_cur_peek(&t->in) != ',' && !take_times(t, &least))
		return "a number up to 255 is expected behind '{'";
	most = least;
	buffer_printf(t->out, "{%u", (unsigned)least);
	if (mail_cur_byte(&t->in, ',')) {
		buffer_add_byte(t->out, ',');
		if (mail_cur_peek(&t->in) != '}') {
			if (!take_times(t, &most) || most < least)
				return "the second number in '{' and '}' is none, or less than the first";
			buffer_printf(t->out, "%u", (unsigned)most);
		}
	}
	if (!mail_cur_byte(&t->in, '}'))
		return "'{' has no '}'";
	buffer_add_byte(t->out, '}');
	return NULL;
}

/* Put `text` into what was made, at `at`. */
static void
insert(struct buffer *out, size_t at, struct str text)
{
	size_t len = buffer_len(out);

	buffer_add(out, text);
	memmove(out->bytes + out->start + at + text.len, out->bytes + out->start + at, len - at);
	memcpy(out->bytes + out->start + at, text.ptr, text.len);
}

/* "a*?" repeats what was repeated: to PCRE2 it would mean something else. */
static const char *
add_repetition(struct translation *t)
{
	if (t->atom == SIZE_MAX)
		return "there is nothing to repeat";
	if (t->is_repeated) {
		insert(t->out, t->atom, STR("(?:"));
		buffer_add_byte(t->out, ')');
	}
	t->is_repeated = true;
	if (mail_cur_peek(&t->in) == '{')
		return add_interval(t);
	buffer_add_byte(t->out, *t->in.p++);
	return NULL;
}

/* ---- the rest */

static const char *
add_group(struct translation *t)
{
	bool opens = *t->in.p == '(';

	if (opens && t->depth == sizeof(t->opens) / sizeof(t->opens[0]))
		return "parentheses are nested too deep";
	if (!opens && t->depth == 0)
		return "')' has no '('";
	if (opens)
		t->opens[t->depth++] = buffer_len(t->out);
	t->atom = opens ? SIZE_MAX : t->opens[--t->depth];
	t->is_repeated = false;
	buffer_add_byte(t->out, *t->in.p++);
	return NULL;
}

/* A backslash takes the meaning from what follows it; letters and digits would be given one. */
static const char *
add_escaped(struct translation *t)
{
	int c;

	t->in.p++;
	c = mail_cur_peek(&t->in);
	if (c < 0)
		return "a backslash at the end";
	if ((c >= '0' && c <= '9') || (ascii_lower((char)c) >= 'a' && ascii_lower((char)c) <= 'z'))
		return "a backslash before a letter or digit has no meaning here";
	t->in.p++;
	add_literal(t->out, (unsigned char)c);
	return NULL;
}

static const char *
add_atom(struct translation *t)
{
	int c = mail_cur_peek(&t->in);

	t->atom = buffer_len(t->out);
	t->is_repeated = false;
	if (c == '[')
		return add_bracket(t);
	if (c == '\\')
		return add_escaped(t);
	t->in.p++;
	if (c == '.')
		buffer_add_byte(t->out, '.');
	else
		add_literal(t->out, (unsigned char)c);
	/* All bytes of a character are repeated. */
	while (c >= 0xc0 && (mail_cur_peek(&t->in) & 0xc0) == 0x80 && t->in.p < t->in.end)
		buffer_add_byte(t->out, *t->in.p++);
	return NULL;
}

static const char *
add_next(struct translation *t)
{
	switch (*t->in.p) {
	case '(':
	case ')':
		return add_group(t);
	case '*':
	case '+':
	case '?':
	case '{':
		return add_repetition(t);
	case '|':
	case '^':
	case '$':
		t->atom = SIZE_MAX;
		buffer_add_byte(t->out, *t->in.p++);
		return NULL;
	default:
		return add_atom(t);
	}
}

const char *
sieve_regex_translate(struct str ere, struct buffer *out)
{
	struct translation t = { .in = mail_cur(ere), .out = out, .atom = SIZE_MAX };

	while (t.in.p < t.in.end) {
		const char *wrong = add_next(&t);

		if (wrong != NULL)
			return wrong;
	}
	return t.depth > 0 ? "'(' has no ')'" : NULL;
}
