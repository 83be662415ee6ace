/* STORE and UID STORE.                                                                            RFC 3501 s. 6.4.6 */
#include "proto/metadata.client.h"
#include "services/imap/expunge.h"
#include "services/imap/flags.h"
#include "services/imap/reply.h"
#include "services/imap/views.h"
#include "services/imap/wire.h"

struct store_args {
	struct imap_set set;
	MetadataStoreRequest__Mode mode;
	bool is_silent;
	struct imap_flags flags;
};

static enum err
store_parse(struct imap_cursor *cur, void **ret_args)
{
	struct store_args *args = ARENA_NEW(cur->arena, struct store_args);

	TRY(cur_space(cur));
	TRY(cur_set(cur, &args->set));
	TRY(cur_space(cur));
	args->mode = METADATA_STORE_REQUEST__MODE__REPLACE;
	if (cur_take(cur, '+'))
		args->mode = METADATA_STORE_REQUEST__MODE__ADD;
	else if (cur_take(cur, '-'))
		args->mode = METADATA_STORE_REQUEST__MODE__REMOVE;
	if (!cur_take_word(cur, "FLAGS"))
		return cur_fail(cur, "expected FLAGS, +FLAGS or -FLAGS");
	args->is_silent = cur_take_word(cur, ".SILENT");
	TRY(cur_space(cur));
	if (cur_is(cur, '('))
		TRY(imap_flags_parse_list(cur, &args->flags));
	else
		TRY(imap_flags_parse_bare(cur, &args->flags));
	*ret_args = args;
	return ERR_OK;
}

/* A keyword that the mailbox has in another spelling is that one. */
static void
use_known_spelling(const struct imap_view *view, struct imap_flags *flags)
{
	for (size_t i = 0; i < flags->keyword_count; i++) {
		int number = imap_image_keyword(view->told, flags->keywords[i]);

		if (number >= 0)
			flags->keywords[i] = view->told->keywords->names[number];
	}
}

static enum err
call_store(struct imap_command *cmd, struct imap_set uids)
{
	struct store_args *args = cmd->args;
	struct imap_view *view = cmd->session->view;
	struct imap_cursor_at have = imap_view_cursor(view);
	MetadataStoreRequest request = METADATA_STORE_REQUEST__INIT;
	MetadataStoreReply *reply;

	request.account = imap_mailbox_account(view);
	request.mailbox = imap_mailbox_number(view);
	request.n_uids = uids.count;
	request.uids = wire_ranges(uids, cmd->arena);
	request.mode = args->mode;
	request.flags = args->flags.system;
	request.n_keyword = args->flags.keyword_count;
	request.keyword = wire_list(args->flags.keywords, args->flags.keyword_count, cmd->arena);
	request.have = wire_cursor(have, cmd->arena);
	TRY(metadata_store(cmd->call, &request, &reply));
	imap_view_sync(view, have, reply->sync);
	return ERR_OK;
}

/* The flags a client expects that sent .SILENT: those it was told, changed as it asked. */
static uint8_t
expected(const struct store_args *args, uint8_t flags)
{
	switch (args->mode) {
	case METADATA_STORE_REQUEST__MODE__ADD:
		return flags | (uint8_t)args->flags.system;
	case METADATA_STORE_REQUEST__MODE__REMOVE:
		return flags & (uint8_t)~args->flags.system;
	default:
		return (uint8_t)args->flags.system;
	}
}

/* The same of keywords, by number: has the row those that are left when the command did what it was asked to the told ones? */
static bool
has_expected_keywords(const struct store_args *args, const struct imap_row *told, const struct imap_chunk *told_chunk,
    const struct imap_image *now, const struct imap_row *row, const struct imap_chunk *now_chunk)
{
	bool wanted[IMAP_KEYWORDS_MAX + 1] = { false }, has[IMAP_KEYWORDS_MAX + 1] = { false };

	for (size_t i = 0; args->mode != METADATA_STORE_REQUEST__MODE__REPLACE && i < told->keyword_count; i++)
		wanted[told_chunk->keywords[told->keyword_at + i] & IMAP_KEYWORDS_MAX] = true;
	for (size_t i = 0; i < args->flags.keyword_count; i++) {
		int number = imap_image_keyword(now, args->flags.keywords[i]);

		if (number >= 0)
			wanted[number & IMAP_KEYWORDS_MAX] = args->mode != METADATA_STORE_REQUEST__MODE__REMOVE;
	}
	for (size_t i = 0; i < row->keyword_count; i++)
		has[now_chunk->keywords[row->keyword_at + i] & IMAP_KEYWORDS_MAX] = true;
	return memcmp(wanted, has, sizeof(has)) == 0;
}

/* Is the message as a client that sent .SILENT expects it? */
static bool
is_expected(const struct store_args *args, const struct imap_view *view, uint32_t seq, const struct imap_image *now, uint32_t now_seq)
{
	const struct imap_chunk *told_chunk, *now_chunk;
	const struct imap_row *told = imap_image_row(view->told, seq, &told_chunk);
	const struct imap_row *row = imap_image_row(now, now_seq, &now_chunk);

	return row->flags == expected(args, told->flags) && has_expected_keywords(args, told, told_chunk, now, row, now_chunk);
}

/*
 * What the command's own answer covers counts as told. Without .SILENT that is every message of the set; with it those whose flags are as
 * the client expects, while what another session changed at the same time is told as ever.
 */
static void
adopt(struct imap_command *cmd, struct imap_image *now, struct imap_set seqs)
{
	struct store_args *args = cmd->args;
	struct imap_view *view = cmd->session->view;
	struct imap_set uids = { ARENA_ARRAY(cmd->arena, struct imap_range, imap_set_size(seqs) + 1), 0 };

	for (size_t i = 0; i < seqs.count; i++) {
		for (uint32_t seq = seqs.ranges[i].first; seq <= seqs.ranges[i].last; seq++) {
			uint32_t uid = imap_image_row(view->told, seq, NULL)->uid, now_seq = imap_image_find(now, uid);

			if (now_seq > 0 && (!args->is_silent || is_expected(args, view, seq, now, now_seq)))
				imap_set_add(&uids, uid);
		}
	}
	imap_view_adopt(view, now, uids);
}

/* A FETCH for each message of the set, changed or not (RFC 3501 s. 6.4.6). */
static void
answer(struct imap_command *cmd, struct imap_image *now, struct imap_set seqs)
{
	struct imap_view *view = cmd->session->view;
	struct buffer out = { 0 };

	imap_view_tell_keywords(view, now, &out);
	for (size_t i = 0; i < seqs.count; i++) {
		for (uint32_t seq = seqs.ranges[i].first; seq <= seqs.ranges[i].last; seq++) {
			const struct imap_chunk *chunk;
			const struct imap_row *row = imap_image_row(view->told, seq, &chunk);

			if (!imap_image_find(now, row->uid))
				continue;
			buffer_printf(&out, "* %u FETCH (", seq);
			if (cmd->is_uid)
				buffer_printf(&out, "UID %u ", row->uid);
			buffer_add(&out, STR("FLAGS ("));
			imap_view_print_flags(view, view->told, row, chunk, &out);
			buffer_add(&out, STR("))\r\n"));
		}
	}
	net_write(cmd->session->conn, buffer_str(&out));
	buffer_clear(&out);
}

static enum err
store_run(struct imap_command *cmd)
{
	struct store_args *args = cmd->args;
	struct imap_view *view = cmd->session->view;
	struct imap_set seqs = imap_view_seqs(view, args->set, cmd->is_uid, cmd->arena);
	struct imap_image *now;

	TRY(imap_check_writable(cmd));
	if (seqs.count == 0)
		return ERR_OK;
	use_known_spelling(view, &args->flags);
	TRY(call_store(cmd, imap_view_uids(view, args->set, cmd->is_uid, cmd->arena)));
	TRY(imap_view_latest(view, cmd->call, &now));
	adopt(cmd, now, seqs);
	if (!args->is_silent)
		answer(cmd, now, seqs);
	imap_image_unref(now);
	return ERR_OK;
}

const struct imap_command_row imap_commands_store[] = {
	{ "STORE", IMAP_SELECTED, IMAP_CMD_USES_SEQS | IMAP_CMD_UID_VARIANT | IMAP_CMD_KEEPS_AHEAD, store_parse, store_run },
	{ 0 },
};
