/* Names of mailboxes in scripts: UTF-8, as they are stored. */
#include "services/sieve/run.h"

#include "libcommon/mail/charset.h"

enum err
sieve_check_mailbox(struct sieve_check *check, const struct sieve_value *value)
{
	struct str name;

	for (size_t i = 0; i < value->count; i++)
		if (value->strings[i].pieces == NULL && mail_mailbox_name(value->strings[i].text, check->arena, &name) != ERR_OK)
			return SIEVE_PROBLEM(check, &value->strings[i], "\"%.*s\" can not be the name of a mailbox",
			    STR_ARG(str_sub(value->strings[i].text, 0, 80)));
	return ERR_OK;
}

enum err
sieve_mailbox(struct sieve_run *run, const struct sieve_node *node, const struct sieve_string *string, struct str *ret_name)
{
	struct str text;

	TRY(sieve_expand(run, string, &text));
	if (mail_mailbox_name(text, run->arena, ret_name) != ERR_OK)
		return sieve_fail(run, node, "\"%.*s\" can not be the name of a mailbox", STR_ARG(str_sub(text, 0, 80)));
	return ERR_OK;
}
