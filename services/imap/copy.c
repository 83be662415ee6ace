/* Copying and moving messages. */
#include "services/imap/copy.h"

#include "proto/metadata.client.h"
#include "services/imap/expunge.h"
#include "services/imap/mailbox_name.h"
#include "services/imap/views.h"
#include "services/imap/wire.h"

struct copy_args {
	struct imap_set set;
	struct str mailbox;
};

enum err
imap_copy_parse(struct imap_cursor *cur, void **ret_args)
{
	struct copy_args *args = ARENA_NEW(cur->arena, struct copy_args);

	TRY(cur_space(cur));
	TRY(cur_set(cur, &args->set));
	TRY(cur_space(cur));
	TRY(cur_astring(cur, &args->mailbox));
	*ret_args = args;
	return ERR_OK;
}

static void
print_uids(const uint32_t *uids, size_t count, struct arena *arena, struct buffer *out)
{
	struct imap_set set = { ARENA_ARRAY(arena, struct imap_range, count + 1), 0 };

	for (size_t i = 0; i < count; i++)
		imap_set_add(&set, uids[i]);
	imap_set_print(set, out);
}

/* Both sets in the same order: sources ascend, and targets were given in that order. */
static struct str
copyuid(const MetadataCopyReply *reply, struct arena *arena)
{
	struct buffer out = { 0 };
	struct str code;

	buffer_printf(&out, "COPYUID %u ", reply->uidvalidity);
	print_uids(reply->from_uid, reply->n_from_uid, arena, &out);
	buffer_add_byte(&out, ' ');
	print_uids(reply->to_uid, reply->n_to_uid, arena, &out);
	code = arena_copy(arena, buffer_str(&out));
	buffer_clear(&out);
	return code;
}

enum err
imap_copy(struct imap_command *cmd, bool is_move, struct imap_copied *ret_copied)
{
	struct copy_args *args = cmd->args;
	struct imap_view *view = cmd->session->view;
	struct imap_set uids = imap_view_uids(view, args->set, cmd->is_uid, cmd->arena);
	struct imap_cursor_at have = imap_view_cursor(view);
	MetadataCopyRequest request = METADATA_COPY_REQUEST__INIT;
	MetadataCopyReply *reply;
	struct str name;

	if (is_move)
		TRY(imap_check_writable(cmd));
	TRY(imap_mailbox_try_create(cmd, imap_mailbox_name(cmd, args->mailbox, &name)));
	request.account = imap_mailbox_account(view);
	request.mailbox = imap_mailbox_number(view);
	request.n_uids = uids.count;
	request.uids = wire_ranges(uids, cmd->arena);
	request.to = wire_bytes(name);
	request.have = wire_cursor(have, cmd->arena);
	/* Without messages too: the target may be missing. */
	TRY(imap_mailbox_try_create(cmd, is_move ? metadata_move(cmd->call, &request, &reply) : metadata_copy(cmd->call, &request, &reply)));
	if (reply->n_from_uid != reply->n_to_uid)
		return ERR_INTERNAL;
	if (is_move)
		imap_view_sync(view, have, reply->sync);
	/* Into itself (no two mailboxes have one UIDVALIDITY): the copies are told before the OK. */
	if (reply->n_to_uid > 0 && reply->uidvalidity == imap_mailbox_uidvalidity(view))
		imap_view_recheck(view);
	ret_copied->code = reply->n_from_uid ? copyuid(reply, cmd->arena) : STR_NONE;
	return ERR_OK;
}
