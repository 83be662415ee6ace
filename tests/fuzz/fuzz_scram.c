/*
 * SCRAM's messages. Properties: what was parsed, written again, is parsed as the same; a message's parts are within it, and together are all
 * of it; "m" never gets through.
 */
#include <stdlib.h>

#include "libcommon/core/buffer.h"
#include "libcommon/crypto/encode.h"
#include "libcommon/sasl/scram_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void
must(bool is_true)
{
	if (!is_true)
		abort();
}

static void
add_name(struct buffer *out, char letter, struct str name)
{
	buffer_printf(out, "%c=", letter);
	for (size_t i = 0; i < name.len; i++) {
		if (name.ptr[i] == ',' || name.ptr[i] == '=')
			buffer_add(out, name.ptr[i] == ',' ? STR("=2C") : STR("=3D"));
		else
			buffer_add_byte(out, name.ptr[i]);
	}
	buffer_add_byte(out, ',');
}

/* Without its extensions. */
static void
write_first(const struct scram_first *first, struct buffer *out)
{
	buffer_add_byte(out, first->flag);
	if (first->flag == 'p')
		buffer_printf(out, "=%.*s", STR_ARG(first->binding));
	buffer_add_byte(out, ',');
	if (first->authzid.len > 0)
		add_name(out, 'a', first->authzid);
	else
		buffer_add_byte(out, ',');
	add_name(out, 'n', first->user);
	buffer_printf(out, "r=%.*s", STR_ARG(first->nonce));
}

static void
check_first(struct str message, struct arena *arena)
{
	struct buffer out = { 0 };
	struct scram_first first, again;

	if (scram_first_parse(message, arena, &first) != ERR_OK)
		return;
	must(str_find(message, STR(",m=")) == message.len && first.user.len > 0 && first.nonce.len > 0);
	must(first.header.ptr == message.ptr && first.bare.ptr == message.ptr + first.header.len);
	must(first.header.len + first.bare.len == message.len);
	write_first(&first, &out);
	must(str_starts_with(message, buffer_str(&out)));
	must(scram_first_parse(buffer_str(&out), arena, &again) == ERR_OK);
	must(again.flag == first.flag && str_equal(again.binding, first.binding) && str_equal(again.authzid, first.authzid));
	must(str_equal(again.user, first.user) && str_equal(again.nonce, first.nonce) && str_equal(again.header, first.header));
	buffer_clear(&out);
}

static void
check_final(struct str message, struct arena *arena)
{
	struct scram_final final, again;
	struct str written;

	if (scram_final_parse(message, arena, &final) != ERR_OK)
		return;
	must(str_find(message, STR(",m=")) == message.len && final.nonce.len > 0 && final.binding.len > 0 && final.proof.len > 0);
	must(str_starts_with(message, final.unproved));
	written = arena_printf(arena, "%.*s,p=%.*s", STR_ARG(final.unproved), STR_ARG(base64_encode(arena, final.proof)));
	must(str_equal(written, message));
	written = arena_printf(arena, "c=%.*s,r=%.*s,p=%.*s", STR_ARG(base64_encode(arena, final.binding)), STR_ARG(final.nonce),
	    STR_ARG(base64_encode(arena, final.proof)));
	must(scram_final_parse(written, arena, &again) == ERR_OK);
	must(str_equal(again.binding, final.binding) && str_equal(again.nonce, final.nonce) && str_equal(again.proof, final.proof));
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct arena arena = { 0 };

	check_first(str_from(bytes, len), &arena);
	check_final(str_from(bytes, len), &arena);
	arena_clear(&arena);
	return 0;
}
