/* libsora: the all-in-one without a main of its own. */
#include "services/sora/sora.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "libcommon/core/mem.h"
#include "libcommon/mail/address.h"
#include "libcommon/mail/downgrade.h"
#include "libcommon/service/process.h"
#include "services/lmtp/body.h"
#include "services/lmtp/deliver.h"
#include "services/lmtp/recipients.h"
#include "services/sora/all.h"

enum { READ_BYTES = 64 * 1024 };

struct sora {
	struct config *config;
	struct process *process;
};

/* ---- start and stop */

static enum err
load(const struct sora_options *options, struct config **ret_config, struct buffer *problems)
{
	enum err err;

	if (options->config_text != NULL)
		err = config_parse(str_c(options->config_text), "config_text", false, ret_config, problems);
	else
		err = config_load(options->config_file, false, ret_config, problems);
	if (err == ERR_OK && !process_setup_logs(*ret_config, problems)) {
		config_free(*ret_config);
		err = ERR_CONFIG;
	}
	return err;
}

/* Threads inherit the mask: none of ours takes a signal that is meant for the program. */
static enum err
start_without_signals(const struct config *config, struct process **ret_process)
{
	sigset_t all, before;
	enum err err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = process_start(config, sora_services, SORA_SERVICES, ret_process);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return err;
}

static enum err
start(struct sora *sora, const struct sora_options *options, struct buffer *problems)
{
	enum err err;

	TRY(load(options, &sora->config, problems));
	err = start_without_signals(sora->config, &sora->process);
	if (err != ERR_OK) {
		buffer_printf(problems, "a service cannot start (%s): see the log\n", err_row(err)->text);
		config_free(sora->config);
	}
	return err;
}

int
sora_start(const struct sora_options *options, struct sora **ret_sora, char **ret_problems)
{
	struct buffer problems = { 0 };
	struct sora *sora = MEM_NEW(struct sora);
	enum err err = start(sora, options, &problems);

	if (err == ERR_OK)
		*ret_sora = sora;
	else
		free(sora);
	if (err != ERR_OK && ret_problems != NULL)
		*ret_problems = strndup(buffer_str(&problems).ptr, buffer_len(&problems));
	buffer_clear(&problems);
	return err == ERR_OK ? 0 : -1;
}

void
sora_stop(struct sora *sora)
{
	if (sora == NULL)
		return;
	process_stop(sora->process);
	config_free(sora->config);
	free(sora);
}

/* ---- deliver */

static void
set_result(struct sora_result *result, const char *code, const char *text)
{
	*result = (struct sora_result){ .code = (code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0') };
	snprintf(result->status, sizeof(result->status), "%s", code + strlen("250 "));
	snprintf(result->text, sizeof(result->text), "%s", text);
}

/* The words of the recipient's filter, in one line. */
static void
set_refusal(struct sora_result *result, struct str refusal)
{
	snprintf(result->text, sizeof(result->text), "%.*s", STR_ARG(refusal));
	for (char *c = result->text; *c != '\0'; c++)
		if (*c == '\n')
			*c = ' ';
}

/* What MAIL and RCPT would take, `may_be_empty` as of a bounce. */
static bool
is_address(const char *address, bool may_be_empty)
{
	struct arena arena = { 0 };
	struct str path = arena_printf(&arena, "<%s>", address), rest;
	struct mail_path parsed;
	bool is_good = mail_path_parse(path, &arena, &parsed, &rest) == ERR_OK && rest.len == 0 &&
	    (may_be_empty || parsed.address.len > 0);

	for (const char *c = address; *c != '\0'; c++)
		is_good = is_good && (unsigned char)*c >= ' ' && *c != 0x7f;
	arena_clear(&arena);
	return is_good;
}

/* Ask about those that wait, `results` being theirs: those that are refused have theirs now. */
static void
ask(struct lmtp_transaction *mail, struct sora_result **results)
{
	bool is_temporary = lmtp_transaction_config(mail)->lmtp_overquota_temporary;
	size_t first = mail->resolved_count;

	if (lmtp_recipients_waiting(mail) == 0)
		return;
	lmtp_recipients_ask(mail);
	for (size_t i = first; i < mail->recipient_count; i++) {
		struct lmtp_outcome outcome = lmtp_outcome(mail->recipients[i].err, is_temporary);

		if (mail->recipients[i].err != ERR_OK)
			set_result(results[i - first], outcome.code, outcome.text);
	}
	lmtp_recipients_settle(mail);
}

static void
add_recipients(struct lmtp_transaction *mail, const struct sora_mail *given, struct sora_result *results)
{
	struct sora_result *waiting[LMTP_RESOLVE_MAX];

	for (size_t i = 0; i < given->recipient_count; i++) {
		results[i] = (struct sora_result){ .code = 0 };
		if (!is_address(given->recipients[i], false)) {
			set_result(&results[i], "501 5.1.3", "this is no recipient's address");
			continue;
		}
		waiting[lmtp_recipients_waiting(mail)] = &results[i];
		lmtp_transaction_add(mail, str_c(given->recipients[i]));
		if (lmtp_recipients_waiting(mail) == LMTP_RESOLVE_MAX)
			ask(mail, waiting);
	}
	ask(mail, waiting);
}

/* False: the program that has the mail cannot read it. */
static bool
read_body(struct lmtp_transaction *mail, const struct sora_mail *given)
{
	char *bytes = mem_alloc(READ_BYTES);
	ssize_t len;

	lmtp_transaction_body(mail);
	while ((len = given->read(given->self, bytes, READ_BYTES)) > 0)
		lmtp_body_add(mail->body, str_from(bytes, (size_t)len));
	free(bytes);
	return len == 0;
}

/* Those that were not refused are in the transaction, in their order. Returns how many have the mail. */
static size_t
take_results(const struct lmtp_transaction *mail, bool is_read, struct sora_result *results)
{
	size_t delivered = 0;

	for (size_t i = 0; i < mail->recipient_count; results++) {
		struct lmtp_outcome outcome = { "451 4.3.0", "the mail could not be read" };

		if (results->code != 0)
			continue;
		if (is_read)
			outcome = lmtp_deliver_outcome(mail, &mail->recipients[i]);
		set_result(results, outcome.code, outcome.text);
		if (is_read && mail->recipients[i].err == ERR_REFUSED && mail->recipients[i].refusal.len > 0)
			set_refusal(results, mail->recipients[i].refusal);
		delivered += lmtp_is_delivered(outcome);
		i++;
	}
	return delivered;
}

static size_t
deliver(struct lmtp_transaction *mail, const struct sora_mail *given, struct sora_result *results)
{
	bool is_read;

	add_recipients(mail, given, results);
	if (mail->recipient_count == 0)
		return 0;
	is_read = read_body(mail, given);
	if (is_read)
		lmtp_deliver(mail);
	return take_results(mail, is_read, results);
}

/* RFC 6531: does an address have other letters than those of ASCII? */
static bool
needs_utf8(const struct sora_mail *mail)
{
	bool is_ascii = mail->sender == NULL || mail_is_ascii(str_c(mail->sender));

	for (size_t i = 0; i < mail->recipient_count; i++)
		is_ascii = is_ascii && mail_is_ascii(str_c(mail->recipients[i]));
	return !is_ascii;
}

size_t
sora_deliver(struct sora *sora, const struct sora_mail *mail, struct sora_result *results)
{
	struct log log = { .service = "embed" };
	struct lmtp_client client = { .address = "127.0.0.1" };
	const struct lmtp_origin origin = { .context = process_context(sora->process), .log = &log, .client = &client,
		.has_utf8 = needs_utf8(mail) };
	struct lmtp_transaction transaction = { 0 };
	const char *sender = mail->sender ? mail->sender : "";
	size_t delivered = 0;

	snprintf(client.helo, sizeof(client.helo), "%s", mail->client ? mail->client : "localhost");
	if (is_address(sender, true)) {
		lmtp_transaction_begin(&transaction, &origin, str_c(sender), 0);
		delivered = deliver(&transaction, mail, results);
		lmtp_transaction_end(&transaction);
	} else {
		for (size_t i = 0; i < mail->recipient_count; i++)
			set_result(&results[i], "501 5.1.7", "this is no sender's address");
	}
	return delivered;
}
