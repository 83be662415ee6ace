/* TLS on client connections: certificates that can be changed, strict ALPN, OpenSSL that never blocks. */
#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "libcommon/core/mem.h"
#include "libcommon/core/metrics.h"
#include "libcommon/net/internal.h"

struct net_tls {
	pthread_mutex_t lock;
	SSL_CTX *context;   /* for new connections; those that are open hold theirs */
	char *certificate_file, *key_file;
	char *alpn;         /* NULL: the protocol's name */
};

/*
 * RFC 7301 s. 3.2: nothing in common is a fatal no_application_protocol. A client that takes what it did not ask for would be open
 * to attacks that lead it from one protocol's server to another's.
 */
static int
select_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in, unsigned int in_len, void *arg)
{
	const struct net_tls *tls = arg;
	struct str ours = str_c(tls->alpn ? tls->alpn : SSL_get_app_data(ssl));

	for (unsigned at = 0; at < in_len && in[at] < in_len - at; at += in[at] + 1U) {
		if (str_equal(str_from(in + at + 1, in[at]), ours)) {
			*out = in + at + 1;
			*out_len = in[at];
			return SSL_TLSEXT_ERR_OK;
		}
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* A key with a passphrase must not ask for it on the terminal. */
static int
no_passphrase(char *ret, int size, int rwflag, void *arg)
{
	(void)ret, (void)size, (void)rwflag, (void)arg;
	return 0;
}

static void
set_options(SSL_CTX *context, struct net_tls *tls)
{
	SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
	SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* Tickets keep the sessions at the clients; a cache here would be memory per client. */
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(context, 1);
	SSL_CTX_set_default_passwd_cb(context, no_passphrase);
	SSL_CTX_set_alpn_select_cb(context, select_alpn, tls);
}

static enum err
refuse_file(const char *file)
{
	const char *reason = access(file, R_OK) < 0 ? strerrordesc_np(errno) : ERR_reason_error_string(ERR_peek_last_error());

	log_error(NULL, "net.tls.config", KV_C("file", file), KV_C("reason", reason ? reason : "cannot be read"));
	ERR_clear_error();
	return ERR_CONFIG;
}

static enum err
load_files(SSL_CTX *context, const struct net_tls *tls)
{
	ERR_clear_error();
	if (SSL_CTX_use_certificate_chain_file(context, tls->certificate_file) != 1)
		return refuse_file(tls->certificate_file);
	if (SSL_CTX_use_PrivateKey_file(context, tls->key_file, SSL_FILETYPE_PEM) != 1)
		return refuse_file(tls->key_file);
	return ERR_OK;
}

static void
note_end(const SSL_CTX *context)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(X509_get0_notAfter(SSL_CTX_get0_certificate(context)), &tm) == 1)
		metric_set(METRIC_TLS_ENDS, timegm(&tm));
}

enum err
net_tls_reload(struct net_tls *tls)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	SSL_CTX *old;
	enum err err;

	if (context == NULL)
		return ERR_INTERNAL;
	set_options(context, tls);
	err = load_files(context, tls);
	if (err != ERR_OK) {
		SSL_CTX_free(context);
		return err;
	}
	note_end(context);
	pthread_mutex_lock(&tls->lock);
	old = tls->context;
	tls->context = context;
	pthread_mutex_unlock(&tls->lock);
	SSL_CTX_free(old);
	return ERR_OK;
}

enum err
net_tls_new(const char *certificate_file, const char *key_file, const char *alpn, struct net_tls **ret_tls)
{
	struct net_tls *tls = MEM_NEW(struct net_tls);
	enum err err;

	pthread_mutex_init(&tls->lock, NULL);
	tls->certificate_file = mem_strdup(certificate_file);
	tls->key_file = mem_strdup(key_file);
	tls->alpn = alpn ? mem_strdup(alpn) : NULL;
	err = net_tls_reload(tls);
	if (err != ERR_OK)
		net_tls_free(tls);
	else
		*ret_tls = tls;
	return err;
}

void
net_tls_free(struct net_tls *tls)
{
	if (tls == NULL)
		return;
	SSL_CTX_free(tls->context);
	pthread_mutex_destroy(&tls->lock);
	free(tls->certificate_file);
	free(tls->key_file);
	free(tls->alpn);
	free(tls);
}

enum err
tls_accept(struct net_conn *conn)
{
	struct net_tls *tls = conn->server->tls;

	pthread_mutex_lock(&tls->lock);
	conn->ssl = SSL_new(tls->context);
	pthread_mutex_unlock(&tls->lock);
	if (conn->ssl == NULL || SSL_set_fd(conn->ssl, conn->fd) != 1)
		return ERR_INTERNAL;
	SSL_set_app_data(conn->ssl, (char *)conn->server->protocol->name);
	SSL_set_accept_state(conn->ssl);
	return ERR_OK;
}

static enum net_io
result_of(struct net_conn *conn, int result)
{
	switch (SSL_get_error(conn->ssl, result)) {
	case SSL_ERROR_NONE:
		return IO_OK;
	case SSL_ERROR_WANT_READ:
		return IO_WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return IO_WANT_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return IO_EOF;
	default:
		return IO_ERROR;
	}
}

/* The client's half of the key exchange, which OpenSSL holds until the end: 6 KiB of a hybrid one. It is asked for again only to be printed. */
static void
drop_key_share(SSL *ssl)
{
	EVP_PKEY *share;

	if (SSL_get_peer_tmp_key(ssl, &share) != 1)
		return;
	(void)EVP_PKEY_set_type(share, EVP_PKEY_X25519);
	EVP_PKEY_free(share);
}

enum net_io
tls_handshake(struct net_conn *conn)
{
	enum net_io io;

	ERR_clear_error();
	io = result_of(conn, SSL_do_handshake(conn->ssl));
	if (io == IO_OK)
		drop_key_share(conn->ssl);
	if (io == IO_ERROR) {
		const char *reason = ERR_reason_error_string(ERR_peek_error());

		log_debug(&conn->log, "net.tls.failed", KV_C("reason", reason ? reason : "closed"));
	}
	return io;
}

enum net_io
tls_read(struct net_conn *conn, char *ret_bytes, size_t max, size_t *ret_len)
{
	ERR_clear_error();
	return result_of(conn, SSL_read_ex(conn->ssl, ret_bytes, max, ret_len));
}

enum net_io
tls_write(struct net_conn *conn, struct str bytes, size_t *ret_len)
{
	ERR_clear_error();
	return result_of(conn, SSL_write_ex(conn->ssl, bytes.ptr, bytes.len, ret_len));
}

bool
net_can_bind(struct net_conn *conn)
{
	return conn->ssl != NULL && SSL_is_init_finished(conn->ssl) &&
	    (SSL_version(conn->ssl) >= TLS1_3_VERSION || SSL_get_extms_support(conn->ssl) == 1);
}

bool
net_is_bound(struct net_conn *conn)
{
	return conn->is_bound;
}

/* RFC 9266 s. 2: the context is there, and empty. */
bool
net_take_binding(struct net_conn *conn, uint8_t ret[NET_BINDING_BYTES])
{
	static const char label[] = "EXPORTER-Channel-Binding";

	if (conn->is_bound || !net_can_bind(conn))
		return false;
	conn->is_bound = SSL_export_keying_material(conn->ssl, ret, NET_BINDING_BYTES, label, sizeof(label) - 1,
		(const uint8_t *)"", 0, 1) == 1;
	return conn->is_bound;
}

void
tls_close(struct net_conn *conn)
{
	ERR_clear_error();
	if (SSL_is_init_finished(conn->ssl) && !conn->is_broken)
		SSL_shutdown(conn->ssl);
	ERR_clear_error();
}
