/* RETR and TOP: a message, or its beginning.                                                   RFC 1939 s. 5, 7 */
#include "libcommon/blob/blob.h"
#include "libcommon/mail/downgrade.h"
#include "services/pop3/command.h"
#include "services/pop3/stuff.h"

enum { TOP_FIRST_BYTES = 16 * 1024, TOP_NEXT_BYTES = 64 * 1024 };

/* What is sent first: the message is prefix and body, one after the other. */
struct first {
	struct str prefix, rest;
	struct buffer surrogate; /* of the header, if there has to be one */
	uint64_t size;           /* of the whole message as it is sent */
};

static struct str
str_of(ProtobufCBinaryData bytes)
{
	return str_from(bytes.data, bytes.len);
}

static enum err
send(struct pop3_session *session, struct pop3_stuffer *out, struct str bytes)
{
	struct str run;

	while (pop3_stuff(out, &bytes, &run))
		TRY(net_write(session->conn, run));
	return ERR_OK;
}

/* Where the header ends in `piece`: before the empty line. piece.len: not in there. */
static size_t
header_len(struct str piece)
{
	size_t at = 0;

	while (at < piece.len) {
		struct str line = str_sub(piece, at, SIZE_MAX);

		if (line.ptr[0] == '\n' || str_starts_with(line, STR("\r\n")))
			break;
		at += str_index(line, '\n') + 1;
	}
	return at < piece.len ? at : piece.len;
}

/*
 * RFC 6856 s. 2.1: who has not asked for UTF-8 is sent no header that has it. `piece` begins the body, of `size` bytes. ERR_UTF8: the header
 * is longer than the piece.
 */
static enum err
begin(const struct pop3_session *session, struct str prefix, struct str piece, uint64_t size, struct first *ret)
{
	size_t len = header_len(piece);
	struct str header = str_sub(piece, 0, len);

	*ret = (struct first){ .prefix = prefix, .rest = piece, .size = prefix.len + size };
	if (session->is_utf8 || (mail_is_ascii(prefix) && mail_is_ascii(header)))
		return ERR_OK;
	if (len == piece.len && len < size)
		return ERR_UTF8;
	mail_downgrade_header(prefix, &ret->surrogate);
	mail_downgrade_header(header, &ret->surrogate);
	ret->prefix = buffer_str(&ret->surrogate);
	ret->size = ret->prefix.len + size - len;
	ret->rest = str_sub(piece, len, SIZE_MAX);
	return ERR_OK;
}

/* +OK is said when the first bytes of the body are there: that there is no body cannot be said later. */
static enum err
send_first(struct pop3_session *session, struct pop3_stuffer *out, struct first *first)
{
	enum err err;

	if (out->lines == POP3_ALL_LINES)
		err = pop3_ok(session, "%llu octets", (unsigned long long)first->size);
	else
		err = pop3_ok(session, "the top follows");
	if (err == ERR_OK)
		err = send(session, out, first->prefix);
	if (err == ERR_OK)
		err = send(session, out, first->rest);
	buffer_clear(&first->surrogate);
	return err;
}

static enum err
send_end(struct pop3_session *session, const struct pop3_stuffer *out)
{
	return net_write(session->conn, pop3_stuff_end(out));
}

/* In the middle of an answer nothing can be said but by hanging up: a client that sees the end has it all. */
static enum err
break_off(struct pop3_session *session, size_t place, enum err err)
{
	log_warn(net_log(session->conn), "pop3.retr.failed", KV_INT("uid", session->maildrop.uids[place]), KV_ERR(err));
	net_end(session->conn, NET_END_ERROR);
	return ERR_CLOSED;
}

static enum err
refuse(struct pop3_session *session, size_t place, enum err err, const struct bus_call *call)
{
	log_warn(net_log(session->conn), "pop3.retr.failed", KV_INT("uid", session->maildrop.uids[place]), KV_ERR(err),
	    KV_STR("detail", call->detail));
	return pop3_err(session, err, "%s", err_row(err)->text);
}

/* *ret_is_sent: all of it. */
static enum err
send_whole(struct pop3_session *session, size_t place, struct pop3_ahead_mail *mail, bool *ret_is_sent)
{
	struct pop3_stuffer out = { .lines = POP3_ALL_LINES };
	struct bus_call call = pop3_call(session);
	struct first first;
	struct str piece;
	uint64_t at;
	enum err err, sent;

	*ret_is_sent = false;
	err = pop3_ahead_first(session, mail, &piece);
	if (err == ERR_OK)
		err = begin(session, str_of(mail->row->prefix), piece, mail->row->mail->blob_size, &first);
	/* A row without its body is damage, and must not look like a deletion. */
	if (err != ERR_OK)
		return refuse(session, place, err == ERR_NONEXISTENT ? ERR_CORRUPT : err, &call);
	sent = send_first(session, &out, &first);
	for (at = piece.len; sent == ERR_OK && err == ERR_OK && piece.len > 0; at += piece.len) {
		err = blob_reader_next(&mail->in, &piece);
		if (err != ERR_OK)
			break;
		sent = send(session, &out, piece);
	}
	/* A body that is shorter than it was is damage, and is not ended as if it were whole. */
	if (sent == ERR_OK && err == ERR_OK && at != mail->row->mail->blob_size)
		err = ERR_CORRUPT;
	if (err != ERR_OK)
		return break_off(session, place, err);
	TRY(sent);
	TRY(send_end(session, &out));
	*ret_is_sent = true;
	return ERR_OK;
}

/* The beginning of the body, with its header if that is not very long. */
static enum err
read_top(struct pop3_session *session, const MetadataFetchReply__Row *row, struct bus_call *call, struct str *ret_piece, struct first *ret)
{
	enum err err = ERR_UTF8;

	for (size_t want = TOP_FIRST_BYTES; err == ERR_UTF8 && want <= BUS_CHUNK_MAX; want *= 4) {
		TRY(blob_read(call, str_of(row->mail->blob), 0, want, &session->arena, ret_piece));
		err = begin(session, str_of(row->prefix), *ret_piece, row->mail->blob_size, ret);
	}
	return err;
}

/* Of a long body only its beginning is read, and one piece of it is held. */
static enum err
send_top(struct pop3_session *session, size_t place, const MetadataFetchReply__Row *row, uint32_t lines)
{
	struct pop3_stuffer out = { .lines = lines };
	struct bus_call call = pop3_call(session);
	struct first first;
	struct str piece;
	uint64_t at;
	enum err sent, err = read_top(session, row, &call, &piece, &first);

	if (err != ERR_OK)
		return refuse(session, place, err == ERR_NONEXISTENT ? ERR_CORRUPT : err, &call);
	TRY(send_first(session, &out, &first));
	for (at = piece.len; !out.is_done && at < row->mail->blob_size && piece.len > 0; at += piece.len) {
		struct arena arena = { 0 };

		err = blob_read(&call, str_of(row->mail->blob), at, TOP_NEXT_BYTES, &arena, &piece);
		if (err == ERR_OK)
			sent = send(session, &out, piece);
		arena_clear(&arena);
		if (err != ERR_OK)
			return break_off(session, place, err);
		TRY(sent);
	}
	if (!out.is_done && at != row->mail->blob_size)
		return break_off(session, place, ERR_CORRUPT);
	return send_end(session, &out);
}

/* Find the message and its bytes; what is not there is answered here, and *ret_mail is NULL. */
static enum err
find(struct pop3_session *session, const struct pop3_request *request, size_t *ret_place, struct pop3_ahead_mail **ret_mail)
{
	struct bus_call call = pop3_call(session);
	enum err err;

	*ret_mail = NULL;
	if (pop3_maildrop_find(&session->maildrop, request->numbers[0], ret_place) != ERR_OK)
		return pop3_mistake(session, "no such message");
	err = pop3_ahead_find(session, *ret_place, ret_mail);
	if (err == ERR_OK)
		return ERR_OK;
	*ret_mail = NULL;
	if (err == ERR_NONEXISTENT)
		return pop3_err(session, err, "another session has deleted this message");
	return refuse(session, *ret_place, err, &call);
}

static enum err
retr_run(struct pop3_session *session, const struct pop3_request *request)
{
	struct pop3_ahead_mail *mail;
	size_t place;
	bool is_sent;
	enum err err;

	TRY(find(session, request, &place, &mail));
	if (mail == NULL)
		return ERR_OK;
	err = send_whole(session, place, mail, &is_sent);
	pop3_ahead_end(mail);
	if (is_sent)
		pop3_ahead_start(session, place);
	return err;
}

static enum err
top_run(struct pop3_session *session, const struct pop3_request *request)
{
	struct pop3_ahead_mail *mail;
	size_t place;

	TRY(find(session, request, &place, &mail));
	return mail == NULL ? ERR_OK : send_top(session, place, mail->row, request->numbers[1]);
}

const struct pop3_command pop3_commands_retr[] = {
	{ "RETR", POP3_TRANSACTION, POP3_ARGS_MESSAGE, retr_run },
	{ "TOP", POP3_TRANSACTION, POP3_ARGS_MESSAGE_LINES, top_run },
	{ 0 },
};
