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
 *		deliver mail NUMBER and those after it while IDLE: from the 250 to the EXISTS of one more. NUMBER as of bench/lmtp
 *	idle plain|tls ACCOUNTS
 *		TIMES sessions of bench0@sora.test and those after it, in IDLE until standard input ends
 *
 * The password is "secret". Prints one line of JSON; "mails" is how many INBOX has, where it was selected. A FETCH must tell of every mail that it
 * names.
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
static size_t mails; /* in INBOX, as EXISTS last said */
static bool is_told; /* it did */

/* Does it begin so: "* N WHAT"? */
static bool
is_answer(struct str line, const char *what, size_t *ret_number)
{
	struct str star, digits;
	uint32_t value;

	if (!str_split(&line, ' ', &star) || !str_equal(star, STR("*")) || !str_split(&line, ' ', &digits) || !str_to_u32(digits, &value) ||
	    !str_starts_with(line, str_c(what)))
		return false;
	*ret_number = value;
	return true;
}

static void
note_exists(struct str line)
{
	is_told |= is_answer(line, "EXISTS", &mails);
}

/* Until a line begins with `tag`, over whatever literals come. It must say OK. Returns the number of mails that FETCH told of. */
static size_t
finish(struct wire *w, const char *tag)
{
	size_t fetched = 0, which;

	for (bool begins = true;;) {
		struct str line = wire_line(w);
		size_t brace = str_rindex(line, '{');
		uint32_t len;

		if (begins && str_starts_with(line, str_c(tag)))
			break;
		if (begins) {
			fetched += is_answer(line, "FETCH (", &which);
			note_exists(line);
		}
		begins = !(str_ends_with(line, STR("}")) && str_to_u32(str_sub(line, brace + 1, line.len - brace - 2), &len));
		if (!begins)
			wire_skip(w, len);
	}
	if (!str_starts_with(str_sub(w->said, strlen(tag), SIZE_MAX), STR(" OK")))
		give_up(w, "OK");
	return fetched;
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

static void
select_inbox(void)
{
	is_told = false;
	command("SELECT INBOX");
	if (!is_told)
		give_up(&wire, "EXISTS");
}

/* In session; the clock runs from here. */
static void
begin(char **argv)
{
	login(&wire, argv[3], (unsigned)number(argv[4]), NULL);
	select_inbox();
	began_us = clock_mono_us();
}

static void
fetch(const char *text, size_t wanted)
{
	int64_t since_us = clock_mono_us();
	size_t fetched = command(text);

	times_add(&times, clock_mono_us() - since_us);
	if (fetched == wanted)
		return;
	fprintf(stderr, "%s: %zu mails came, not %zu\n", text, fetched, wanted);
	exit(1);
}

static void
measure_login(char **argv)
{
	for (size_t i = 0; i < many; i++) {
		int64_t since_us = clock_mono_us();

		login(&wire, argv[3], (unsigned)number(argv[4]), NULL);
		logout();
		times_add(&times, clock_mono_us() - since_us);
	}
}

static void
measure_select(char **argv)
{
	begin(argv);
	for (size_t i = 0; i < many; i++) {
		int64_t since_us = clock_mono_us();

		select_inbox();
		times_add(&times, clock_mono_us() - since_us);
	}
}

static void
measure_flags(char **argv)
{
	begin(argv);
	for (size_t i = 0; i < many; i++)
		fetch("FETCH 1:* (UID FLAGS RFC822.SIZE INTERNALDATE)", mails);
}

static void
measure_envelope(char **argv)
{
	begin(argv);
	for (size_t i = 0; i < many; i++)
		fetch("FETCH 1:* (ENVELOPE)", mails);
}

static void
measure_bodies(char **argv)
{
	char text[64];

	per_turn = number(argv[5]);
	snprintf(text, sizeof(text), "FETCH 1:%zu (BODY.PEEK[])", per_turn);
	begin(argv);
	for (size_t i = 0; i < many; i++)
		fetch(text, per_turn);
}

static void
measure_body(char **argv)
{
	begin(argv);
	for (size_t i = 1; i <= many; i++) {
		char text[64];

		snprintf(text, sizeof(text), "FETCH %zu (BODY.PEEK[])", i);
		fetch(text, 1);
	}
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

/* EXISTS may come before the 250 is read: then it took no time. Others may come than the one that counts this mail. */
static void
measure_exists(char **argv)
{
	size_t first = number(argv[6]), before;

	corpus_init();
	login(&wire, argv[3], (unsigned)number(argv[4]), NULL);
	select_inbox();
	before = mails;
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

		while (mails <= before + i)
			note_exists(wire_line(&wire));
		times_add(&times, clock_mono_us() - since_us);
	}
	if (mails != before + many)
		give_up(&wire, "EXISTS of what was delivered, and no more");
}

static void
measure_idle(char **argv)
{
	SSL_CTX *tls = str_equal(str_c(argv[5]), STR("tls")) ? SSL_CTX_new(TLS_client_method()) : NULL;
	size_t accounts = number(argv[6]);

	for (size_t i = 0; i < many; i++) {
		int64_t since_us = clock_mono_us();
		char user[64];

		snprintf(user, sizeof(user), "bench%zu@sora.test", i % accounts);
		login(&wire, user, (unsigned)number(argv[4]), tls); /* only its socket is kept */
		select_inbox();
		wire_printf(&wire, "a IDLE\r\n");
		wire_expect(&wire, "+");
		times_add(&times, clock_mono_us() - since_us);
	}
}

static const struct {
	const char *name;
	int args;
	void (*run)(char **argv);
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
		if (!str_equal(str_c(argv[1]), str_c(measures[i].name)) || argc != 5 + measures[i].args)
			continue;
		many = number(argv[2]);
		times_init(&times, many);
		began_us = clock_mono_us();
		measures[i].run(argv);
		printf("{\"seconds\": %.6f, \"count\": %zu, ", (double)(clock_mono_us() - began_us) / 1e6, many * per_turn);
		if (is_told)
			printf("\"mails\": %zu, ", mails);
		times_print(&times);
		printf("}\n");
		fflush(stdout);
		return measures[i].run == measure_idle && read(0, &byte, 1) < 0;
	}
	fprintf(stderr, "usage: imap WHAT TIMES USER PORT [...]\n");
	return 2;
}
