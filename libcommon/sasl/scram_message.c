/* SCRAM's messages: attributes with a letter each, between commas, in a fixed order. */
#include "libcommon/sasl/scram_message.h"

#include "libcommon/crypto/encode.h"

/* The next attribute, which must be `name`. */
static enum err
take(struct str *rest, char name, struct str *ret_value)
{
	struct str part;

	if (!str_split(rest, ',', &part) || part.len < 3 || part.ptr[0] != name || part.ptr[1] != '=')
		return ERR_SYNTAX;
	*ret_value = str_sub(part, 2, SIZE_MAX);
	return ERR_OK;
}

static bool
is_alpha(char c)
{
	return ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z';
}

/* All that are left are extensions, which nobody knows. "m" is not one. */
static enum err
skip_extensions(struct str rest)
{
	struct str part;

	while (str_split(&rest, ',', &part))
		if (part.len < 3 || !is_alpha(part.ptr[0]) || part.ptr[0] == 'm' || part.ptr[1] != '=')
			return ERR_SYNTAX;
	return ERR_OK;
}

/* saslname: "=2C" is a comma, "=3D" an equals sign, and "=" is nothing else. */
static enum err
decode_name(struct str text, struct arena *arena, struct str *ret)
{
	char *out = arena_alloc(arena, text.len + 1);
	size_t len = 0;

	for (size_t i = 0; i < text.len; i++) {
		struct str code = str_sub(text, i, 3);

		out[len++] = text.ptr[i];
		if (text.ptr[i] != '=')
			continue;
		if (!str_equal(code, STR("=2C")) && !str_equal(code, STR("=3D")))
			return ERR_SYNTAX;
		out[len - 1] = code.ptr[1] == '2' ? ',' : '=';
		i += 2;
	}
	*ret = str_from(out, len);
	return ERR_OK;
}

/* printable: ASCII that can be seen; commas are gone already. */
static enum err
take_nonce(struct str *rest, struct str *ret)
{
	struct str nonce;

	TRY(take(rest, 'r', &nonce));
	for (size_t i = 0; i < nonce.len; i++)
		if (nonce.ptr[i] < 0x21 || nonce.ptr[i] > 0x7e)
			return ERR_SYNTAX;
	*ret = nonce;
	return ERR_OK;
}

static bool
is_text(struct str message)
{
	return str_is_utf8(message) && str_index(message, '\0') == message.len;
}

/* gs2-cbind-flag; cb-name is of letters, digits, "." and "-". */
static enum err
read_flag(struct str text, struct scram_first *first)
{
	first->flag = text.len > 0 ? text.ptr[0] : '\0';
	if (text.len == 1 && (first->flag == 'n' || first->flag == 'y'))
		return ERR_OK;
	if (!str_starts_with(text, STR("p=")) || text.len == 2)
		return ERR_SYNTAX;
	first->binding = str_sub(text, 2, SIZE_MAX);
	for (size_t i = 0; i < first->binding.len; i++) {
		char c = first->binding.ptr[i];

		if (!is_alpha(c) && !(c >= '0' && c <= '9') && c != '.' && c != '-')
			return ERR_SYNTAX;
	}
	return ERR_OK;
}

static enum err
read_header(struct str *rest, struct arena *arena, struct scram_first *first)
{
	struct str message = *rest, part;

	str_split(rest, ',', &part);
	TRY(read_flag(part, first));
	if (str_starts_with(*rest, STR(",")))
		*rest = str_sub(*rest, 1, SIZE_MAX);
	else
		TRY(take(rest, 'a', &first->authzid));
	TRY(decode_name(first->authzid, arena, &first->authzid));
	first->header = str_sub(message, 0, message.len - rest->len);
	return rest->ptr ? ERR_OK : ERR_SYNTAX;
}

enum err
scram_first_parse(struct str message, struct arena *arena, struct scram_first *ret)
{
	struct scram_first first = { 0 };
	struct str rest = message;

	if (!is_text(message))
		return ERR_SYNTAX;
	TRY(read_header(&rest, arena, &first));
	first.bare = rest;
	TRY(take(&rest, 'n', &first.user));
	TRY(decode_name(first.user, arena, &first.user));
	TRY(take_nonce(&rest, &first.nonce));
	TRY(skip_extensions(rest));
	*ret = first;
	return ERR_OK;
}

enum err
scram_final_parse(struct str message, struct arena *arena, struct scram_final *ret)
{
	size_t end = str_rindex(message, ',');
	struct str rest = str_sub(message, 0, end), tail = str_sub(message, end + 1, SIZE_MAX), binding, proof;
	struct scram_final final = { .unproved = rest };

	if (!is_text(message))
		return ERR_SYNTAX;
	TRY(take(&rest, 'c', &binding));
	TRY(take_nonce(&rest, &final.nonce));
	TRY(skip_extensions(rest));
	TRY(take(&tail, 'p', &proof));
	if (!base64_decode(arena, binding, &final.binding) || !base64_decode(arena, proof, &final.proof))
		return ERR_SYNTAX;
	*ret = final;
	return ERR_OK;
}

struct str
scram_server_first(struct arena *arena, struct str nonce, struct str salt, uint32_t iterations)
{
	return arena_printf(arena, "r=%.*s,s=%.*s,i=%u", STR_ARG(nonce), STR_ARG(base64_encode(arena, salt)), iterations);
}

struct str
scram_server_final(struct arena *arena, struct str signature)
{
	return arena_printf(arena, "v=%.*s", STR_ARG(base64_encode(arena, signature)));
}

struct str
scram_auth_message(struct arena *arena, struct str first_bare, struct str server_first, struct str final_unproved)
{
	return arena_printf(arena, "%.*s,%.*s,%.*s", STR_ARG(first_bare), STR_ARG(server_first), STR_ARG(final_unproved));
}
