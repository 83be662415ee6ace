/* NAMESPACE: there is one, the user's own.                                                            RFC 2342 */
#include "services/imap/reply.h"

static enum err
namespace_run(struct imap_command *cmd)
{
	imap_reply_untagged(cmd->session, "NAMESPACE ((\"\" \"/\")) NIL NIL");
	return ERR_OK;
}

static const struct imap_capability CAPABILITIES[] = { { "NAMESPACE", IMAP_ANY, IMAP_WHEN_ALWAYS }, { 0 } };
static const struct imap_command_row COMMANDS[] = { { "NAMESPACE", IMAP_LOGGED_IN, 0, NULL, namespace_run }, { 0 } };

const struct imap_extension imap_ext_namespace = { .capabilities = CAPABILITIES, .commands = COMMANDS };
