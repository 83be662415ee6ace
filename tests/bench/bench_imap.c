/*
 * imap WHAT TIMES USER PORT [...]: measure INBOX on 127.0.0.1 by IMAP.
 *
 *	login	connect, LOGIN, LOGOUT
 *	select	SELECT, in one session
 *	flags, envelope
 *		FETCH 1:* of the flags and sizes, or of the ENVELOPEs, in one session
 *	bodies COUNT
 *		FETCH 1:COUNT BODY.PEEK[]; TIMES of it, COUNT mails each
 *	body	TIMES mails, one FETCH after the other
 *	exists LMTP-PORT NUMBER
 *		deliver mail NUMBER and those after it while IDLE: from the 250 to EXISTS. NUMBER as of bench/lmtp
 *	idle plain|tls ACCOUNTS
 *		TIMES sessions of bench0@sora.test and those after it, in IDLE until standard input ends
 *
 * The password is "secret". Prints one line of JSON.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "libcommon/core/clock.h"
#include "tests/bench/corpus.h"
#include "tests/bench/wire.h"

static struct wire wire;
static struct times times;
static int64_t began_us;
static size_t many, per_turn = 1;

/* Until a line begins with `tag`, over whatever literals come. It must say OK. Returns the number of untagged answers. */
static size_t
finish(struct wire *w, const char *tag)
{
	size_t answers = 0;

	for (bool begins = true;;) {
		struct str line = wire_line(w);
		size_t brace = str_rindex(line, '{');
		uint32_t len;

		if (begins && str_starts_with(line, str_c(tag)))
			break;
		answers += begins;
		begins = !(str_ends_with(line, STR("}")) && str_to_u32(str_sub(line, brace + 1, line.len - brace - 2), &len));
		if (!begins)
			wire_skip(w, len);
	}
	if (!str_starts_with(str_sub(w->said, strlen(tag), SIZE_MAX), STR(" OK")))
		give_up(w, "OK");
	return answers;
}

static size_t
command(const char *text)
{
	wire_printf(&wire, "a %s\r\n", text);
	return finish(&wire, "a");
}

static void
login(struct wire *w, const char *user, unsigned port, SSL_CTX *tls)
{
	wire_open(w, port, tls);
	wire_expect(w, "* OK");
	wire_printf(w, "a LOGIN %s secret\r\n", user);
	finish(w, "a");
}

static void
logout(void)
{
	command("LOGOUT");
	wire_close(&wire);
}

static size_t
repeat(const char *text)
{
	size_t answers = 0;

	for (size_t i = 0; i < many; i++) {
		int64_t since_us = clock_mono_us();

		answers += command(text);
		times_add(&times, clock_mono_us() - since_us);
	}
	return answers;
}

static size_t
measure_login(char **argv)
{
	for (size_t i = 0; i < many; i++) {
		int64_t since_us = clock_mono_us();

		login(&wire, argv[3], (unsigned)number(argv[4]), NULL);
		logout();
		times_add(&times, clock_mono_us() - since_us);
	}
	return many;
}

static size_t
in_session(char **argv, const char *text)
{
	size_t answers;

	login(&wire, argv[3], (unsigned)number(argv[4]), NULL);
	command("SELECT INBOX");
	began_us = clock_mono_us();
	answers = repeat(text);
	return answers;
}

static size_t
measure_select(char **argv)
{
	return in_session(argv, "SELECT INBOX");
}

static size_t
measure_flags(char **argv)
{
	return in_session(argv, "FETCH 1:* (UID FLAGS RFC822.SIZE INTERNALDATE)");
}

static size_t
measure_envelope(char **argv)
{
	return in_session(argv, "FETCH 1:* (ENVELOPE)");
}

static size_t
measure_bodies(char **argv)
{
	char text[64];

	per_turn = number(argv[5]);
	snprintf(text, sizeof(text), "FETCH 1:%zu (BODY.PEEK[])", per_turn);
	return in_session(argv, text);
}

static size_t
measure_body(char **argv)
{
	size_t answers = 0;

	login(&wire, argv[3], (unsigned)number(argv[4]), NULL);
	command("SELECT INBOX");
	began_us = clock_mono_us();
	for (size_t i = 1; i <= many; i++) {
		int64_t since_us = clock_mono_us();

		wire_printf(&wire, "a FETCH %zu (BODY.PEEK[])\r\n", i);
		answers += finish(&wire, "a");
		times_add(&times, clock_mono_us() - since_us);
	}
	return answers;
}

/* The time of its 250. */
static int64_t
deliver(struct wire *lmtp, const char *to, unsigned long long mail)
{
	struct buffer data = { 0 };

	wire_printf(lmtp, "MAIL FROM:<sender@example.org>\r\nRCPT TO:<%s>\r\nDATA\r\n", to);
	wire_expect(lmtp, "250");
	wire_expect(lmtp, "250");
	wire_expect(lmtp, "354");
	corpus_add(&data, mail);
	buffer_add(&data, STR(".\r\n"));
	wire_send(lmtp, buffer_str(&data));
	buffer_clear(&data);
	wire_expect(lmtp, "250");
	return clock_mono_us();
}

static struct wire lmtp;

/* EXISTS may come before the 250 is read: then it took no time. */
static size_t
measure_exists(char **argv)
{
	size_t first = number(argv[6]);

	corpus_init();
	login(&wire, argv[3], (unsigned)number(argv[4]), NULL);
	command("SELECT INBOX");
	wire_printf(&wire, "a IDLE\r\n");
	wire_expect(&wire, "+");
	wire_open(&lmtp, (unsigned)number(argv[5]), NULL);
	wire_expect(&lmtp, "220");
	wire_printf(&lmtp, "LHLO bench.example.org\r\n");
	do
		wire_expect(&lmtp, "250");
	while (lmtp.said.ptr[3] == '-');
	for (size_t i = 0; i < many; i++) {
		int64_t since_us = deliver(&lmtp, argv[3], first + i);

		while (!str_ends_with(wire_line(&wire), STR(" EXISTS")))
			continue;
		times_add(&times, clock_mono_us() - since_us);
	}
	return many;
}

static size_t
measure_idle(char **argv)
{
	SSL_CTX *tls = str_equal(str_c(argv[5]), STR("tls")) ? SSL_CTX_new(TLS_client_method()) : NULL;
	size_t accounts = number(argv[6]);

	for (size_t i = 0; i < many; i++) {
		int64_t since_us = clock_mono_us();
		char user[64];

		snprintf(user, sizeof(user), "bench%zu@sora.test", i % accounts);
		login(&wire, user, (unsigned)number(argv[4]), tls); /* only its socket is kept */
		command("SELECT INBOX");
		wire_printf(&wire, "a IDLE\r\n");
		wire_expect(&wire, "+");
		times_add(&times, clock_mono_us() - since_us);
	}
	return many;
}

static const struct {
	const char *name;
	int args;
	size_t (*run)(char **argv);
} measures[] = {
	{ "login", 0, measure_login },
	{ "select", 0, measure_select },
	{ "flags", 0, measure_flags },
	{ "envelope", 0, measure_envelope },
	{ "bodies", 1, measure_bodies },
	{ "body", 0, measure_body },
	{ "exists", 2, measure_exists },
	{ "idle", 2, measure_idle },
};

int
main(int argc, char **argv)
{
	char byte;

	for (size_t i = 0; argc >= 5 && i < sizeof(measures) / sizeof(measures[0]); i++) {
		size_t answers;

		if (!str_equal(str_c(argv[1]), str_c(measures[i].name)) || argc != 5 + measures[i].args)
			continue;
		many = number(argv[2]);
		times_init(&times, many);
		began_us = clock_mono_us();
		answers = measures[i].run(argv);
		printf("{\"seconds\": %.6f, \"count\": %zu, \"answers\": %zu, ", (double)(clock_mono_us() - began_us) / 1e6, many * per_turn,
		    answers);
		times_print(&times);
		printf("}\n");
		fflush(stdout);
		return measures[i].run == measure_idle && read(0, &byte, 1) < 0;
	}
	fprintf(stderr, "usage: imap WHAT TIMES USER PORT [...]\n");
	return 2;
}
