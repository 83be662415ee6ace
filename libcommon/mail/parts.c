/* The packed tree of parts. */
#include "libcommon/mail/parts.h"

enum { PACK_VERSION = 1, KIND_MASK = 3, IS_TEXT = 4, ENCODING_SHIFT = 3, CHARSET_MAX = 60 };

/*
 * Writing
 */

static void
add_number(uint64_t n, struct buffer *out)
{
	while (n >= 0x80) {
		buffer_add_byte(out, (char)(0x80 | (n & 0x7f)));
		n >>= 7;
	}
	buffer_add_byte(out, (char)n);
}

static uint64_t
count_children(const struct mail_part *part)
{
	uint64_t count = 0;

	for (const struct mail_part *child = part->first_child; child != NULL; child = child->next)
		count++;
	return count;
}

static void
pack_part(const struct mail_part *part, struct buffer *out)
{
	bool is_text = part->kind == MAIL_LEAF && str_equal(part->type, STR("TEXT"));
	enum mail_encoding encoding = mail_encoding_from(part->encoding);
	struct str charset;

	buffer_add_byte(out, (char)((int)part->kind | (is_text ? IS_TEXT : 0) | (int)encoding << ENCODING_SHIFT));
	add_number(part->header_offset - (part->parent ? part->parent->header_offset : 0), out);
	add_number(part->header_len, out);
	add_number(part->body_len, out);
	if (part->kind == MAIL_MULTIPART)
		add_number(count_children(part), out);
	if (!is_text)
		return;
	charset = mail_param_find(part->params, part->param_count, STR("CHARSET"));
	if (charset.len > CHARSET_MAX)
		charset = STR_NONE;
	add_number(charset.len, out);
	buffer_add(out, charset);
}

/* The part after `part`, parents first. */
static const struct mail_part *
next_part(const struct mail_part *part)
{
	if (part->first_child != NULL)
		return part->first_child;
	while (part != NULL && part->next == NULL)
		part = part->parent;
	return part != NULL ? part->next : NULL;
}

void
mail_parts_pack(const struct mail_message *message, struct buffer *out)
{
	buffer_add_byte(out, PACK_VERSION);
	for (const struct mail_part *part = message->root; part != NULL; part = next_part(part))
		pack_part(part, out);
}

/*
 * Reading
 */

static bool
take_number(struct mail_parts_iter *iter, uint64_t *ret)
{
	uint64_t n = 0;

	for (unsigned shift = 0; shift < 63 && iter->at < iter->packed.len; shift += 7) {
		unsigned char c = (unsigned char)iter->packed.ptr[iter->at++];

		n |= (uint64_t)(c & 0x7f) << shift;
		if (c < 0x80) {
			*ret = n;
			return true;
		}
	}
	return false;
}

/* The bytes of one part, without what follows from where it stands. */
static bool
take_part(struct mail_parts_iter *iter, struct mail_parts_entry *ret, uint64_t *ret_children)
{
	unsigned char flags = (unsigned char)iter->packed.ptr[iter->at++];
	uint64_t len;

	*ret = (struct mail_parts_entry){ .kind = flags & KIND_MASK, .is_text = (flags & IS_TEXT) != 0 };
	ret->encoding = (enum mail_encoding)(flags >> ENCODING_SHIFT);
	*ret_children = ret->kind == MAIL_MESSAGE ? 1 : 0;
	if (ret->kind > MAIL_MESSAGE || ret->encoding > MAIL_ENCODING_UNKNOWN)
		return false;
	if (!take_number(iter, &ret->header_offset) || !take_number(iter, &ret->header_len) ||
	    !take_number(iter, &ret->body_len))
		return false;
	if (ret->kind == MAIL_MULTIPART && !take_number(iter, ret_children))
		return false;
	if (!ret->is_text)
		return true;
	if (!take_number(iter, &len) || len > iter->packed.len - iter->at)
		return false;
	ret->charset = str_sub(iter->packed, iter->at, (size_t)len);
	iter->at += (size_t)len;
	return true;
}

/* Make the offset one in the blob; false when the part does not lie in its parent's body. */
static bool
place(const struct mail_parts_level *parent, struct mail_parts_entry *entry)
{
	uint64_t start, end, offset;

	if (parent == NULL)
		return entry->header_offset == 0 && !__builtin_add_overflow(entry->header_len, entry->body_len, &end);
	if (__builtin_add_overflow(parent->header_offset, entry->header_offset, &offset) ||
	    __builtin_add_overflow(offset, entry->header_len, &start) || __builtin_add_overflow(start, entry->body_len, &end))
		return false;
	entry->header_offset = offset;
	return offset >= parent->body_offset && end <= parent->body_end;
}

/* RFC 3501 s. 6.4.5: parts of a multipart are numbered; what is inside a message counts on behind the message's number. */
static void
number(struct mail_parts_iter *iter, struct mail_parts_level *parent, struct mail_parts_entry *entry)
{
	entry->path = iter->path;
	entry->path_len = parent != NULL ? parent->path_len : 0;
	entry->is_message_root = parent == NULL || parent->kind == MAIL_MESSAGE;
	entry->is_numbered = !entry->is_message_root || entry->kind != MAIL_MULTIPART;
	if (entry->is_numbered)
		iter->path[entry->path_len++] = parent != NULL ? ++parent->number : 1;
}

enum err
mail_parts_next(struct mail_parts_iter *iter, struct mail_parts_entry *ret_entry)
{
	struct mail_parts_level *parent;
	struct mail_parts_entry entry;
	uint64_t children;

	if (iter->at == 0) {
		if (iter->packed.len < 2 || iter->packed.ptr[0] != PACK_VERSION)
			return ERR_CORRUPT;
		iter->at = 1;
	} else {
		while (iter->depth > 0 && iter->open[iter->depth - 1].left == 0)
			iter->depth--;
		if (iter->depth == 0)
			return iter->at == iter->packed.len ? ERR_NONEXISTENT : ERR_CORRUPT;
	}
	parent = iter->depth > 0 ? &iter->open[iter->depth - 1] : NULL;
	if (iter->at >= iter->packed.len || iter->depth > MAIL_DEPTH_MAX || !take_part(iter, &entry, &children) ||
	    !place(parent, &entry))
		return ERR_CORRUPT;
	entry.depth = (unsigned)iter->depth;
	number(iter, parent, &entry);
	if (parent != NULL)
		parent->left--;
	iter->open[iter->depth++] = (struct mail_parts_level){
		.kind = entry.kind,
		.header_offset = entry.header_offset,
		.body_offset = entry.header_offset + entry.header_len,
		.body_end = entry.header_offset + entry.header_len + entry.body_len,
		.left = children,
		.path_len = entry.path_len,
	};
	*ret_entry = entry;
	return ERR_OK;
}

static struct mail_range
header_of(const struct mail_parts_entry *entry)
{
	return (struct mail_range){ .offset = entry->header_offset, .len = entry->header_len };
}

static struct mail_range
body_of(const struct mail_parts_entry *entry)
{
	return (struct mail_range){ .offset = entry->header_offset + entry->header_len, .len = entry->body_len };
}

/* A section of the whole message. */
static enum err
find_in_root(struct mail_parts_iter *iter, enum mail_section which, struct mail_range *ret_range)
{
	struct mail_parts_entry root;

	TRY(mail_parts_next(iter, &root));
	if (which == MAIL_SECTION_MIME)
		return ERR_NONEXISTENT;
	*ret_range = which == MAIL_SECTION_TEXT ? body_of(&root) : header_of(&root);
	ret_range->has_prefix = which != MAIL_SECTION_TEXT;
	if (which == MAIL_SECTION_ALL)
		ret_range->len = root.header_len + root.body_len;
	return ERR_OK;
}

enum err
mail_parts_find(struct str packed, const uint32_t *path, size_t path_len, enum mail_section which, struct mail_range *ret_range)
{
	struct mail_parts_iter iter = { .packed = packed };
	struct mail_parts_entry part, inside;

	if (path_len == 0)
		return find_in_root(&iter, which, ret_range);
	do
		TRY(mail_parts_next(&iter, &part));
	while (!part.is_numbered || part.path_len != path_len || memcmp(part.path, path, path_len * sizeof(*path)) != 0);
	if (which == MAIL_SECTION_ALL) {
		*ret_range = body_of(&part);
		ret_range->encoding = part.encoding;
		return ERR_OK;
	}
	if (which == MAIL_SECTION_MIME) {
		*ret_range = header_of(&part);
		return ERR_OK;
	}
	if (part.kind != MAIL_MESSAGE)
		return ERR_NONEXISTENT;
	TRY(mail_parts_next(&iter, &inside));
	*ret_range = which == MAIL_SECTION_HEADER ? header_of(&inside) : body_of(&inside);
	return ERR_OK;
}
