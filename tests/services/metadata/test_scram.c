/* SCRAM: what is told of whom, and who is let in. */
#include "libcommon/crypto/scram.h"
#include "tests/harness/scram_client.h"
#include "tests/services/metadata/world.h"

TestSuite(metadata_scram, .init = world_begin, .fini = world_end);

static const char *const hashes[] = { "SHA-256", "SHA-1" };

static MetadataBeginLoginReply *
begin(int i, const char *user, const char *hash)
{
	MetadataBeginLoginRequest req = METADATA_BEGIN_LOGIN_REQUEST__INIT;
	MetadataBeginLoginReply *reply;

	req.user = bin(user);
	req.hash = bin(hash);
	cr_assert_eq(metadata_begin_login(as(i, BUS_ROLE_IMAP), &req, &reply), ERR_OK);
	return reply;
}

static bool
is_same(const MetadataBeginLoginReply *a, const MetadataBeginLoginReply *b)
{
	return a->iterations == b->iterations && a->salt.len == b->salt.len && memcmp(a->salt.data, b->salt.data, a->salt.len) == 0;
}

static enum err
plain(int i, const char *user, const char *password)
{
	MetadataLoginRequest req = METADATA_LOGIN_REQUEST__INIT;

	req.user = bin(user);
	req.password = bin(password);
	req.peer = BIN("1");
	return metadata_login(as(i, BUS_ROLE_IMAP), &req, NULL);
}

/* Log in by SCRAM, with what BeginLogin says. */
static enum err
prove_from(int i, const char *user, const char *password, const char *hash, const char *peer, MetadataLoginReply **ret)
{
	static const char message[] = "any AuthMessage";
	MetadataBeginLoginReply *said = begin(1 - i, user, hash);
	MetadataLoginRequest req = METADATA_LOGIN_REQUEST__INIT;
	MetadataLoginRequest__Scram scram = METADATA_LOGIN_REQUEST__SCRAM__INIT;
	uint8_t bytes[SCRAM_KEY_MAX];
	struct str proof = scram_client_proof(hash, str_c(password), str_from(said->salt.data, said->salt.len), said->iterations,
	    str_c(message), bytes);

	req.user = bin(user);
	req.peer = bin(peer);
	scram.hash = bin(hash);
	scram.message = bin(message);
	scram.proof = (ProtobufCBinaryData){ proof.len, (uint8_t *)proof.ptr };
	req.scram = &scram;
	return metadata_login(as(i, BUS_ROLE_IMAP), &req, ret);
}

static enum err
prove(int i, const char *user, const char *password)
{
	enum err err = prove_from(i, user, password, hashes[i], "1", NULL);

	cr_expect_eq(prove_from(1 - i, user, password, hashes[1 - i], "1", NULL), err, "by both hashes, at both replicas");
	return err;
}

static enum err
update(const char *user, const char *password, bool enable, bool disable)
{
	MetadataUpdateAccountRequest req = METADATA_UPDATE_ACCOUNT_REQUEST__INIT;

	req.address = bin(user);
	req.password = bin(password);
	req.hash = BIN("ssha512");
	req.enable = enable;
	req.disable = disable;
	return metadata_update_account(as(0, BUS_ROLE_ADMIN), &req, NULL);
}

static void
create(const char *user, const char *password)
{
	MetadataCreateAccountRequest req = METADATA_CREATE_ACCOUNT_REQUEST__INIT;

	req.address = bin(user);
	req.password = bin(password);
	req.hash = BIN("ssha512");
	cr_assert_eq(metadata_create_account(as(0, BUS_ROLE_ADMIN), &req, NULL), ERR_OK);
}

Test(metadata_scram, a_proof_is_a_login_and_is_answered_with_the_signature)
{
	create("a@example.org", "secret");
	for (int i = 0; i < 2; i++) {
		MetadataLoginReply *reply = NULL;

		cr_assert_eq(prove_from(0, "A@Example.ORG", "secret", hashes[i], "1", &reply), ERR_OK, "%s", hashes[i]);
		cr_expect_eq(reply->signature.len, i == 0 ? 32 : 20);
		cr_expect_gt(reply->token.len, 0);
		cr_expect_eq(reply->user.len, strlen("a@example.org"));
		cr_expect_eq(prove_from(0, "a@example.org", "secre", hashes[i], "1", NULL), ERR_AUTH_FAILED);
	}
	cr_expect_eq(prove(0, "nobody@example.org", "secret"), ERR_AUTH_FAILED);
	cr_expect_eq(prove(0, "no address", "secret"), ERR_AUTH_FAILED);
}

/* It is the prepared password that mail programs know (RFC 4013). */
Test(metadata_scram, passwords_are_prepared_when_they_are_set)
{
	create("a@example.org", "I\xc2\xadX \xc2\xaa");
	cr_expect_eq(plain(0, "a@example.org", "IX a"), ERR_OK);
	cr_expect_eq(prove(0, "a@example.org", "IX a"), ERR_OK);
	cr_expect_eq(update("a@example.org", "a\tb", false, false), ERR_INVALID);
	cr_expect_eq(update("a@example.org", "a\xff", false, false), ERR_INVALID);
}

/* RFC 5802 s. 9: accounts cannot be told from names that are none. */
Test(metadata_scram, who_is_unknown_has_a_salt_that_stays)
{
	MetadataBeginLoginReply *unknown[4], *known;

	create("a@example.org", "secret");
	known = begin(0, "a@example.org", "SHA-256");
	for (int i = 0; i < 4; i++)
		unknown[i] = begin(i % 2, i < 2 ? "nobody@example.org" : "NOBODY@example.ORG", "SHA-256");
	for (int i = 0; i < 4; i++)
		cr_expect(is_same(unknown[i], unknown[0]), "asked %d times", i + 1);
	cr_expect_eq(unknown[0]->salt.len, known->salt.len);
	cr_expect_eq(unknown[0]->iterations, known->iterations);
	cr_expect(!is_same(unknown[0], begin(0, "nobody2@example.org", "SHA-256")));
	cr_expect(!is_same(unknown[0], begin(0, "nobody@example.org", "SHA-1")));
	cr_expect(is_same(known, begin(1, "A@EXAMPLE.ORG", "SHA-256")));
	cr_expect(!is_same(known, begin(1, "a@example.org", "SHA-1")));
	replica_stop(1);
	replica_start(1);
	cr_expect(is_same(unknown[0], begin(1, "nobody@example.org", "SHA-256")), "a restart changes nothing");
}

Test(metadata_scram, a_hash_that_is_none_is_refused)
{
	MetadataBeginLoginRequest req = METADATA_BEGIN_LOGIN_REQUEST__INIT;
	MetadataLoginRequest login = METADATA_LOGIN_REQUEST__INIT;
	MetadataLoginRequest__Scram scram = METADATA_LOGIN_REQUEST__SCRAM__INIT;

	req.user = login.user = BIN("a@example.org");
	req.hash = scram.hash = BIN("MD5");
	login.scram = &scram;
	cr_expect_eq(metadata_begin_login(as(0, BUS_ROLE_IMAP), &req, NULL), ERR_INVALID);
	cr_expect_eq(metadata_login(as(0, BUS_ROLE_IMAP), &login, NULL), ERR_INVALID);
}

Test(metadata_scram, a_changed_password_is_changed_here_too)
{
	MetadataBeginLoginReply *before;

	create("a@example.org", "secret");
	cr_expect_eq(prove(0, "a@example.org", "secret"), ERR_OK);
	before = begin(0, "a@example.org", "SHA-256");
	cr_assert_eq(update("a@example.org", "changed", false, false), ERR_OK);
	cr_expect_eq(prove(0, "a@example.org", "secret"), ERR_AUTH_FAILED);
	cr_expect_eq(prove(0, "a@example.org", "changed"), ERR_OK);
	cr_expect(!is_same(before, begin(0, "a@example.org", "SHA-256")));
	/* As the release before this one changes it: what was known of the old one is void. */
	sql("UPDATE credentials SET hash = 'x', version = version + 1");
	cr_expect_eq(prove(0, "a@example.org", "changed"), ERR_AUTH_FAILED);
}

/* An account that is disabled looks as ever, and who has its password hears why. */
Test(metadata_scram, disabled_accounts_say_so_to_their_users_alone)
{
	MetadataBeginLoginReply *before;

	create("a@example.org", "secret");
	before = begin(0, "a@example.org", "SHA-256");
	cr_assert_eq(update("a@example.org", "", false, true), ERR_OK);
	cr_expect(is_same(before, begin(0, "a@example.org", "SHA-256")));
	cr_expect_eq(prove(0, "a@example.org", "secret"), ERR_DISABLED);
	cr_expect_eq(prove(0, "a@example.org", "wrong"), ERR_AUTH_FAILED);
	cr_assert_eq(update("a@example.org", "", true, false), ERR_OK);
	cr_expect_eq(prove(0, "a@example.org", "secret"), ERR_OK);
	sql("UPDATE accounts SET state = 'deleted'");
	cr_expect(!is_same(before, begin(0, "a@example.org", "SHA-256")));
	cr_expect_eq(prove(0, "a@example.org", "secret"), ERR_AUTH_FAILED);
}

/* What comes from before there was SCRAM is as unknown, until the password is there. */
Test(metadata_scram, an_old_account_gets_verifiers_at_its_next_login_by_password)
{
	MetadataBeginLoginReply *none;

	create("a@example.org", "secret");
	sql("UPDATE credentials SET scram_sha_256 = NULL, scram_sha_1 = NULL, scram_version = 0");
	none = begin(0, "a@example.org", "SHA-256");
	cr_expect_eq(none->salt.len, SCRAM_SALT_BYTES);
	cr_expect(is_same(none, begin(1, "a@example.org", "SHA-256")));
	cr_expect_eq(prove(0, "a@example.org", "secret"), ERR_AUTH_FAILED);
	cr_expect_eq(plain(0, "a@example.org", "wrong"), ERR_AUTH_FAILED);
	cr_expect_eq(prove(0, "a@example.org", "secret"), ERR_AUTH_FAILED);
	cr_expect_eq(plain(0, "a@example.org", "secret"), ERR_OK);
	cr_expect_eq(prove(0, "a@example.org", "secret"), ERR_OK);
	cr_expect_eq(sql_int("SELECT version FROM credentials"), 1, "which ends no session");
	none = begin(0, "a@example.org", "SHA-256");
	replica_stop(0);
	replica_start(0);
	cr_expect_eq(plain(0, "a@example.org", "secret"), ERR_OK);
	cr_expect(is_same(none, begin(0, "a@example.org", "SHA-256")), "once");
}

/* The login is right all the same, and the next one tries again, although its password is remembered. */
Test(metadata_scram, verifiers_that_could_not_be_stored_are_at_the_next_login)
{
	create("a@example.org", "secret");
	sql("UPDATE credentials SET scram_sha_256 = NULL, scram_sha_1 = NULL, scram_version = 0");
	sql("ALTER TABLE credentials ADD CONSTRAINT none CHECK (scram_sha_256 IS NULL)");
	cr_expect_eq(plain(0, "a@example.org", "secret"), ERR_OK);
	cr_expect_eq(prove(0, "a@example.org", "secret"), ERR_AUTH_FAILED);
	sql("ALTER TABLE credentials DROP CONSTRAINT none");
	cr_expect_eq(plain(0, "a@example.org", "secret"), ERR_OK);
	cr_expect_eq(prove(0, "a@example.org", "secret"), ERR_OK);
}

/* Lesson 61, likewise; guesses by PLAIN and by SCRAM are counted together. */
Test(metadata_scram, who_guesses_is_stopped_and_the_user_is_not)
{
	enum err err = ERR_AUTH_FAILED;

	create("a@example.org", "secret");
	for (int i = 0; i < 20 && err == ERR_AUTH_FAILED; i++)
		err = prove_from(0, "a@example.org", "guess", hashes[i % 2], "192.0.2.1", NULL);
	cr_assert_eq(err, ERR_LIMIT);
	cr_expect_eq(prove_from(0, "a@example.org", "secret", "SHA-256", "192.0.2.1", NULL), ERR_LIMIT);
	cr_expect_eq(prove_from(0, "a@example.org", "secret", "SHA-256", "192.0.2.2", NULL), ERR_OK);
}
