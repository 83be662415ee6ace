/* SEARCH BODY and TEXT: the text of a message, decoded as it streams by. */
#include "libcommon/blob/blob.h"
#include "libcommon/mail/match.h"
#include "libcommon/mail/parts.h"
#include "services/imap/fetch.h"
#include "services/imap/search.h"
#include "services/imap/wire.h"

enum {
	HEADER_BYTES_MAX = 1024 * 1024,
	FEED_BYTES = 16 * 1024,  /* decoded and folded at a time */
};

const struct imap_section imap_search_whole = { .which = MAIL_SECTION_ALL };

/* A small body: it is one piece. */
static enum err
read_whole(struct imap_search *search)
{
	const MetadataMail *mail = search->wide->mail;
	struct blob_reader own, *in = imap_ahead_take(search->ahead, search->row->uid, &imap_search_whole);
	struct str piece;
	enum err err;

	if (!in) {
		in = &own;
		blob_reader_begin(in, search->cmd->call, wire_str(mail->blob), 0, mail->blob_size);
	}
	err = blob_reader_next(in, &piece);
	if (err == ERR_OK && piece.len != mail->blob_size)
		err = ERR_CORRUPT;
	if (err == ERR_OK)
		search->whole = arena_copy(search->arena, piece);
	search->has_whole = err == ERR_OK;
	imap_ahead_give(search->ahead, in);
	return err;
}

/* Some bytes of the blob that fit into memory. */
static enum err
read_range(struct imap_search *search, uint64_t offset, uint64_t len, struct str *ret)
{
	const MetadataMail *mail = search->wide->mail;

	if (mail->blob_size > IMAP_SEARCH_WHOLE_MAX)
		return blob_read(search->cmd->call, wire_str(mail->blob), offset, (size_t)len, search->arena, ret);
	if (!search->has_whole)
		TRY(read_whole(search));
	*ret = str_sub(search->whole, (size_t)offset, (size_t)len);
	return ERR_OK;
}

static bool
feed(struct mail_match *match, struct str bytes)
{
	while (bytes.len > 0 && !match->is_found) {
		struct str piece = str_sub(bytes, 0, FEED_BYTES);

		mail_match_feed(match, piece, false);
		bytes = str_sub(bytes, piece.len, SIZE_MAX);
	}
	return match->is_found;
}

static enum err
feed_range(struct imap_search *search, struct mail_match *match, uint64_t offset, uint64_t len)
{
	const MetadataMail *mail = search->wide->mail;
	struct blob_reader in;
	struct str piece;
	enum err err;

	if (mail->blob_size <= IMAP_SEARCH_WHOLE_MAX) {
		TRY(read_range(search, offset, len, &piece));
		feed(match, piece);
		return ERR_OK;
	}
	blob_reader_begin(&in, search->cmd->call, wire_str(mail->blob), offset, len);
	while ((err = blob_reader_next(&in, &piece)) == ERR_OK && piece.len > 0 && !feed(match, piece))
		;
	blob_reader_end(&in);
	return err;
}

static enum err
match_part_body(struct imap_search *search, const struct mail_parts_entry *part, struct str text, bool *ret_matches)
{
	struct mail_match match;
	enum err err;

	mail_match_init(&match, text, part->encoding, part->charset);
	err = feed_range(search, &match, part->header_offset + part->header_len, part->body_len);
	if (err == ERR_OK)
		*ret_matches = mail_match_feed(&match, STR(""), true);
	mail_match_clear(&match);
	return err;
}

static enum err
match_part_header(struct imap_search *search, const struct mail_parts_entry *part, struct str text, bool *ret_matches)
{
	struct str header;

	TRY(read_range(search, part->header_offset, part->header_len < HEADER_BYTES_MAX ? part->header_len : HEADER_BYTES_MAX, &header));
	*ret_matches = imap_search_header_block(header, STR_NONE, text, search->arena);
	return ERR_OK;
}

/*
 * The message's own header belongs to TEXT alone; those of parts and of messages inside are part of the body. Of bodies, text is looked at:
 * nobody looks for words in the base64 of a picture.
 */
enum err
imap_search_body(struct imap_search *search, struct str text, bool with_header, bool *ret_matches)
{
	struct mail_parts_iter iter = { .packed = wire_str(search->wide->mail->parts) };
	struct mail_parts_entry part;
	enum err err;

	*ret_matches = text.len == 0 || (with_header && imap_search_header_block(wire_str(search->wide->prefix), STR_NONE, text, search->arena));
	while (!*ret_matches) {
		err = mail_parts_next(&iter, &part);
		if (err == ERR_NONEXISTENT)
			break;
		TRY(err);
		if (with_header || part.depth > 0)
			TRY(match_part_header(search, &part, text, ret_matches));
		if (!*ret_matches && part.kind == MAIL_LEAF && part.is_text)
			TRY(match_part_body(search, &part, text, ret_matches));
	}
	return ERR_OK;
}
