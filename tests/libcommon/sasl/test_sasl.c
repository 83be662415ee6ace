#include "libcommon/sasl/sasl.h"

#include <criterion/criterion.h>

/* A backend with one user. */
struct asked {
	struct str user, password;
	unsigned count;
};

static enum err
password_of_alice(void *context, struct str user, struct str password)
{
	struct asked *asked = context;

	*asked = (struct asked){ user, password, asked->count + 1 };
	return str_equal(user, STR("alice")) && str_equal(password, STR("secret")) ? ERR_OK : ERR_AUTH_FAILED;
}

#define BYTES(literal) { literal, sizeof(literal) - 1 }

Test(sasl, plain_takes_what_rfc_4616_allows)
{
	static const struct {
		struct str response;
		enum err err;
		unsigned asked;
	} cases[] = {
		{ BYTES("\0alice\0secret"), ERR_OK, 1 },
		{ BYTES("alice\0alice\0secret"), ERR_OK, 1 },
		{ BYTES("\0alice\0wrong"), ERR_AUTH_FAILED, 1 },
		{ BYTES("bob\0alice\0secret"), ERR_DENIED, 0 },
		{ BYTES(""), ERR_SYNTAX, 0 },
		{ BYTES("alice"), ERR_SYNTAX, 0 },
		{ BYTES("\0alice"), ERR_SYNTAX, 0 },
		{ BYTES("\0\0secret"), ERR_SYNTAX, 0 },
		{ BYTES("\0alice\0"), ERR_SYNTAX, 0 },
		{ BYTES("\0alice\0secret\0"), ERR_SYNTAX, 0 },
		{ BYTES("\0al\xffice\0secret"), ERR_SYNTAX, 0 },
		/* RFC 4013 s. 3: a soft hyphen is mapped to nothing, a Roman numeral to its letters */
		{ BYTES("\0al\xc2\xadice\0secret"), ERR_OK, 1 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct arena arena = { 0 };
		struct asked asked = { 0 };
		struct sasl_backend backend = { .context = &asked, .password = password_of_alice };
		struct sasl *sasl = sasl_new(sasl_find(STR("plain")), &backend, &arena);
		struct str challenge;

		cr_expect_eq(sasl_step(sasl, cases[i].response, &challenge), cases[i].err, "case %zu", i);
		cr_expect_eq(asked.count, cases[i].asked, "case %zu", i);
		arena_clear(&arena);
	}
}

Test(sasl, plain_without_initial_response_asks_for_it)
{
	struct arena arena = { 0 };
	struct asked asked = { 0 };
	struct sasl_backend backend = { .context = &asked, .password = password_of_alice };
	struct sasl *sasl = sasl_new(sasl_find(STR("PLAIN")), &backend, &arena);
	struct str challenge;

	cr_assert_eq(sasl_step(sasl, STR_NONE, &challenge), ERR_AGAIN);
	cr_assert_eq(challenge.len, 0);
	cr_assert_eq(sasl_step(sasl, STR("\0alice\0secret"), &challenge), ERR_OK);
	arena_clear(&arena);
}

Test(sasl, a_response_is_bounded)
{
	static char response[SASL_RESPONSE_MAX + 1];
	struct arena arena = { 0 };
	struct asked asked = { 0 };
	struct sasl_backend backend = { .context = &asked, .password = password_of_alice };
	struct sasl *sasl = sasl_new(sasl_find(STR("PLAIN")), &backend, &arena);
	struct str challenge;

	memset(response, 'x', sizeof(response));
	response[0] = response[10] = '\0';
	cr_assert_eq(sasl_step(sasl, str_from(response, sizeof(response)), &challenge), ERR_SYNTAX);
	cr_assert_eq(asked.count, 0);
	arena_clear(&arena);
}

Test(sasl, unknown_mechanisms_are_not_found)
{
	cr_assert_null(sasl_find(STR("CRAM-MD5")));
	cr_assert_null(sasl_find(STR("")));
}

Test(sasl, prep_is_saslprep)
{
	/* RFC 4013 s. 3 */
	static const struct {
		struct str in, out;
		enum err err;
	} cases[] = {
		{ BYTES("I\xc2\xadX"), BYTES("IX"), ERR_OK },
		{ BYTES("user"), BYTES("user"), ERR_OK },
		{ BYTES("USER"), BYTES("USER"), ERR_OK },
		{ BYTES("\xc2\xaa"), BYTES("a"), ERR_OK },
		{ BYTES("\xe2\x85\xa8"), BYTES("IX"), ERR_OK },
		{ BYTES("\x07"), BYTES(""), ERR_SYNTAX },
		{ BYTES("\xd8\xa7\x31"), BYTES(""), ERR_SYNTAX },
		{ BYTES(""), BYTES(""), ERR_SYNTAX },
		{ BYTES("a\0b"), BYTES(""), ERR_SYNTAX },
		{ BYTES("\xc2\xad"), BYTES(""), ERR_SYNTAX },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct arena arena = { 0 };
		struct str out = STR_NONE;

		cr_expect_eq(sasl_prep(cases[i].in, &arena, &out), cases[i].err, "case %zu", i);
		cr_expect(cases[i].err != ERR_OK || str_equal(out, cases[i].out), "case %zu: %.*s", i, STR_ARG(out));
		arena_clear(&arena);
	}
}
