/* Removing messages. */
#include "services/imap/expunge.h"

#include "proto/metadata.client.h"
#include "services/imap/reply.h"
#include "services/imap/views.h"
#include "services/imap/wire.h"

enum err
imap_check_writable(struct imap_command *cmd)
{
	if (!cmd->session->view->is_read_only)
		return ERR_OK;
	return imap_reply_no(cmd, ERR_DENIED, "READ-ONLY", "the mailbox was opened by EXAMINE");
}

enum err
imap_expunge(struct imap_command *cmd, const struct imap_set *uids)
{
	struct imap_view *view = cmd->session->view;
	struct imap_cursor_at have = imap_view_cursor(view);
	MetadataExpungeRequest request = METADATA_EXPUNGE_REQUEST__INIT;
	MetadataExpungeReply *reply;

	TRY(imap_check_writable(cmd));
	request.account = imap_mailbox_account(view);
	request.mailbox = imap_mailbox_number(view);
	request.have = wire_cursor(have, cmd->arena);
	if (uids) {
		request.has_uids = true;
		request.n_uids = uids->count;
		request.uids = wire_ranges(*uids, cmd->arena);
	}
	TRY(metadata_expunge(cmd->call, &request, &reply));
	imap_view_sync(view, have, reply->sync);
	return ERR_OK;
}
