/* SCRAM's messages and its exchange, the proof itself aside. */
#include "libcommon/crypto/encode.h"
#include "libcommon/sasl/sasl.h"
#include "libcommon/sasl/scram_message.h"

#include <criterion/criterion.h>

#define BYTES(literal) { literal, sizeof(literal) - 1 }

Test(scram_message, what_a_client_says_first)
{
	static const struct {
		struct str message;
		const char *authzid, *user, *nonce, *header;
	} cases[] = {
		{ BYTES("n,,n=user,r=fyko"), "", "user", "fyko", "n,," },
		{ BYTES("y,,n=user,r=fyko"), "", "user", "fyko", "y,," },
		{ BYTES("p=tls-exporter,,n=user,r=fyko"), "", "user", "fyko", "p=tls-exporter,," },
		{ BYTES("n,a=other,n=user,r=fyko"), "other", "user", "fyko", "n,a=other," },
		{ BYTES("n,a=a=2Cb,n=c=3Dd=2C,r=a=b"), "a,b", "c=d,", "a=b", "n,a=a=2Cb," },
		{ BYTES("n,,n=\xc3\xbc,r=!~,x=1,y=\xc3\xbc=,Z=="), "", "\xc3\xbc", "!~", "n,," },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct arena arena = { 0 };
		struct scram_first first;

		cr_assert_eq(scram_first_parse(cases[i].message, &arena, &first), ERR_OK, "%.*s", STR_ARG(cases[i].message));
		cr_expect_eq(first.flag, cases[i].message.ptr[0]);
		cr_expect(str_equal(first.binding, first.flag == 'p' ? STR("tls-exporter") : STR("")));
		cr_expect(str_equal(first.authzid, str_c(cases[i].authzid)), "%.*s", STR_ARG(cases[i].message));
		cr_expect(str_equal(first.user, str_c(cases[i].user)), "%.*s", STR_ARG(cases[i].message));
		cr_expect(str_equal(first.nonce, str_c(cases[i].nonce)), "%.*s", STR_ARG(cases[i].message));
		cr_expect(str_equal(first.header, str_c(cases[i].header)), "%.*s", STR_ARG(cases[i].message));
		cr_expect(str_equal(first.bare, str_sub(cases[i].message, first.header.len, SIZE_MAX)));
		arena_clear(&arena);
	}
}

Test(scram_message, what_is_no_first_message_is_refused)
{
	static const struct str cases[] = {
		/* s. 5.1: "=" is nothing else, in lower case neither */
		BYTES("n,,n=a=,r=x"),
		BYTES("n,,n=a=2,r=x"),
		BYTES("n,,n=a=2c,r=x"),
		BYTES("n,,n=a=41,r=x"),
		BYTES("n,a=b=,n=a,r=x"),
		/* s. 5.1: "m" fails, wherever it is */
		BYTES("n,,m=x,n=user,r=fyko"),
		BYTES("n,,n=user,m=x,r=fyko"),
		BYTES("n,,n=user,r=fyko,m=x"),
		BYTES("n,m=x,n=user,r=fyko"),
		/* s. 5: it begins with n, y or p */
		BYTES(""),
		BYTES(",,n=user,r=fyko"),
		BYTES("N,,n=user,r=fyko"),
		BYTES("x,,n=user,r=fyko"),
		BYTES("F,n,,n=user,r=fyko"),
		BYTES("n=x,,n=user,r=fyko"),
		BYTES("p,,n=user,r=fyko"),
		BYTES("p=,,n=user,r=fyko"),
		BYTES("p=tls_unique,,n=user,r=fyko"),
		BYTES("n"),
		BYTES("n,"),
		BYTES("n,,"),
		BYTES("n,a=x"),
		BYTES("n,n=user,r=fyko"),
		BYTES("n,a=,n=user,r=fyko"),
		BYTES("n,,n=,r=fyko"),
		BYTES("n,,n=user"),
		BYTES("n,,n=user,r="),
		BYTES("n,,r=fyko,n=user"),
		BYTES("n,,n=user,r=fy ko"),
		BYTES("n,,n=user,r=fy\x7f"),
		BYTES("n,,n=user,r=\xc3\xbc"),
		BYTES("n,,n=user,r=fyko,"),
		BYTES("n,,n=user,r=fyko,x"),
		BYTES("n,,n=user,r=fyko,x="),
		BYTES("n,,n=user,r=fyko,1=x"),
		BYTES("n,,n=us\0er,r=fyko"),
		BYTES("n,,n=us\xff,r=fyko"),
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct arena arena = { 0 };
		struct scram_first first;

		cr_expect_eq(scram_first_parse(cases[i], &arena, &first), ERR_SYNTAX, "%.*s", STR_ARG(cases[i]));
		arena_clear(&arena);
	}
}

Test(scram_message, what_a_client_says_last)
{
	static const struct {
		struct str message;
		enum err err;
	} cases[] = {
		{ BYTES("c=biws,r=fyko3rfc,p=v0X8"), ERR_OK },
		{ BYTES("c=biws,r=fyko3rfc,x=1,p=v0X8"), ERR_OK },
		{ BYTES(""), ERR_SYNTAX },
		{ BYTES("c=biws"), ERR_SYNTAX },
		{ BYTES("c=biws,r=fyko3rfc"), ERR_SYNTAX },
		{ BYTES("c=biws,p=v0X8"), ERR_SYNTAX },
		{ BYTES("c=biws,p=v0X8,r=fyko3rfc"), ERR_SYNTAX },
		{ BYTES("r=fyko3rfc,c=biws,p=v0X8"), ERR_SYNTAX },
		{ BYTES("c=biws,r=fyko3rfc,m=1,p=v0X8"), ERR_SYNTAX },
		{ BYTES("c=biws,r=fyko3rfc,p=v0X8,x=1"), ERR_SYNTAX },
		{ BYTES("c=,r=fyko3rfc,p=v0X8"), ERR_SYNTAX },
		{ BYTES("c=biw,r=fyko3rfc,p=v0X8"), ERR_SYNTAX },
		{ BYTES("c=biws,r=fyko3rfc,p="), ERR_SYNTAX },
		{ BYTES("c=biws,r=fyko3rfc,p=v0X"), ERR_SYNTAX },
		{ BYTES("c=biws,r=fyko3rfc,p=v0X8,"), ERR_SYNTAX },
		{ BYTES("c=biws,r=fyko\0rfc,p=v0X8"), ERR_SYNTAX },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct arena arena = { 0 };
		struct scram_final final;
		enum err err = scram_final_parse(cases[i].message, &arena, &final);

		cr_expect_eq(err, cases[i].err, "%.*s", STR_ARG(cases[i].message));
		if (err == ERR_OK) {
			cr_expect(str_equal(final.binding, STR("n,,")));
			cr_expect(str_equal(final.nonce, STR("fyko3rfc")));
			cr_expect(str_equal(final.proof, STR("\xbf\x45\xfc")));
			cr_expect(str_equal(final.unproved, str_sub(cases[i].message, 0, cases[i].message.len - 7)));
		}
		arena_clear(&arena);
	}
}

/* RFC 5802 s. 5; what is proved is tried in tests/libcommon/crypto/test_scram.c. */
Test(scram_message, example_of_rfc_5802)
{
	struct arena arena = { 0 };
	struct scram_first first;
	struct scram_final final;
	struct str salt, server_first;

	cr_assert(base64_decode(&arena, STR("QSXCR+Q6sek8bf92"), &salt));
	cr_assert_eq(scram_first_parse(STR("n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL"), &arena, &first), ERR_OK);
	server_first = scram_server_first(&arena, STR("fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j"), salt, 4096);
	cr_expect(str_equal(server_first, STR("r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096")));
	cr_assert_eq(scram_final_parse(STR("c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="), &arena, &final), ERR_OK);
	cr_expect(str_equal(scram_auth_message(&arena, first.bare, server_first, final.unproved),
	    STR("n=user,r=fyko+d2lbbFgONRv9qkxdawL,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096,"
		"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j")));
	cr_assert(base64_decode(&arena, STR("rmF9pqV8S7suAoZWja4dJRkFsKQ="), &salt));
	cr_expect(str_equal(scram_server_final(&arena, salt), STR("v=rmF9pqV8S7suAoZWja4dJRkFsKQ=")));
	arena_clear(&arena);
}

/* ---- the exchange, with a backend that takes "right" for a proof */

struct server {
	struct sasl_proof proof;
	unsigned salts, proofs, bindings;
};

static enum err
give_salt(void *context, struct str hash, struct str user, struct sasl_salt *ret)
{
	struct server *server = context;

	(void)hash, (void)user;
	server->salts++;
	*ret = (struct sasl_salt){ STR("salt"), 4096 };
	return ERR_OK;
}

static enum err
take_proof(void *context, const struct sasl_proof *proof, struct str *ret_signature)
{
	struct server *server = context;

	server->proof = *proof;
	server->proofs++;
	*ret_signature = STR("signed");
	return str_equal(proof->proof, STR("right")) ? ERR_OK : ERR_AUTH_FAILED;
}

static bool
give_binding(void *context, struct str *ret)
{
	struct server *server = context;

	*ret = STR("channel");
	return server->bindings++ == 0;
}

struct exchange {
	struct arena arena;
	struct server server;
	struct sasl_backend backend;
	struct sasl *sasl;
	struct str challenge;
};

static void
begin(struct exchange *x, const char *mechanism, bool can_bind)
{
	*x = (struct exchange){ 0 };
	x->backend = (struct sasl_backend){ .context = &x->server, .salt = give_salt, .proof = take_proof, .binding = give_binding,
		.can_bind = can_bind };
	x->sasl = sasl_new(sasl_find(str_c(mechanism)), &x->backend, &x->arena);
}

/* client-final-message with that channel binding and proof, its nonce as the server has said, but for `flip`. */
static struct str
last(struct exchange *x, const char *binding, const char *proof, bool flip)
{
	struct str nonce = str_sub(x->challenge, 2, str_index(x->challenge, ',') - 2);

	nonce = arena_copy(&x->arena, nonce);
	((char *)nonce.ptr)[nonce.len - 1] ^= flip;
	return arena_printf(&x->arena, "c=%.*s,r=%.*s,p=%.*s", STR_ARG(base64_encode(&x->arena, str_c(binding))), STR_ARG(nonce),
	    STR_ARG(base64_encode(&x->arena, str_c(proof))));
}

Test(scram_exchange, who_proves_it_is_let_in_and_told_the_signature)
{
	for (int has_final_data = 0; has_final_data < 2; has_final_data++) {
		struct exchange x;
		struct str server_first, unproved;

		begin(&x, "scram-sha-256", false);
		x.backend.has_final_data = has_final_data;
		cr_assert_eq(sasl_step(x.sasl, STR_NONE, &x.challenge), ERR_AGAIN);
		cr_assert_eq(x.challenge.len, 0);
		cr_assert_eq(sasl_step(x.sasl, STR("n,,n=I\xc2\xadX,r=abc"), &x.challenge), ERR_AGAIN);
		cr_assert(str_starts_with(x.challenge, STR("r=abc")) && str_ends_with(x.challenge, STR(",s=c2FsdA==,i=4096")));
		cr_assert_eq(x.challenge.len, strlen("r=abc,s=c2FsdA==,i=4096") + 24);
		server_first = x.challenge;
		unproved = last(&x, "n,,", "right", false);
		unproved = str_sub(unproved, 0, str_find(unproved, STR(",p=")));
		cr_assert_eq(sasl_step(x.sasl, last(&x, "n,,", "right", false), &x.challenge), has_final_data ? ERR_OK : ERR_AGAIN);
		cr_assert(str_equal(x.challenge, STR("v=c2lnbmVk")));
		/* The name is prepared, and hashed as it was received. */
		cr_expect(str_equal(x.server.proof.user, STR("IX")));
		cr_expect(str_equal(x.server.proof.hash, STR("SHA-256")));
		cr_expect(str_equal(x.server.proof.message,
		    arena_printf(&x.arena, "n=I\xc2\xadX,r=abc,%.*s,%.*s", STR_ARG(server_first), STR_ARG(unproved))));
		if (!has_final_data)
			cr_expect_eq(sasl_step(x.sasl, STR(""), &x.challenge), ERR_OK);
		arena_clear(&x.arena);
	}
}

Test(scram_exchange, behind_the_signature_nothing_is_said)
{
	struct exchange x;

	begin(&x, "SCRAM-SHA-1", false);
	cr_assert_eq(sasl_step(x.sasl, STR("n,,n=a,r=abc"), &x.challenge), ERR_AGAIN);
	cr_assert_eq(sasl_step(x.sasl, last(&x, "n,,", "right", false), &x.challenge), ERR_AGAIN);
	cr_expect_eq(sasl_step(x.sasl, STR("x"), &x.challenge), ERR_SYNTAX);
	arena_clear(&x.arena);
}

/* RFC 5802 s. 6: -PLUS needs "p" and the channel; without it "p" is no good, and "y" is none where -PLUS was offered. */
Test(scram_exchange, flags_of_channel_binding)
{
	static const struct {
		const char *mechanism, *header;
		bool can_bind, is_right;
	} cases[] = {
		{ "SCRAM-SHA-256", "n,,", false, true },
		{ "SCRAM-SHA-256", "n,,", true, true },
		{ "SCRAM-SHA-256", "y,,", false, true },
		{ "SCRAM-SHA-256", "y,,", true, false },
		{ "SCRAM-SHA-1", "y,,", true, false },
		{ "SCRAM-SHA-256", "p=tls-exporter,,", true, false },
		{ "SCRAM-SHA-256-PLUS", "n,,", true, false },
		{ "SCRAM-SHA-256-PLUS", "y,,", true, false },
		{ "SCRAM-SHA-256-PLUS", "p=tls-unique,,", true, false },
		{ "SCRAM-SHA-256-PLUS", "p=tls-exporte,,", true, false },
		{ "SCRAM-SHA-256-PLUS", "p=tls-exporter,,", true, true },
		{ "SCRAM-SHA-1-PLUS", "p=tls-exporter,,", true, true },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct exchange x;

		begin(&x, cases[i].mechanism, cases[i].can_bind);
		cr_expect_eq(sasl_step(x.sasl, arena_printf(&x.arena, "%sn=a,r=abc", cases[i].header), &x.challenge),
		    cases[i].is_right ? ERR_AGAIN : ERR_AUTH_FAILED, "%s %s", cases[i].mechanism, cases[i].header);
		cr_expect_eq(x.server.salts, cases[i].is_right, "%s %s", cases[i].mechanism, cases[i].header);
		arena_clear(&x.arena);
	}
}

Test(scram_exchange, what_the_last_message_says_must_be_so)
{
	static const struct {
		const char *mechanism, *header, *binding, *proof;
		bool flip;
		enum err err;
		unsigned proofs;
	} cases[] = {
		{ "SCRAM-SHA-256", "n,,", "n,,", "right", false, ERR_OK, 1 },
		{ "SCRAM-SHA-256", "n,,", "n,,", "wrong", false, ERR_AUTH_FAILED, 1 },
		{ "SCRAM-SHA-256", "n,,", "n,,", "right", true, ERR_AUTH_FAILED, 0 },
		{ "SCRAM-SHA-256", "n,,", "y,,", "right", false, ERR_AUTH_FAILED, 0 },
		{ "SCRAM-SHA-256", "y,,", "n,,", "right", false, ERR_AUTH_FAILED, 0 },
		{ "SCRAM-SHA-256", "n,a=a,", "n,,", "right", false, ERR_AUTH_FAILED, 0 },
		{ "SCRAM-SHA-256", "n,,", "n,,channel", "right", false, ERR_AUTH_FAILED, 0 },
		{ "SCRAM-SHA-256-PLUS", "p=tls-exporter,,", "p=tls-exporter,,channel", "right", false, ERR_OK, 1 },
		{ "SCRAM-SHA-256-PLUS", "p=tls-exporter,,", "p=tls-exporter,,channel", "right", true, ERR_AUTH_FAILED, 0 },
		{ "SCRAM-SHA-256-PLUS", "p=tls-exporter,,", "p=tls-exporter,,channal", "right", false, ERR_AUTH_FAILED, 0 },
		{ "SCRAM-SHA-256-PLUS", "p=tls-exporter,,", "p=tls-exporter,,", "right", false, ERR_AUTH_FAILED, 0 },
		{ "SCRAM-SHA-256-PLUS", "p=tls-exporter,,", "p=tls-exporter,,channels", "right", false, ERR_AUTH_FAILED, 0 },
		{ "SCRAM-SHA-256-PLUS", "p=tls-exporter,,", "n,,", "right", false, ERR_AUTH_FAILED, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct exchange x;

		begin(&x, cases[i].mechanism, str_ends_with(str_c(cases[i].mechanism), STR("PLUS")));
		x.backend.has_final_data = true;
		cr_assert_eq(sasl_step(x.sasl, arena_printf(&x.arena, "%sn=a,r=abc", cases[i].header), &x.challenge), ERR_AGAIN);
		cr_expect_eq(sasl_step(x.sasl, last(&x, cases[i].binding, cases[i].proof, cases[i].flip), &x.challenge), cases[i].err,
		    "case %zu", i);
		cr_expect_eq(x.server.proofs, cases[i].proofs, "case %zu", i);
		arena_clear(&x.arena);
	}
}

/* RFC 9266 s. 4.1 */
Test(scram_exchange, a_channel_that_was_used_is_no_good)
{
	struct exchange x;

	begin(&x, "SCRAM-SHA-256-PLUS", true);
	x.server.bindings = 1;
	cr_assert_eq(sasl_step(x.sasl, STR("p=tls-exporter,,n=a,r=abc"), &x.challenge), ERR_AGAIN);
	cr_expect_eq(sasl_step(x.sasl, last(&x, "p=tls-exporter,,channel", "right", false), &x.challenge), ERR_AUTH_FAILED);
	arena_clear(&x.arena);
}

/* What was right once is not right again: each exchange has a nonce of its own. */
Test(scram_exchange, a_message_of_another_exchange_is_refused)
{
	struct exchange old, x;

	begin(&old, "SCRAM-SHA-256", false);
	begin(&x, "SCRAM-SHA-256", false);
	cr_assert_eq(sasl_step(old.sasl, STR("n,,n=a,r=abc"), &old.challenge), ERR_AGAIN);
	cr_assert_eq(sasl_step(x.sasl, STR("n,,n=a,r=abc"), &x.challenge), ERR_AGAIN);
	cr_expect_eq(sasl_step(x.sasl, last(&old, "n,,", "right", false), &x.challenge), ERR_AUTH_FAILED);
	cr_expect_eq(x.server.proofs, 0);
	arena_clear(&old.arena);
	arena_clear(&x.arena);
}

Test(scram_exchange, names_are_prepared_bounded_and_ones_own)
{
	static char name[SASL_NAME_MAX + 2];
	static const struct {
		const char *first;
		enum err err;
	} cases[] = {
		{ "n,,n=alice,r=abc", ERR_AGAIN },
		{ "n,a=alice,n=alice,r=abc", ERR_AGAIN },
		{ "n,a=ALICE,n=al\xc2\xadice,r=abc", ERR_AGAIN },
		{ "n,a=bob,n=alice,r=abc", ERR_DENIED },
		{ "n,a=al\x01ice,n=alice,r=abc", ERR_SYNTAX },
		{ "n,,n=al\x01ice,r=abc", ERR_SYNTAX },
		{ "n,,n=\xc2\xad,r=abc", ERR_SYNTAX },
	};
	struct exchange x;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin(&x, "SCRAM-SHA-256", false);
		cr_expect_eq(sasl_step(x.sasl, str_c(cases[i].first), &x.challenge), cases[i].err, "%s", cases[i].first);
		arena_clear(&x.arena);
	}
	memset(name, 'a', SASL_NAME_MAX);
	begin(&x, "SCRAM-SHA-256", false);
	cr_expect_eq(sasl_step(x.sasl, arena_printf(&x.arena, "n,,n=%s,r=abc", name), &x.challenge), ERR_AGAIN);
	arena_clear(&x.arena);
	name[SASL_NAME_MAX] = 'a';
	begin(&x, "SCRAM-SHA-256", false);
	cr_expect_eq(sasl_step(x.sasl, arena_printf(&x.arena, "n,,n=%s,r=abc", name), &x.challenge), ERR_SYNTAX);
	arena_clear(&x.arena);
}

Test(scram_exchange, a_message_is_bounded)
{
	static char message[SASL_RESPONSE_MAX + 2];
	static const char start[] = "n,,n=a,r=";
	struct exchange x;

	memset(message, 'r', sizeof(message) - 1);
	memcpy(message, start, sizeof(start) - 1);
	begin(&x, "SCRAM-SHA-256", false);
	cr_expect_eq(sasl_step(x.sasl, str_from(message, SASL_RESPONSE_MAX + 1), &x.challenge), ERR_SYNTAX);
	cr_expect_eq(x.server.salts, 0);
	cr_expect_eq(sasl_step(x.sasl, str_from(message, SASL_RESPONSE_MAX), &x.challenge), ERR_AGAIN);
	arena_clear(&x.arena);
}

/* What is offered where: with TLS that can bind, under other TLS or to this host, and to the others. */
Test(sasl, mechanisms_are_let_in_where_they_are_safe)
{
	static const struct {
		const char *name;
		enum err bound, is_private, open;
	} cases[] = {
		{ "SCRAM-SHA-256-PLUS", ERR_OK, ERR_NOT_SUPPORTED, ERR_NOT_SUPPORTED },
		{ "SCRAM-SHA-1-PLUS", ERR_OK, ERR_NOT_SUPPORTED, ERR_NOT_SUPPORTED },
		{ "SCRAM-SHA-256", ERR_OK, ERR_OK, ERR_OK },
		{ "SCRAM-SHA-1", ERR_OK, ERR_OK, ERR_OK },
		{ "PLAIN", ERR_OK, ERR_OK, ERR_DENIED },
		{ "CRAM-MD5", ERR_NOT_SUPPORTED, ERR_NOT_SUPPORTED, ERR_NOT_SUPPORTED },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct sasl_mechanism *mechanism = sasl_find(str_c(cases[i].name));

		cr_expect_eq(sasl_admit(mechanism, true, true), cases[i].bound, "%s", cases[i].name);
		cr_expect_eq(sasl_admit(mechanism, true, false), cases[i].is_private, "%s", cases[i].name);
		cr_expect_eq(sasl_admit(mechanism, false, false), cases[i].open, "%s", cases[i].name);
	}
}
