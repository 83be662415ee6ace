/* RCPT: one more recipient.                                                    RFC 5321 s. 4.1.1.3 */
#include "libcommon/mail/downgrade.h"
#include "services/lmtp/answer.h"
#include "services/lmtp/command.h"
#include "services/lmtp/recipients.h"

static enum lmtp_reply
rcpt_parse(struct str text, struct arena *arena, void **ret_args)
{
	struct lmtp_path_args *args = ARENA_NEW(arena, struct lmtp_path_args);
	enum err err = lmtp_parse_path(text, STR("TO:"), arena, args);

	*ret_args = args;
	if (err != ERR_OK)
		return err == ERR_INVALID ? LMTP_REPLY_BAD_RECIPIENT : LMTP_REPLY_BAD_ARGUMENTS;
	if (args->path.address.len == 0)
		return LMTP_REPLY_BAD_RECIPIENT;
	return args->param_count > 0 ? LMTP_REPLY_BAD_PARAMETER : LMTP_REPLY_NONE;
}

static enum err
rcpt_run(struct lmtp_session *session, void *value)
{
	const struct lmtp_path_args *args = value;
	size_t limit = (size_t)lmtp_config(session)->lmtp_recipients;

	if (!session->mail.origin.has_utf8 && !mail_is_ascii(args->path.address)) {
		TRY(lmtp_answer_recipients(session));
		return lmtp_reply(session, LMTP_REPLY_RECIPIENT_NOT_ASCII);
	}
	/* Some of those that wait for an answer may be refused, and make room. */
	if (session->mail.recipient_count >= limit)
		TRY(lmtp_answer_recipients(session));
	if (session->mail.recipient_count >= limit)
		return lmtp_reply(session, LMTP_REPLY_TOO_MANY_RECIPIENTS);
	if (lmtp_recipients_waiting(&session->mail) == LMTP_RESOLVE_MAX)
		TRY(lmtp_answer_recipients(session));
	lmtp_transaction_add(&session->mail, args->path.address);
	return ERR_OK;
}

const struct lmtp_command lmtp_command_rcpt = { "RCPT", "RCPT TO:<address>", NULL, LMTP_MAIL, LMTP_CMD_BATCHED, rcpt_parse, rcpt_run };
