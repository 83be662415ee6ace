/* mailboxidexists and :mailboxid.                                                                      RFC 9042 */
#include "services/sieve/ext.h"

static enum err
mailboxidexists_check(struct sieve_check *check, struct sieve_node *node)
{
	const struct sieve_value *ids = &node->arguments[0];

	for (size_t i = 0; i < ids->count; i++)
		if (ids->strings[i].pieces == NULL)
			sieve_check_will_ask(check, SIEVE_NEED_MAILBOX_ID, ids->strings[i].text, STR_NONE);
	return ERR_OK;
}

/* All are asked for, so that one round answers all. */
static enum err
mailboxidexists_test(struct sieve_run *run, const struct sieve_node *node, bool *ret_is_true)
{
	const struct sieve_answer *answer;
	bool is_asked = false;
	struct str *ids;
	size_t count;

	TRY(sieve_expand_all(run, &node->arguments[0], &ids, &count));
	*ret_is_true = true;
	for (size_t i = 0; i < count; i++) {
		enum err err = sieve_ask(run, SIEVE_NEED_MAILBOX_ID, ids[i], STR_NONE, &answer);

		if (err != ERR_OK && err != ERR_AGAIN)
			return err;
		is_asked |= err == ERR_AGAIN;
		*ret_is_true = *ret_is_true && err == ERR_OK && answer->exists;
	}
	return is_asked ? ERR_AGAIN : ERR_OK;
}

static enum err
mailboxid_apply(struct sieve_run *run, const struct sieve_node *node, const struct sieve_value *value, struct sieve_action *action)
{
	(void)node;
	return sieve_expand(run, value->strings, &action->mailbox_id);
}

static const struct sieve_command COMMANDS[] = {
	{ .name = "mailboxidexists", .flags = SIEVE_TEST, .parameters = { { SIEVE_STRINGS, "list of mailbox ids" } },
	    .check = mailboxidexists_check, .test = mailboxidexists_test },
	{ 0 },
};

static const struct sieve_tag TAGS[] = {
	{ .name = "mailboxid", .commands = "fileinto", .argument = { SIEVE_STRING, "mailbox id" }, .is_fcc_option = true,
	    .group = SIEVE_GROUP_MAILBOX, .apply = mailboxid_apply },
	{ 0 },
};

const struct sieve_extension sieve_ext_mailboxid = { .name = "mailboxid", .commands = COMMANDS, .tags = TAGS };
