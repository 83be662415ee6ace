/* The mail after DATA: received piece by piece; a client that pauses holds no thread. */
#include "services/lmtp/receive.h"

#include "services/lmtp/answer.h"
#include "services/lmtp/body.h"
#include "services/lmtp/deliver.h"

/* More of a mail that is under way is there sooner: to park in between would only cost time. */
enum { PAUSE_MS = 100 };

void
lmtp_receive_begin(struct lmtp_session *session)
{
	lmtp_transaction_body(&session->mail);
	net_hold(session->conn, true);
}

void
lmtp_receive_stop(struct lmtp_session *session)
{
	if (session->mail.body == NULL)
		return;
	lmtp_session_reset(session);
	net_hold(session->conn, false);
}

/* ERR_OK: the end is there. */
static enum err
take(struct lmtp_session *session)
{
	struct buffer *input = net_input(session->conn);
	bool is_end = false;

	while (!is_end) {
		struct str in = buffer_str(input);

		if (in.len == 0) {
			enum err err = net_read(session->conn, PAUSE_MS);

			if (err != ERR_OK)
				return err == ERR_DEADLINE ? ERR_AGAIN : err;
			continue;
		}
		is_end = lmtp_body_take(session->mail.body, &in);
		buffer_consume(input, buffer_len(input) - in.len);
	}
	return ERR_OK;
}

enum err
lmtp_receive(struct lmtp_session *session)
{
	enum err err;

	TRY(take(session));
	session->errors = 0;
	lmtp_deliver(&session->mail);
	err = lmtp_answer_delivery(session);
	lmtp_receive_stop(session);
	return err;
}
