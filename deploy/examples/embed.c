/*
 * embed CONFIG SENDER RECIPIENT...: take a mail from standard input and deliver it, with a mail store of our own.
 *
 *	cc -o embed embed.c $(pkg-config --cflags --libs sora)
 *	./embed sora.yaml a@example.org me@example.org < mail
 *
 * Exit code: 0 everyone has it, 75 (EX_TEMPFAIL) try again, 67 (EX_NOUSER) never for someone, 78 (EX_CONFIG) it does not start.
 */
#include <sora.h>

#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

static ssize_t
read_input(void *self, char *to, size_t size)
{
	(void)self;
	return read(STDIN_FILENO, to, size);
}

/* Say what became of it; a temporary failure decides before a permanent one. */
static int
report(const struct sora_mail *mail, const struct sora_result *results)
{
	int code = EX_OK;

	for (size_t i = 0; i < mail->recipient_count; i++) {
		printf("%s: %d %s %s\n", mail->recipients[i], results[i].code, results[i].status, results[i].text);
		if (results[i].code / 100 == 4)
			code = EX_TEMPFAIL;
		else if (results[i].code / 100 == 5 && code == EX_OK)
			code = EX_NOUSER;
	}
	return code;
}

int
main(int argc, char **argv)
{
	struct sora_options options = { .config_file = argv[1] };
	struct sora_mail mail = { .read = read_input };
	struct sora_result *results;
	struct sora *sora;
	char *problems = NULL;
	int code;

	if (argc < 4) {
		fprintf(stderr, "usage: embed CONFIG SENDER RECIPIENT... < mail\n");
		return EX_USAGE;
	}
	if (sora_start(&options, &sora, &problems) != 0) {
		fprintf(stderr, "%s", problems);
		free(problems);
		return EX_CONFIG;
	}
	mail.sender = argv[2];
	mail.recipients = (const char *const *)argv + 3;
	mail.recipient_count = (size_t)argc - 3;
	results = calloc(mail.recipient_count, sizeof(*results));
	sora_deliver(sora, &mail, results);
	code = report(&mail, results);
	sora_stop(sora);
	free(results);
	return code;
}
