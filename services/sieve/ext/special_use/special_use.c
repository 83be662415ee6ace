/* specialuse_exists and :specialuse.                                                                   RFC 8579 */
#include "services/sieve/ext.h"

#include "libcommon/mail/charset.h"

/* RFC 6154 s. 6: "\" and an atom. */
static bool
is_attribute(struct str text)
{
	if (text.len < 2 || text.ptr[0] != '\\')
		return false;
	for (size_t i = 1; i < text.len; i++)
		if (text.ptr[i] <= 0x20 || text.ptr[i] >= 0x7f || strchr("(){%*\"\\]", text.ptr[i]) != NULL)
			return false;
	return true;
}

/* RFC 8579 s. 4: as an invalid mailbox name is handled. */
static enum err
specialuse_check(struct sieve_check *check, struct sieve_node *node, const struct sieve_value *value)
{
	const struct sieve_string *string = value->strings;

	(void)node;
	if (string->pieces != NULL || is_attribute(string->text))
		return ERR_OK;
	return SIEVE_PROBLEM(check, string, "\"%.*s\" is no special use, such as \"\\\\Junk\"", STR_ARG(str_sub(string->text, 0, 40)));
}

static enum err
specialuse_apply(struct sieve_run *run, const struct sieve_node *node, const struct sieve_value *value, struct sieve_action *action)
{
	TRY(sieve_expand(run, value->strings, &action->special_use));
	if (is_attribute(action->special_use))
		return ERR_OK;
	return sieve_fail(run, node, "\"%.*s\" is no special use, such as \"\\Junk\"", STR_ARG(str_sub(action->special_use, 0, 40)));
}

/* Does a mailbox have each of the attributes: the one of this name, or with an empty name any? */
static enum err
have_all(struct sieve_run *run, struct str mailbox, const struct str *attributes, size_t count, bool *ret_is_true)
{
	const struct sieve_answer *answer;
	bool is_asked = false, is_true = true;

	for (size_t i = 0; i < count; i++) {
		enum err err = sieve_ask(run, SIEVE_NEED_SPECIAL_USE, attributes[i], mailbox, &answer);

		if (err != ERR_OK && err != ERR_AGAIN)
			return err;
		is_asked |= err == ERR_AGAIN;
		is_true = is_true && err == ERR_OK && answer->exists;
	}
	*ret_is_true = is_true;
	return is_asked ? ERR_AGAIN : ERR_OK;
}

/* Those without a mailbox's name are the common ones. */
static enum err
specialuse_exists_check(struct sieve_check *check, struct sieve_node *node)
{
	const struct sieve_value *attributes = &node->arguments[1];

	for (size_t i = 0; i < attributes->count && node->arguments[0].type == SIEVE_NONE; i++)
		if (attributes->strings[i].pieces == NULL && is_attribute(attributes->strings[i].text))
			sieve_check_will_ask(check, SIEVE_NEED_SPECIAL_USE, attributes->strings[i].text, STR_NONE);
	return ERR_OK;
}

static enum err
specialuse_exists_test(struct sieve_run *run, const struct sieve_node *node, bool *ret_is_true)
{
	struct str mailbox = STR_NONE, *attributes;
	size_t count;

	*ret_is_true = false;
	TRY(sieve_expand_all(run, &node->arguments[1], &attributes, &count));
	for (size_t i = 0; i < count; i++)
		if (!is_attribute(attributes[i]))
			return ERR_OK;
	if (node->arguments[0].type != SIEVE_NONE) {
		TRY(sieve_expand(run, node->arguments[0].strings, &mailbox));
		if (mail_mailbox_name(mailbox, sieve_arena(run), &mailbox) != ERR_OK)
			return ERR_OK;
	}
	return have_all(run, mailbox, attributes, count, ret_is_true);
}

static const struct sieve_command COMMANDS[] = {
	{ .name = "specialuse_exists", .flags = SIEVE_TEST,
	    .parameters = { { SIEVE_STRING, "mailbox", .is_optional = true }, { SIEVE_STRINGS, "list of special uses" } },
	    .check = specialuse_exists_check, .test = specialuse_exists_test },
	{ 0 },
};

static const struct sieve_tag TAGS[] = {
	{ .name = "specialuse", .commands = "fileinto", .argument = { SIEVE_STRING, "special use" }, .is_fcc_option = true,
	    .group = SIEVE_GROUP_MAILBOX, .check = specialuse_check, .apply = specialuse_apply },
	{ 0 },
};

const struct sieve_extension sieve_ext_special_use = { .name = "special-use", .commands = COMMANDS, .tags = TAGS };
