/* LIST and LSUB.                                              RFC 3501 s. 6.3.8, 6.3.9; RFC 3348 (\HasChildren), RFC 6154 s. 2 (special use) */
#include "libcommon/mail/charset.h"
#include "proto/metadata.client.h"
#include "services/imap/pattern.h"
#include "services/imap/reply.h"
#include "services/imap/wire.h"

struct list_args {
	struct str reference, pattern;
	bool is_special_use; /* only mailboxes that have one */
};

static enum err
lsub_parse(struct imap_cursor *cur, void **ret_args)
{
	struct list_args *args = ARENA_NEW(cur->arena, struct list_args);

	*ret_args = args;
	TRY(cur_space(cur));
	TRY(cur_astring(cur, &args->reference));
	TRY(cur_space(cur));
	return cur_list_mailbox(cur, &args->pattern);
}

/* "(SPECIAL-USE)" or "()". */
static enum err
parse_options(struct imap_cursor *cur, bool *ret_is_special_use)
{
	TRY(cur_byte(cur, '('));
	*ret_is_special_use = cur_take_word(cur, "SPECIAL-USE");
	return cur_is(cur, ')') ? cur_byte(cur, ')') : cur_fail(cur, "no such option of LIST");
}

/* Special uses are always told, so to be asked for them changes nothing (RFC 6154 s. 2). */
static enum err
list_parse(struct imap_cursor *cur, void **ret_args)
{
	struct list_args *args = ARENA_NEW(cur->arena, struct list_args);
	bool is_asked;

	*ret_args = args;
	TRY(cur_space(cur));
	if (cur_is(cur, '(')) {
		TRY(parse_options(cur, &args->is_special_use));
		TRY(cur_space(cur));
	}
	TRY(cur_astring(cur, &args->reference));
	TRY(cur_space(cur));
	TRY(cur_list_mailbox(cur, &args->pattern));
	return cur_take_word(cur, " RETURN ") ? parse_options(cur, &is_asked) : ERR_OK;
}

/* The tree of the account's mailboxes, sorted by name. */
struct tree {
	MetadataMailbox **mailboxes;
	size_t count;
	bool *has_children;
};

/* The index of a name, or count. */
static size_t
tree_find(const struct tree *tree, struct str name)
{
	size_t low = 0, high = tree->count;

	while (low < high) {
		size_t mid = (low + high) / 2;
		int order = str_compare(wire_str(tree->mailboxes[mid]->name), name);

		if (order == 0)
			return mid;
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return tree->count;
}

static enum err
tree_get(struct imap_command *cmd, struct tree *ret_tree)
{
	MetadataListRequest request = METADATA_LIST_REQUEST__INIT;
	MetadataListReply *reply;

	request.account = cmd->session->account;
	TRY(metadata_list(cmd->call, &request, &reply));
	*ret_tree = (struct tree){ reply->mailbox, reply->n_mailbox, ARENA_ARRAY(cmd->arena, bool, reply->n_mailbox + 1) };
	for (size_t i = 0; i < reply->n_mailbox; i++) {
		struct str name = wire_str(reply->mailbox[i]->name);
		size_t parent, separator = str_rindex(name, IMAP_SEPARATOR);

		if (reply->mailbox[i]->mailbox == 0 || separator == name.len)
			continue;
		parent = tree_find(ret_tree, str_sub(name, 0, separator));
		ret_tree->has_children[parent] = true;
	}
	return ERR_OK;
}

enum {
	SPECIAL_USES = METADATA_ATTRIBUTE__METADATA_ARCHIVE | METADATA_ATTRIBUTE__METADATA_DRAFTS | METADATA_ATTRIBUTE__METADATA_JUNK
	    | METADATA_ATTRIBUTE__METADATA_SENT | METADATA_ATTRIBUTE__METADATA_TRASH,
};

static const struct {
	uint32_t attribute;
	const char *name;
} ATTRIBUTES[] = {
	{ METADATA_ATTRIBUTE__METADATA_NOSELECT, "\\Noselect" },
	{ METADATA_ATTRIBUTE__METADATA_ARCHIVE, "\\Archive" },
	{ METADATA_ATTRIBUTE__METADATA_DRAFTS, "\\Drafts" },
	{ METADATA_ATTRIBUTE__METADATA_JUNK, "\\Junk" },
	{ METADATA_ATTRIBUTE__METADATA_SENT, "\\Sent" },
	{ METADATA_ATTRIBUTE__METADATA_TRASH, "\\Trash" },
};

static void
print(struct imap_command *cmd, struct str name, uint32_t attributes, const char *children)
{
	struct buffer out = { 0 };

	buffer_printf(&out, "* %s (%s", cmd->row->name, children);
	for (size_t i = 0; i < sizeof(ATTRIBUTES) / sizeof(ATTRIBUTES[0]); i++)
		if (attributes & ATTRIBUTES[i].attribute)
			buffer_printf(&out, "%s%s", buffer_str(&out).ptr[buffer_len(&out) - 1] == '(' ? "" : " ", ATTRIBUTES[i].name);
	buffer_add(&out, STR(") \"/\" "));
	imap_print_mailbox(name, &out);
	buffer_add(&out, STR("\r\n"));
	net_write(cmd->session->conn, buffer_str(&out));
	buffer_clear(&out);
}

/* The reference and the pattern joined, in UTF-8; false: no mailbox can match. */
static bool
join_pattern(struct imap_command *cmd, struct str *ret_pattern)
{
	struct list_args *args = cmd->args;
	struct str joined = arena_printf(cmd->arena, "%.*s%.*s", STR_ARG(args->reference), STR_ARG(args->pattern));

	return mail_mutf7_decode(joined, cmd->arena, ret_pattern) == ERR_OK;
}

static enum err
list_run(struct imap_command *cmd)
{
	struct list_args *args = cmd->args;
	struct str pattern;
	struct tree tree;

	/* A request for the separator and the root (RFC 3501 s. 6.3.8). */
	if (args->pattern.len == 0) {
		imap_reply_untagged(cmd->session, "LIST (\\Noselect) \"/\" \"\"");
		return ERR_OK;
	}
	TRY(tree_get(cmd, &tree));
	if (!join_pattern(cmd, &pattern))
		return ERR_OK;
	for (size_t i = 0; i < tree.count; i++) {
		MetadataMailbox *m = tree.mailboxes[i];

		if (m->mailbox == 0 || (args->is_special_use && !(m->attributes & SPECIAL_USES)))
			continue;
		if (imap_pattern_matches(pattern, wire_str(m->name)))
			print(cmd, wire_str(m->name), m->attributes, tree.has_children[i] ? "\\HasChildren" : "\\HasNoChildren");
	}
	return ERR_OK;
}

/*
 * With "%" at the pattern's end: the parents of subscribed mailboxes that match though they are not subscribed themselves, as \Noselect
 * (RFC 3501 s. 6.3.9). Names are sorted, so a parent that was told last need not be looked for further.
 */
static void
lsub_parents(struct imap_command *cmd, const struct tree *tree, struct str pattern, struct str name, struct str *told)
{
	for (size_t at = 0; at < name.len; at++) {
		struct str parent = str_sub(name, 0, at);
		size_t i;

		if (name.ptr[at] != IMAP_SEPARATOR || !imap_pattern_matches(pattern, parent) || str_equal(parent, *told))
			continue;
		i = tree_find(tree, parent);
		if (i < tree->count && tree->mailboxes[i]->attributes & METADATA_ATTRIBUTE__METADATA_SUBSCRIBED)
			continue;
		print(cmd, parent, METADATA_ATTRIBUTE__METADATA_NOSELECT, "");
		*told = parent;
	}
}

static enum err
lsub_run(struct imap_command *cmd)
{
	struct list_args *args = cmd->args;
	struct str pattern, told = STR_NONE;
	struct tree tree;

	TRY(tree_get(cmd, &tree));
	if (args->pattern.len == 0 || !join_pattern(cmd, &pattern))
		return ERR_OK;
	for (size_t i = 0; i < tree.count; i++) {
		MetadataMailbox *m = tree.mailboxes[i];
		struct str name = wire_str(m->name);

		if (!(m->attributes & METADATA_ATTRIBUTE__METADATA_SUBSCRIBED))
			continue;
		if (imap_pattern_matches(pattern, name))
			print(cmd, name, m->mailbox ? m->attributes & METADATA_ATTRIBUTE__METADATA_NOSELECT : 0, "");
		else if (str_ends_with(pattern, STR("%")))
			lsub_parents(cmd, &tree, pattern, name, &told);
	}
	return ERR_OK;
}

const struct imap_command_row imap_commands_list[] = {
	{ "LIST", IMAP_LOGGED_IN, 0, list_parse, list_run },
	{ "LSUB", IMAP_LOGGED_IN, 0, lsub_parse, lsub_run },
	{ 0 },
};
