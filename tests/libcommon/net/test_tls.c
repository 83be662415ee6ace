/* TLS, STARTTLS and the PROXY protocol on real sockets. */
#include <criterion/criterion.h>
#include <openssl/x509.h>
#include <stdio.h>

#include "libcommon/core/metrics.h"
#include "libcommon/crypto/encode.h"
#include "libcommon/net/internal.h"
#include "tests/libcommon/net/fixture.h"

static struct fixture f;
static struct certificate first, second;

static void
start(bool is_tls)
{
	fixture_init(&f);
	certificate_make(&first, "first.example");
	certificate_make(&second, "second.example");
	cr_assert_eq(net_tls_new(first.certificate_file, first.key_file, NULL, &f.tls), ERR_OK);
	fixture_start(&f, &(struct net_listen){ .address = STR("127.0.0.1:0"), .is_tls = is_tls }, NULL, 0);
}

static void
stop(void)
{
	fixture_stop(&f);
	certificate_remove(&first);
	certificate_remove(&second);
}

static const char *
name_of(struct client *c)
{
	static char name[64];
	X509 *certificate = SSL_get1_peer_certificate(c->ssl);

	X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name, sizeof(name));
	X509_free(certificate);
	return name;
}

Test(net_tls, implicit)
{
	struct client c;

	start(true);
	c = client_connect(f.port);
	cr_assert_eq(client_tls(&c, STR_NONE), 1);
	cr_expect_str_eq(client_line(&c), "* hello");
	cr_expect_str_eq(client_ask(&c, "ECHO x"), "x");
	cr_expect_str_eq(client_ask(&c, "STARTTLS"), "NO");
	client_send(&c, STR("BIG 5000000\r\nQUIT\r\n"));
	client_line(&c);
	cr_expect_str_eq(client_line(&c), "bye");
	cr_expect_str_eq(client_line(&c), "(closed)");
	client_close(&c);
	stop();
}

Test(net_tls, a_half_closed_client_gets_its_answers)
{
	struct client c;

	start(true);
	c = client_connect(f.port);
	cr_assert_eq(client_tls(&c, STR_NONE), 1);
	client_line(&c);
	client_send(&c, STR("ECHO one\r\nBIG 3000000\r\nECHO two\r\n"));
	SSL_shutdown(c.ssl);
	cr_expect_str_eq(client_line(&c), "one");
	client_line(&c);
	cr_expect_str_eq(client_line(&c), "two");
	cr_expect_str_eq(client_line(&c), "(closed)");
	client_close(&c);
	stop();
}

Test(net_tls, large_records_are_framed_and_read)
{
	static char lines[30000];
	struct client c;

	start(true);
	c = client_connect(f.port);
	cr_assert_eq(client_tls(&c, STR_NONE), 1);
	client_line(&c);
	for (size_t i = 0; i < sizeof(lines); i += 8)
		memcpy(lines + i, "ECHO x\r\n", 8);
	client_send(&c, str_from(lines, sizeof(lines)));
	for (size_t i = 0; i < sizeof(lines) / 8; i++)
		cr_assert_str_eq(client_line(&c), "x", "%zu", i);
	client_close(&c);
	stop();
}

Test(net_tls, starttls_throws_away_what_was_sent_before_it)
{
	struct client c;

	start(false);
	c = client_connect(f.port);
	client_line(&c);
	client_send(&c, STR("STARTTLS\r\nECHO injected\r\n"));
	cr_expect_str_eq(client_line(&c), "OK");
	cr_assert_eq(client_tls(&c, STR_NONE), 1);
	cr_expect_str_eq(client_line(&c), "hello");
	cr_expect_str_eq(client_ask(&c, "ECHO real"), "real");
	cr_expect_eq(f.ran, 2);
	client_close(&c);
	stop();
}

Test(net_tls, handshakes_hold_no_thread)
{
	struct client silent[30], c;

	fixture_init(&f);
	f.limits.threads_min = f.limits.threads_max = 1;
	f.limits.login_ms = 500;
	certificate_make(&first, "first.example");
	cr_assert_eq(net_tls_new(first.certificate_file, first.key_file, NULL, &f.tls), ERR_OK);
	fixture_start(&f, &(struct net_listen){ .address = STR("127.0.0.1:0"), .is_tls = true }, NULL, 0);
	for (size_t i = 0; i < 30; i++) {
		silent[i] = client_connect(f.port);
		client_send(&silent[i], STR("\x16\x03\x01"));
	}
	c = client_connect(f.port);
	cr_assert_eq(client_tls(&c, STR_NONE), 1);
	cr_expect_str_eq(client_line(&c), "* hello");
	for (size_t i = 0; i < 30; i++) {
		cr_expect_str_eq(client_line(&silent[i]), "(closed)", "the login's time is over");
		client_close(&silent[i]);
	}
	client_close(&c);
	fixture_stop(&f);
	certificate_remove(&first);
}

/* Of the 6 KiB of a hybrid one nothing is left but its name. */
Test(net_tls, the_key_share_of_a_client_is_not_kept)
{
	struct client c;
	EVP_PKEY *share;
	unsigned char bytes[2048];
	size_t len = sizeof(bytes);

	start(true);
	c = client_connect(f.port);
	cr_assert_eq(client_tls(&c, STR_NONE), 1);
	client_line(&c);
	cr_expect_str_eq(client_ask(&c, "ECHO x"), "x");
	cr_assert_eq(SSL_get_peer_tmp_key(f.conns[0]->ssl, &share), 1);
	cr_expect_neq(EVP_PKEY_get_raw_public_key(share, bytes, &len), 1);
	EVP_PKEY_free(share);
	client_close(&c);
	stop();
}

Test(net_tls, alpn_is_strict)
{
	static const struct {
		struct str offered;
		int result;
	} rows[] = {
		{ STR_NONE, 1 },
		{ STR("\4test"), 1 },
		{ STR("\2h2\4test"), 1 },
		{ STR("\2h2"), -1 },
		{ STR("\5testx\3tes"), -1 },
	};

	start(true);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct client c = client_connect(f.port);

		cr_expect_eq(client_tls(&c, rows[i].offered), rows[i].result, "row %zu", i);
		client_close(&c);
	}
	stop();
}

Test(net_tls, old_versions_are_refused)
{
	struct client c;
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());

	start(true);
	c = client_connect(f.port);
	SSL_CTX_set_security_level(context, 0);
	SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
	SSL_CTX_set_max_proto_version(context, TLS1_1_VERSION);
	c.ssl = SSL_new(context);
	SSL_set_fd(c.ssl, c.fd);
	cr_expect_neq(SSL_connect(c.ssl), 1);
	client_close(&c);
	SSL_CTX_free(context);
	stop();
}

/* As RFC 9266 s. 2 says, with an empty context, which TLS 1.2 can tell from none. */
static struct str
binding_of(SSL *ssl, struct arena *arena)
{
	uint8_t bytes[NET_BINDING_BYTES];

	cr_assert_eq(SSL_export_keying_material(ssl, bytes, sizeof(bytes), "EXPORTER-Channel-Binding", 24, (const uint8_t *)"", 0, 1), 1);
	return hex_encode(arena, str_from(bytes, sizeof(bytes)));
}

Test(net_tls, a_connection_is_bound_once_where_its_secret_is_its_own)
{
	static const struct {
		uint64_t options;
		bool can_bind;
	} cases[] = { { 0, true }, { SSL_OP_NO_TLSv1_3, true }, { SSL_OP_NO_TLSv1_3 | SSL_OP_NO_EXTENDED_MASTER_SECRET, false } };
	struct arena arena = { 0 };

	start(true);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct client c = client_connect(f.port);

		cr_assert_eq(client_tls_with(&c, STR_NONE, cases[i].options), 1);
		cr_expect_str_eq(client_line(&c), "* hello");
		cr_expect_str_eq(client_ask(&c, "BIND"), cases[i].can_bind ? binding_of(c.ssl, &arena).ptr : "NO", "case %zu", i);
		cr_expect_str_eq(client_ask(&c, "BIND"), "NO", "case %zu: a second time", i);
		client_close(&c);
	}
	arena_clear(&arena);
	stop();
}

Test(net_tls, without_tls_nothing_is_bound)
{
	struct client c;

	start(false);
	c = client_connect(f.port);
	cr_expect_str_eq(client_line(&c), "* hello");
	cr_expect_str_eq(client_ask(&c, "BIND"), "NO");
	client_close(&c);
	stop();
}

Test(net_tls, a_reload_is_for_new_connections)
{
	struct client old, new;

	start(true);
	old = client_connect(f.port);
	cr_assert_eq(client_tls(&old, STR_NONE), 1);
	cr_expect_str_eq(name_of(&old), "first.example");
	rename(second.certificate_file, first.certificate_file);
	log_setup(LOG_ERROR + 1, LOG_LOGFMT);
	cr_expect_eq(net_tls_reload(f.tls), ERR_CONFIG, "the key is not that certificate's");
	new = client_connect(f.port);
	cr_assert_eq(client_tls(&new, STR_NONE), 1);
	cr_expect_str_eq(name_of(&new), "first.example");
	client_close(&new);
	rename(second.key_file, first.key_file);
	cr_expect_eq(net_tls_reload(f.tls), ERR_OK);
	new = client_connect(f.port);
	cr_assert_eq(client_tls(&new, STR_NONE), 1);
	cr_expect_str_eq(name_of(&new), "second.example");
	cr_expect_str_eq(client_line(&old), "* hello");
	cr_expect_str_eq(client_ask(&old, "ECHO x"), "x");
	client_close(&old);
	client_close(&new);
	stop();
}

Test(net_tls, files_that_are_not_there_are_an_error)
{
	struct net_tls *tls = NULL;

	log_setup(LOG_ERROR + 1, LOG_LOGFMT);
	cr_expect_eq(net_tls_new("/nonexistent", "/nonexistent", NULL, &tls), ERR_CONFIG);
	cr_expect_null(tls);
}

/* ---- PROXY */

#define HEADER "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0f" "\xc0\0\2\1" "\x7f\0\0\1" "\x12\x34\0\x8f" "\4\0\0"

static void
start_proxy(const char *trusted, bool is_tls)
{
	struct str networks[] = { str_c(trusted) };

	fixture_init(&f);
	certificate_make(&first, "first.example");
	cr_assert_eq(net_tls_new(first.certificate_file, first.key_file, NULL, &f.tls), ERR_OK);
	fixture_start(&f, &(struct net_listen){ .address = STR("127.0.0.1:0"), .is_proxy = true, .is_tls = is_tls }, networks, 1);
}

static void
stop_proxy(void)
{
	fixture_stop(&f);
	certificate_remove(&first);
}

Test(net_proxy, a_trusted_peer_names_the_client)
{
	struct client c;

	start_proxy("127.0.0.0/8", false);
	c = client_connect(f.port);
	client_send(&c, STR(HEADER "PEER\r\n"));
	cr_expect_str_eq(client_line(&c), "* hello");
	cr_expect_str_eq(client_line(&c), "192.0.2.1");
	client_close(&c);
	c = client_connect(f.port);
	for (size_t i = 0; i < sizeof(HEADER) - 1; i++)
		client_send(&c, str_from(&HEADER[i], 1));
	cr_expect_str_eq(client_line(&c), "* hello");
	cr_expect_str_eq(client_ask(&c, "PEER"), "192.0.2.1");
	client_close(&c);
	c = client_connect(f.port);
	client_send(&c, STR("\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"));
	cr_expect_str_eq(client_line(&c), "* hello");
	cr_expect_str_eq(client_ask(&c, "PEER"), "127.0.0.1", "LOCAL");
	client_close(&c);
	stop_proxy();
}

Test(net_proxy, the_header_comes_before_tls)
{
	struct client c;

	start_proxy("127.0.0.1", true);
	c = client_connect(f.port);
	client_send(&c, STR(HEADER));
	cr_assert_eq(client_tls(&c, STR_NONE), 1);
	cr_expect_str_eq(client_line(&c), "* hello");
	cr_expect_str_eq(client_ask(&c, "PEER"), "192.0.2.1");
	client_close(&c);
	stop_proxy();
}

Test(net_proxy, others_are_refused)
{
	struct client c;
	int64_t refused;

	start_proxy("10.0.0.0/8", false);
	refused = metric_get(METRIC_CONN_REFUSED);
	c = client_connect(f.port);
	client_send(&c, STR(HEADER));
	cr_expect_eq(client_line(&c)[0], '(', "closed, or reset");
	cr_expect_eq(metric_get(METRIC_CONN_REFUSED), refused + 1);
	client_close(&c);
	stop_proxy();
}

Test(net_proxy, who_does_not_send_a_header_in_time_is_ended)
{
	struct str networks[] = { STR("127.0.0.1") };
	struct client c;

	fixture_init(&f);
	f.limits.login_ms = 300;
	fixture_start(&f, &(struct net_listen){ .address = STR("127.0.0.1:0"), .is_proxy = true }, networks, 1);
	c = client_connect(f.port);
	client_send(&c, STR("\r\n\r\n"));
	cr_expect_str_eq(client_line(&c), "(closed)");
	cr_expect_eq(f.opened, 0);
	client_close(&c);
	fixture_stop(&f);
}

Test(net_proxy, without_a_header_there_is_no_session)
{
	struct client c;

	start_proxy("127.0.0.1", false);
	c = client_connect(f.port);
	client_send(&c, STR("ECHO x\r\n"));
	cr_expect_str_eq(client_line(&c), "(closed)");
	cr_expect_eq(f.opened, 0);
	client_close(&c);
	stop_proxy();
}
