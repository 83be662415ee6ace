/*
 * Certificates (RFC 5280) as PEM files have them, by OpenSSL: for whom they are, until when, and what belongs to them.
 */
#ifndef SORA_CRYPTO_CERTIFICATE_H
#define SORA_CRYPTO_CERTIFICATE_H

#include "libcommon/core/err.h"
#include "libcommon/core/str.h"

/* The certificates of one file: a chain, its owner's first; or authorities. */
struct certificate;

/* ERR_SYNTAX: there is none in it, or one that is damaged. */
enum err certificate_parse(struct str pem, struct certificate **ret_certificate);
void certificate_free(struct certificate *certificate);

/* When the first of them ends: seconds since 1970. */
int64_t certificate_ends_s(const struct certificate *certificate);
/* Is the owner called that? By DNS name of its subjectAltName, in full; wildcards and the subject's CN do not count. */
bool certificate_has_name(const struct certificate *certificate, const char *name);
/* Is this the owner's private key? */
bool certificate_has_key(const struct certificate *certificate, struct str key_pem);
/* Is it signed by one of these, to be a server and to be a client, with keys strong enough for TLS? Whether it is over already is another question. */
bool certificate_is_of(const struct certificate *certificate, const struct certificate *authorities);

#endif
