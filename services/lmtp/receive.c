/* The mail after DATA or BDAT: received piece by piece; a client that pauses holds no thread. */
#include "services/lmtp/receive.h"

#include "services/lmtp/answer.h"
#include "services/lmtp/body.h"
#include "services/lmtp/command.h"
#include "services/lmtp/deliver.h"

/* More of a mail that is under way is there sooner: to park in between would only cost time. */
enum { PAUSE_MS = 100 };

static void
begin(struct lmtp_session *session)
{
	lmtp_transaction_body(&session->mail);
	net_hold(session->conn, true);
}

void
lmtp_receive_data(struct lmtp_session *session)
{
	begin(session);
	session->receiving = LMTP_RECEIVE_DATA;
}

void
lmtp_receive_chunk(struct lmtp_session *session, const struct lmtp_chunk *chunk, enum lmtp_reply refusal)
{
	if (refusal == LMTP_REPLY_NONE && session->state == LMTP_MAIL) {
		begin(session);
		lmtp_session_move(session, LMTP_CHUNKS);
	}
	session->chunk = *chunk;
	session->receiving = refusal == LMTP_REPLY_NONE ? LMTP_RECEIVE_CHUNK : LMTP_RECEIVE_REFUSED;
	session->refusal = refusal;
}

static bool
is_over(const struct lmtp_session *session)
{
	return session->receiving == LMTP_RECEIVE_DATA ? lmtp_data_is_end(&session->mail.body->data) : session->chunk.left == 0;
}

static void
take_some(struct lmtp_session *session, struct str *in)
{
	struct str piece;

	if (session->receiving == LMTP_RECEIVE_DATA) {
		lmtp_body_take(session->mail.body, in);
		return;
	}
	piece = lmtp_chunk_take(&session->chunk, in);
	if (session->receiving == LMTP_RECEIVE_CHUNK)
		lmtp_body_add(session->mail.body, piece);
}

/* ERR_OK: the end is there. */
static enum err
take(struct lmtp_session *session)
{
	struct buffer *input = net_input(session->conn);

	while (!is_over(session)) {
		struct str in = buffer_str(input);

		if (in.len == 0) {
			enum err err = net_read(session->conn, PAUSE_MS);

			if (err != ERR_OK)
				return err == ERR_DEADLINE ? ERR_AGAIN : err;
			continue;
		}
		take_some(session, &in);
		buffer_consume(input, buffer_len(input) - in.len);
	}
	return ERR_OK;
}

/* A transaction without recipients ends with its last chunk, and without a reply: RFC 2033 s. 4.3. */
static enum err
refuse(struct lmtp_session *session)
{
	if (session->refusal == LMTP_REPLY_NO_RECIPIENTS && session->chunk.is_last) {
		lmtp_session_reset(session);
		return ERR_OK;
	}
	return lmtp_command_refuse(session, session->refusal);
}

static enum err
finish(struct lmtp_session *session)
{
	enum err err;

	session->errors = 0;
	lmtp_deliver(&session->mail);
	err = lmtp_answer_delivery(session);
	lmtp_session_reset(session);
	return err;
}

enum err
lmtp_receive(struct lmtp_session *session)
{
	enum lmtp_receiving received = session->receiving;

	TRY(take(session));
	session->receiving = LMTP_RECEIVE_NONE;
	if (received == LMTP_RECEIVE_REFUSED)
		return refuse(session);
	if (received == LMTP_RECEIVE_CHUNK && !session->chunk.is_last)
		return lmtp_answer_chunk(session);
	return finish(session);
}
