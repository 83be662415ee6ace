/* Address lists: split at the commas first, then each entry by itself, so that one bad entry spoils no other. */
#include "libcommon/mail/address.h"

#include "libcommon/mail/token.h"

enum { LITERAL_MAX = 300 };

/* Where the pieces of one entry are; all of them point into the value. */
struct entry {
	struct str text;          /* all of it, without what ended it */
	const char *at;           /* the last "@" outside of quotes, comments and angle brackets */
	struct str angle;         /* between the angle brackets; ptr NULL: there are none */
	bool is_angle_closed;
	int ended_by;             /* ',' ';' ':' or -1 */
};

struct parser {
	struct mail_cursor cur;
	struct arena *arena;
	struct mail_address_list list;
	size_t room;
	bool is_in_group;
	struct buffer name, comment, local, domain;
};

/* The length of what must not be looked into: a quoted string, comment, encoded word, quoted pair or domain literal. */
static size_t
atomic_len(const struct mail_cursor *cur)
{
	size_t left = (size_t)(cur->end - cur->p);
	const char *end;

	switch (*cur->p) {
	case '"':
		return mail_cur_quoted_len(cur);
	case '(':
		return mail_cur_comment_len(cur);
	case '=':
		return mail_cur_word_len(cur);
	case '\\':
		return left > 1 ? 2 : 0;
	case '[':
		end = memchr(cur->p, ']', left < LITERAL_MAX ? left : LITERAL_MAX);
		return end != NULL ? (size_t)(end + 1 - cur->p) : 0;
	default:
		return 0;
	}
}

/* From "<" to ">"; without one to the comma, unless that belongs to a route. */
static struct str
take_angle(struct mail_cursor *cur)
{
	const char *start = ++cur->p;
	bool is_route = mail_cur_peek(cur) == '@';

	while (cur->p < cur->end && *cur->p != '>') {
		size_t len = *cur->p == '"' ? mail_cur_quoted_len(cur) : 0;

		if (*cur->p == ':')
			is_route = false;
		if ((*cur->p == ',' && !is_route) || *cur->p == '<')
			break;
		cur->p += len > 0 ? len : 1;
	}
	return str_from(start, (size_t)(cur->p - start));
}

static struct entry
take_entry(struct mail_cursor *cur, bool is_in_group)
{
	struct entry entry = { .ended_by = -1 };
	const char *start = cur->p;

	while (cur->p < cur->end && entry.ended_by == -1) {
		size_t len = atomic_len(cur);
		char c = *cur->p;

		if (len > 0) {
			cur->p += len;
			continue;
		}
		if (c == ',' || c == ';' || (c == ':' && !is_in_group && entry.at == NULL && entry.angle.ptr == NULL))
			entry.ended_by = c;
		else if (c == '@' && entry.angle.ptr == NULL)
			entry.at = cur->p;
		if (c == '<' && !entry.is_angle_closed) {
			entry.angle = take_angle(cur);
			entry.is_angle_closed = mail_cur_peek(cur) == '>';
			if (!entry.is_angle_closed)
				continue;
		}
		cur->p++;
	}
	entry.text = str_from(start, (size_t)(cur->p - start) - (entry.ended_by != -1));
	return entry;
}

/* Append the word at the cursor: a quoted string's text, an encoded word as it is, or one byte. */
static void
take_word_byte(struct mail_cursor *cur, struct buffer *out)
{
	size_t quoted = mail_cur_quoted_len(cur), word = mail_cur_word_len(cur);

	if (quoted > 0) {
		mail_unquote(str_from(cur->p, quoted), out);
		cur->p += quoted;
	} else if (word > 0) {
		buffer_add(out, str_from(cur->p, word));
		cur->p += word;
	} else {
		if (*cur->p == '\\' && cur->p + 1 < cur->end)
			cur->p++;
		if (*cur->p != '"')
			buffer_add_byte(out, *cur->p);
		cur->p++;
	}
}

/* A phrase: words with one blank between them. */
static void
add_phrase(struct str text, struct buffer *out, struct buffer *comment)
{
	struct mail_cursor cur = mail_cur(text);

	for (;;) {
		bool has_gap = mail_cur_cfws(&cur, comment);

		if (cur.p == cur.end)
			return;
		if (has_gap && buffer_len(out) > 0)
			buffer_add_byte(out, ' ');
		take_word_byte(&cur, out);
	}
}

static bool
ends_in_dot(const struct buffer *b)
{
	struct str s = buffer_str(b);

	return s.len > 0 && s.ptr[s.len - 1] == '.';
}

/* What stands before the "@": its last word is the local part; words before it (which should not be there) are a name. */
static void
take_local(struct parser *p, struct str text)
{
	struct mail_cursor cur = mail_cur(text);

	for (;;) {
		bool has_gap = mail_cur_cfws(&cur, &p->comment);

		if (cur.p == cur.end)
			return;
		if (has_gap && buffer_len(&p->local) > 0 && !ends_in_dot(&p->local) && *cur.p != '.') {
			if (buffer_len(&p->name) > 0)
				buffer_add_byte(&p->name, ' ');
			buffer_add(&p->name, buffer_str(&p->local));
			buffer_reset(&p->local);
		}
		take_word_byte(&cur, &p->local);
	}
}

/* What stands behind the "@"; words behind the domain are a name, if there is none yet. */
static void
take_domain(struct parser *p, struct str text)
{
	struct mail_cursor cur = mail_cur(text);

	for (;;) {
		bool has_gap = mail_cur_cfws(&cur, &p->comment);

		if (cur.p == cur.end)
			return;
		if (has_gap && buffer_len(&p->domain) > 0 && !ends_in_dot(&p->domain) && *cur.p != '.')
			break;
		buffer_add_byte(&p->domain, *cur.p++);
	}
	if (buffer_len(&p->name) == 0)
		add_phrase(str_from(cur.p, (size_t)(cur.end - cur.p)), &p->name, &p->comment);
}

/* local@domain, or only a local part. */
static void
take_addr_spec(struct parser *p, struct str text)
{
	struct mail_cursor cur = mail_cur(text);
	const char *at = NULL;

	while (cur.p < cur.end) {
		size_t len = atomic_len(&cur);

		if (len == 0 && *cur.p == '@')
			at = cur.p;
		cur.p += len > 0 ? len : 1;
	}
	if (at == NULL) {
		add_phrase(text, &p->local, &p->comment);
		return;
	}
	take_local(p, str_from(text.ptr, (size_t)(at - text.ptr)));
	take_domain(p, str_from(at + 1, (size_t)(text.ptr + text.len - at - 1)));
}

/* "@a,@b:" at the front of `*text` is cut off. */
static struct str
take_route(struct parser *p, struct str *text)
{
	struct str trimmed = str_trim(*text);
	size_t colon = str_index(trimmed, ':');
	struct buffer route = { 0 };
	struct str copy;

	if (trimmed.len == 0 || trimmed.ptr[0] != '@' || colon == trimmed.len)
		return STR_NONE;
	for (size_t i = 0; i < colon; i++)
		if (!mail_is_blank((unsigned char)trimmed.ptr[i]))
			buffer_add_byte(&route, trimmed.ptr[i]);
	*text = str_sub(trimmed, colon + 1, SIZE_MAX);
	copy = arena_copy(p->arena, buffer_str(&route));
	buffer_clear(&route);
	return copy;
}

/* A copy without the line ends of folds. */
static struct str
keep(struct parser *p, struct buffer *from)
{
	char *bytes = arena_cstr(p->arena, buffer_str(from));
	size_t len = 0;

	for (size_t i = 0; i < buffer_len(from); i++)
		if (bytes[i] != '\r' && bytes[i] != '\n' && bytes[i] != '\0')
			bytes[len++] = bytes[i];
	bytes[len] = '\0';
	return str_from(bytes, len);
}

static struct mail_address *
new_address(struct parser *p, enum mail_address_kind kind)
{
	struct mail_address *entries = p->list.entries;

	if (p->list.count == p->room) {
		p->room = p->room > 0 ? p->room * 2 : 4;
		entries = ARENA_ARRAY(p->arena, struct mail_address, p->room);
		if (p->list.count > 0)
			memcpy(entries, p->list.entries, p->list.count * sizeof(*entries));
		p->list.entries = entries;
	}
	entries[p->list.count] = (struct mail_address){ .kind = kind };
	return &entries[p->list.count++];
}

/* name "<" addr-spec ">": words behind it are the name, if there is none before. */
static struct str
take_name_addr(struct parser *p, const struct entry *entry)
{
	struct str angle = entry->angle, route = take_route(p, &angle), behind;
	size_t before_len = (size_t)(entry->angle.ptr - 1 - entry->text.ptr);
	struct buffer words = { 0 };

	behind = str_sub(entry->text, before_len + 1 + entry->angle.len + entry->is_angle_closed, SIZE_MAX);
	add_phrase(str_sub(entry->text, 0, before_len), &p->name, &p->comment);
	take_addr_spec(p, angle);
	add_phrase(behind, buffer_len(&p->name) > 0 ? &words : &p->name, &p->comment);
	buffer_clear(&words);
	return route;
}

static void
add_address(struct parser *p, const struct entry *entry)
{
	struct str route = STR_NONE;
	struct mail_address *address;

	if (entry->angle.ptr != NULL)
		route = take_name_addr(p, entry);
	else
		take_addr_spec(p, entry->text);
	if (buffer_len(&p->name) + buffer_len(&p->local) + buffer_len(&p->domain) == 0 &&
	    entry->angle.ptr == NULL && entry->at == NULL)
		return;
	address = new_address(p, MAIL_ADDRESS);
	address->route = route;
	if (buffer_len(&p->name) > 0)
		address->name = keep(p, &p->name);
	else if (buffer_len(&p->comment) > 0)
		address->name = keep(p, &p->comment);
	address->local = keep(p, &p->local);
	address->domain = keep(p, &p->domain);
}

static void
start_group(struct parser *p, struct str text)
{
	add_phrase(text, &p->local, NULL);
	new_address(p, MAIL_GROUP_START)->local = keep(p, &p->local);
	p->is_in_group = true;
}

static void
end_group(struct parser *p)
{
	if (p->is_in_group)
		new_address(p, MAIL_GROUP_END);
	p->is_in_group = false;
}

static void
take_one(struct parser *p)
{
	struct entry entry = take_entry(&p->cur, p->is_in_group);

	buffer_reset(&p->name);
	buffer_reset(&p->comment);
	buffer_reset(&p->local);
	buffer_reset(&p->domain);
	if (entry.ended_by == ':') {
		start_group(p, entry.text);
		return;
	}
	add_address(p, &entry);
	if (entry.ended_by == ';')
		end_group(p);
}

void
mail_address_list_parse(struct str value, struct arena *arena, struct mail_address_list *ret_list)
{
	struct parser p = { .cur = mail_cur(value), .arena = arena };

	while (p.cur.p < p.cur.end && p.list.count < MAIL_ADDRESSES_MAX)
		take_one(&p);
	p.list.is_cut = p.cur.p < p.cur.end;
	end_group(&p);
	buffer_clear(&p.name);
	buffer_clear(&p.comment);
	buffer_clear(&p.local);
	buffer_clear(&p.domain);
	*ret_list = p.list;
}
