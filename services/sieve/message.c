/* The message as scripts see it: fields, split once, decoded when they are first looked at.                 RFC 5228 s. 2.4.2.2 */
#include "services/sieve/run.h"

#include "libcommon/mail/address.h"
#include "libcommon/mail/header.h"
#include "libcommon/mail/token.h"

static uint32_t
hash_name(struct str name)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < name.len; i++)
		hash = (hash ^ (unsigned char)ascii_lower(name.ptr[i])) * 16777619u;
	return hash;
}

static void
split(struct sieve_run *run)
{
	struct sieve_message *message = &run->message;
	struct str rest = message->header;
	struct mail_field field;

	message->is_split = true;
	while (mail_header_next(&rest, &field)) {
		message->fields = sieve_grow(run->arena, message->fields, message->count, &message->room, sizeof(*message->fields));
		message->fields[message->count++] = (struct sieve_field_entry){ .field = { field.name, field.value, field.raw },
			.hash = hash_name(field.name) };
	}
}

size_t
sieve_field_count(struct sieve_run *run)
{
	if (!run->message.is_split)
		split(run);
	return run->message.count;
}

const struct sieve_field *
sieve_field(const struct sieve_run *run, size_t index)
{
	return &run->message.fields[index].field;
}

bool
sieve_field_is(const struct sieve_field *field, struct str name)
{
	return str_equal_nocase(field->name, name);
}

size_t
sieve_field_find(struct sieve_run *run, struct str name, size_t from)
{
	uint32_t hash = hash_name(name);
	size_t count = sieve_field_count(run);

	while (from < count && (run->message.fields[from].hash != hash || !sieve_field_is(&run->message.fields[from].field, name)))
		from++;
	return from;
}

/* The value in one line, blanks at both ends taken off; a copy in the arena. RFC 5322 s. 2.2.3. */
static struct str
unfold(struct str value, struct arena *arena)
{
	char *flat;
	size_t len = 0;

	value = str_trim(value);
	flat = arena_alloc(arena, value.len + 1);
	for (size_t i = 0; i < value.len; i++)
		if (value.ptr[i] != '\n' && !(value.ptr[i] == '\r' && i + 1 < value.len && value.ptr[i + 1] == '\n'))
			flat[len++] = value.ptr[i];
	return str_from(flat, len);
}

static struct str
decode(struct str value, struct arena *arena)
{
	struct str flat = unfold(value, arena);
	struct buffer out = { 0 };

	if (str_find(flat, STR("=?")) == flat.len)
		return flat;
	mail_decode_words_into(flat, &out);
	flat = str_trim(arena_copy(arena, buffer_str(&out)));
	buffer_clear(&out);
	return flat;
}

enum err
sieve_field_text(struct sieve_run *run, size_t index, struct str *ret_text)
{
	struct sieve_field_entry *entry = &run->message.fields[index];

	if (!entry->has_text) {
		TRY(sieve_spend_bytes(run, entry->field.value.len));
		entry->text = decode(entry->field.value, run->arena);
		entry->has_text = true;
	}
	*ret_text = entry->text;
	return ERR_OK;
}

/* ---- addresses */

static struct sieve_address
address_from(struct str local, struct str domain, struct arena *arena)
{
	struct sieve_address address = { 0 };

	if (domain.len == 0 || local.len == 0) {
		/* RFC 5228 s. 2.7.4: what is no address has no parts; "<>" is empty in each. */
		address.all = local;
		return address;
	}
	address.all = mail_address_print(local, domain, arena);
	address.localpart = local;
	address.domain = domain;
	return address;
}

enum err
sieve_field_addresses(struct sieve_run *run, size_t index, const struct sieve_address **ret_addresses, size_t *ret_count)
{
	struct sieve_field_entry *entry = &run->message.fields[index];
	struct mail_address_list list;

	if (!entry->has_addresses) {
		TRY(sieve_spend_bytes(run, entry->field.value.len));
		mail_address_list_parse(entry->field.value, run->arena, &list);
		entry->addresses = ARENA_ARRAY(run->arena, struct sieve_address, list.count + 1);
		for (size_t i = 0; i < list.count; i++)
			if (list.entries[i].kind == MAIL_ADDRESS)
				entry->addresses[entry->address_count++] = address_from(list.entries[i].local, list.entries[i].domain, run->arena);
		entry->has_addresses = true;
	}
	*ret_addresses = entry->addresses;
	*ret_count = entry->address_count;
	return ERR_OK;
}

struct sieve_address
sieve_address_of(struct str text, struct arena *arena)
{
	struct mail_path path;
	struct str rest;

	if (text.len == 0)
		return (struct sieve_address){ STR(""), STR(""), STR("") };
	if (mail_path_parse(arena_printf(arena, "<%.*s>", STR_ARG(text)), arena, &path, &rest) != ERR_OK)
		return (struct sieve_address){ .all = text };
	return (struct sieve_address){ path.address, path.local, path.domain };
}

/* A display name: words and quoted strings. RFC 5322 s. 3.2.5, with the dots that everyone writes. */
static bool
is_phrase(struct str text)
{
	struct mail_cursor cur = mail_cur(text);

	while (cur.p < cur.end) {
		size_t quoted = mail_cur_quoted_len(&cur);
		unsigned char c = (unsigned char)*cur.p;

		if (quoted == 0 && (c < ' ' || c == 0x7f || strchr("()<>@,;:\\\"[]", c) != NULL))
			return false;
		cur.p += quoted > 0 ? quoted : 1;
	}
	return true;
}

/* Where the last "<" is that is in no quotes; the length when there is none. */
static size_t
angle_at(struct str text)
{
	struct mail_cursor cur = mail_cur(text);

	while (cur.p < cur.end && *cur.p != '<') {
		size_t quoted = mail_cur_quoted_len(&cur);

		cur.p += quoted > 0 ? quoted : 1;
	}
	return (size_t)(cur.p - text.ptr);
}

/* An addr-spec with a domain, and nothing else. */
static bool
is_address(struct str spec, struct arena *arena)
{
	struct mail_path path;
	struct str rest;

	if (spec.len == 0 || spec.ptr[0] == '@' || spec.ptr[0] == '.' ||
	    mail_path_parse(arena_printf(arena, "<%.*s>", STR_ARG(spec)), arena, &path, &rest) != ERR_OK)
		return false;
	return rest.len == 0 && path.domain.len > 0 && !str_ends_with(path.local, STR(".")) && str_find(path.local, STR("..")) == path.local.len;
}

bool
sieve_outbound_address(struct str text, struct arena *arena, struct str *ret_address)
{
	size_t angle;

	text = str_trim(text);
	angle = angle_at(text);
	if (angle < text.len) {
		if (!str_ends_with(text, STR(">")) || !is_phrase(str_sub(text, 0, angle)))
			return false;
		text = str_trim(str_sub(text, angle + 1, text.len - angle - 2));
	}
	if (!is_address(text, arena))
		return false;
	*ret_address = text;
	return true;
}

/* ---- header and body */

struct str
sieve_header(const struct sieve_run *run)
{
	return run->message.header;
}

/* Is it the message's own, but for the empty line that may not have been given? */
static bool
is_original(const struct sieve_run *run, struct str header)
{
	struct str original = run->input->header;

	return str_equal(str_sub(header, 0, original.len), original) &&
	    (header.len == original.len || str_equal(str_sub(header, original.len, SIZE_MAX), STR("\r\n")));
}

enum err
sieve_set_header(struct sieve_run *run, struct str header)
{
	TRY(sieve_spend_bytes(run, header.len));
	run->message = (struct sieve_message){ .header = header, .is_changed = !is_original(run, header) };
	return ERR_OK;
}

enum err
sieve_body(struct sieve_run *run, struct str *ret_body)
{
	const struct sieve_answer *answer;

	if (run->input->body.ptr == NULL)
		return sieve_ask(run, SIEVE_NEED_BODY, STR_NONE, STR_NONE, &answer);
	*ret_body = run->input->body;
	return ERR_OK;
}
