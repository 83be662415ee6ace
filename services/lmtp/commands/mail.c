/* MAIL: a transaction begins.                     RFC 5321 s. 4.1.1.2, RFC 1870 s. 6, RFC 6152, RFC 3030 s. 3, RFC 6531 s. 3.4 */
#include "libcommon/mail/downgrade.h"
#include "services/lmtp/command.h"

struct mail_args {
	struct lmtp_path_args line;
	uint64_t size;
	bool is_binary, is_utf8;
};

/* RFC 1870 s. 3: up to 20 digits. */
static bool
parse_size(struct str value, struct mail_args *args)
{
	return str_to_u64(value, &args->size);
}

/* RFC 6152 s. 2, RFC 3030 s. 3: all three are taken as they are; the last one does not come by DATA. */
static bool
parse_body(struct str value, struct mail_args *args)
{
	args->is_binary = str_equal_nocase(value, STR("BINARYMIME"));
	return args->is_binary || str_equal_nocase(value, STR("7BIT")) || str_equal_nocase(value, STR("8BITMIME"));
}

/* RFC 6531 s. 3.4: without a value. */
static bool
parse_utf8(struct str value, struct mail_args *args)
{
	args->is_utf8 = true;
	return value.len == 0;
}

static const struct {
	const char *name;
	bool (*parse)(struct str value, struct mail_args *args);
} params[] = {
	{ "SIZE", parse_size },
	{ "BODY", parse_body },
	{ "SMTPUTF8", parse_utf8 },
};
enum { PARAM_COUNT = sizeof(params) / sizeof(params[0]) };

static enum lmtp_reply
parse_param(const struct lmtp_param *param, struct mail_args *args)
{
	for (size_t i = 0; i < PARAM_COUNT; i++)
		if (str_equal_nocase(param->name, str_c(params[i].name)))
			return params[i].parse(param->value, args) ? LMTP_REPLY_NONE : LMTP_REPLY_BAD_ARGUMENTS;
	return LMTP_REPLY_BAD_PARAMETER;
}

static enum lmtp_reply
mail_parse(struct str text, struct arena *arena, void **ret_args)
{
	struct mail_args *args = ARENA_NEW(arena, struct mail_args);
	enum err err = lmtp_parse_path(text, STR("FROM:"), arena, &args->line);
	enum lmtp_reply refusal = LMTP_REPLY_NONE;

	if (err != ERR_OK)
		return err == ERR_INVALID ? LMTP_REPLY_BAD_SENDER : LMTP_REPLY_BAD_ARGUMENTS;
	for (size_t i = 0; i < args->line.param_count && refusal == LMTP_REPLY_NONE; i++)
		refusal = parse_param(&args->line.params[i], args);
	if (refusal == LMTP_REPLY_NONE && !args->is_utf8 && !mail_is_ascii(args->line.path.address))
		refusal = LMTP_REPLY_SENDER_NOT_ASCII;
	*ret_args = args;
	return refusal;
}

static enum err
mail_run(struct lmtp_session *session, void *value)
{
	const struct mail_args *args = value;
	const struct lmtp_origin origin = { .context = session->server->context, .log = net_log(session->conn),
		.client = &session->client, .forwarded = session->is_forwarded ? &session->forwarded : NULL,
		.has_tls = net_has_tls(session->conn), .has_utf8 = args->is_utf8 };

	if (args->size > (uint64_t)lmtp_config(session)->message_size)
		return lmtp_reply(session, LMTP_REPLY_TOO_BIG);
	lmtp_transaction_begin(&session->mail, &origin, args->line.path.address, args->size);
	session->mail.is_binary = args->is_binary;
	lmtp_session_move(session, LMTP_MAIL);
	return lmtp_reply(session, LMTP_REPLY_SENDER_OK);
}

/* A second MAIL inside a transaction is refused: RFC 5321 s. 4.1.4. */
const struct lmtp_command lmtp_command_mail = { "MAIL", "MAIL FROM:<address> [SIZE=bytes] [BODY=7BIT|8BITMIME|BINARYMIME] [SMTPUTF8]",
	NULL, LMTP_READY, 0, mail_parse, mail_run };
