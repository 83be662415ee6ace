/* Messages that will be asked for next. */
#include "services/pop3/ahead.h"

#include <stdlib.h>

#include "libcommon/core/clock.h"
#include "libcommon/core/mem.h"
#include "services/pop3/session.h"

enum {
	AHEAD_BYTES = 256 * 1024, /* of bodies */
	AHEAD_FEW = 16,           /* when less is under way more is asked for, all at once */
	AHEAD_MS = 1000,
};

void
pop3_ahead_clear(struct pop3_session *session)
{
	struct pop3_ahead *ahead = session->ahead;

	session->ahead = NULL;
	if (ahead == NULL)
		return;
	for (size_t i = 0; i < ahead->count; i++)
		pop3_ahead_end(&ahead->mails[i]);
	arena_clear(&ahead->arena);
	free(ahead);
}

/* Both are in ascending order of UID. */
static void
place_rows(struct pop3_ahead *ahead, const struct pop3_maildrop *drop, const MetadataFetchReply *reply)
{
	size_t i = 0;

	for (size_t row = 0; row < reply->n_row; row++) {
		while (i < ahead->count && drop->uids[ahead->first + i] < reply->row[row]->uid)
			i++;
		if (i < ahead->count && drop->uids[ahead->first + i] == reply->row[row]->uid && reply->row[row]->mail != NULL)
			ahead->mails[i].row = reply->row[row];
	}
	/* Of those behind the last row nothing is known when there is more. */
	if (reply->more)
		ahead->count = i + 1 < ahead->count ? i + 1 : ahead->count;
}

static enum err
fetch(struct pop3_session *session, size_t place)
{
	const struct pop3_maildrop *drop = &session->maildrop;
	struct bus_call call = pop3_call(session);
	struct pop3_ahead *ahead = MEM_NEW(struct pop3_ahead);
	size_t count = place == session->expected ? POP3_AHEAD : 1;
	MetadataFetchReply *reply;
	enum err err;

	session->ahead = ahead;
	call.arena = &ahead->arena;
	ahead->since_ms = clock_mono_ms();
	ahead->first = place;
	ahead->count = count < drop->count - place ? count : drop->count - place;
	err = pop3_maildrop_fetch(drop, &call, place, ahead->count, &reply);
	if (err == ERR_OK)
		place_rows(ahead, drop, reply);
	else
		pop3_ahead_clear(session);
	return err;
}

enum err
pop3_ahead_find(struct pop3_session *session, size_t place, struct pop3_ahead_mail **ret_mail)
{
	const struct pop3_ahead *ahead = session->ahead;

	if (ahead == NULL || place < ahead->first || place >= ahead->first + ahead->count || clock_mono_ms() - ahead->since_ms > AHEAD_MS) {
		pop3_ahead_clear(session);
		TRY(fetch(session, place));
	}
	session->expected = place + 1;
	*ret_mail = &session->ahead->mails[place - session->ahead->first];
	return (*ret_mail)->row != NULL ? ERR_OK : ERR_NONEXISTENT;
}

static void
begin(struct pop3_session *session, struct pop3_ahead_mail *mail)
{
	struct bus_call call = pop3_call(session);
	ProtobufCBinaryData ref = mail->row->mail->blob;

	blob_reader_begin(&mail->in, &call, str_from(ref.data, ref.len), 0, UINT64_MAX);
	mail->is_begun = true;
}

/* Ask for the bodies from `from` on, all at once, unless enough is under way. */
static void
start(struct pop3_session *session, size_t from)
{
	struct pop3_ahead *ahead = session->ahead;
	struct blob_reader *readers[POP3_AHEAD];
	size_t begun = 0, count = 0;
	uint64_t bytes = 0;

	for (size_t i = from; i < ahead->count; i++)
		begun += ahead->mails[i].is_begun;
	for (size_t i = from; i < ahead->count && begun < AHEAD_FEW; i++) {
		struct pop3_ahead_mail *mail = &ahead->mails[i];

		bytes += session->maildrop.sizes[ahead->first + i];
		if (bytes > AHEAD_BYTES)
			break;
		if (mail->is_begun || mail->row == NULL)
			continue;
		begin(session, mail);
		readers[count++] = &mail->in;
	}
	blob_readers_start(readers, count);
}

enum err
pop3_ahead_first(struct pop3_session *session, struct pop3_ahead_mail *mail, struct str *ret_piece)
{
	if (!mail->is_begun)
		start(session, (size_t)(mail - session->ahead->mails));
	/* What failed a while ago may be over. */
	if (mail->is_begun && blob_reader_next(&mail->in, ret_piece) == ERR_OK)
		return ERR_OK;
	pop3_ahead_end(mail);
	begin(session, mail);
	return blob_reader_next(&mail->in, ret_piece);
}

void
pop3_ahead_end(struct pop3_ahead_mail *mail)
{
	if (mail->is_begun)
		blob_reader_end(&mail->in);
	mail->is_begun = false;
}

void
pop3_ahead_start(struct pop3_session *session, size_t place)
{
	start(session, place + 1 - session->ahead->first);
}
