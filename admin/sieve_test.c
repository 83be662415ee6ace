/* sieve check, sieve test: scripts in files, looked at and tried here, without any service. */
#include <stdio.h>

#include "admin/command.h"
#include "admin/output.h"
#include "services/sieve/trial.h"

/* The engine is in this program: there is nothing to connect to. */
static enum err
stay(struct admin *admin, const struct admin_line *line)
{
	(void)admin;
	(void)line;
	return ERR_OK;
}

/* What was said of the files: part of a check's answer, a complaint otherwise. */
static void
tell(struct buffer *said)
{
	fprintf(stderr, "%.*s", STR_ARG(buffer_str(said)));
	buffer_clear(said);
}

static enum err
explain_file(struct admin *admin, enum err err, const char *path)
{
	if (err == ERR_SYNTAX)
		return admin_explain(admin, ERR_CANNOT, "%s is no valid script", path);
	return admin_explain(admin, err, "%s can not be read", path);
}

static enum err
check_run(struct admin *admin, const struct admin_line *line)
{
	const char *path = line->values[ADMIN_OPT_FILE];
	struct buffer said = { 0 };
	struct sieve_trial trial;
	enum err err;

	sieve_trial_init(&trial, &admin->arena, &said);
	err = sieve_trial_add(&trial, path);
	tell(&said);
	if (err != ERR_OK)
		return explain_file(admin, err, path);
	printf("%s is a valid script\n", path);
	return ERR_OK;
}

static enum err
prepare(struct admin *admin, const struct admin_line *line, struct sieve_trial *trial)
{
	enum err err = sieve_trial_add(trial, line->values[ADMIN_OPT_FILE]);

	if (err != ERR_OK)
		return explain_file(admin, err, line->values[ADMIN_OPT_FILE]);
	err = sieve_trial_message(trial, line->values[ADMIN_OPT_MESSAGE]);
	if (err != ERR_OK)
		return explain_file(admin, err, line->values[ADMIN_OPT_MESSAGE]);
	if (line->values[ADMIN_OPT_FROM] != NULL)
		trial->input.sender = str_c(line->values[ADMIN_OPT_FROM]);
	if (line->values[ADMIN_OPT_EMAIL] != NULL)
		trial->input.recipient = str_c(line->values[ADMIN_OPT_EMAIL]);
	trial->input.address = trial->input.recipient;
	trial->input.explain = admin_has(line, ADMIN_OPT(EXPLAIN));
	return ERR_OK;
}

static enum err
test_run(struct admin *admin, const struct admin_line *line)
{
	struct buffer said = { 0 }, out = { 0 };
	struct sieve_trial trial;
	struct sieve_result result = { 0 };
	enum err err;

	sieve_trial_init(&trial, &admin->arena, &said);
	err = prepare(admin, line, &trial);
	if (err == ERR_OK)
		sieve_trial_run(&trial, &result);
	tell(&said);
	TRY(err);
	sieve_print_trace(&result, &out);
	sieve_print_result(&result, &out);
	admin_flush(&out);
	return result.outcome == SIEVE_OK ? ERR_OK : admin_explain(admin, ERR_CANNOT, "the script fails: the mail would be kept");
}

const struct admin_command admin_sieve_test[] = {
	{ "sieve check", "Say what is wrong with a Sieve script, by line and column", ADMIN_OPT(FILE), ADMIN_OPT(FILE), { ADMIN_OPT_FILE }, stay,
	    check_run },
	{ "sieve test",  "Say what a Sieve script would do with a message, without doing it",
	    ADMIN_OPT(FILE) | ADMIN_OPT(MESSAGE) | ADMIN_OPT(EXPLAIN) | ADMIN_OPT(FROM) | ADMIN_OPT(EMAIL), ADMIN_OPT(FILE) | ADMIN_OPT(MESSAGE),
	    { ADMIN_OPT_FILE, ADMIN_OPT_MESSAGE }, stay, test_run },
	{ NULL, NULL, 0, 0, { ADMIN_OPT_NONE }, NULL, NULL },
};
