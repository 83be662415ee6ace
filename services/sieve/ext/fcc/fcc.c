/* :fcc, a copy of what is sent.                                                                        RFC 8580 */
#include "services/sieve/ext.h"

static enum err
fcc_check(struct sieve_check *check, struct sieve_node *node, const struct sieve_value *value)
{
	(void)node;
	return sieve_check_mailbox(check, value);
}

/* The copy goes where what is sent goes: it has the same mark, and the tags of the node that are for filing. */
static enum err
fcc_done(struct sieve_run *run, const struct sieve_node *node, const struct sieve_action *action)
{
	const struct sieve_value *mailbox = node != NULL ? sieve_tag(node, "fcc") : NULL;
	struct sieve_action copy;

	if (action->kind != SIEVE_SEND || mailbox == NULL)
		return ERR_OK;
	copy = sieve_action_new(run, node, SIEVE_FILEINTO);
	copy.header = STR_NONE;
	copy.message = action->message;
	copy.mark = action->mark;
	TRY(sieve_mailbox(run, node, mailbox->strings, &copy.mailbox));
	return sieve_do(run, node, &copy);
}

static const struct sieve_tag TAGS[] = {
	{ .name = "fcc", .argument = { SIEVE_STRING, "mailbox" }, .is_fcc_option = true, .check = fcc_check },
	{ 0 },
};

const struct sieve_extension sieve_ext_fcc = { .name = "fcc", .tags = TAGS, .done = fcc_done };
