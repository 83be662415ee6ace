/* Which messages are answered.                                                                         RFC 5230 s. 4.5, 4.6; RFC 3834 s. 2 */
#include "services/sieve/ext/vacation/vacation.h"

/* Programs that answer nobody: the whole local part, or its beginning or end. */
static const struct {
	struct str text;
	bool (*is)(struct str local, struct str text);
} ROBOTS[] = {
	{ STR("mailer-daemon"), str_equal },
	{ STR("listserv"), str_equal },
	{ STR("majordomo"), str_equal },
	{ STR("noreply"), str_equal },
	{ STR("no-reply"), str_equal },
	{ STR("-request"), str_ends_with },
	{ STR("-bounces"), str_ends_with },
	{ STR("-noreply"), str_ends_with },
	{ STR("owner-"), str_starts_with },
};

static bool
is_robot(struct sieve_run *run, struct str sender)
{
	struct str local = arena_lower(sieve_arena(run), str_sub(sender, 0, str_rindex(sender, '@')));

	for (size_t i = 0; i < sizeof(ROBOTS) / sizeof(ROBOTS[0]); i++)
		if (ROBOTS[i].is(local, ROBOTS[i].text))
			return true;
	return false;
}

static bool
has_field(struct sieve_run *run, struct str name)
{
	return sieve_field_find(run, name, 0) < sieve_field_count(run);
}

static bool
is_from_list(struct sieve_run *run)
{
	static const struct str fields[] = { STR("List-Id"), STR("List-Help"), STR("List-Subscribe"), STR("List-Unsubscribe"), STR("List-Post"),
		STR("List-Owner"), STR("List-Archive") };

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (has_field(run, fields[i]))
			return true;
	return false;
}

/* The first word of the field, in lower case. */
static enum err
keyword(struct sieve_run *run, struct str name, struct str *ret_word)
{
	struct str text;

	TRY(sieve_first_text(run, name, &text));
	text = str_sub(text, 0, str_index(text, ';'));
	*ret_word = str_trim(arena_lower(sieve_arena(run), str_sub(text, 0, str_index(text, '('))));
	return ERR_OK;
}

static enum err
is_automatic(struct sieve_run *run, bool *ret)
{
	struct str submitted, precedence;

	TRY(keyword(run, STR("Auto-Submitted"), &submitted));
	TRY(keyword(run, STR("Precedence"), &precedence));
	*ret = (submitted.len > 0 && !str_equal(submitted, STR("no"))) || str_equal(precedence, STR("bulk")) ||
	    str_equal(precedence, STR("list")) || str_equal(precedence, STR("junk"));
	return ERR_OK;
}

/* ---- is it the owner's? */

/* Beside those that are known to be. */
struct own {
	struct str *addresses;
	size_t count;
};

static enum err
own_addresses(struct sieve_run *run, const struct sieve_node *node, struct own *ret)
{
	const struct sieve_value *tag = sieve_tag(node, "addresses");
	struct own own = { .addresses = ARENA_ARRAY(sieve_arena(run), struct str, tag != NULL ? tag->count : 0) };
	struct str text;

	for (size_t i = 0; tag != NULL && i < tag->count; i++) {
		TRY(sieve_expand(run, &tag->strings[i], &text));
		if (!sieve_outbound_address(text, sieve_arena(run), &own.addresses[own.count]))
			own.addresses[own.count] = text;
		own.count++;
	}
	*ret = own;
	return ERR_OK;
}

static bool
is_own(const struct sieve_run *run, const struct own *own, struct str address)
{
	if (sieve_is_owner(run, address))
		return true;
	for (size_t i = 0; i < own->count; i++)
		if (address.len > 0 && str_equal_nocase(own->addresses[i], address))
			return true;
	return false;
}

static enum err
is_to_owner(struct sieve_run *run, const struct own *own, bool *ret)
{
	static const struct str fields[] = { STR("To"), STR("Cc"), STR("Bcc"), STR("Resent-To"), STR("Resent-Cc"), STR("Resent-Bcc") };
	const struct sieve_address *addresses;
	size_t count;

	*ret = false;
	for (size_t f = 0; f < sizeof(fields) / sizeof(fields[0]); f++)
		for (size_t at = sieve_field_find(run, fields[f], 0); at < sieve_field_count(run) && !*ret;
		    at = sieve_field_find(run, fields[f], at + 1)) {
			TRY(sieve_field_addresses(run, at, &addresses, &count));
			TRY(sieve_spend(run, 1 + count * own->count / 16));
			for (size_t i = 0; i < count && !*ret; i++)
				*ret = is_own(run, own, addresses[i].all);
		}
	return ERR_OK;
}

enum err
sieve_vacation_may_answer(struct sieve_run *run, const struct sieve_node *node, const char **ret_why)
{
	struct str sender = sieve_input(run)->sender;
	bool automatic, to_owner;
	struct own own;

	TRY(own_addresses(run, node, &own));
	TRY(is_automatic(run, &automatic));
	TRY(is_to_owner(run, &own, &to_owner));
	*ret_why = sender.len == 0 ? "it has no sender" :
	    str_rindex(sender, '@') == sender.len ? "its sender is no address" :
	    is_robot(run, sender) ? "its sender is a program" :
	    is_own(run, &own, sender) ? "it is the owner's own" :
	    is_from_list(run) ? "it is from a list" :
	    automatic ? "it was sent automatically" :
	    !to_owner ? "none of its recipients is an address of the owner; ':addresses' can name more" : NULL;
	return ERR_OK;
}
