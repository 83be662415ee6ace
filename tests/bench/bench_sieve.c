/*
 * sieve [RULES [RUNS]]: what a script of so many rules (50) costs, once compiled: processor time per run, and to compile it.
 *
 * The rules are those that people have: a header or address, a match, a mailbox. None but the last is true, so that all are tried.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "libcommon/core/buffer.h"
#include "services/sieve/sieve.h"

static const char header[] =
    "Return-Path: <sender@example.net>\r\nDelivered-To: me@example.org\r\n"
    "Received: from mx.example.net (mx.example.net [192.0.2.1]) by mail.example.org (Postfix) with ESMTPS id 4F3C2A1B;\r\n"
    "\tThu, 26 Nov 2026 12:00:00 +0000 (UTC)\r\n"
    "Received: from client.example.net by mx.example.net with ESMTPSA id 77;\r\n\tThu, 26 Nov 2026 11:59:58 +0000 (UTC)\r\n"
    "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.net; s=2026;\r\n\th=from:to:subject:date; bh=abcdefghijklmnopqrstuvwxyz=;\r\n"
    "\tb=ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnop\r\n"
    "Date: Thu, 26 Nov 2026 12:59:57 +0100\r\nFrom: =?utf-8?q?J=C3=B6rg?= Sender <sender@example.net>\r\n"
    "To: Me <me@example.org>, You <you@example.com>\r\nCc: they@example.com\r\nSubject: Re: =?utf-8?q?Gr=C3=BC=C3=9Fe?= from the mountains\r\n"
    "Message-ID: <12345@example.net>\r\nIn-Reply-To: <1234@example.org>\r\nReferences: <123@example.org> <1234@example.org>\r\n"
    "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\nUser-Agent: Example 1.0\r\n"
    "X-Spam-Score: 1.2\r\nX-Spam-Status: No\r\n\r\n";

static void
write_script(unsigned rules, struct buffer *out)
{
	buffer_add(out, STR("require [\"fileinto\", \"envelope\", \"copy\"];\r\n"));
	for (unsigned i = 0; i + 1 < rules; i++)
		switch (i % 5) {
		case 0: buffer_printf(out, "if header :contains \"Subject\" [\"offer %u\", \"[list-%u]\"] { fileinto \"List %u\"; stop; }\r\n", i, i, i); break;
		case 1: buffer_printf(out, "if address :is [\"From\", \"Sender\"] \"friend%u@example.com\" { fileinto \"Friends\"; stop; }\r\n", i); break;
		case 2: buffer_printf(out, "if header :matches \"List-Id\" \"*<list%u.example.com>\" { fileinto \"Lists/%u\"; stop; }\r\n", i, i); break;
		case 3: buffer_printf(out, "if anyof (address :domain \"From\" \"shop%u.example\", envelope \"to\" \"me+%u@example.org\") { discard; stop; }\r\n", i, i); break;
		case 4: buffer_printf(out, "if allof (size :over %uK, header :matches \"Subject\" \"*invoice ?%u*\") { redirect \"x@example.org\"; stop; }\r\n", i + 5000, i); break;
		}
	buffer_add(out, STR("if address :all :contains \"To\" \"me@example.org\" { fileinto :copy \"Mine\"; }\r\n"));
}

static double
cpu_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static struct sieve_script *
compile(struct str source)
{
	struct arena arena = { 0 };
	struct sieve_problems problems;
	struct sieve_script *script = NULL;

	if (sieve_compile(source, &sieve_limits_default, &arena, &script, &problems) != ERR_OK) {
		struct buffer text = { 0 };

		sieve_print_problems(&problems, &text);
		fprintf(stderr, "%.*s", STR_ARG(buffer_str(&text)));
		exit(1);
	}
	arena_clear(&arena);
	return script;
}

int
main(int argc, char **argv)
{
	unsigned rules = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 50, runs = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 20000;
	struct sieve_input input = { .header = STR(header), .size = 5000, .sender = STR("sender@example.net"), .recipient = STR("me@example.org"),
		.detail_separator = STR("+"), .hostname = STR("example.org"), .seed = STR("seed") };
	struct buffer source = { 0 };
	struct arena arena = { 0 };
	struct sieve_result result = { 0 };
	struct sieve_program program = { STR("main"), NULL };
	double start, compiled;

	write_script(rules, &source);
	start = cpu_us();
	for (unsigned i = 0; i < 100; i++) {
		sieve_script_unref(program.script);
		program.script = compile(buffer_str(&source));
	}
	compiled = cpu_us();
	for (unsigned i = 0; i < runs; i++) {
		arena_reset(&arena);
		sieve_run(&program, 1, &input, &sieve_limits_default, &arena, &result);
	}
	printf("%u rules: %.1f us of processor time a run (%" PRIu64 " steps, %zu bytes, %zu actions), %.0f us to compile, %zu bytes compiled\n", rules,
	    (cpu_us() - compiled) / runs, result.steps, arena.used_bytes, result.action_count, (compiled - start) / 100,
	    sieve_script_bytes(program.script));
	sieve_script_unref(program.script);
	arena_clear(&arena);
	buffer_clear(&source);
	return 0;
}
