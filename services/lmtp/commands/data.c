/* DATA: the mail, and a reply for each of its recipients.                      RFC 5321 s. 4.1.1.4, RFC 2033 s. 4.2 */
#include "services/lmtp/command.h"
#include "services/lmtp/receive.h"

static enum err
data_run(struct lmtp_session *session, void *args)
{
	(void)args;
	/* RFC 2033 s. 4.2: without a recipient DATA is refused; the transaction goes on. */
	if (session->mail.recipient_count == 0)
		return lmtp_reply(session, LMTP_REPLY_NO_RECIPIENTS);
	/* RFC 3030 s. 3: dots and line ends mean nothing in it. */
	if (session->mail.is_binary)
		return lmtp_reply(session, LMTP_REPLY_NEEDS_BDAT);
	TRY(lmtp_reply(session, LMTP_REPLY_GO_ON));
	TRY(net_flush(session->conn));
	lmtp_receive_data(session);
	return ERR_OK;
}

const struct lmtp_command lmtp_command_data = { "DATA", "DATA", NULL, LMTP_MAIL, 0, NULL, data_run };
