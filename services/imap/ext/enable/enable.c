/* ENABLE.                                                                                             RFC 5161 */
#include "services/imap/reply.h"

enum { NAMES_MAX = 64 };

struct enable_args {
	struct str names[NAMES_MAX];
	size_t count;
};

static enum err
enable_parse(struct imap_cursor *cur, void **ret_args)
{
	struct enable_args *args = ARENA_NEW(cur->arena, struct enable_args);

	TRY(cur_space(cur));
	do {
		if (args->count == NAMES_MAX)
			return cur_fail(cur, "too many names");
		TRY(cur_atom(cur, &args->names[args->count++]));
	} while (cur_take(cur, ' '));
	*ret_args = args;
	return ERR_OK;
}

/* The extension that is enabled by this name, or -1. Others are passed over (RFC 5161 s. 3.1). */
static int
find(struct str name)
{
	for (int i = 0; imap_extensions[i]; i++)
		if (imap_extensions[i]->enable && str_equal_nocase(str_c(imap_extensions[i]->enable), name))
			return i;
	return -1;
}

static enum err
enable_run(struct imap_command *cmd)
{
	struct enable_args *args = cmd->args;
	struct buffer out = { 0 };

	for (size_t i = 0; i < args->count; i++) {
		int found = find(args->names[i]);

		if (found < 0 || cmd->session->enabled & 1ull << found)
			continue;
		cmd->session->enabled |= 1ull << found;
		buffer_printf(&out, " %s", imap_extensions[found]->enable);
	}
	imap_reply_untagged(cmd->session, "ENABLED%.*s", STR_ARG(buffer_str(&out)));
	buffer_clear(&out);
	return ERR_OK;
}

static const struct imap_capability CAPABILITIES[] = { { "ENABLE", IMAP_ANY, IMAP_WHEN_ALWAYS }, { 0 } };
static const struct imap_command_row COMMANDS[] = { { "ENABLE", IMAP_LOGGED_IN, 0, enable_parse, enable_run }, { 0 } };

const struct imap_extension imap_ext_enable = { .capabilities = CAPABILITIES, .commands = COMMANDS };
