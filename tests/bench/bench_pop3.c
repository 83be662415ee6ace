/*
 * pop3 WHAT TIMES USER PORT: measure a maildrop on 127.0.0.1 by POP3, with one connection after the other.
 *
 *	login	connect, USER, PASS, QUIT
 *	stat	the same with STAT
 *	uidl	the same with UIDL of all mails
 *	retr	TIMES mails, one RETR after the other, in one session
 *
 * The password is "secret". Prints one line of JSON.
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

static size_t
retrieve(size_t number)
{
	wire_printf(&wire, "RETR %zu\r\n", number);
	wire_expect(&wire, "+OK");
	return listing();
}

int
main(int argc, char **argv)
{
	struct str what = str_c(argc == 5 ? argv[1] : "");
	size_t many, lines = 0;
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
	if (str_equal(what, STR("retr")))
		login(argv[3], port);
	total_us = clock_mono_us();
	for (size_t i = 0; i < many; i++) {
		began_us = clock_mono_us();
		if (str_equal(what, STR("retr")))
			lines += retrieve(i + 1);
		else
			login(argv[3], port);
		if (str_equal(what, STR("stat")) || str_equal(what, STR("uidl"))) {
			wire_printf(&wire, str_equal(what, STR("stat")) ? "STAT\r\n" : "UIDL\r\n");
			wire_expect(&wire, "+OK");
		}
		if (str_equal(what, STR("uidl")))
			lines += listing();
		if (!str_equal(what, STR("retr")))
			quit();
		times_add(&times, clock_mono_us() - began_us);
	}
	total_us = clock_mono_us() - total_us;
	printf("{\"seconds\": %.6f, \"count\": %zu, \"lines\": %zu, ", (double)total_us / 1e6, many, lines);
	times_print(&times);
	printf("}\n");
	return 0;
}
