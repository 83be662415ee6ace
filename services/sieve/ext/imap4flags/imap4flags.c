/* setflag, addflag, removeflag, hasflag, :flags.                                                       RFC 5232 */
#include "services/sieve/ext/variables/variables.h"

extern const struct sieve_extension sieve_ext_imap4flags;

/* The internal variable: the flags of what is filed from here on. */
struct internal {
	struct str text;
};

/* A list of flags in the making. */
struct flags {
	struct str *items;
	size_t count, room;
};

/* ---- lists */

/* The flags that can be stored for good, as they are written: RFC 5232 s. 2 has them without "\Recent". */
static const struct str SYSTEM[] = { STR("\\Answered"), STR("\\Flagged"), STR("\\Deleted"), STR("\\Seen"), STR("\\Draft") };

/* The flag in its one spelling; false: it is none that IMAP could have (RFC 3501 s. 9: flag-keyword), and is left out. */
static bool
spell(struct str word, struct str *ret_flag)
{
	*ret_flag = word;
	for (size_t i = 0; i < sizeof(SYSTEM) / sizeof(SYSTEM[0]); i++)
		if (str_equal_nocase(word, SYSTEM[i])) {
			*ret_flag = SYSTEM[i];
			return true;
		}
	for (size_t i = 0; i < word.len; i++)
		if (word.ptr[i] <= 0x20 || word.ptr[i] >= 0x7f || strchr("(){%*\"\\]", word.ptr[i]) != NULL)
			return false;
	return word.len > 0;
}

static size_t
find(const struct flags *flags, struct str flag)
{
	size_t i = 0;

	while (i < flags->count && !str_equal_nocase(flags->items[i], flag))
		i++;
	return i;
}

static enum err
add(struct sieve_run *run, struct flags *flags, struct str flag)
{
	TRY(sieve_spend(run, 1 + flags->count / 16));
	if (find(flags, flag) < flags->count)
		return ERR_OK;
	flags->items = sieve_grow(sieve_arena(run), flags->items, flags->count, &flags->room, sizeof(*flags->items));
	flags->items[flags->count++] = flag;
	return ERR_OK;
}

static enum err
take_out(struct sieve_run *run, struct flags *flags, struct str flag)
{
	size_t i = find(flags, flag);

	TRY(sieve_spend(run, 1 + flags->count / 16));
	if (i < flags->count) {
		memmove(&flags->items[i], &flags->items[i + 1], (flags->count - i - 1) * sizeof(*flags->items));
		flags->count--;
	}
	return ERR_OK;
}

/* RFC 5232 s. 2: a string may have several, separated by spaces. */
static enum err
for_words(struct sieve_run *run, struct flags *flags, struct str text, enum err (*each)(struct sieve_run *run, struct flags *flags, struct str flag))
{
	struct str word, flag;

	while (str_split(&text, ' ', &word))
		if (spell(word, &flag))
			TRY(each(run, flags, flag));
	return ERR_OK;
}

static enum err
for_strings(struct sieve_run *run, struct flags *flags, const struct sieve_value *value,
    enum err (*each)(struct sieve_run *run, struct flags *flags, struct str flag))
{
	struct str text;

	for (size_t i = 0; i < value->count; i++) {
		TRY(sieve_expand(run, &value->strings[i], &text));
		TRY(for_words(run, flags, text, each));
	}
	return ERR_OK;
}

static struct str
join(struct sieve_run *run, const struct flags *flags)
{
	struct buffer out = { 0 };
	struct str text;

	for (size_t i = 0; i < flags->count; i++) {
		buffer_add(&out, i > 0 ? STR(" ") : STR(""));
		buffer_add(&out, flags->items[i]);
	}
	text = arena_copy(sieve_arena(run), buffer_str(&out));
	buffer_clear(&out);
	return text;
}

/* ---- variables */

static struct str
get(struct sieve_run *run, const struct sieve_value *variable)
{
	if (variable->type == SIEVE_NONE)
		return ((struct internal *)sieve_state(run, &sieve_ext_imap4flags, SIEVE_PER_SCRIPT))->text;
	return sieve_variable_get(run, variable->strings->text);
}

static enum err
set(struct sieve_run *run, const struct sieve_value *variable, const struct flags *flags)
{
	struct str text = join(run, flags);

	sieve_explain(run, "%.*s", STR_ARG(text));
	if (variable->type != SIEVE_NONE)
		return sieve_variable_set(run, variable->strings->text, text);
	((struct internal *)sieve_state(run, &sieve_ext_imap4flags, SIEVE_PER_SCRIPT))->text = text;
	return sieve_spend_bytes(run, text.len);
}

static enum err
setflag_run(struct sieve_run *run, const struct sieve_node *node)
{
	struct flags flags = { 0 };

	TRY(for_strings(run, &flags, &node->arguments[1], add));
	return set(run, &node->arguments[0], &flags);
}

static enum err
addflag_run(struct sieve_run *run, const struct sieve_node *node)
{
	struct flags flags = { 0 };

	TRY(for_words(run, &flags, get(run, &node->arguments[0]), add));
	TRY(for_strings(run, &flags, &node->arguments[1], add));
	return set(run, &node->arguments[0], &flags);
}

static enum err
removeflag_run(struct sieve_run *run, const struct sieve_node *node)
{
	struct flags flags = { 0 };

	TRY(for_words(run, &flags, get(run, &node->arguments[0]), add));
	TRY(for_strings(run, &flags, &node->arguments[1], take_out));
	return set(run, &node->arguments[0], &flags);
}

/* RFC 5232 s. 3: a variable needs the extension that has them. */
static enum err
variable_check(struct sieve_check *check, struct sieve_node *node)
{
	const struct sieve_value *names = &node->arguments[0];

	if (names->type == SIEVE_NONE)
		return ERR_OK;
	if (!sieve_check_has(check, STR("variables")))
		return SIEVE_PROBLEM(check, names, "the name of a variable needs 'require \"variables\";'");
	for (size_t i = 0; i < names->count; i++)
		if (!sieve_variable_is_name(names->strings[i].text))
			return SIEVE_PROBLEM(check, &names->strings[i], "\"%.*s\" can not be the name of a variable",
			    STR_ARG(str_sub(names->strings[i].text, 0, 40)));
	return ERR_OK;
}

/* ---- hasflag */

/* Each flag that the key list names is a key: "a b" is two. */
static enum err
split_keys(struct sieve_match *match)
{
	struct flags words = { 0 };
	struct str word;

	for (size_t i = 0; i < match->key_count; i++) {
		struct str rest = match->keys[i].text;

		while (str_split(&rest, ' ', &word))
			if (word.len > 0)
				TRY(add(match->run, &words, word));
	}
	return sieve_match_keys(match, words.items, words.count);
}

static enum err
match_flags(struct sieve_match *match, struct str text)
{
	struct flags flags = { 0 };

	TRY(for_words(match->run, &flags, text, add));
	for (size_t i = 0; i < flags.count && !match->is_true; i++)
		TRY(sieve_match_value(match, flags.items[i]));
	return ERR_OK;
}

static enum err
hasflag_test(struct sieve_run *run, const struct sieve_node *node, bool *ret_is_true)
{
	const struct sieve_value *names = &node->arguments[0];
	struct sieve_match match;

	TRY(sieve_match_begin(run, node, &match));
	if (!sieve_match_counts(&match))
		TRY(split_keys(&match));
	if (names->type == SIEVE_NONE)
		TRY(match_flags(&match, get(run, names)));
	for (size_t i = 0; i < names->count && !match.is_true; i++)
		TRY(match_flags(&match, sieve_variable_get(run, names->strings[i].text)));
	return sieve_match_end(&match, ret_is_true);
}

/* ---- what is filed */

static void
give(struct sieve_action *action, const struct flags *flags)
{
	action->flags = flags->items;
	action->flag_count = flags->count;
	action->has_flags = true;
}

static enum err
flags_apply(struct sieve_run *run, const struct sieve_node *node, const struct sieve_value *value, struct sieve_action *action)
{
	struct flags flags = { 0 };

	(void)node;
	TRY(for_strings(run, &flags, value, add));
	give(action, &flags);
	return ERR_OK;
}

/* Without :flags the internal variable says it; not of a message that the script made (RFC 5232 s. 6). */
static enum err
internal_apply(struct sieve_run *run, const struct sieve_node *node, struct sieve_action *action)
{
	static const struct sieve_value internal;
	struct flags flags = { 0 };

	(void)node;
	if ((action->kind != SIEVE_KEEP && action->kind != SIEVE_FILEINTO) || action->has_flags || action->message.ptr != NULL)
		return ERR_OK;
	TRY(for_words(run, &flags, get(run, &internal), add));
	give(action, &flags);
	return ERR_OK;
}

#define CHANGES { SIEVE_STRING, "name of a variable", .is_optional = true, .is_constant = true }, { SIEVE_STRINGS, "list of flags" }

static const struct sieve_command COMMANDS[] = {
	{ .name = "setflag", .parameters = { CHANGES }, .check = variable_check, .run = setflag_run },
	{ .name = "addflag", .parameters = { CHANGES }, .check = variable_check, .run = addflag_run },
	{ .name = "removeflag", .parameters = { CHANGES }, .check = variable_check, .run = removeflag_run },
	{ .name = "hasflag", .flags = SIEVE_TEST | SIEVE_MATCHES,
	    .parameters = { { SIEVE_STRINGS, "list of variables", .is_optional = true, .is_constant = true }, { SIEVE_STRINGS, "list of flags" } },
	    .check = variable_check, .test = hasflag_test },
	{ 0 },
};

static const struct sieve_tag TAGS[] = {
	{ .name = "flags", .commands = "keep fileinto", .argument = { SIEVE_STRINGS, "list of flags" }, .is_fcc_option = true,
	    .apply = flags_apply },
	{ 0 },
};

const struct sieve_extension sieve_ext_imap4flags = {
	.name = "imap4flags",
	.commands = COMMANDS,
	.tags = TAGS,
	.state_bytes = { [SIEVE_PER_SCRIPT] = sizeof(struct internal) },
	.apply = internal_apply,
};
