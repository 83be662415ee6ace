/*
 * libsora: a mail store inside of your program.                              cc program.c $(pkg-config --cflags --libs sora)
 *
 *	struct sora_options options = { .config_file = "sora.yaml" };
 *	struct sora *sora;
 *	char *problems;
 *
 *	if (sora_start(&options, &sora, &problems) != 0)
 *		errx(1, "%s", problems);
 *	sora_deliver(sora, &mail, results);
 *	sora_stop(sora);
 *
 * Every service runs on threads of this process, as in the program `sora`, and listens where the configuration says: with
 * `imap: {listen: [], tls_listen: []}`, the same for `pop3`, and `listen: []` for `managesieve` and `lmtp`, nowhere. deploy/examples/embed.c is
 * a whole program.
 *
 * There can be one at a time in a process. No function is for signal handlers. Sora's threads take no signals; the program's handlers
 * and its handling of SIGPIPE stay what they are. Logs go to standard error.
 */
#ifndef SORA_H
#define SORA_H

#include <stddef.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sora;

/* Zero it and set one of the two. Read only during sora_start. */
struct sora_options {
	const char *config_file; /* as sora.yaml.example */
	const char *config_text; /* the same, without a file */
};

/*
 * Start all services. 0: done; sora_stop ends it. -1: *ret_problems says why, a line each; free() it. `ret_problems` may be NULL.
 *
 * A database or an object store that is away is no failure: mail is answered with a temporary one until it is there. An empty database is
 * made ready.
 */
int sora_start(const struct sora_options *options, struct sora **ret_sora, char **ret_problems);

/* One mail to deliver. Strings end in NUL; addresses have no angle brackets. */
struct sora_mail {
	const char *sender; /* NULL or "": none, as of a bounce */
	const char *const *recipients;
	size_t recipient_count;
	const char *client; /* whoever brings it, for the Received field; NULL: this program */
	/*
	 * The mail, header and body, lines ending in CRLF: up to `size` bytes of it into `to`, at most 64 KiB at a time. Returns how many;
	 * 0: that was all; less than 0: it can not be read, and is given to nobody.
	 */
	ssize_t (*read)(void *self, char *to, size_t size);
	void *self;
};

/* What became of it for one recipient, as an MTA would be told (RFC 5321 s. 4.2, RFC 3463). */
struct sora_result {
	int code;         /* 250: it is durable. 4yz: not now, and perhaps it is there already. 5yz: never. */
	char status[12];  /* "2.0.0" */
	char text[128];
};

/*
 * Deliver a mail to each recipient, as by LMTP: results[i] is of recipients[i]. Returns how many have it. From any thread, any number at
 * once; takes at most a minute beyond what `read` takes.
 *
 * A mail whose topmost Received field has an id may be given again after a 4yz: whoever has it does not get it twice.
 */
size_t sora_deliver(struct sora *sora, const struct sora_mail *mail, struct sora_result *results);

/* Say goodbye to clients, finish what is under way (drain.time), end every thread. No call may be under way. NULL: nothing. */
void sora_stop(struct sora *sora);

#ifdef __cplusplus
}
#endif

#endif
