#include "admin/options.h"

#include <criterion/criterion.h>

#include "admin/command.h"

enum { ARGS_MAX = 10 };

struct options_case {
	const char *args[ARGS_MAX];
	enum err err;
	const char *problem; /* what it says must contain this */
};

static const struct options_case cases[] = {
	{ { "create-account", "--email", "a@b", "--password", "x" }, ERR_OK, "" },
	{ { "create-account", "a@b", "--password=x", "--hash=sha512", "--quota", "5G", "--primary" }, ERR_OK, "" },
	{ { "--json", "list-accounts" }, ERR_OK, "" },
	{ { "add-address", "a@b", "c@d" }, ERR_OK, "" },
	{ { "add-address", "--email", "a@b", "c@d", "--primary" }, ERR_OK, "" },
	{ { "add-address", "--address", "c@d", "a@b" }, ERR_OK, "" },
	{ { "bus", "ping", "--json" }, ERR_OK, "" },
	{ { "help", "bus", "ping" }, ERR_OK, "" },
	{ { "bus" }, ERR_SYNTAX, "unknown command bus" },
	{ { "bus", "stop" }, ERR_SYNTAX, "unknown command bus" },
	{ { "bus", "ping", "a" }, ERR_SYNTAX, "one argument too many: a" },
	{ { "help" }, ERR_OK, "" },
	{ { "help", "add-address" }, ERR_OK, "" },
	{ { "add-address", "--help" }, ERR_OK, "" },
	{ { NULL }, ERR_OK, "" },
	{ { "--nonsense" }, ERR_SYNTAX, "unknown option --nonsense" },
	{ { "nonsense" }, ERR_SYNTAX, "unknown command nonsense" },
	{ { "help", "nonsense" }, ERR_SYNTAX, "unknown command nonsense" },
	{ { "create-account", "--password", "x" }, ERR_SYNTAX, "create-account needs --email ADDRESS" },
	{ { "create-account", "a@b", "--password" }, ERR_SYNTAX, "a value is expected for --password" },
	{ { "create-account", "a@b", "--primary=yes" }, ERR_SYNTAX, "no value is expected for --primary" },
	{ { "create-account", "a@b", "--disable" }, ERR_SYNTAX, "create-account has no option --disable" },
	{ { "create-account", "a@b", "c@d" }, ERR_SYNTAX, "one argument too many: c@d" },
	{ { "create-account", "a@b", "--email", "a@b" }, ERR_SYNTAX, "one argument too many: a@b" },
	{ { "create-account", "a@b", "--quota", "1", "--quota", "2" }, ERR_SYNTAX, "given twice: --quota" },
	{ { "add-address", "a@b" }, ERR_SYNTAX, "add-address needs --address ADDRESS" },
	{ { "sieve", "put", "a@b", "main", "FILE", "--activate" }, ERR_OK, "" },
	{ { "sieve", "put", "--global", "main", "FILE" }, ERR_OK, "" },
	{ { "sieve", "rename", "a@b", "one", "two" }, ERR_OK, "" },
	{ { "help", "sieve", "rename" }, ERR_OK, "" },
	{ { "sieve", "list" }, ERR_SYNTAX, "sieve list needs --email ADDRESS" },
	{ { "sieve", "get", "a@b" }, ERR_SYNTAX, "sieve get needs --name NAME" },
	{ { "sieve", "get", "--global" }, ERR_SYNTAX, "sieve get needs --name NAME" },
	{ { "sieve", "list", "--global", "--email", "a@b" }, ERR_SYNTAX, "--global stands in place of a@b" },
	{ { "sieve", "list", "--global", "a@b" }, ERR_SYNTAX, "one argument too many: a@b" },
	{ { "list-accounts", "a@b" }, ERR_SYNTAX, "one argument too many: a@b" },
	{ { "a", "b", "c", "d", "e", "f", "g" }, ERR_SYNTAX, "one argument too many: g" },
};

static enum err
parse(const char *const *args, struct admin_line *line, struct buffer *problem)
{
	char *argv[ARGS_MAX + 1] = { (char *)"sora-admin" };
	int argc = 1;

	for (; args[argc - 1] != NULL; argc++)
		argv[argc] = (char *)args[argc - 1];
	return admin_options_parse(argc, argv, line, problem);
}

Test(admin_options, say_what_is_wrong)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buffer problem = { 0 };
		struct admin_line line;
		enum err err = parse(cases[i].args, &line, &problem);

		cr_assert_eq(err, cases[i].err, "case %zu: %.*s", i, STR_ARG(buffer_str(&problem)));
		cr_assert(str_equal(buffer_str(&problem), str_c(cases[i].problem)), "case %zu: %.*s", i,
		    STR_ARG(buffer_str(&problem)));
		buffer_clear(&problem);
	}
}

Test(admin_options, arguments_without_a_name_fill_the_operands_in_order)
{
	static const char *const forms[][ARGS_MAX] = {
		{ "add-address", "a@b", "c@d" },
		{ "add-address", "--email", "a@b", "--address", "c@d" },
		{ "add-address", "--address=c@d", "a@b" },
		{ "--email=a@b", "add-address", "c@d" },
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct buffer problem = { 0 };
		struct admin_line line;

		cr_assert_eq(parse(forms[i], &line, &problem), ERR_OK, "form %zu", i);
		cr_assert_str_eq(line.command->name, "add-address");
		cr_assert_str_eq(line.values[ADMIN_OPT_EMAIL], "a@b", "form %zu", i);
		cr_assert_str_eq(line.values[ADMIN_OPT_ADDRESS], "c@d", "form %zu", i);
	}
}

Test(admin_options, the_library_stands_in_place_of_an_account)
{
	static const char *const args[ARGS_MAX] = { "sieve", "put", "--global", "main", "FILE" };
	struct buffer problem = { 0 };
	struct admin_line line;

	cr_assert_eq(parse(args, &line, &problem), ERR_OK);
	cr_assert_null(line.values[ADMIN_OPT_EMAIL]);
	cr_assert_str_eq(line.values[ADMIN_OPT_NAME], "main");
	cr_assert_str_eq(line.values[ADMIN_OPT_FILE], "FILE");
}

Test(admin_options, help_names_every_command_and_every_option)
{
	const struct admin_command *command;
	struct buffer out = { 0 };
	size_t count = 0;

	admin_help_all(&out);
	for (; (command = admin_command_at(count)) != NULL; count++) {
		cr_assert_eq(admin_command_find(str_c(command->name)), command, "%s", command->name);
		cr_assert_lt(str_find(buffer_str(&out), str_c(command->name)), buffer_len(&out), "%s", command->name);
		cr_assert_eq(command->needs & ~command->options, 0, "%s needs what it does not take", command->name);
		admin_help_command(command, &out);
	}
	cr_assert_gt(count, 20);
	for (int i = ADMIN_OPT_NONE + 1; i < ADMIN_OPT_COUNT; i++)
		cr_assert_lt(str_find(buffer_str(&out), str_c(admin_options[i].name)), buffer_len(&out), "%s", admin_options[i].name);
	buffer_clear(&out);
}

Test(admin_options, sizes_have_units)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = { { "0", 0 }, { "512", 512 }, { "1K", 1024 }, { "1k", 1024 }, { "500M", 524288000 }, { "2G", 2147483648 },
		{ "1T", 1099511627776 } };
	static const char *const bad[] = { "", "K", "-1", "1.5G", "1X", "1 G", "99999999999999999999", "9999999999T" };
	uint64_t bytes;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		cr_assert(admin_parse_size(str_c(good[i].text), &bytes), "%s", good[i].text);
		cr_assert_eq(bytes, good[i].bytes, "%s", good[i].text);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_assert(!admin_parse_size(str_c(bad[i]), &bytes), "%s", bad[i]);
}

Test(admin_command, outcomes_are_exit_codes)
{
	static const struct {
		enum err err;
		enum admin_exit code;
	} expected[] = { { ERR_OK, ADMIN_DONE }, { ERR_INTERNAL, ADMIN_FAILED }, { ERR_CONFIG, ADMIN_FAILED }, { ERR_SYNTAX, ADMIN_USAGE },
		{ ERR_NO_ACCOUNT, ADMIN_NO_SUCH }, { ERR_EXISTS, ADMIN_EXISTS }, { ERR_UNAVAILABLE, ADMIN_NOT_REACHED },
		{ ERR_DEADLINE, ADMIN_NOT_REACHED } };

	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		cr_assert_eq(admin_exit_code(expected[i].err), expected[i].code, "%s", err_row(expected[i].err)->name);
}
