/* The certificate of this process on the bus: its files, and nng's configurations made of them. */
#include "libcommon/bus/tls.h"

#include <assert.h>
#include <errno.h>
#include <nng/supplemental/tls/tls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "libcommon/core/clock.h"
#include "libcommon/core/mem.h"
#include "libcommon/core/metrics.h"
#include "libcommon/crypto/certificate.h"

enum { FILE_BYTES_MAX = 1 << 20, NAME_MAX_BYTES = 64 };

/* What a setting of bus.tls names. */
struct pem {
	const char *setting;
	struct str file;
	struct buffer text; /* ends with a NUL */
};

struct bus_tls {
	struct pem certificate, key, authority;
	struct certificate *own, *authorities;
};

static enum err
problem(struct buffer *problems, const struct pem *pem, const char *what)
{
	buffer_printf(problems, "%s: %.*s: %s\n", pem->setting, STR_ARG(pem->file), what);
	return ERR_CONFIG;
}

static enum err
read_pem(struct pem *pem, struct buffer *problems)
{
	FILE *in;
	size_t got = 1;
	int failed;

	if (pem->file.len == 0) {
		buffer_printf(problems, "%s is not set, and tls+tcp:// needs it: deploy/certificates makes the files\n", pem->setting);
		return ERR_CONFIG;
	}
	in = fopen(pem->file.ptr, "re");
	while (in != NULL && got > 0 && buffer_len(&pem->text) <= FILE_BYTES_MAX) {
		got = fread(buffer_reserve(&pem->text, 4096), 1, 4096, in);
		buffer_grew(&pem->text, got);
	}
	failed = in == NULL || ferror(in) ? errno : 0;
	if (in != NULL)
		fclose(in);
	buffer_add_byte(&pem->text, '\0');
	if (failed != 0)
		return problem(problems, pem, strerrordesc_np(failed));
	return buffer_len(&pem->text) <= FILE_BYTES_MAX ? ERR_OK : problem(problems, pem, "is too large");
}

static struct str
pem_text(const struct pem *pem)
{
	return str_c(buffer_str(&pem->text).ptr);
}

static enum err
parse(const struct pem *pem, struct certificate **ret, struct buffer *problems)
{
	char what[64];
	time_t ends;
	struct tm tm;

	if (certificate_parse(pem_text(pem), ret) != ERR_OK)
		return problem(problems, pem, "there is no certificate in it, or a damaged one");
	ends = (time_t)certificate_ends_s(*ret);
	if (ends * 1000 > clock_wall_ms())
		return ERR_OK;
	strftime(what, sizeof(what), "is over since %Y-%m-%d %H:%M:%S UTC", gmtime_r(&ends, &tm));
	return problem(problems, pem, what);
}

static int
make_config(const struct bus_tls *tls, nng_tls_mode mode, nng_tls_config **ret_config)
{
	nng_tls_config *config;
	int failed = nng_tls_config_alloc(&config, mode);

	assert(tls != NULL);
	if (failed != 0)
		return failed;
	failed = nng_tls_config_version(config, NNG_TLS_1_2, NNG_TLS_1_3);
	failed = failed ? failed : nng_tls_config_auth_mode(config, NNG_TLS_AUTH_MODE_REQUIRED);
	failed = failed ? failed : nng_tls_config_ca_chain(config, pem_text(&tls->authority).ptr, NULL);
	failed = failed ? failed : nng_tls_config_own_cert(config, pem_text(&tls->certificate).ptr, pem_text(&tls->key).ptr, NULL);
	if (failed != 0)
		nng_tls_config_free(config);
	else
		*ret_config = config;
	return failed;
}

/* Do they belong together, and can nng's TLS use them? */
static enum err
check(const struct bus_tls *tls, struct buffer *problems)
{
	nng_tls_config *config;

	if (!certificate_has_key(tls->own, pem_text(&tls->key)))
		return problem(problems, &tls->key, "is not the key of bus.tls.certificate");
	if (!certificate_is_of(tls->own, tls->authorities))
		return problem(problems, &tls->certificate, "is not signed by bus.tls.ca, to be a server and a client, or too weak");
	if (make_config(tls, NNG_TLS_MODE_SERVER, &config) != 0)
		return problem(problems, &tls->key, "OpenSSL cannot use it: make it with EC P-256, as deploy/certificates does");
	nng_tls_config_free(config);
	return ERR_OK;
}

static enum err
load(struct bus_tls *tls, struct buffer *problems)
{
	enum err certificate = read_pem(&tls->certificate, problems), key = read_pem(&tls->key, problems),
		 authority = read_pem(&tls->authority, problems);

	if (certificate == ERR_OK)
		certificate = parse(&tls->certificate, &tls->own, problems);
	if (authority == ERR_OK)
		authority = parse(&tls->authority, &tls->authorities, problems);
	if (certificate != ERR_OK || key != ERR_OK || authority != ERR_OK)
		return ERR_CONFIG;
	return check(tls, problems);
}

enum err
bus_tls_new(const struct config *config, struct buffer *problems, struct bus_tls **ret_tls)
{
	struct bus_tls *tls = MEM_NEW(struct bus_tls);

	tls->certificate = (struct pem){ .setting = "bus.tls.certificate", .file = config->bus_tls_certificate };
	tls->key = (struct pem){ .setting = "bus.tls.key", .file = config->bus_tls_key };
	tls->authority = (struct pem){ .setting = "bus.tls.ca", .file = config->bus_tls_ca };
	if (load(tls, problems) != ERR_OK) {
		bus_tls_free(tls);
		return ERR_CONFIG;
	}
	metric_set(METRIC_BUS_CERTIFICATE_ENDS, certificate_ends_s(tls->own));
	metric_set(METRIC_BUS_AUTHORITY_ENDS, certificate_ends_s(tls->authorities));
	*ret_tls = tls;
	return ERR_OK;
}

void
bus_tls_free(struct bus_tls *tls)
{
	if (tls == NULL)
		return;
	certificate_free(tls->own);
	certificate_free(tls->authorities);
	if (buffer_len(&tls->key.text) > 0)
		explicit_bzero((char *)buffer_str(&tls->key.text).ptr, buffer_len(&tls->key.text));
	buffer_clear(&tls->certificate.text);
	buffer_clear(&tls->key.text);
	buffer_clear(&tls->authority.text);
	free(tls);
}

bool
bus_tls_has_role(const struct bus_tls *tls, const char *role)
{
	char name[NAME_MAX_BYTES];

	snprintf(name, sizeof(name), "%s.sora", role);
	return certificate_has_name(tls->own, name);
}

int
bus_tls_set_dialer(const struct bus_tls *tls, nng_dialer dialer, const char *service)
{
	char name[NAME_MAX_BYTES];
	nng_tls_config *config;
	int failed = make_config(tls, NNG_TLS_MODE_CLIENT, &config);

	if (failed != 0)
		return failed;
	snprintf(name, sizeof(name), "%s.sora", service);
	failed = nng_tls_config_server_name(config, name);
	failed = failed ? failed : nng_dialer_set_ptr(dialer, NNG_OPT_TLS_CONFIG, config);
	nng_tls_config_free(config);
	return failed;
}

int
bus_tls_set_listener(const struct bus_tls *tls, nng_listener listener)
{
	nng_tls_config *config;
	int failed = make_config(tls, NNG_TLS_MODE_SERVER, &config);

	if (failed != 0)
		return failed;
	failed = nng_listener_set_ptr(listener, NNG_OPT_TLS_CONFIG, config);
	nng_tls_config_free(config);
	return failed;
}
