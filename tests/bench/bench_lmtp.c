/*
 * lmtp SESSIONS MAILS RECIPIENTS FIRST COUNT NUMBER PORT...: deliver mails to 127.0.0.1 by LMTP, as an MTA does that pipelines.
 *
 * Each mail goes to RECIPIENTS of the accounts bench<FIRST>@sora.test and the COUNT - 1 after it. NUMBER is that of the first mail: no two
 * runs send the same one. Sessions take the ports in turn. Prints one line of JSON; a delivery is one recipient's 250.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "libcommon/core/clock.h"
#include "tests/bench/corpus.h"
#include "tests/bench/wire.h"

static size_t mails, recipients, first, count, first_number;
static _Atomic size_t taken;
static struct times times;

static void
deliver(struct wire *wire, struct buffer *data, size_t which)
{
	int64_t began_us = clock_mono_us();

	buffer_reset(data);
	buffer_printf(data, "MAIL FROM:<anna%zu@example.org>\r\n", (first_number + which) % 997);
	for (size_t i = 0; i < recipients; i++)
		buffer_printf(data, "RCPT TO:<bench%zu@sora.test>\r\n", first + (which * recipients + i) % count);
	buffer_add(data, STR("DATA\r\n"));
	wire_send(wire, buffer_str(data));
	buffer_reset(data);
	corpus_add(data, first_number + which);
	buffer_add(data, STR(".\r\n"));
	for (size_t i = 0; i < recipients + 1; i++)
		wire_expect(wire, "250 ");
	wire_expect(wire, "354 ");
	wire_send(wire, buffer_str(data));
	for (size_t i = 0; i < recipients; i++)
		wire_expect(wire, "250 ");
	times_add(&times, clock_mono_us() - began_us);
}

static void *
session(void *port)
{
	struct wire *wire = calloc(1, sizeof(*wire));
	struct buffer data = { 0 };
	size_t which;

	wire_open(wire, (unsigned)(uintptr_t)port, NULL);
	wire_expect(wire, "220 ");
	wire_printf(wire, "LHLO bench.example.org\r\n");
	do
		wire_expect(wire, "250");
	while (wire->said.ptr[3] == '-');
	while ((which = atomic_fetch_add(&taken, 1)) < mails)
		deliver(wire, &data, which);
	wire_printf(wire, "QUIT\r\n");
	wire_expect(wire, "221 ");
	wire_close(wire);
	free(wire);
	buffer_clear(&data);
	return NULL;
}

int
main(int argc, char **argv)
{
	pthread_t threads[256];
	size_t sessions;
	int64_t began_us;

	if (argc < 8 || (sessions = number(argv[1])) > 256) {
		fprintf(stderr, "usage: lmtp SESSIONS MAILS RECIPIENTS FIRST COUNT NUMBER PORT...\n");
		return 2;
	}
	mails = number(argv[2]);
	recipients = number(argv[3]);
	first = number(argv[4]);
	count = number(argv[5]);
	first_number = number(argv[6]);
	corpus_init();
	times_init(&times, mails);
	began_us = clock_mono_us();
	for (size_t i = 0; i < sessions; i++)
		pthread_create(&threads[i], NULL, session, (void *)(uintptr_t)number(argv[7 + i % (size_t)(argc - 7)]));
	for (size_t i = 0; i < sessions; i++)
		pthread_join(threads[i], NULL);
	printf("{\"seconds\": %.6f, \"count\": %zu, ", (double)(clock_mono_us() - began_us) / 1e6, mails * recipients);
	times_print(&times);
	printf("}\n");
	return 0;
}
