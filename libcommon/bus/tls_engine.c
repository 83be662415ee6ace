/*
 * TLS for nng by OpenSSL, as an engine of nng's (nng/supplemental/tls/engine.h).
 *
 * nng brings one on mbedTLS. This one lets a message be a TLS record, where that makes three of it: nng hands down its length, what req and rep
 * put before it, and the body, one by one, and each would be encrypted, sent and waited for by itself. And it says why a peer was refused.
 *
 * nng calls all of it under its lock of the connection.
 */
#include <nng/supplemental/tls/engine.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/bus/tls.h"
#include "libcommon/core/mem.h"

#if NNG_MAJOR_VERSION != 1 || NNG_MINOR_VERSION != 10
#error "is_cut and begins rely on how nng 1.10 does it: read src/supplemental/tls/tls_common.c and src/sp/transport/tls/tls.c of this one"
#endif

enum {
	/* With what TLS 1.3 adds (RFC 8446 s. 5.2) it fills nng's buffer of 16 KiB: were room left, a little of the next one would be sent alone. */
	RECORD_MAX = 16384 - 5 - 1 - 16,
	LENGTH_SIZE = 8,         /* before each message: how long it is, big endian */
	KEY_RECORDS = 1 << 22,   /* a key is good for 2^24.5 of them (RFC 8446 s. 5.5) */
};

struct nng_tls_engine_config {
	SSL_CTX *context;
	char *server; /* whom a client means; NULL: it does not look */
};

struct nng_tls_engine_conn {
	SSL *ssl;
	nng_stream *stream; /* nng's, of TLS: what it gives to its engines is this */
	uint8_t *record; /* RECORD_MAX: the beginning of what is sent next; NULL until the peer has proved who it is */
	size_t used;     /* of it */
	size_t taken;    /* of what nng brings again and again until all of it is */
	uint64_t left;   /* of the message: bytes that nng has still to bring, those among them */
	size_t got;      /* of what nng wants: so many bytes are there already */
	uint32_t sent;   /* records, by this key */
	bool is_sealed;  /* OpenSSL has the record, and has not got rid of all of it */
	bool is_sending, is_receiving; /* nng waits with what it brings, or wants */
};

/* ---- what is below: nng's connection */

static int
below_write(BIO *bio, const char *bytes, int len)
{
	size_t done = (size_t)len;
	int failed = nng_tls_engine_send(BIO_get_data(bio), (const uint8_t *)bytes, &done);

	BIO_clear_retry_flags(bio);
	if (failed == NNG_EAGAIN)
		BIO_set_retry_write(bio);
	return failed ? -1 : (int)done;
}

static int
below_read(BIO *bio, char *bytes, int len)
{
	size_t done = (size_t)len;
	int failed = nng_tls_engine_recv(BIO_get_data(bio), (uint8_t *)bytes, &done);

	BIO_clear_retry_flags(bio);
	if (failed == NNG_EAGAIN)
		BIO_set_retry_read(bio);
	return failed ? -1 : (int)done;
}

static long
below_control(BIO *bio, int command, long number, void *pointer)
{
	(void)bio, (void)number, (void)pointer;
	return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *below;

/* ---- why it went wrong */

static const struct {
	int reason; /* OpenSSL's */
	enum bus_refusal refusal;
} refusals[] = {
	{ SSL_R_CERTIFICATE_VERIFY_FAILED, BUS_REFUSAL_CERTIFICATE },
	{ SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, BUS_REFUSAL_NO_CERTIFICATE },
	{ SSL_R_WRONG_VERSION_NUMBER, BUS_REFUSAL_NOT_TLS },
	{ SSL_R_PACKET_LENGTH_TOO_LONG, BUS_REFUSAL_NOT_TLS },
	{ SSL_R_DATA_LENGTH_TOO_LONG, BUS_REFUSAL_NOT_TLS },
	{ SSL_R_BAD_RECORD_TYPE, BUS_REFUSAL_NOT_TLS },
	{ SSL_R_HTTP_REQUEST, BUS_REFUSAL_NOT_TLS },
	{ SSL_R_HTTPS_PROXY_REQUEST, BUS_REFUSAL_NOT_TLS },
};

static enum bus_refusal
refusal_of(int reason, long verified)
{
	if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED && verified == X509_V_ERR_HOSTNAME_MISMATCH)
		return BUS_REFUSAL_NAME;
	if (reason >= SSL_AD_REASON_OFFSET)
		return BUS_REFUSAL_BY_PEER;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		if (refusals[i].reason == reason)
			return refusals[i].refusal;
	}
	return BUS_REFUSAL_OTHER;
}

/* The peer does not want us, or we do not want it. */
static void
say_why(const nng_tls_engine_conn *conn)
{
	unsigned long error = ERR_peek_last_error(); /* those before it are of the certificate's parts */
	long verified = SSL_get_verify_result(conn->ssl);
	const char *words;
	int reason;

	/* Of a bad record it is said first what is wrong with it. */
	if (ERR_GET_REASON(error) == SSL_R_RECORD_LAYER_FAILURE)
		error = ERR_peek_error();
	reason = ERR_GET_REASON(error);
	words = reason == SSL_R_CERTIFICATE_VERIFY_FAILED ? X509_verify_cert_error_string(verified) : ERR_reason_error_string(error);
	if (ERR_GET_LIB(error) == ERR_LIB_SSL)
		bus_tls_refused(refusal_of(reason, verified), str_c(words ? words : ""));
}

/*
 * Who waits for a connection that is lost waits for ever, where nng notices the loss while nobody is waiting: it says so to those who are, but
 * forgets it for those who come later. So we look, when somebody begins to wait.
 */
static bool
is_cut(const nng_tls_engine_conn *conn)
{
	nng_sockaddr address;

	return nng_stream_get_addr(conn->stream, NNG_OPT_REMADDR, &address) != 0;
}

/*
 * What SSL_* said, in nng's words. Who calls SSL_* has cleared the thread's errors before: another's may have been left there. *is_waiting: nng was
 * told to wait, and does.
 */
static int
outcome(const nng_tls_engine_conn *conn, int result, bool *is_waiting)
{
	switch (SSL_get_error(conn->ssl, result)) {
	case SSL_ERROR_NONE:
		return 0;
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		if (!*is_waiting && is_cut(conn))
			return NNG_ECLOSED;
		*is_waiting = true;
		return NNG_EAGAIN;
	case SSL_ERROR_SSL:
		say_why(conn);
		ERR_clear_error();
		return NNG_ECRYPTO;
	default:
		return NNG_ECLOSED;
	}
}

/* ---- connections */

static void
conn_end(nng_tls_engine_conn *conn)
{
	SSL_free(conn->ssl);
	free(conn->record);
}

static int
conn_begin(nng_tls_engine_conn *conn, void *connection, nng_tls_engine_config *config)
{
	BIO *bio = BIO_new(below);

	conn->stream = connection;
	conn->ssl = SSL_new(config->context);
	if (bio == NULL || conn->ssl == NULL)
		abort();
	BIO_set_data(bio, connection);
	BIO_set_init(bio, 1);
	SSL_set_bio(conn->ssl, bio, bio);
	if (SSL_is_server(conn->ssl)) {
		SSL_set_accept_state(conn->ssl);
		return 0;
	}
	SSL_set_connect_state(conn->ssl);
	/* A wildcard or the subject's CN says nothing on the bus. */
	SSL_set_hostflags(conn->ssl, X509_CHECK_FLAG_NO_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	return config->server == NULL || SSL_set1_host(conn->ssl, config->server) == 1 ? 0 : NNG_EINVAL;
}

static void
conn_close(nng_tls_engine_conn *conn)
{
	if (SSL_is_init_finished(conn->ssl))
		SSL_shutdown(conn->ssl);
	ERR_clear_error();
}

static int
conn_handshake(nng_tls_engine_conn *conn)
{
	bool is_waiting = false;
	int failed;

	ERR_clear_error();
	failed = outcome(conn, SSL_do_handshake(conn->ssl), &is_waiting);
	if (failed == 0 && conn->record == NULL)
		conn->record = mem_alloc(RECORD_MAX);
	return failed;
}

/*
 * All that nng wants, or nothing yet: it would come back for the rest by way of another of its threads, record by record. It wants the length of a
 * message, and then all of it.
 */
static int
conn_recv(nng_tls_engine_conn *conn, uint8_t *bytes, size_t *len)
{
	int result = 1;

	ERR_clear_error();
	while (conn->got < *len) {
		size_t more;

		result = SSL_read_ex(conn->ssl, bytes + conn->got, *len - conn->got, &more);
		if (result != 1)
			return outcome(conn, result, &conn->is_receiving);
		conn->got += more;
	}
	conn->got = 0;
	conn->is_receiving = false;
	return 0;
}

static uint64_t
length_in(const uint8_t *bytes)
{
	uint64_t length = 0;

	for (size_t i = 0; i < LENGTH_SIZE; i++)
		length = length << 8 | bytes[i];
	return length;
}

/*
 * A message begins, or the greeting, "\0SP\0" and four bytes, behind which nothing comes: so much will be sent. Lengths are far too small to look
 * like it.
 */
static uint64_t
begins(const uint8_t *bytes, size_t len)
{
	if (len != LENGTH_SIZE || memcmp(bytes, "\0SP\0", 4) == 0)
		return len;
	return LENGTH_SIZE + length_in(bytes);
}

/* Send the record. 0, NNG_EAGAIN (nng comes again, with the same bytes) or an error. */
static int
flush(nng_tls_engine_conn *conn)
{
	size_t written;
	int failed;

	ERR_clear_error();
	if (!conn->is_sealed && ++conn->sent == KEY_RECORDS && SSL_version(conn->ssl) == TLS1_3_VERSION) {
		SSL_key_update(conn->ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
		conn->sent = 0;
	}
	conn->is_sealed = true;
	failed = outcome(conn, SSL_write_ex(conn->ssl, conn->record, conn->used, &written), &conn->is_sending);
	if (failed != 0)
		return failed;
	conn->is_sealed = false;
	conn->used = 0;
	return 0;
}

/* Into the record that is begun go as many of the `len` bytes as have room. */
static void
lay_by(nng_tls_engine_conn *conn, const uint8_t *bytes, size_t len)
{
	size_t room = RECORD_MAX - conn->used, take = len < room ? len : room;

	memcpy(conn->record + conn->used, bytes, take);
	conn->used += take;
	conn->taken += take;
}

/*
 * All of it is taken, or nothing yet: nng would come back for the rest by way of another of its threads, record by record. And nothing is taken
 * that it would not come back for: the last bytes of a message only when they are sent. Before that they are laid by, as more will come.
 */
static int
conn_send(nng_tls_engine_conn *conn, const uint8_t *bytes, size_t *len)
{
	int failed = conn->record != NULL ? 0 : conn_handshake(conn);

	if (failed != 0)
		return failed;
	if (conn->left == 0) {
		if (is_cut(conn))
			return NNG_ECLOSED;
		conn->left = begins(bytes, *len);
	}
	if (*len > conn->left)
		*len = (size_t)conn->left;
	while (conn->is_sealed || conn->taken < *len) {
		if (!conn->is_sealed)
			lay_by(conn, bytes + conn->taken, *len - conn->taken);
		if (conn->used < RECORD_MAX && conn->taken < conn->left)
			break;
		failed = flush(conn);
		if (failed != 0)
			return failed;
	}
	conn->left -= *len;
	conn->taken = 0;
	conn->is_sending = false;
	return 0;
}

static bool
conn_is_verified(nng_tls_engine_conn *conn)
{
	return SSL_get0_peer_certificate(conn->ssl) != NULL && SSL_get_verify_result(conn->ssl) == X509_V_OK;
}

static char *
conn_subject(nng_tls_engine_conn *conn)
{
	(void)conn;
	return NULL;
}

/* The DNS names of a certificate, as malloc makes them, NULL behind the last; NULL: it has none. */
static char **
names_in(const GENERAL_NAMES *all)
{
	int count = sk_GENERAL_NAME_num(all);
	char **names = mem_calloc((size_t)count + 1, sizeof(names[0]));
	size_t used = 0;

	for (int i = 0; i < count; i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(all, i);
		const char *text = name->type == GEN_DNS ? (const char *)ASN1_STRING_get0_data(name->d.dNSName) : "";

		/* With a NUL inside it would not be what it seems. */
		if (name->type == GEN_DNS && strlen(text) == (size_t)ASN1_STRING_length(name->d.dNSName))
			names[used++] = mem_strdup(text);
	}
	return names;
}

static char **
conn_names(nng_tls_engine_conn *conn)
{
	X509 *peer = SSL_get0_peer_certificate(conn->ssl);
	GENERAL_NAMES *all = peer ? X509_get_ext_d2i(peer, NID_subject_alt_name, NULL, NULL) : NULL;
	char **names = all ? names_in(all) : NULL;

	GENERAL_NAMES_free(all);
	return names;
}

/* ---- configurations */

static void
config_end(nng_tls_engine_config *config)
{
	SSL_CTX_free(config->context);
	free(config->server);
}

static int
config_begin(nng_tls_engine_config *config, nng_tls_mode mode)
{
	SSL_CTX *context = SSL_CTX_new(mode == NNG_TLS_MODE_SERVER ? TLS_server_method() : TLS_client_method());

	if (context == NULL)
		abort();
	SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_TICKET);
	/* Connections last for days: nothing is gained by resuming one. */
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(context, 0);
	config->context = context;
	return 0;
}

static int
config_server(nng_tls_engine_config *config, const char *name)
{
	free(config->server);
	config->server = mem_strdup(name);
	return 0;
}

static int
config_mode(nng_tls_engine_config *config, nng_tls_auth_mode mode)
{
	static const int modes[] = {
		[NNG_TLS_AUTH_MODE_NONE] = SSL_VERIFY_NONE,
		[NNG_TLS_AUTH_MODE_OPTIONAL] = SSL_VERIFY_PEER,
		[NNG_TLS_AUTH_MODE_REQUIRED] = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
	};

	SSL_CTX_set_verify(config->context, modes[mode], NULL);
	return 0;
}

/* Has all that there is been read, or is something among it that is no certificate? */
static bool
is_at_end(void)
{
	return ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
}

static int
config_authorities(nng_tls_engine_config *config, const char *certificates, const char *revoked)
{
	BIO *in = BIO_new_mem_buf(certificates, -1);
	X509 *certificate;
	int count = 0;
	bool is_good;

	ERR_clear_error();
	while (revoked == NULL && (certificate = PEM_read_bio_X509(in, NULL, NULL, NULL)) != NULL) {
		count += X509_STORE_add_cert(SSL_CTX_get_cert_store(config->context), certificate);
		X509_free(certificate);
	}
	is_good = count > 0 && is_at_end();
	BIO_free(in);
	ERR_clear_error();
	return is_good ? 0 : NNG_EINVAL;
}

/* A key with a passphrase must not ask for it on the terminal. */
static int
no_passphrase(char *ret, int size, int is_writing, void *arg)
{
	(void)ret, (void)size, (void)is_writing, (void)arg;
	return 0;
}

static bool
use_chain(SSL_CTX *context, BIO *in)
{
	X509 *certificate = PEM_read_bio_X509(in, NULL, no_passphrase, NULL);
	bool is_good = certificate != NULL && SSL_CTX_use_certificate(context, certificate) == 1;

	X509_free(certificate);
	while (is_good && (certificate = PEM_read_bio_X509(in, NULL, no_passphrase, NULL)) != NULL) {
		is_good = SSL_CTX_add1_chain_cert(context, certificate) == 1;
		X509_free(certificate);
	}
	return is_good && is_at_end();
}

static int
config_own(nng_tls_engine_config *config, const char *certificate, const char *key, const char *passphrase)
{
	BIO *in = BIO_new_mem_buf(certificate, -1), *key_in = BIO_new_mem_buf(key, -1);
	EVP_PKEY *own;
	bool is_good;

	ERR_clear_error();
	own = PEM_read_bio_PrivateKey(key_in, NULL, no_passphrase, NULL);
	is_good = passphrase == NULL && own != NULL && use_chain(config->context, in) && SSL_CTX_use_PrivateKey(config->context, own) == 1;

	EVP_PKEY_free(own);
	BIO_free(key_in);
	BIO_free(in);
	ERR_clear_error();
	return is_good ? 0 : NNG_ECRYPTO;
}

static int
config_shared_key(nng_tls_engine_config *config, const char *identity, const uint8_t *key, size_t len)
{
	(void)config, (void)identity, (void)key, (void)len;
	return NNG_ENOTSUP;
}

/* nng counts versions as TLS does. */
static int
config_versions(nng_tls_engine_config *config, nng_tls_version first, nng_tls_version last)
{
	return SSL_CTX_set_min_proto_version(config->context, (int)first) == 1 && SSL_CTX_set_max_proto_version(config->context, (int)last) == 1
	    ? 0 : NNG_ENOTSUP;
}

/* ---- the engine */

static nng_tls_engine_config_ops config_ops = {
	.size = sizeof(nng_tls_engine_config),
	.init = config_begin,
	.fini = config_end,
	.server = config_server,
	.auth = config_mode,
	.ca_chain = config_authorities,
	.own_cert = config_own,
	.psk = config_shared_key,
	.version = config_versions,
};

static nng_tls_engine_conn_ops conn_ops = {
	.size = sizeof(nng_tls_engine_conn),
	.init = conn_begin,
	.fini = conn_end,
	.close = conn_close,
	.handshake = conn_handshake,
	.recv = conn_recv,
	.send = conn_send,
	.verified = conn_is_verified,
	.peer_cn = conn_subject,
	.peer_alt_names = conn_names,
};

static const nng_tls_engine engine = {
	.version = NNG_TLS_ENGINE_VERSION,
	.config_ops = &config_ops,
	.conn_ops = &conn_ops,
	.name = "OpenSSL",
	.description = OPENSSL_VERSION_TEXT,
};

/*
 * OpenSSL must not be taken down at exit: nng's threads may still be freeing connections then. Whoever uses OpenSSL first decides that, so it is
 * said before main.
 */
__attribute__((constructor)) static void
keep_openssl(void)
{
	OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL);
}

void
bus_tls_use_openssl(void)
{
	below = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "nng");
	if (below == NULL)
		abort();
	BIO_meth_set_write(below, below_write);
	BIO_meth_set_read(below, below_read);
	BIO_meth_set_ctrl(below, below_control);
	/* nng makes itself ready when it is first asked for something, and then takes its own engine. */
	nng_tls_engine_name();
	if (nng_tls_engine_register(&engine) != 0)
		abort();
}
