/* UID EXPUNGE. (APPENDUID and COPYUID are in APPEND and COPY.)                                        RFC 4315 */
#include "services/imap/expunge.h"
#include "services/imap/reply.h"

static enum err
expunge_parse(struct imap_cursor *cur, void **ret_args)
{
	struct imap_set *set = ARENA_NEW(cur->arena, struct imap_set);

	TRY(cur_space(cur));
	TRY(cur_set(cur, set));
	*ret_args = set;
	return ERR_OK;
}

static enum err
expunge_run(struct imap_command *cmd)
{
	struct imap_set uids = imap_view_uids(cmd->session->view, *(struct imap_set *)cmd->args, true, cmd->arena);

	TRY(imap_check_writable(cmd));
	return uids.count ? imap_expunge(cmd, &uids) : ERR_OK;
}

static const struct imap_capability CAPABILITIES[] = { { "UIDPLUS", IMAP_ANY, IMAP_WHEN_ALWAYS }, { 0 } };
static const struct imap_command_row COMMANDS[] = { { "UID EXPUNGE", IMAP_SELECTED, 0, expunge_parse, expunge_run }, { 0 } };

const struct imap_extension imap_ext_uidplus = { .capabilities = CAPABILITIES, .commands = COMMANDS };
