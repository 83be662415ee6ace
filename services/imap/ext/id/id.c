/* ID.                                                                                                 RFC 2971 */
#include "services/imap/reply.h"
#include "version.h"

enum { PAIRS_MAX = 30 }; /* RFC 2971 s. 3.3 */

struct id_args {
	struct str keys[PAIRS_MAX], values[PAIRS_MAX];
	size_t count;
};

static enum err
id_parse(struct imap_cursor *cur, void **ret_args)
{
	struct id_args *args = ARENA_NEW(cur->arena, struct id_args);

	*ret_args = args;
	TRY(cur_space(cur));
	if (cur_take_word(cur, "NIL"))
		return ERR_OK;
	TRY(cur_byte(cur, '('));
	if (cur_take(cur, ')'))
		return ERR_OK;
	do {
		if (args->count == PAIRS_MAX)
			return cur_fail(cur, "too many fields");
		TRY(cur_string(cur, &args->keys[args->count]));
		TRY(cur_space(cur));
		TRY(cur_nstring(cur, &args->values[args->count++]));
	} while (cur_take(cur, ' '));
	return cur_byte(cur, ')');
}

static enum err
id_run(struct imap_command *cmd)
{
	struct id_args *args = cmd->args;

	for (size_t i = 0; i < args->count; i++)
		log_info(&cmd->log, "imap.id", KV_STR("key", str_sub(args->keys[i], 0, 30)), KV_STR("value", str_sub(args->values[i], 0, 100)));
	imap_reply_untagged(cmd->session, "ID (\"name\" \"Sora\" \"version\" \"%s\")", SORA_VERSION);
	return ERR_OK;
}

static const struct imap_capability CAPABILITIES[] = { { "ID", IMAP_ANY, IMAP_WHEN_ALWAYS }, { 0 } };
static const struct imap_command_row COMMANDS[] = { { "ID", IMAP_ANY, 0, id_parse, id_run }, { 0 } };

const struct imap_extension imap_ext_id = { .capabilities = CAPABILITIES, .commands = COMMANDS };
