/*
 * pop3 WHAT TIMES USER PORT: measure a maildrop on 127.0.0.1 by POP3, with one connection after the other.
 *
 *	login	connect, USER, PASS, QUIT
 *	stat	the same with STAT
 *	uidl	the same with UIDL of all mails
 *	retr	TIMES mails, one RETR after the other, in one session
 *
 * The password is "secret". Prints one line of JSON; "mails" is how many STAT or UIDL told of.
 */
#include <stdio.h>
#include <stdlib.h>

#include "libcommon/core/clock.h"
#include "tests/bench/wire.h"

static struct wire wire;

static void
login(const char *user, unsigned port)
{
	wire_open(&wire, port, NULL);
	wire_expect(&wire, "+OK");
	wire_printf(&wire, "USER %s\r\n", user);
	wire_expect(&wire, "+OK");
	wire_printf(&wire, "PASS secret\r\n");
	wire_expect(&wire, "+OK");
}

static void
quit(void)
{
	wire_printf(&wire, "QUIT\r\n");
	wire_expect(&wire, "+OK");
	wire_close(&wire);
}

/* To the line that is a dot; returns the number of lines. */
static size_t
listing(void)
{
	size_t lines = 0;

	while (!str_equal(wire_line(&wire), STR(".")))
		lines++;
	return lines;
}

/* How many mails there are, as STAT says. */
static size_t
statistics(void)
{
	struct str line, word, digits;
	uint32_t mails;

	wire_printf(&wire, "STAT\r\n");
	wire_expect(&wire, "+OK ");
	line = wire.said;
	if (!str_split(&line, ' ', &word) || !str_split(&line, ' ', &digits) || !str_to_u32(digits, &mails))
		give_up(&wire, "a number of mails");
	return mails;
}

/* As UIDL says. */
static size_t
uidl(void)
{
	wire_printf(&wire, "UIDL\r\n");
	wire_expect(&wire, "+OK");
	return listing();
}

static void
retrieve(size_t number)
{
	wire_printf(&wire, "RETR %zu\r\n", number);
	wire_expect(&wire, "+OK");
	if (listing() == 0)
		give_up(&wire, "a mail");
}

int
main(int argc, char **argv)
{
	struct str what = str_c(argc == 5 ? argv[1] : "");
	bool is_retr = str_equal(what, STR("retr")), is_stat = str_equal(what, STR("stat")), is_uidl = str_equal(what, STR("uidl"));
	size_t many, mails = 0;
	unsigned port;
	struct times times;
	int64_t began_us, total_us;

	if (argc != 5) {
		fprintf(stderr, "usage: pop3 login|stat|uidl|retr TIMES USER PORT\n");
		return 2;
	}
	many = number(argv[2]);
	port = (unsigned)number(argv[4]);
	times_init(&times, many);
	if (is_retr)
		login(argv[3], port);
	total_us = clock_mono_us();
	for (size_t i = 0; i < many; i++) {
		began_us = clock_mono_us();
		if (is_retr)
			retrieve(i + 1);
		else
			login(argv[3], port);
		if (is_stat || is_uidl)
			mails = is_stat ? statistics() : uidl();
		if (!is_retr)
			quit();
		times_add(&times, clock_mono_us() - began_us);
	}
	total_us = clock_mono_us() - total_us;
	printf("{\"seconds\": %.6f, \"count\": %zu, ", (double)total_us / 1e6, many);
	if (is_stat || is_uidl)
		printf("\"mails\": %zu, ", mails);
	times_print(&times);
	printf("}\n");
	return 0;
}
