/*
 * Command lines, DATA, BDAT, XCLIENT and trace fields. Properties: a line never uses more than there is; what DATA gives out, stuffed with dots again,
 * is what came in, whatever the pieces it came in; the same of a mail in chunks, however it is cut into them; a header's trace fields are the same in
 * pieces and whole; an attribute never writes behind its place.
 */
#include <stdlib.h>

#include "libcommon/core/buffer.h"
#include "services/lmtp/chunk.h"
#include "services/lmtp/client.h"
#include "services/lmtp/data.h"
#include "services/lmtp/parser.h"
#include "services/lmtp/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void
check(bool is_true)
{
	if (!is_true)
		abort();
}

static void
update_client(struct str args)
{
	struct lmtp_client client = { .helo = "old" }, before = client;

	if (lmtp_client_update(args, lmtp_xclient_attributes, &client) == ERR_OK)
		check(strlen(client.helo) <= LMTP_CLIENT_MAX && strlen(client.name) <= LMTP_CLIENT_MAX &&
		    strlen(client.address) < NET_ADDRESS_TEXT && client.ident[0] == '\0');
	else
		check(memcmp(&client, &before, sizeof(client)) == 0);
}

static void
parse_lines(struct str in)
{
	struct lmtp_request request;
	size_t used = 0;

	while (lmtp_parse(in, &request, &used) == ERR_OK) {
		struct arena arena = { 0 };
		struct lmtp_path_args args;

		check(used > 0 && used <= in.len && request.verb.len + request.args.len + 2 <= used);
		if (lmtp_parse_path(request.args, STR("FROM:"), &arena, &args) == ERR_OK)
			check(args.path.address.len <= MAIL_PATH_MAX && args.param_count <= LMTP_PARAMS_MAX);
		update_client(request.args);
		arena_clear(&arena);
		in = str_sub(in, used, SIZE_MAX);
	}
}

/* Decode in pieces of `step` bytes; returns how much was used. */
static size_t
decode(struct str in, size_t step, struct buffer *out, bool *ret_is_end)
{
	struct lmtp_data data = { 0 };
	struct str run;
	size_t used = 0;

	while (used < in.len && !lmtp_data_is_end(&data)) {
		struct str piece = str_sub(in, used, step);
		size_t piece_len = piece.len;

		while (lmtp_data_next(&data, &piece, &run))
			buffer_add(out, run);
		used += piece_len - piece.len;
	}
	*ret_is_end = lmtp_data_is_end(&data);
	return used;
}

static void
stuff(struct str text, struct buffer *out)
{
	bool is_start = true;

	for (size_t i = 0; i < text.len; i++) {
		if (is_start && text.ptr[i] == '.')
			buffer_add_byte(out, '.');
		buffer_add_byte(out, text.ptr[i]);
		is_start = i > 0 && text.ptr[i - 1] == '\r' && text.ptr[i] == '\n';
	}
}

/* A mail of these bytes, sent as RFC 5321 s. 4.5.2 says, arrives. */
static void
send_and_receive(struct str mail, size_t step)
{
	struct buffer sent = { 0 }, received = { 0 };
	bool is_end;

	stuff(mail, &sent);
	if (!str_ends_with(mail, STR("\r\n")) && mail.len > 0)
		buffer_add(&sent, STR("\r\n"));
	buffer_add(&sent, STR(".\r\n"));
	check(decode(buffer_str(&sent), step, &received, &is_end) == buffer_len(&sent) && is_end);
	check(str_starts_with(buffer_str(&received), mail));
	check(buffer_len(&received) - mail.len == (str_ends_with(mail, STR("\r\n")) || mail.len == 0 ? 0 : 2));
	buffer_clear(&sent);
	buffer_clear(&received);
}

/* The commands and bytes that a client would send for `mail`, cut at places that its own bytes choose. */
static void
cut_into_chunks(struct str mail, struct buffer *out)
{
	while (mail.len > 0) {
		struct str piece = str_sub(mail, 0, (unsigned char)mail.ptr[0] % 50);

		buffer_printf(out, "BDAT %zu\r\n", piece.len);
		buffer_add(out, piece);
		mail = str_sub(mail, piece.len, SIZE_MAX);
		if (piece.len == 0) {
			buffer_printf(out, "BDAT 1\r\n%c", mail.ptr[0]);
			mail = str_sub(mail, 1, SIZE_MAX);
		}
	}
	buffer_add(out, STR("BDAT 0 LAST\r\nNOOP\r\n"));
}

/* What a session does with it, `step` bytes at a time. True: the last chunk was there, and NOOP is what follows. */
static bool
receive_chunks(struct str sent, size_t step, struct buffer *mail)
{
	struct lmtp_chunk chunk = { 0 };
	struct lmtp_request request;
	size_t used = 0, there = 0;

	while (there < sent.len || chunk.left == 0) {
		struct str in = str_sub(sent, used, there - used), left = in;

		if (chunk.left > 0) {
			buffer_add(mail, lmtp_chunk_take(&chunk, &left));
			used += in.len - left.len;
		} else if (lmtp_parse(in, &request, &in.len) == ERR_OK) {
			used += in.len;
			if (chunk.is_last)
				return str_equal(request.verb, STR("NOOP")) && used == sent.len;
			check(lmtp_chunk_parse(request.args, &chunk) == ERR_OK);
			continue;
		}
		there = there + step < sent.len ? there + step : sent.len;
	}
	return false;
}

static void
send_in_chunks(struct str mail, size_t step)
{
	struct buffer sent = { 0 }, received = { 0 };

	cut_into_chunks(mail, &sent);
	check(receive_chunks(buffer_str(&sent), step, &received));
	check(str_equal(buffer_str(&received), mail));
	buffer_clear(&sent);
	buffer_clear(&received);
}

static struct lmtp_trace *
scan(struct str header, size_t step, struct arena *arena)
{
	struct lmtp_trace *trace = ARENA_NEW(arena, struct lmtp_trace);

	trace->arena = arena;
	for (size_t at = 0; at < header.len; at += step)
		lmtp_trace_feed(trace, str_sub(header, at, step));
	lmtp_trace_finish(trace);
	return trace;
}

static void
scan_trace(struct str header, size_t step)
{
	struct arena arena = { 0 };
	struct lmtp_trace *whole = scan(header, header.len + 1, &arena), *pieces = scan(header, step, &arena);

	check(whole->received_count == pieces->received_count && whole->has_id == pieces->has_id);
	check(whole->delivered_to_count == pieces->delivered_to_count);
	for (size_t i = 0; i < whole->delivered_to_count; i++)
		check(str_equal(whole->delivered_to[i], pieces->delivered_to[i]));
	arena_clear(&arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct str in = str_from(bytes, len);
	struct buffer whole = { 0 }, pieces = { 0 };
	size_t step = len > 0 ? bytes[0] % 7 + 1 : 1;
	bool is_end, is_end_too;

	parse_lines(in);
	check(decode(in, len + 1, &whole, &is_end) == decode(in, step, &pieces, &is_end_too));
	check(is_end == is_end_too && str_equal(buffer_str(&whole), buffer_str(&pieces)));
	send_and_receive(in, step);
	send_in_chunks(in, step);
	scan_trace(in, step);
	buffer_clear(&whole);
	buffer_clear(&pieces);
	return 0;
}
