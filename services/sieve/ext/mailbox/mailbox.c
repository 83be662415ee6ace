/* mailboxexists and :create.                                                                           RFC 5490 s. 3 */
#include "services/sieve/ext.h"

#include "libcommon/mail/charset.h"

/* All are asked for together, so that one round answers all. */
static enum err
ask_all(struct sieve_run *run, const struct str *names, size_t count)
{
	const struct sieve_answer *answer;
	enum err result = ERR_OK;

	for (size_t i = 0; i < count; i++) {
		enum err err = sieve_ask(run, SIEVE_NEED_MAILBOX, names[i], STR_NONE, &answer);

		if (err != ERR_OK && err != ERR_AGAIN)
			return err;
		result = err == ERR_AGAIN ? err : result;
	}
	return result;
}

static enum err
mailboxexists_check(struct sieve_check *check, struct sieve_node *node)
{
	const struct sieve_value *names = &node->arguments[0];
	struct str name;

	for (size_t i = 0; i < names->count; i++)
		if (names->strings[i].pieces == NULL && mail_mailbox_name(names->strings[i].text, sieve_check_arena(check), &name) == ERR_OK)
			sieve_check_will_ask(check, SIEVE_NEED_MAILBOX, name, STR_NONE);
	return ERR_OK;
}

static enum err
mailboxexists_test(struct sieve_run *run, const struct sieve_node *node, bool *ret_is_true)
{
	const struct sieve_answer *answer;
	struct str *names;
	size_t count;

	*ret_is_true = false;
	TRY(sieve_expand_all(run, &node->arguments[0], &names, &count));
	for (size_t i = 0; i < count; i++)
		/* What can be no mailbox's name is none's. */
		if (mail_mailbox_name(names[i], sieve_arena(run), &names[i]) != ERR_OK)
			return ERR_OK;
	TRY(ask_all(run, names, count));
	*ret_is_true = true;
	for (size_t i = 0; i < count && *ret_is_true; i++) {
		TRY(sieve_ask(run, SIEVE_NEED_MAILBOX, names[i], STR_NONE, &answer));
		*ret_is_true = answer->exists;
	}
	return ERR_OK;
}

static enum err
create_apply(struct sieve_run *run, const struct sieve_node *node, const struct sieve_value *value, struct sieve_action *action)
{
	(void)run;
	(void)node;
	(void)value;
	action->create = true;
	return ERR_OK;
}

static const struct sieve_command COMMANDS[] = {
	{ .name = "mailboxexists", .flags = SIEVE_TEST, .parameters = { { SIEVE_STRINGS, "list of mailboxes" } },
	    .check = mailboxexists_check, .test = mailboxexists_test },
	{ 0 },
};

static const struct sieve_tag TAGS[] = { { .name = "create", .commands = "fileinto", .is_fcc_option = true, .apply = create_apply }, { 0 } };

const struct sieve_extension sieve_ext_mailbox = { .name = "mailbox", .commands = COMMANDS, .tags = TAGS };
