/* LHLO: who calls, and what is offered.                                        RFC 2033 s. 4.1, RFC 5321 s. 4.1.1.1 */
#include "services/lmtp/command.h"

static enum lmtp_reply
lhlo_parse(struct str args, struct arena *arena, void **ret_args)
{
	struct str *name = ARENA_NEW(arena, struct str);

	*name = args;
	*ret_args = name;
	return args.len > 0 && args.len <= LMTP_CLIENT_MAX ? LMTP_REPLY_NONE : LMTP_REPLY_BAD_ARGUMENTS;
}

/* Extensions that are no commands: of RFC 2920, 6152, 2034, 3030, 6531; SIZE (RFC 1870) comes last. */
static const char *const keywords[] = { "PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES", "BINARYMIME", "SMTPUTF8" };

static enum err
offer(struct lmtp_session *session, const struct lmtp_extension *extension)
{
	struct arena arena = { 0 };
	struct str names = extension->attributes ? lmtp_attribute_names(extension->attributes, &arena) : STR_NONE;
	enum err err = net_printf(session->conn, "250-%s%s%.*s\r\n", extension->keyword, names.len > 0 ? " " : "", STR_ARG(names));

	arena_clear(&arena);
	return err;
}

static enum err
offer_commands(struct lmtp_session *session)
{
	size_t count;
	const struct lmtp_command *const *commands = lmtp_commands(&count);

	for (size_t i = 0; i < count; i++)
		if (commands[i]->extension != NULL && lmtp_command_is_offered(commands[i], session))
			TRY(offer(session, commands[i]->extension));
	return ERR_OK;
}

static enum err
lhlo_run(struct lmtp_session *session, void *args)
{
	const struct str *name = args;

	lmtp_session_reset(session);
	if (!session->has_xclient_helo) {
		memcpy(session->client.helo, name->ptr, name->len);
		session->client.helo[name->len] = '\0';
	}
	lmtp_session_move(session, LMTP_READY);
	TRY(net_printf(session->conn, "250-%.*s\r\n", STR_ARG(session->server->context->hostname)));
	for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++)
		TRY(net_printf(session->conn, "250-%s\r\n", keywords[i]));
	TRY(offer_commands(session));
	return net_printf(session->conn, "250 SIZE %lld\r\n", (long long)lmtp_config(session)->message_size);
}

const struct lmtp_command lmtp_command_lhlo = { "LHLO", "LHLO name", NULL, LMTP_ANY, 0, lhlo_parse, lhlo_run };
