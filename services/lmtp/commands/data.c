/* DATA: the mail, and a reply for each of its recipients.                      RFC 5321 s. 4.1.1.4, RFC 2033 s. 4.2 */
#include "libcommon/core/clock.h"
#include "services/lmtp/command.h"
#include "services/lmtp/deliver.h"

/* Read to the end of the mail. ERR_CLOSED, ERR_DEADLINE: it never came; nothing is delivered. */
static enum err
receive(struct lmtp_session *session, struct lmtp_body *body)
{
	struct buffer *input = net_input(session->conn);
	bool is_end = false;

	while (!is_end) {
		struct str in = buffer_str(input);

		if (in.len == 0) {
			TRY(net_read(session->conn, lmtp_config(session)->lmtp_idle));
			continue;
		}
		is_end = lmtp_body_take(body, &in);
		buffer_consume(input, buffer_len(input) - in.len);
	}
	return ERR_OK;
}

static enum err
receive_and_deliver(struct lmtp_session *session, struct lmtp_body *body)
{
	struct bus_call call = lmtp_call(session, &session->mail_arena);
	int64_t begin_ms = clock_mono_ms();
	enum err err;

	lmtp_body_begin(body, &call, session->mail.sender, (uint64_t)lmtp_config(session)->message_size, &session->mail_arena);
	err = receive(session, body);
	if (err == ERR_DEADLINE) {
		lmtp_reply(session, LMTP_REPLY_IDLE);
		net_end(session->conn, NET_END_TIMEOUT);
	}
	TRY(err);
	session->errors = 0;
	lmtp_deliver(session, body);
	return lmtp_deliver_answer(session, body->size, begin_ms);
}

static enum err
data_run(struct lmtp_session *session, void *args)
{
	struct lmtp_body *body;
	enum err err;

	(void)args;
	/* RFC 2033 s. 4.2: without a recipient DATA is refused; the transaction goes on. */
	if (session->mail.recipient_count == 0)
		return lmtp_reply(session, LMTP_REPLY_NO_RECIPIENTS);
	TRY(lmtp_reply(session, LMTP_REPLY_GO_ON));
	TRY(net_flush(session->conn));

	body = ARENA_NEW(&session->mail_arena, struct lmtp_body);
	err = receive_and_deliver(session, body);
	lmtp_body_clear(body);
	if (err == ERR_OK)
		lmtp_session_reset(session);
	return err;
}

const struct lmtp_command lmtp_command_data = { "DATA", "DATA", LMTP_MAIL, 0, NULL, data_run };
