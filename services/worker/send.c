/* One item on its way to the smarthost: its prefix, then its body as it comes from the blob service. */
#include "libcommon/blob/blob.h"
#include "libcommon/core/clock.h"
#include "services/worker/bounce.h"
#include "services/worker/outbox.h"

/* Once for each item: is the worker told to end, then the item has until drain.time. */
static enum err
check_end(struct outbox_sender *s)
{
	if (worker_wait(s->run.worker, 0))
		return ERR_OK;
	if (s->patience_ms == 0)
		s->patience_ms = clock_mono_ms() + s->run.worker->config->drain_time;
	return clock_left_ms(s->patience_ms) > 0 ? ERR_OK : ERR_GOING_AWAY;
}

enum err
outbox_patience(void *self)
{
	struct outbox_sender *s = self;
	MetadataRenewLeaseRequest req = METADATA_RENEW_LEASE_REQUEST__INIT;
	struct arena arena = { 0 };
	struct bus_call call = s->run.call;
	enum err err;

	TRY(check_end(s));
	if (!s->item || clock_left_ms(s->renew_ms) > 0)
		return ERR_OK;
	call.arena = &arena;
	call.deadline_ms = 0;
	req.lease = s->item->lease;
	req.lease_ms = OUTBOX_LEASE_MS;
	err = metadata_renew_lease(&call, &req, NULL);
	arena_clear(&arena);
	if (err == ERR_OK)
		s->renew_ms = clock_mono_ms() + OUTBOX_RENEW_MS;
	/* A passing failure is tried again at the next look: the lease is long enough for some. */
	return err == ERR_NONEXISTENT ? ERR_NONEXISTENT : ERR_OK;
}

/* ---- what the server must take */

static bool
has_8bit(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] >= 0x80)
			return true;
	return false;
}

static void
begin_body(struct outbox_sender *s, struct blob_reader *in)
{
	struct bus_call call = s->run.call;

	call.deadline_ms = 0;
	blob_reader_begin(in, &call, str_of(s->item->blob), 0, UINT64_MAX);
}

/* Only where it matters: all of the body is read for it. */
static enum err
find_8bit(struct outbox_sender *s, bool *ret)
{
	struct blob_reader in;
	struct str piece;
	enum err err;

	*ret = has_8bit(str_of(s->item->prefix));
	begin_body(s, &in);
	while ((err = blob_reader_next(&in, &piece)) == ERR_OK && piece.len > 0 && !*ret) {
		*ret = has_8bit(piece);
		err = outbox_patience(s);
		if (err != ERR_OK)
			break;
	}
	blob_reader_end(&in);
	return err;
}

/* `first` is the first piece of the body. A header in some old charset is nothing that SMTPUTF8 knows of. */
static enum err
describe(struct outbox_sender *s, struct str first, struct smtp_mail *ret)
{
	const MetadataLeaseOutboxReply *item = s->item;
	struct str header = bounce_header(first, SIZE_MAX);

	*ret = (struct smtp_mail){ .sender = str_of(item->sender), .recipient = str_of(item->recipient),
		.size = item->prefix.len + item->blob_size, .is_8bit = true };
	ret->is_utf8 = has_8bit(header) && str_is_utf8(header);
	return smtp_offer(s->smtp)->eight_bit ? ERR_OK : find_8bit(s, &ret->is_8bit);
}

/* ---- the mail */

static enum err
say(struct outbox_outcome *ret, enum err err, const char *status, const char *text)
{
	ret->reply = (struct smtp_reply){ .status = str_c(status), .text = str_c(text) };
	return ret->err = err;
}

static enum err
send_pieces(struct outbox_sender *s, struct blob_reader *in, struct str piece, struct outbox_outcome *ret)
{
	enum err err = smtp_add(s->smtp, str_of(s->item->prefix));
	uint64_t sent = 0;

	while (err == ERR_OK && piece.len > 0) {
		sent += piece.len;
		err = smtp_add(s->smtp, piece);
		if (err == ERR_OK)
			err = outbox_patience(s);
		if (err != ERR_OK)
			break;
		err = blob_reader_next(in, &piece);
		if (err != ERR_OK)
			return say(ret, err, "4.3.0", "the body cannot be read now");
	}
	if (err != ERR_OK) {
		ret->is_smarthosts = err != ERR_NONEXISTENT && err != ERR_GOING_AWAY;
		return say(ret, err, "4.4.2", "the connection was lost while the mail was sent");
	}
	/* The final dot would make it whole. */
	if (sent != s->item->blob_size)
		return say(ret, ERR_CORRUPT, "4.3.0", "the body is not of its length");
	ret->is_smarthosts = true;
	return ret->err = smtp_end(s->smtp, &s->run.arena, &ret->reply);
}

/* On a connection that is open. */
static void
send_mail(struct outbox_sender *s, struct outbox_outcome *ret)
{
	struct blob_reader in;
	struct smtp_mail mail;
	struct str first;
	enum err err;

	begin_body(s, &in);
	err = blob_reader_next(&in, &first);
	if (err == ERR_OK)
		err = describe(s, first, &mail);
	if (err != ERR_OK) {
		(void)say(ret, err == ERR_NONEXISTENT ? ERR_CORRUPT : err, "4.3.0", "the body cannot be read now");
		blob_reader_end(&in);
		return;
	}
	ret->is_smarthosts = true;
	ret->err = smtp_mail(s->smtp, &mail, &s->run.arena, &ret->reply);
	if (ret->err == ERR_OK) {
		ret->is_smarthosts = false;
		(void)send_pieces(s, &in, first, ret);
	}
	blob_reader_end(&in);
}

static bool
is_said_of_the_mail(enum err err)
{
	return err == ERR_OK || err == ERR_AGAIN || err == ERR_REFUSED;
}

static void
hang_up(struct outbox_sender *s)
{
	smtp_close(s->smtp);
	s->smtp = NULL;
	arena_reset(&s->connection);
}

void
outbox_send(struct outbox_sender *s, struct outbox_outcome *ret)
{
	bool was_open = s->smtp != NULL;

	for (int attempt = 0; attempt < 2; attempt++) {
		*ret = (struct outbox_outcome){ .err = ERR_OK };
		if (!s->smtp) {
			was_open = false;
			ret->is_smarthosts = true;
			ret->err = smtp_open(&s->smtp_options, &s->smtp, &s->connection, &ret->reply);
			if (ret->err != ERR_OK) {
				ret->reply.text = arena_copy(&s->run.arena, ret->reply.text);
				return;
			}
		}
		send_mail(s, ret);
		if (is_said_of_the_mail(ret->err))
			return;
		hang_up(s);
		/* A connection that was kept may have been closed meanwhile: that is no trouble yet. */
		if (!was_open || ret->err != ERR_CLOSED)
			return;
	}
}
