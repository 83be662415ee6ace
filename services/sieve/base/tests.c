/* address, exists, header, size.                                                                       RFC 5228 s. 5 */
#include "services/sieve/ext.h"

/* RFC 5228 s. 5.1: only of fields that have addresses. */
static const char *const address_fields[] = { "from", "to", "cc", "bcc", "sender", "reply-to", "resent-from", "resent-to", "resent-cc",
	"resent-bcc", "resent-sender", "resent-reply-to", "return-path", "delivered-to", "errors-to", "return-receipt-to",
	"disposition-notification-to", "apparently-to", "mail-followup-to", "mail-reply-to", "x-original-to", "envelope-to",
	"abuse-reports-to", "x-complaints-to", "x-report-abuse-to", "approved", "x-beenthere", "x-envelope-from", "x-envelope-to",
	"for-approval", "for-comment", "for-handling", "original-recipient", "notice-requested-upon-delivery-to" };

/* Those that everybody knows to be something else: who asks for addresses there meant 'header'. */
static const char *const other_fields[] = { "subject", "date", "message-id", "in-reply-to", "references", "received", "comments", "keywords",
	"mime-version", "content-type", "content-transfer-encoding", "content-disposition", "resent-date", "resent-message-id", "list-id" };

static bool
is_among(struct str name, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (str_equal_nocase(name, str_c(names[i])))
			return true;
	return false;
}

static bool
has_addresses(struct str name)
{
	return is_among(name, address_fields, sizeof(address_fields) / sizeof(address_fields[0]));
}

static enum err
address_values(struct sieve_match *match, size_t field)
{
	const struct sieve_address *addresses;
	size_t count;
	struct str part = STR_NONE;

	if (!has_addresses(sieve_field(match->run, field)->name))
		return ERR_OK;
	TRY(sieve_field_addresses(match->run, field, &addresses, &count));
	for (size_t i = 0; i < count && !match->is_true; i++)
		/* Each address counts (RFC 5231 s. 4.2), whatever parts it has. */
		if (match->node->address_part->get(match->run, &addresses[i], &part) || sieve_match_counts(match))
			TRY(sieve_match_value(match, part));
	return ERR_OK;
}

static enum err
header_values(struct sieve_match *match, size_t field)
{
	struct str text;

	TRY(sieve_field_text(match->run, field, &text));
	return sieve_match_value(match, text);
}

/* The values of all fields that the first argument names, against the keys. */
static enum err
match_fields(struct sieve_run *run, const struct sieve_node *node, enum err (*values)(struct sieve_match *match, size_t field), bool *ret_is_true)
{
	struct sieve_match match;
	struct sieve_walk walk;
	struct str *names;
	size_t count, field;

	TRY(sieve_expand_all(run, &node->arguments[0], &names, &count));
	TRY(sieve_match_begin(run, node, &match));
	TRY(sieve_walk_begin(run, node, names, count, &walk));
	while (!match.is_true && sieve_walk_next(&walk, &field))
		TRY(values(&match, field));
	return sieve_match_end(&match, ret_is_true);
}

static enum err
header_test(struct sieve_run *run, const struct sieve_node *node, bool *ret_is_true)
{
	return match_fields(run, node, header_values, ret_is_true);
}

static enum err
address_check(struct sieve_check *check, struct sieve_node *node)
{
	const struct sieve_value *names = &node->arguments[0];

	for (size_t i = 0; i < names->count; i++) {
		const struct sieve_string *name = &names->strings[i];

		if (name->pieces != NULL || has_addresses(name->text))
			continue;
		if (is_among(name->text, other_fields, sizeof(other_fields) / sizeof(other_fields[0])))
			return SIEVE_PROBLEM(check, name, "the field \"%.*s\" has no addresses: use 'header'", STR_ARG(name->text));
		sieve_warn(check, name->line, name->column, "the field \"%.*s\" is not known to have addresses, so this is never true",
		    STR_ARG(str_sub(name->text, 0, 40)));
	}
	return ERR_OK;
}

static enum err
address_test(struct sieve_run *run, const struct sieve_node *node, bool *ret_is_true)
{
	return match_fields(run, node, address_values, ret_is_true);
}

static enum err
exists_test(struct sieve_run *run, const struct sieve_node *node, bool *ret_is_true)
{
	struct str *names;
	size_t count;

	TRY(sieve_expand_all(run, &node->arguments[0], &names, &count));
	*ret_is_true = true;
	for (size_t i = 0; i < count && *ret_is_true; i++) {
		*ret_is_true = sieve_field_find(run, names[i], 0) < sieve_field_count(run);
		TRY(sieve_spend(run, 1));
	}
	return ERR_OK;
}

static enum err
size_check(struct sieve_check *check, struct sieve_node *node)
{
	if (node->tag_count == 1)
		return ERR_OK;
	return SIEVE_PROBLEM(check, node, "'size' needs ':over' or ':under'");
}

/* RFC 5228 s. 5.9: a message of exactly that size is neither. */
static enum err
size_test(struct sieve_run *run, const struct sieve_node *node, bool *ret_is_true)
{
	uint64_t size = sieve_input(run)->size, limit = node->arguments[0].number;

	*ret_is_true = sieve_tag(node, "over") != NULL ? size > limit : size < limit;
	sieve_explain(run, "%llu bytes", (unsigned long long)size);
	return ERR_OK;
}

static const struct sieve_command COMMANDS[] = {
	{ .name = "address", .flags = SIEVE_TEST | SIEVE_MATCHES | SIEVE_ADDRESS_PARTS,
	    .parameters = { { SIEVE_STRINGS, "list of header names" }, { SIEVE_STRINGS, "list of keys" } },
	    .check = address_check, .test = address_test },
	{ .name = "header", .flags = SIEVE_TEST | SIEVE_MATCHES,
	    .parameters = { { SIEVE_STRINGS, "list of header names" }, { SIEVE_STRINGS, "list of keys" } }, .test = header_test },
	{ .name = "exists", .flags = SIEVE_TEST, .parameters = { { SIEVE_STRINGS, "list of header names" } }, .test = exists_test },
	{ .name = "size", .flags = SIEVE_TEST, .parameters = { { SIEVE_NUMBER, "limit" } }, .check = size_check, .test = size_test },
	{ 0 },
};

static const struct sieve_tag TAGS[] = {
	{ .name = "over", .commands = "size", .group = "of ':over' and ':under'" },
	{ .name = "under", .commands = "size", .group = "of ':over' and ':under'" },
	{ 0 },
};

const struct sieve_extension sieve_base_tests = { .is_implied = true, .commands = COMMANDS, .tags = TAGS };
