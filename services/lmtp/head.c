/* A stored mail as scripts see it: its header block, its body, and what is behind its fields. */
#include "services/lmtp/head.h"

#include "services/lmtp/body.h"
#include "services/lmtp/wire.h"

static struct str
head_of(const struct lmtp_transaction *mail)
{
	return buffer_str(&mail->body->head);
}

static bool
is_all_there(const struct lmtp_transaction *mail)
{
	return buffer_len(&mail->body->head) == mail->body->size;
}

/* Without its last line, if that is empty. */
static struct str
without_empty_line(struct str header)
{
	size_t end = str_ends_with(header, STR("\r\n")) ? 2 : str_ends_with(header, STR("\n")) ? 1 : 0;
	struct str rest = str_sub(header, 0, header.len - end);

	return end > 0 && (rest.len == 0 || str_ends_with(rest, STR("\n"))) ? rest : header;
}

struct str
lmtp_head_fields(const struct lmtp_transaction *mail)
{
	struct str head = head_of(mail);
	uint64_t header_len = mail->body->store.header_len;

	if (header_len <= head.len)
		return without_empty_line(str_sub(head, 0, (size_t)header_len));
	return str_sub(head, 0, str_rindex(head, '\n') < head.len ? str_rindex(head, '\n') + 1 : 0);
}

enum err
lmtp_head_text(struct lmtp_transaction *mail, struct str *ret_text)
{
	struct bus_call call = lmtp_transaction_call(mail, &mail->arena);
	uint64_t at = mail->body->store.header_len;

	if (mail->text.ptr == NULL && is_all_there(mail))
		mail->text = str_sub(head_of(mail), (size_t)at, SIZE_MAX);
	else if (mail->text.ptr == NULL)
		TRY(blob_read(&call, lmtp_str(mail->stored.blob), at, LMTP_TEXT_MAX, &mail->arena, &mail->text));
	*ret_text = mail->text.ptr != NULL ? mail->text : STR("");
	return ERR_OK;
}

static enum err
copy(struct blob_reader *in, struct lmtp_store *store)
{
	struct str piece;

	do {
		TRY(blob_reader_next(in, &piece));
		TRY(lmtp_store_add(store, piece));
	} while (piece.len > 0);
	return ERR_OK;
}

enum err
lmtp_head_copy_rest(struct lmtp_transaction *mail, struct lmtp_store *store)
{
	struct bus_call call = lmtp_transaction_call(mail, &mail->arena);
	size_t at = lmtp_head_fields(mail).len;
	struct blob_reader in;
	enum err err;

	if (is_all_there(mail))
		return lmtp_store_add(store, str_sub(head_of(mail), at, SIZE_MAX));
	blob_reader_begin(&in, &call, lmtp_str(mail->stored.blob), at, UINT64_MAX);
	err = copy(&in, store);
	blob_reader_end(&in);
	return err;
}
