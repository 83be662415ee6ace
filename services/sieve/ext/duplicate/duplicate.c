/* duplicate: was a message with this id here before?                                                   RFC 7352 */
#include "libcommon/crypto/hash.h"
#include "services/sieve/ext.h"

enum {
	SECONDS_DEFAULT = 7 * 24 * 3600,
	SECONDS_MAX = 90 * 24 * 3600, /* more is made this, silently: RFC 7352 s. 3.3 */
};

/* RFC 7352 s. 3.1: what identifies the message. False: it has no such field. */
static enum err
find_id(struct sieve_run *run, const struct sieve_node *node, struct str *ret_id, bool *ret_is_there)
{
	const struct sieve_value *unique = sieve_tag(node, "uniqueid"), *header = sieve_tag(node, "header");
	struct str name = STR("Message-ID");
	size_t field;

	*ret_is_there = true;
	if (unique != NULL)
		return sieve_expand(run, unique->strings, ret_id);
	if (header != NULL)
		TRY(sieve_expand(run, header->strings, &name));
	field = sieve_field_find(run, name, 0);
	*ret_is_there = field < sieve_field_count(run);
	return *ret_is_there ? sieve_field_text(run, field, ret_id) : ERR_OK;
}

/* RFC 7352 s. 3.2: of the handle, if there is one, and the id, wherever that came from. */
static enum err
make_key(struct sieve_run *run, const struct sieve_node *node, struct str id, struct str *ret_key)
{
	const struct sieve_value *tag = sieve_tag(node, "handle");
	struct str handle = STR_NONE;
	uint8_t hash[SHA256_BYTES];
	struct sha256 sum;

	if (tag != NULL)
		TRY(sieve_expand(run, tag->strings, &handle));
	TRY(sieve_spend_bytes(run, handle.len + id.len));
	sha256_init(&sum);
	sha256_add(&sum, arena_printf(sieve_arena(run), "%s:%zu:", tag != NULL ? "handle" : "none", handle.len));
	sha256_add(&sum, handle);
	sha256_add(&sum, id);
	sha256_finish(&sum, hash);
	*ret_key = arena_copy(sieve_arena(run), str_from(hash, sizeof(hash)));
	return ERR_OK;
}

/* What has been seen is remembered when the run has succeeded. */
static enum err
remember(struct sieve_run *run, const struct sieve_node *node, struct str key, uint64_t seconds)
{
	struct sieve_action action = sieve_action_new(run, node, SIEVE_MARK);

	action.mark = (struct sieve_mark){ .kind = STR("duplicate"), .key = key, .lifetime_s = seconds < SECONDS_MAX ? seconds : SECONDS_MAX,
		.is_last = sieve_tag(node, "last") != NULL };
	return sieve_do(run, node, &action);
}

static enum err
duplicate_test(struct sieve_run *run, const struct sieve_node *node, bool *ret_is_true)
{
	const struct sieve_value *tag = sieve_tag(node, "seconds");
	uint64_t seconds = tag != NULL ? tag->number : SECONDS_DEFAULT;
	const struct sieve_answer *answer;
	struct str id, key;
	bool is_there;

	*ret_is_true = false;
	TRY(find_id(run, node, &id, &is_there));
	if (!is_there || seconds == 0)
		return ERR_OK;
	TRY(make_key(run, node, id, &key));
	TRY(sieve_ask(run, SIEVE_NEED_MARK, key, STR("duplicate"), &answer));
	*ret_is_true = answer->exists;
	sieve_explain(run, "\"%.*s\" was %sseen before", STR_ARG(str_sub(id, 0, 100)), answer->exists ? "" : "not ");
	/* Without :last its time began when it was first seen. */
	return answer->exists && sieve_tag(node, "last") == NULL ? ERR_OK : remember(run, node, key, seconds);
}

static const struct sieve_command COMMANDS[] = { { .name = "duplicate", .flags = SIEVE_TEST, .test = duplicate_test }, { 0 } };

static const struct sieve_tag TAGS[] = {
	{ .name = "header", .commands = "duplicate", .argument = { SIEVE_STRING, "name of a header field" }, .group = "source of the id" },
	{ .name = "uniqueid", .commands = "duplicate", .argument = { SIEVE_STRING, "id" }, .group = "source of the id" },
	{ .name = "handle", .commands = "duplicate", .argument = { SIEVE_STRING, "handle" } },
	{ .name = "seconds", .commands = "duplicate", .argument = { SIEVE_NUMBER, "number of seconds" } },
	{ .name = "last", .commands = "duplicate" },
	{ 0 },
};

const struct sieve_extension sieve_ext_duplicate = { .name = "duplicate", .commands = COMMANDS, .tags = TAGS };
