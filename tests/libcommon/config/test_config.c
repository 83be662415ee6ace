#include "libcommon/config/config.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static enum err
parse(const char *yaml, bool is_strict, struct config **ret, struct buffer *problems)
{
	buffer_reset(problems);
	return config_parse(str_c(yaml), "t.yaml", is_strict, ret, problems);
}

Test(config, values_have_their_units)
{
	struct buffer problems = { 0 };
	struct config *config;

	setenv("SORA_TEST_NAME", "from-env", 1);
	cr_assert_eq(parse("message:\n  size: 20M\ndatabase:\n  host: ${SORA_TEST_NAME}-x\n  port: 5433\nexpunge: {keep: 3d}\n"
			   "imap:\n  listen: [a:1, b:2]\n  plain_login: true\n",
			 true, &config, &problems),
	    ERR_OK, "%.*s", STR_ARG(buffer_str(&problems)));
	cr_assert_eq(config->message_size, 20 << 20);
	cr_assert(str_equal(config->database_host, STR("from-env-x")));
	cr_assert_eq(config->database_port, 5433);
	cr_assert_eq(config->expunge_keep, 3 * 86400000LL);
	cr_assert_eq(config->imap_listen.count, 2);
	cr_assert(str_equal(config->imap_listen.items[1], STR("b:2")));
	cr_assert(config->imap_plain_login);
	cr_assert_eq(config->account_mailboxes.count, 5);
	config_free(config);
	buffer_clear(&problems);
}

Test(config, what_is_wrong_is_said_with_its_line)
{
	static const struct { const char *yaml, *problem; } cases[] = {
		{ "database:\n  hots: x\n", "t.yaml:2: unknown key \"database.hots\": sora.yaml.example has all" },
		{ "database:\n  port: many\n", "t.yaml:2: database.port: a port from 1 to 65535 is expected, not \"many\"" },
		{ "database:\n  port: 65536\n", "database.port: a port from 1 to 65535 is expected" },
		{ "net: {threads: 0}\n", "net.threads: a number from 1 to 1000 is expected, not \"0\"" },
		{ "net: {connections: 99999999999}\n", "net.connections: a number from 1 to 1000000 is expected" },
		{ "user: ${file:/}\n", "the file / cannot be read, or is empty" },
		{ "user: ${file:/dev/null}\n", "the file /dev/null cannot be read, or is empty" },
		{ "message:\n  size: 5X\n", "t.yaml:2: message.size: a size such as" },
		{ "drain: {time: soon}\n", "t.yaml:1: drain.time: a time such as" },
		{ "imap:\n  listen: here\n", "t.yaml:2: a list is expected for \"imap.listen\"" },
		{ "database:\n  host: [a]\n", "one value is expected, not a list, for \"database.host\"" },
		{ "database: 7\n", "t.yaml:1: settings are expected below \"database\"" },
		{ "user: ${NO_SUCH_VARIABLE_HERE}\n", "the environment has no variable NO_SUCH_VARIABLE_HERE" },
		{ "user: ${file:/no/such/file}\n", "the file /no/such/file cannot be read" },
		{ "user: a\nuser: b\n", "set twice: \"user\"" },
		{ "user: [\n", "not YAML" },
		{ "- a\n", "a mapping is expected" },
		{ "imap:\n  plain_login: yes please\n", "true or false is expected" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buffer problems = { 0 };
		struct config *config = NULL;

		if (parse(cases[i].yaml, true, &config, &problems) == ERR_OK)
			cr_assert_fail("accepted: %s", cases[i].yaml);
		cr_assert_lt(str_find(buffer_str(&problems), str_c(cases[i].problem)), buffer_len(&problems), "%s: %.*s",
		    cases[i].yaml, STR_ARG(buffer_str(&problems)));
		buffer_clear(&problems);
	}
}

Test(config, a_file_that_can_not_be_read_is_no_empty_one)
{
	static const struct { const char *file, *problem; } cases[] = {
		{ "/", "/: cannot be read: Is a directory" },
		{ "/no/such/file", "/no/such/file: cannot be read: No such file or directory" },
		{ "/dev/zero", "/dev/zero: is too large" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buffer problems = { 0 };
		struct config *config = NULL;

		cr_assert_eq(config_load(cases[i].file, true, &config, &problems), ERR_CONFIG);
		cr_assert(str_starts_with(buffer_str(&problems), str_c(cases[i].problem)), "%.*s", STR_ARG(buffer_str(&problems)));
		buffer_clear(&problems);
	}
}

Test(config, an_unknown_key_is_only_a_warning_at_start)
{
	struct buffer problems = { 0 };
	struct config *config;

	cr_assert_eq(parse("future:\n  thing: {a: [b, {c: d}]}\nuser: sora\n", false, &config, &problems), ERR_OK);
	cr_assert_gt(buffer_len(&problems), 0);
	cr_assert(str_equal(config->user, STR("sora")));
	config_free(config);
	buffer_clear(&problems);
}

/* The example with every comment sign before a setting taken away must parse, and say what the defaults say. */
Test(config, the_example_is_complete_and_true)
{
	struct buffer example = { 0 }, live = { 0 }, problems = { 0 };
	struct str rest, line;
	struct config *config;

	config_print_example(&example);
	cr_assert_eq(str_find(str_sub(buffer_str(&example), str_find(buffer_str(&example), STR("\nblob:")) + 1, SIZE_MAX), STR("\nblob:")),
	    str_sub(buffer_str(&example), str_find(buffer_str(&example), STR("\nblob:")) + 1, SIZE_MAX).len, "a section stands once");
	rest = buffer_str(&example);
	while (str_split(&rest, '\n', &line)) {
		size_t hash = str_index(line, '#');

		if (hash + 1 < line.len && line.ptr[hash + 1] != ' ' && line.ptr[hash + 1] != '#')
			buffer_printf(&live, "%.*s%.*s\n", (int)hash, line.ptr, STR_ARG(str_sub(line, hash + 1, SIZE_MAX)));
		else
			buffer_printf(&live, "%.*s\n", STR_ARG(line));
	}
	cr_assert_eq(config_parse(buffer_str(&live), "example", true, &config, &problems), ERR_OK, "%.*s",
	    STR_ARG(buffer_str(&problems)));
	cr_assert_eq(config->database_port, 5432);
	cr_assert(str_equal(config->blob_store, STR("dir")));
	cr_assert_eq(config->account_mailboxes.count, 5);
	config_free(config);
	buffer_clear(&example);
	buffer_clear(&live);
	buffer_clear(&problems);
}
