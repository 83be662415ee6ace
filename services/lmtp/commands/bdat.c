/* BDAT: a piece of the mail; after the last one a reply for each recipient.    RFC 3030 s. 2, RFC 2033 s. 4.3 */
#include "services/lmtp/command.h"
#include "services/lmtp/receive.h"

struct bdat_args {
	struct lmtp_chunk chunk;
	enum err err;
};

/* The bytes follow, whatever we think of the command: run reads them first and refuses then. */
static enum lmtp_reply
bdat_parse(struct str text, struct arena *arena, void **ret_args)
{
	struct bdat_args *args = ARENA_NEW(arena, struct bdat_args);

	args->err = lmtp_chunk_parse(text, &args->chunk);
	*ret_args = args;
	return LMTP_REPLY_NONE;
}

static enum lmtp_reply
refusal_of(const struct lmtp_session *session, const struct bdat_args *args)
{
	if (args->err != ERR_OK)
		return LMTP_REPLY_BAD_ARGUMENTS;
	if (!(session->state & (LMTP_MAIL | LMTP_CHUNKS)))
		return LMTP_REPLY_BAD_SEQUENCE;
	return session->mail.recipient_count > 0 ? LMTP_REPLY_NONE : LMTP_REPLY_NO_RECIPIENTS;
}

static enum err
bdat_run(struct lmtp_session *session, void *value)
{
	const struct bdat_args *args = value;

	if (args->err == ERR_SYNTAX) {
		lmtp_reply(session, LMTP_REPLY_BAD_ARGUMENTS);
		net_end(session->conn, NET_END_ERROR);
		return ERR_SYNTAX;
	}
	lmtp_receive_chunk(session, &args->chunk, refusal_of(session, args));
	return ERR_OK;
}

static const struct lmtp_extension chunking = { "CHUNKING", NULL, NULL };

const struct lmtp_command lmtp_command_bdat = { "BDAT", "BDAT bytes [LAST]", &chunking, LMTP_ANY, 0, bdat_parse, bdat_run };
