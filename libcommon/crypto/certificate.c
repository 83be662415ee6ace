/* Certificates, by OpenSSL. */
#include "libcommon/crypto/certificate.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <time.h>

#include "libcommon/core/mem.h"

struct certificate {
	STACK_OF(X509) *all;
};

/* A key with a passphrase must not ask for it on the terminal. */
static int
no_passphrase(char *ret, int size, int rwflag, void *arg)
{
	(void)ret, (void)size, (void)rwflag, (void)arg;
	return 0;
}

static BIO *
open_bytes(struct str bytes)
{
	BIO *bio = BIO_new_mem_buf(bytes.ptr ? bytes.ptr : "", (int)bytes.len);

	if (bio == NULL)
		abort();
	return bio;
}

enum err
certificate_parse(struct str pem, struct certificate **ret_certificate)
{
	struct certificate *certificate = MEM_NEW(struct certificate);
	BIO *bio = open_bytes(pem);
	bool is_at_end;
	X509 *one;

	ERR_clear_error();
	certificate->all = sk_X509_new_null();
	while ((one = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)) != NULL)
		sk_X509_push(certificate->all, one);
	is_at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
	BIO_free(bio);
	ERR_clear_error();
	if (!is_at_end || sk_X509_num(certificate->all) == 0) {
		certificate_free(certificate);
		return ERR_SYNTAX;
	}
	*ret_certificate = certificate;
	return ERR_OK;
}

void
certificate_free(struct certificate *certificate)
{
	if (certificate == NULL)
		return;
	sk_X509_pop_free(certificate->all, X509_free);
	free(certificate);
}

int64_t
certificate_ends_s(const struct certificate *certificate)
{
	int64_t first = INT64_MAX;

	for (int i = 0; i < sk_X509_num(certificate->all); i++) {
		struct tm tm;
		int64_t ends = 0;

		if (ASN1_TIME_to_tm(X509_get0_notAfter(sk_X509_value(certificate->all, i)), &tm) == 1)
			ends = timegm(&tm);
		first = ends < first ? ends : first;
	}
	return first;
}

bool
certificate_has_name(const struct certificate *certificate, const char *name)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(sk_X509_value(certificate->all, 0), NID_subject_alt_name, NULL, NULL);
	bool has_name = false;

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *at = sk_GENERAL_NAME_value(names, i);

		if (at->type == GEN_DNS)
			has_name |= str_equal(str_from(ASN1_STRING_get0_data(at->d.dNSName),
			                          (size_t)ASN1_STRING_length(at->d.dNSName)), str_c(name));
	}
	GENERAL_NAMES_free(names);
	return has_name;
}

bool
certificate_has_key(const struct certificate *certificate, struct str key_pem)
{
	BIO *bio = open_bytes(key_pem);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	bool has_key = key != NULL && X509_check_private_key(sk_X509_value(certificate->all, 0), key) == 1;

	EVP_PKEY_free(key);
	BIO_free(bio);
	ERR_clear_error();
	return has_key;
}

/* How strong keys have to be: what OpenSSL asks for in a handshake, SSL_CTX_set_security_level(3). */
enum { AUTH_LEVEL = 2 };

static bool
verify(const struct certificate *certificate, X509_STORE *store, int purpose)
{
	X509_STORE_CTX *context = X509_STORE_CTX_new();
	bool is_of = context != NULL &&
	    X509_STORE_CTX_init(context, store, sk_X509_value(certificate->all, 0), certificate->all) == 1 &&
	    X509_STORE_CTX_set_purpose(context, purpose) == 1;

	if (is_of) {
		X509_STORE_CTX_set_flags(context, X509_V_FLAG_NO_CHECK_TIME);
		X509_VERIFY_PARAM_set_auth_level(X509_STORE_CTX_get0_param(context), AUTH_LEVEL);
		is_of = X509_verify_cert(context) == 1;
	}
	X509_STORE_CTX_free(context);
	return is_of;
}

bool
certificate_is_of(const struct certificate *certificate, const struct certificate *authorities)
{
	X509_STORE *store = X509_STORE_new();
	bool is_of;

	if (store == NULL)
		abort();
	for (int i = 0; i < sk_X509_num(authorities->all); i++)
		X509_STORE_add_cert(store, sk_X509_value(authorities->all, i));
	is_of = verify(certificate, store, X509_PURPOSE_SSL_SERVER) && verify(certificate, store, X509_PURPOSE_SSL_CLIENT);
	X509_STORE_free(store);
	ERR_clear_error();
	return is_of;
}
