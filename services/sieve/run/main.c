/* sieve-run: a script and a message, and what would be done. */
#include <getopt.h>
#include <stdio.h>

#include "libcommon/core/buffer.h"
#include "services/sieve/trial.h"
#include "version.h"

enum { DONE = 0, FAILED = 1, USAGE = 2, NO_SUCH = 3 };

static const char help[] =
    "Usage: sieve-run [OPTIONS] SCRIPT MESSAGE\n"
    "       sieve-run --check SCRIPT\n\n"
    "Runs a Sieve script with a message, both from files, and prints the actions, one a line. Does nothing else.\n\n"
    "  --from ADDRESS        MAIL FROM; \"\" is the null sender (default: sender@example.org)\n"
    "  --to ADDRESS          RCPT TO (default: recipient@example.org)\n"
    "  --address ADDRESS     the mailbox owner's own address (default: that of --to)\n"
    "  --env NAME=VALUE      an item of the environment (RFC 5183); may be given more than once\n"
    "  --mailbox NAME        a mailbox that exists, beside INBOX; may be given more than once\n"
    "  --mailboxid ID        the id (RFC 9042) of one that exists; may be given more than once\n"
    "  --before FILE         a script to run before; may be given more than once\n"
    "  --after FILE          a script to run after; may be given more than once\n"
    "  --include DIR         where NAME.sieve is, for include\n"
    "  --explain             also print which test was true, and why\n"
    "  --check               only say what is wrong with the script\n"
    "  --help, --version\n\n"
    "Exit codes: 0 done, 1 the script has errors or failed, 2 wrong usage, 3 no such file.\n";

struct arguments {
	struct sieve_trial *trial;
	const char *after[SIEVE_TRIAL_SCRIPTS_MAX];
	size_t after_count;
	bool is_check;
};

static int
usage(const char *text)
{
	fprintf(stderr, "sieve-run: %s. See sieve-run --help.\n", text);
	return USAGE;
}

static int
code_of(enum err err)
{
	return err == ERR_OK ? DONE : err == ERR_NONEXISTENT ? NO_SUCH : FAILED;
}

static enum err
add_item(struct sieve_trial *trial, const char *text)
{
	struct str rest = str_c(text), name;

	if (trial->input.environment_count == SIEVE_TRIAL_ITEMS_MAX || !str_split(&rest, '=', &name) || rest.ptr == NULL)
		return ERR_SYNTAX;
	trial->environment[trial->input.environment_count++] = (struct sieve_item){ name, rest };
	return ERR_OK;
}

static enum err
add(struct str *list, size_t *count, const char *text)
{
	if (*count == SIEVE_TRIAL_ITEMS_MAX)
		return ERR_SYNTAX;
	list[(*count)++] = str_c(text);
	return ERR_OK;
}

enum { FROM = 1, TO, ADDRESS, ENV, MAILBOX, MAILBOXID, BEFORE, AFTER, INCLUDE, EXPLAIN, CHECK };

static const struct option options[] = {
	{ "from", required_argument, NULL, FROM }, { "to", required_argument, NULL, TO }, { "address", required_argument, NULL, ADDRESS },
	{ "env", required_argument, NULL, ENV }, { "mailbox", required_argument, NULL, MAILBOX },
	{ "mailboxid", required_argument, NULL, MAILBOXID },
	{ "before", required_argument, NULL, BEFORE }, { "after", required_argument, NULL, AFTER },
	{ "include", required_argument, NULL, INCLUDE }, { "explain", no_argument, NULL, EXPLAIN }, { "check", no_argument, NULL, CHECK },
	{ 0 },
};

static enum err
take_option(struct arguments *arguments, int option)
{
	struct sieve_trial *trial = arguments->trial;

	switch (option) {
	case FROM: trial->input.sender = str_c(optarg); return ERR_OK;
	case TO: trial->input.recipient = str_c(optarg); return ERR_OK;
	case ADDRESS: trial->input.address = str_c(optarg); return ERR_OK;
	case ENV: return add_item(trial, optarg);
	case MAILBOX: return add(trial->mailboxes, &trial->mailbox_count, optarg);
	case MAILBOXID: return add(trial->mailbox_ids, &trial->mailbox_id_count, optarg);
	case BEFORE: return sieve_trial_add(trial, optarg);
	case INCLUDE: trial->include_dir = optarg; return ERR_OK;
	case EXPLAIN: trial->input.explain = true; return ERR_OK;
	case CHECK: arguments->is_check = true; return ERR_OK;
	case AFTER:
		if (arguments->after_count == SIEVE_TRIAL_SCRIPTS_MAX)
			return ERR_SYNTAX;
		arguments->after[arguments->after_count++] = optarg;
		return ERR_OK;
	default:
		return ERR_INVALID;
	}
}

static int
print(const struct sieve_result *result)
{
	struct buffer out = { 0 };

	sieve_print_trace(result, &out);
	sieve_print_result(result, &out);
	printf("%.*s", STR_ARG(buffer_str(&out)));
	buffer_clear(&out);
	return result->outcome == SIEVE_OK ? DONE : FAILED;
}

static int
run(struct arguments *arguments, int count, char **files)
{
	struct sieve_trial *trial = arguments->trial;
	struct sieve_result result;
	enum err err = count == (arguments->is_check ? 1 : 2) ? sieve_trial_add(trial, files[0]) : ERR_INVALID;

	if (err == ERR_INVALID)
		return usage(arguments->is_check ? "one script is expected" : "a script and a message are expected");
	for (size_t i = 0; err == ERR_OK && i < arguments->after_count; i++)
		err = sieve_trial_add(trial, arguments->after[i]);
	if (err != ERR_OK || arguments->is_check)
		return code_of(err);
	err = sieve_trial_message(trial, files[1]);
	if (err != ERR_OK)
		return code_of(err);
	if (trial->input.address.len == 0)
		trial->input.address = trial->input.recipient;
	sieve_trial_run(trial, &result);
	return print(&result);
}

static int
take_arguments(struct arguments *arguments, int argc, char **argv)
{
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		enum err err = option == '?' ? ERR_INVALID : take_option(arguments, option);

		if (err == ERR_INVALID)
			return usage("an option is unknown, or lacks its value");
		if (err != ERR_OK)
			return code_of(err);
	}
	return run(arguments, argc - optind, argv + optind);
}

int
main(int argc, char **argv)
{
	struct arena arena = { 0 };
	struct buffer said = { 0 };
	struct sieve_trial trial;
	struct arguments arguments = { .trial = &trial };
	int code;

	if (argc == 2 && str_equal(str_c(argv[1]), STR("--help")))
		return fputs(help, stdout) >= 0 ? DONE : FAILED;
	if (argc == 2 && str_equal(str_c(argv[1]), STR("--version")))
		return printf("sieve-run %s\n", SORA_VERSION) > 0 ? DONE : FAILED;
	sieve_trial_init(&trial, &arena, &said);
	code = take_arguments(&arguments, argc, argv);
	fprintf(stderr, "%.*s", STR_ARG(buffer_str(&said)));
	buffer_clear(&said);
	arena_clear(&arena);
	return code;
}
