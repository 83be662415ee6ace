/* vacation.                                                                                            RFC 5230 */
#include "services/sieve/ext/vacation/vacation.h"

#include "libcommon/crypto/hash.h"

extern const struct sieve_extension sieve_ext_vacation;

enum { DAY_S = 24 * 60 * 60 };

struct state {
	bool is_executed;
};

/* ---- checking */

static enum err
from_check(struct sieve_check *check, struct sieve_node *node, const struct sieve_value *value)
{
	struct str address;

	(void)node;
	if (value->strings->pieces != NULL || sieve_outbound_address(value->strings->text, sieve_check_arena(check), &address))
		return ERR_OK;
	return SIEVE_PROBLEM(check, value->strings, "\"%.*s\" is no address", STR_ARG(str_sub(value->strings->text, 0, 80)));
}

/* RFC 5230 s. 5: the fields of a MIME entity are ASCII. */
static bool
has_ascii_fields(struct str entity)
{
	return sieve_is_ascii(str_sub(entity, 0, str_find(entity, STR("\r\n\r\n"))));
}

static enum err
vacation_check(struct sieve_check *check, struct sieve_node *node)
{
	const struct sieve_string *reason = node->arguments[0].strings;

	if (sieve_tag(node, "mime") != NULL && reason->pieces == NULL && !has_ascii_fields(reason->text))
		return SIEVE_PROBLEM(check, reason, "the header of a ':mime' text has to be ASCII");
	return ERR_OK;
}

/* ---- the reply */

static enum err
expand_tag(struct sieve_run *run, const struct sieve_node *node, const char *name, struct str *ret_text)
{
	const struct sieve_value *value = sieve_tag(node, name);

	*ret_text = STR_NONE;
	return value != NULL ? sieve_expand(run, value->strings, ret_text) : ERR_OK;
}

/* RFC 5230 s. 5.3 */
static enum err
make_subject(struct sieve_run *run, const struct sieve_node *node, struct str *ret_subject)
{
	struct str original;

	TRY(expand_tag(run, node, "subject", ret_subject));
	if (sieve_tag(node, "subject") != NULL)
		return ERR_OK;
	TRY(sieve_first_text(run, STR("Subject"), &original));
	*ret_subject = original.len > 0 ? arena_printf(sieve_arena(run), "Auto: %.*s", STR_ARG(original)) : STR("Automated reply");
	return ERR_OK;
}

static enum err
make_from(struct sieve_run *run, const struct sieve_node *node, struct str *ret_from)
{
	const struct sieve_input *input = sieve_input(run);
	struct str address;

	TRY(expand_tag(run, node, "from", ret_from));
	if (ret_from->len > 0 && !sieve_outbound_address(*ret_from, sieve_arena(run), &address))
		return sieve_fail(run, node, "\"%.*s\" is no address that a reply can be from", STR_ARG(str_sub(*ret_from, 0, 80)));
	if (ret_from->len == 0)
		*ret_from = input->address.len > 0 ? input->address : input->recipient;
	return ERR_OK;
}

static enum err
compose(struct sieve_run *run, const struct sieve_node *node, struct buffer *out)
{
	struct str subject, from, reason;

	TRY(make_subject(run, node, &subject));
	TRY(make_from(run, node, &from));
	TRY(sieve_expand(run, node->arguments[0].strings, &reason));
	if (sieve_tag(node, "mime") != NULL && !has_ascii_fields(reason))
		return sieve_fail(run, node, "the header of a ':mime' text has to be ASCII");
	sieve_add_address_field(out, "From", from);
	sieve_add_address_field(out, "To", sieve_input(run)->sender);
	sieve_add_field(out, "Subject", subject);
	TRY(sieve_add_reply_fields(run, out));
	buffer_add(out, STR("MIME-Version: 1.0\r\n"));
	if (sieve_tag(node, "mime") != NULL)
		buffer_add(out, sieve_lines(sieve_arena(run), reason));
	else
		sieve_add_text_part(out, reason);
	return ERR_OK;
}

/* ---- who has had it */

static void
add_counted(struct sha256 *hash, struct str text)
{
	uint64_t len = text.len;

	sha256_add(hash, str_from(&len, sizeof(len)));
	sha256_add(hash, text);
}

/* The argument as it is written: RFC 5230 s. 4.2 wants variables not put in. */
static void
add_tag(struct sha256 *hash, const struct sieve_node *node, const char *name)
{
	const struct sieve_value *value = sieve_tag(node, name);

	add_counted(hash, value == NULL ? STR("") : STR("is there"));
	add_counted(hash, value != NULL && value->count > 0 ? value->strings->text : STR_NONE);
}

/* RFC 5230 s. 4.2: the reply is known by its handle, or by what it says; the key has the sender too. */
static struct str
make_key(struct sieve_run *run, const struct sieve_node *node)
{
	uint8_t *key = arena_alloc(sieve_arena(run), SHA256_BYTES);
	struct sha256 hash;

	sha256_init(&hash);
	add_counted(&hash, arena_lower(sieve_arena(run), sieve_input(run)->sender));
	add_tag(&hash, node, "handle");
	if (sieve_tag(node, "handle") == NULL) {
		add_tag(&hash, node, "subject");
		add_tag(&hash, node, "from");
		add_tag(&hash, node, "mime");
		add_counted(&hash, node->arguments[0].strings->text);
	}
	sha256_finish(&hash, key);
	return str_from(key, SHA256_BYTES);
}

/* RFC 5230 s. 4.1, RFC 6131 s. 2: what was asked for, between the least and the most that are allowed. */
static uint64_t
lifetime_s(struct sieve_run *run, const struct sieve_node *node)
{
	const struct sieve_limits *limits = sieve_limits(run);
	const struct sieve_value *days = sieve_tag(node, "days"), *seconds = sieve_tag(node, "seconds");
	uint64_t least = seconds != NULL || limits->vacation_min_s > DAY_S ? limits->vacation_min_s : DAY_S;
	uint64_t most = limits->vacation_max_s > 0 ? limits->vacation_max_s : UINT32_MAX;
	uint64_t wanted = limits->vacation_default_s;

	if (seconds != NULL)
		wanted = seconds->number;
	else if (days != NULL)
		wanted = days->number < UINT32_MAX ? days->number * DAY_S : UINT32_MAX;
	return wanted < least ? least : wanted > most ? most : wanted;
}

static enum err
answer(struct sieve_run *run, const struct sieve_node *node)
{
	struct sieve_action action = sieve_action_new(run, node, SIEVE_SEND);
	struct buffer out = { 0 };
	enum err err;

	action.send = SIEVE_SEND_VACATION;
	action.address = sieve_input(run)->sender;
	err = compose(run, node, &out);
	action.message = arena_copy(sieve_arena(run), buffer_str(&out));
	buffer_clear(&out);
	TRY(err);
	TRY(sieve_spend_bytes(run, action.message.len));
	action.mark.lifetime_s = lifetime_s(run, node);
	if (action.mark.lifetime_s > 0) {
		action.mark.kind = STR("vacation");
		action.mark.key = make_key(run, node);
	}
	return sieve_do(run, node, &action);
}

static enum err
vacation_run(struct sieve_run *run, const struct sieve_node *node)
{
	struct state *state = sieve_state(run, &sieve_ext_vacation, SIEVE_PER_SCRIPT);
	const char *why;

	if (state->is_executed)
		return sieve_fail(run, node, "'vacation' can be done only once for a mail");
	state->is_executed = true;
	TRY(sieve_vacation_may_answer(run, node, &why));
	sieve_explain(run, why != NULL ? "not answered: %s" : "answered%s", why != NULL ? why : "");
	return why != NULL ? ERR_OK : answer(run, node);
}

static const struct sieve_command COMMANDS[] = {
	{ .name = "vacation", .flags = SIEVE_FCC, .parameters = { { SIEVE_STRING, "text of the reply" } }, .check = vacation_check, .run = vacation_run },
	{ 0 },
};

static const struct sieve_tag TAGS[] = {
	{ .name = "days", .commands = "vacation", .argument = { SIEVE_NUMBER, "number of days" }, .group = "of ':days' and ':seconds'" },
	{ .name = "subject", .commands = "vacation", .argument = { SIEVE_STRING, "subject" } },
	{ .name = "from", .commands = "vacation", .argument = { SIEVE_STRING, "address" }, .check = from_check },
	{ .name = "addresses", .commands = "vacation", .argument = { SIEVE_STRINGS, "list of addresses" } },
	{ .name = "mime", .commands = "vacation" },
	{ .name = "handle", .commands = "vacation", .argument = { SIEVE_STRING, "handle" } },
	{ 0 },
};

const struct sieve_extension sieve_ext_vacation = {
	.name = "vacation",
	.commands = COMMANDS,
	.tags = TAGS,
	.state_bytes = { [SIEVE_PER_SCRIPT] = sizeof(struct state) },
};
