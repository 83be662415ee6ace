/* SEARCH and UID SEARCH.                                                                          RFC 3501 s. 6.4.4 */
#include "services/imap/search.h"

#include "libcommon/mail/charset.h"
#include "services/imap/reply.h"

struct search_args {
	struct imap_search_key *program;
	bool is_bad_charset;
};

static enum err
search_parse(struct imap_cursor *cur, void **ret_args)
{
	struct search_args *args = ARENA_NEW(cur->arena, struct search_args);
	struct imap_search_parse parse = { .cur = cur };

	TRY(cur_space(cur));
	if (cur_take_word(cur, "CHARSET ")) {
		TRY(cur_astring(cur, &parse.charset));
		parse.is_bad_charset = !mail_charset_is_known(parse.charset);
		TRY(cur_space(cur));
	}
	TRY(imap_search_parse_keys(&parse, &args->program));
	args->is_bad_charset = parse.is_bad_charset;
	*ret_args = args;
	return ERR_OK;
}

static enum err
search_run(struct imap_command *cmd)
{
	struct search_args *args = cmd->args;
	struct imap_view *view = cmd->session->view;
	struct buffer out = { 0 };
	uint32_t *seqs;
	size_t count;

	if (args->is_bad_charset)
		return imap_reply_no(cmd, ERR_NOT_SUPPORTED, "BADCHARSET (US-ASCII UTF-8)", "unknown charset");
	TRY(imap_search_run(cmd, args->program, &seqs, &count));
	buffer_add(&out, STR("* SEARCH"));
	for (size_t i = 0; i < count; i++)
		buffer_printf(&out, " %u", cmd->is_uid ? imap_image_row(view->told, seqs[i], NULL)->uid : seqs[i]);
	buffer_add(&out, STR("\r\n"));
	net_write(cmd->session->conn, buffer_str(&out));
	buffer_clear(&out);
	return ERR_OK;
}

const struct imap_command_row imap_commands_search[] = {
	{ "SEARCH", IMAP_SELECTED, IMAP_CMD_USES_SEQS | IMAP_CMD_UID_VARIANT, search_parse, search_run },
	{ 0 },
};
