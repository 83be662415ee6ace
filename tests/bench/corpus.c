/*
 * Seeded mails. Sizes are log-normal with a median of 5 KB, at most 200 KB; of ten mails four are plain text, three have an HTML
 * alternative, two an attachment, one is forwarded as a part of another. Text is of words with uneven frequencies, so that it compresses as
 * text does; attachments do not.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "tests/bench/corpus.h"

enum { SIZE_MEDIAN = 5120, SIZE_LEAST = 1024, SIZE_MOST = 200 << 10, HEADERS = 900, LINE = 72 };

static struct buffer bodies[CORPUS_BODIES]; /* each from its Content-Type on */
static uint64_t seed = 0x5eed;

static uint32_t
dice(uint32_t sides)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % sides;
}

/* Normally distributed, by summing what is not. */
static double
normal(void)
{
	double sum = -6;

	for (int i = 0; i < 12; i++)
		sum += dice(1 << 20) / (double)(1 << 20);
	return sum;
}

static void
add_text(struct buffer *out, size_t len)
{
	static const char *const words[] = { "the", "mail", "of", "and", "Anna", "will", "please", "invoice", "to", "meeting", "we", "a", "in",
		"attached", "Tuesday", "is", "that", "server", "for", "regards", "it", "possible", "confirmed", "with", "you", "schedule", "be",
		"not", "on", "delivery", "this", "quarter" };
	size_t end = buffer_len(out) + len, column = 0;

	while (buffer_len(out) < end) {
		uint32_t most = dice(32) + 1; /* early words come more often */
		uint32_t which = dice(most);

		buffer_printf(out, dice(6) == 0 ? "%s%u" : "%s", words[which], dice(10000));
		column += 7;
		buffer_add(out, column > LINE ? STR("\r\n") : STR(" "));
		column = column > LINE ? 0 : column;
	}
	buffer_add(out, STR("\r\n"));
}

static void
add_base64(struct buffer *out, size_t len)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < len; i += LINE + 2) {
		for (size_t column = 0; column < LINE; column++)
			buffer_add_byte(out, alphabet[dice(64)]);
		buffer_add(out, STR("\r\n"));
	}
}

static void
add_plain(struct buffer *out, size_t len)
{
	buffer_add(out, STR("Content-Type: text/plain; charset=utf-8\r\n\r\n"));
	add_text(out, len);
}

static void
add_alternative(struct buffer *out, size_t len)
{
	buffer_add(out, STR("Content-Type: multipart/alternative; boundary=\"=-alternative\"\r\n\r\n--=-alternative\r\n"));
	add_plain(out, len / 3);
	buffer_add(out, STR("--=-alternative\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<html><body><p>"));
	add_text(out, len - len / 3);
	buffer_add(out, STR("</p></body></html>\r\n--=-alternative--\r\n"));
}

static void
add_attachment(struct buffer *out, size_t len)
{
	buffer_add(out, STR("Content-Type: multipart/mixed; boundary=\"=-mixed\"\r\n\r\n--=-mixed\r\n"));
	add_alternative(out, len / 4);
	buffer_add(out, STR("--=-mixed\r\nContent-Type: application/pdf; name=\"report.pdf\"\r\nContent-Transfer-Encoding: base64\r\n"
	    "Content-Disposition: attachment; filename=\"report.pdf\"\r\n\r\n"));
	add_base64(out, len - len / 4);
	buffer_add(out, STR("--=-mixed--\r\n"));
}

static void
add_forwarded(struct buffer *out, size_t len)
{
	buffer_add(out, STR("Content-Type: multipart/mixed; boundary=\"=-forward\"\r\n\r\n--=-forward\r\n"));
	add_plain(out, len / 10);
	buffer_add(out, STR("--=-forward\r\nContent-Type: message/rfc822\r\n\r\nFrom: Carol <carol@example.net>\r\nSubject: the original\r\n"
	    "Date: Mon, 2 Mar 2026 08:00:00 +0100\r\nMessage-ID: <original@example.net>\r\nMIME-Version: 1.0\r\n"));
	add_attachment(out, len - len / 10);
	buffer_add(out, STR("--=-forward--\r\n"));
}

void
corpus_init(void)
{
	static void (*const kinds[10])(struct buffer *, size_t) = { add_plain, add_plain, add_plain, add_plain, add_alternative,
		add_alternative, add_alternative, add_attachment, add_attachment, add_forwarded };

	for (size_t i = 0; i < CORPUS_BODIES; i++) {
		double size = SIZE_MEDIAN * exp(normal());

		kinds[dice(10)](&bodies[i], (size_t)fmin(fmax(size, SIZE_LEAST), SIZE_MOST) - HEADERS);
	}
}

void
corpus_add(struct buffer *out, unsigned long long number)
{
	unsigned long long mixed = number * 0x9e3779b97f4a7c15u;

	buffer_printf(out,
	    "Received: from mx.example.org (mx.example.org [192.0.2.25])\r\n\tby relay.example.net (Postfix) with ESMTPS id %016llX\r\n"
	    "\tfor <bench@sora.test>; Mon, 2 Mar 2026 09:%02llu:%02llu +0100 (CET)\r\n"
	    "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.org; s=mail; h=from:to:subject:date:message-id;\r\n"
	    "\tbh=%016llx%016llx=;\r\n\tb=%016llx%016llx%016llx%016llx%016llx%016llx=\r\n",
	    mixed, number / 60 % 60, number % 60, mixed, ~mixed, mixed * 3, mixed * 5, mixed * 7, mixed * 11, mixed * 13, mixed * 17);
	buffer_printf(out,
	    "From: \"Anna Example\" <anna%llu@example.org>\r\nTo: \"The Bench\" <bench@sora.test>\r\nCc: team%llu@example.net\r\n"
	    "Subject: =?utf-8?q?Angebot_f=C3=BCr_den?= Auftrag %llu\r\nDate: Mon, 2 Mar 2026 09:%02llu:%02llu +0100\r\n"
	    "Message-ID: <%016llx@example.org>\r\nIn-Reply-To: <%016llx@example.net>\r\nMIME-Version: 1.0\r\n",
	    number % 997, number % 31, number, number / 60 % 60, number % 60, mixed, mixed + 1);
	buffer_add(out, buffer_str(&bodies[mixed >> 32 & (CORPUS_BODIES - 1)]));
}
