/* What a session is told of its recipients: a reply each, in their order. */
#include "services/lmtp/answer.h"

#include "libcommon/core/metrics.h"
#include "services/lmtp/body.h"
#include "services/lmtp/deliver.h"
#include "services/lmtp/recipients.h"
#include "services/lmtp/reply.h"

static enum err
answer_recipient(struct lmtp_session *session, const struct lmtp_recipient *recipient)
{
	struct lmtp_outcome outcome = lmtp_outcome(recipient->err, lmtp_config(session)->lmtp_overquota_temporary);

	if (recipient->err == ERR_OK)
		return lmtp_reply(session, LMTP_REPLY_RECIPIENT_OK);
	if (lmtp_is_refused(outcome))
		metric_add(METRIC_LMTP_REFUSED, 1);
	log_info(net_log(session->conn), "lmtp.rcpt", KV_STR("from", session->mail.sender),
	    KV_STR("to", recipient->address), KV_C("reply", outcome.code), KV_ERR(recipient->err));
	return net_printf(session->conn, "%s %s\r\n", outcome.code, outcome.text);
}

enum err
lmtp_answer_recipients(struct lmtp_session *session)
{
	struct lmtp_transaction *mail = &session->mail;
	enum err err = ERR_OK;

	if (lmtp_recipients_waiting(mail) == 0)
		return ERR_OK;
	lmtp_recipients_ask(mail);
	for (size_t i = mail->resolved_count; i < mail->recipient_count && err == ERR_OK; i++)
		err = answer_recipient(session, &mail->recipients[i]);
	lmtp_recipients_settle(mail);
	return err;
}

/* RFC 3030 s. 2: a failure is told at the end of the chunk, and of each that is still in the pipeline. */
enum err
lmtp_answer_chunk(struct lmtp_session *session)
{
	struct lmtp_outcome outcome = lmtp_outcome(session->mail.body->err, lmtp_config(session)->lmtp_overquota_temporary);

	return net_printf(session->conn, "%s %s\r\n", outcome.code, lmtp_is_delivered(outcome) ? "go on" : outcome.text);
}

/* RFC 5321 s. 4.2.1: a line each, a hyphen behind the code of all but the last. RFC 2033 s. 4.2: it is one reply. */
static enum err
answer_refusal(struct lmtp_session *session, const char *code, struct str refusal)
{
	struct str line;

	while (str_split(&refusal, '\n', &line))
		TRY(net_printf(session->conn, "%.3s%s%s %.*s\r\n", code, refusal.ptr != NULL ? "-" : " ", code + strlen("550 "),
		    STR_ARG(line)));
	return ERR_OK;
}

static enum err
answer_delivery(struct lmtp_session *session, const struct lmtp_recipient *recipient)
{
	struct lmtp_outcome outcome = lmtp_deliver_outcome(&session->mail, recipient);

	if (recipient->err == ERR_REFUSED && recipient->refusal.len > 0)
		return answer_refusal(session, outcome.code, recipient->refusal);
	if (lmtp_is_delivered(outcome))
		return net_printf(session->conn, "%s delivered, id %016llx\r\n", outcome.code,
		    (unsigned long long)net_log(session->conn)->trace);
	return net_printf(session->conn, "%s %s\r\n", outcome.code, outcome.text);
}

enum err
lmtp_answer_delivery(struct lmtp_session *session)
{
	for (size_t i = 0; i < session->mail.recipient_count; i++)
		TRY(answer_delivery(session, &session->mail.recipients[i]));
	return ERR_OK;
}
