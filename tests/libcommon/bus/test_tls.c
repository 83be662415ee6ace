/* Certificates on the bus: who gets in, who does not and what is said of it, and what the configuration must have. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>
#include <nng/supplemental/tls/tls.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "libcommon/bus/link.h"
#include "libcommon/bus/sockets.h"
#include "libcommon/bus/tls.h"
#include "libcommon/core/clock.h"
#include "libcommon/core/metrics.h"
#include "peers.h"

enum { WAIT_MS = 10000, SHORT_MS = 700, MANY = 64 };

static struct arena arena;
static char directory[] = "/tmp/sora-test-tls-XXXXXX";
static struct peer server;

static void
shell(const char *command)
{
	cr_assert_eq(system(command), 0, "%s", command);
}

/* A certificate in our directory, made with openssl's options; its path without ".pem". `authority` NULL: that of the tests signs it. */
static const char *
issue_for(const char *key, const char *name, const char *authority, const char *options)
{
	struct str ca = authority ? str_c(authority) : arena_printf(&arena, "%s/ca", getenv("SORA_TEST_CERTIFICATES"));
	struct str command = arena_printf(&arena,
	    "cd %s && printf '[req]\\ndistinguished_name=dn\\n[dn]\\n' >conf && openssl req -config conf -x509 -newkey %s -nodes"
	    " -keyout %s.key -out %s.pem %s%.*s%s%.*s%s %s 2>/dev/null", directory, key, name, name,
	    ca.len ? "-addext basicConstraints=critical,CA:FALSE -CA " : "", STR_ARG(ca), ca.len ? ".pem -CAkey " : "", STR_ARG(ca),
	    ca.len ? ".key" : "", options);

	shell(command.ptr);
	return arena_printf(&arena, "%s/%s", directory, name).ptr;
}

static const char *
issue(const char *name, const char *authority, const char *options)
{
	return issue_for("ec -pkeyopt ec_paramgen_curve:P-256", name, authority, options);
}

/* An authority of its own. */
static const char *
another_authority(void)
{
	return issue("other", "", "-subj /CN=other -addext basicConstraints=critical,CA:TRUE");
}

#define OVER "-not_before 20200101000000Z -not_after 20200102000000Z "

/* From here on the log can be looked at. */
static void
begin(void)
{
	int log;

	cr_assert_not_null(mkdtemp(directory));
	log = open(arena_printf(&arena, "%s/log", directory).ptr, O_RDWR | O_CREAT | O_APPEND, 0600);
	cr_assert_geq(dup2(log, STDERR_FILENO), 0);
	server = (struct peer){ 0 };
}

static void
end(void)
{
	if (server.bus != NULL)
		peer_stop(&server);
	shell(arena_printf(&arena, "rm -rf %s", directory).ptr);
	arena_clear(&arena);
}

TestSuite(bus_tls, .init = begin, .fini = end);

/* How often these words are in the log. */
static size_t
said(const char *words)
{
	static char text[1 << 20];
	int log = open(arena_printf(&arena, "%s/log", directory).ptr, O_RDONLY);
	ssize_t got = read(log, text, sizeof(text) - 1);
	size_t count = 0;

	close(log);
	text[got > 0 ? got : 0] = '\0';
	for (const char *at = text; (at = strstr(at, words)) != NULL; at++)
		count++;
	return count;
}

static void
await_said(const char *words, const char *what)
{
	int64_t give_up_ms = clock_mono_ms() + WAIT_MS;

	while (said(words) == 0) {
		cr_assert(clock_mono_ms() < give_up_ms, "%s: \"%s\" is not said", what, words);
		sleep_ms(5);
	}
}

/* Why a peer was refused, and what to do about it. */
static void
await_reason(const char *reason, const char *what)
{
	static const char *const rows[][2] = {
		{ "reason=certificate", "deploy/certificates makes and renews them" },
		{ "reason=\"no certificate\"", "it needs bus.tls.certificate and bus.tls.key" },
		{ "reason=\"not TLS\"", "its URL of this port begins with tls+tcp://" },
		{ "reason=name", "deploy/certificates makes one for each" },
	};
	size_t row = 0;

	while (strcmp(rows[row][0], reason) != 0)
		cr_assert_lt(++row, sizeof(rows) / sizeof(rows[0]), "%s", reason);
	await_said(reason, what);
	await_said(rows[row][1], what);
}

/* A refusal more than there were. */
static void
await_refused(int64_t before, const char *what)
{
	int64_t give_up_ms = clock_mono_ms() + WAIT_MS;

	while (metric_get(METRIC_BUS_TLS_REFUSED) == before) {
		cr_assert(clock_mono_ms() < give_up_ms, "%s: no refusal is counted", what);
		sleep_ms(5);
	}
}

static char *
file_text(const char *path, const char *suffix)
{
	char *text = arena_calloc(&arena, 1, 65536);
	FILE *in = fopen(arena_printf(&arena, "%s%s", path, suffix).ptr, "r");

	cr_assert_not_null(in, "%s%s", path, suffix);
	cr_assert_gt(fread(text, 1, 65535, in), 0);
	fclose(in);
	return text;
}

/* A peer that looks at nobody's certificate; `certificate` NULL: and has none. */
static nng_tls_config *
careless(nng_tls_mode mode, const char *certificate)
{
	nng_tls_config *config;

	cr_assert_eq(nng_tls_config_alloc(&config, mode), 0);
	cr_assert_eq(nng_tls_config_auth_mode(config, NNG_TLS_AUTH_MODE_NONE), 0);
	if (certificate != NULL)
		cr_assert_eq(nng_tls_config_own_cert(config, file_text(certificate, ".pem"), file_text(certificate, ".key"), NULL), 0);
	return config;
}

/* Connect as nng does; what comes of it. */
static int
intrude(const char *url, const char *certificate)
{
	nng_socket s;
	nng_dialer dialer;
	int failed;

	cr_assert_eq(nng_req0_open(&s), 0);
	cr_assert_eq(nng_dialer_create(&dialer, s, url), 0);
	if (bus_url_is_tls(str_c(url))) {
		nng_tls_config *config = careless(NNG_TLS_MODE_CLIENT, certificate);

		cr_assert_eq(nng_dialer_set_ptr(dialer, NNG_OPT_TLS_CONFIG, config), 0);
		nng_tls_config_free(config);
	}
	failed = nng_dialer_start(dialer, 0);
	nng_close(s);
	return failed;
}

static const char *
plain(struct str url)
{
	return arena_printf(&arena, "tcp://%.*s", STR_ARG(str_sub(url, strlen("tls+tcp://"), SIZE_MAX))).ptr;
}

/* `bytes` and then nothing: true when the other end closes, false when it does not in WAIT_MS. */
static bool
throw_bytes(struct str url, struct str bytes)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons((uint16_t)atoi(url.ptr + str_rindex(url, ':') + 1)) };
	struct timeval wait = { .tv_sec = WAIT_MS / 1000 };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char rest[4096];
	bool is_closed;
	ssize_t got;

	cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)), 0);
	cr_assert_eq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	cr_assert_eq(write(fd, bytes.ptr, bytes.len), (ssize_t)bytes.len);
	while ((got = read(fd, rest, sizeof(rest))) > 0)
		;
	is_closed = got == 0 || errno == ECONNRESET;
	close(fd);
	return is_closed;
}

static void
expect_good_caller(const char *what)
{
	struct caller caller;

	caller_start(&caller, 1, &server.url);
	cr_assert_str_eq(ping(&caller), "one", "%s: the others", what);
	caller_stop(&caller);
}

#define IMAP "-subj /CN=imap -addext subjectAltName=DNS:imap.sora "
#define METADATA "-subj /CN=metadata -addext subjectAltName=DNS:metadata.sora "

Test(bus_tls, who_has_no_certificate_of_ours_is_refused_and_nobody_else_minds)
{
	const char *other = another_authority();
	const char *again = issue("again", "", "-subj '/CN=Sora bus' -addext basicConstraints=critical,CA:TRUE");
	const struct {
		const char *what, *certificate, *said;
	} rows[] = {
		{ "no certificate", NULL, "reason=\"no certificate\"" },
		{ "of another authority", issue("stranger", other, IMAP), "reason=certificate" },
		{ "of an authority made anew, by the same name", issue("anew", again, IMAP "-addext authorityKeyIdentifier=none"), "reason=certificate" },
		{ "signed by itself", issue("self", "", IMAP), "reason=certificate" },
		{ "over", issue("over", NULL, IMAP OVER), "reason=certificate" },
		{ "not yet", issue("early", NULL, IMAP "-not_before 20900101000000Z -not_after 20910101000000Z"), "reason=certificate" },
		{ "to be a server alone", issue("server", NULL, IMAP "-addext extendedKeyUsage=serverAuth"), "reason=certificate" },
	};

	peer_start(&server, "one", fresh_url(TLS));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t refused = metric_get(METRIC_BUS_TLS_REFUSED);

		cr_expect_neq(intrude(server.url.ptr, rows[i].certificate), 0, "%s", rows[i].what);
		await_refused(refused, rows[i].what);
		await_reason(rows[i].said, rows[i].what);
		expect_good_caller(rows[i].what);
	}
}

Test(bus_tls, what_is_not_tls_is_refused)
{
	const struct str rows[] = { STR("GET / HTTP/1.0\r\n\r\n"), STR("\x16\x03\x01\xff\xff\x01junkjunkjunk"), STR("\0SP\0\0\x30\0\0junk"),
		STR("\xff\xfe\x00\x80\n\r{}()") };

	peer_start(&server, "one", fresh_url(TLS));
	cr_expect_neq(intrude(plain(server.url), NULL), 0);
	await_reason("reason=\"not TLS\"", "plain tcp");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t refused = metric_get(METRIC_BUS_TLS_REFUSED);

		cr_expect(throw_bytes(server.url, rows[i]));
		await_refused(refused, "garbage");
	}
	expect_good_caller("garbage");
	cr_expect_eq(said("event=bus.tls.refused"), 1, "all of it for the same reason");
}

/* Half a handshake, and silence: it waits for its time, and nobody for it. */
Test(bus_tls, the_silent_hold_nobody_up)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fds[MANY];

	peer_start(&server, "one", fresh_url(TLS));
	to.sin_port = htons((uint16_t)atoi(server.url.ptr + str_rindex(server.url, ':') + 1));
	for (int i = 0; i < MANY; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM, 0);
		cr_assert_eq(connect(fds[i], (struct sockaddr *)&to, sizeof(to)), 0);
		cr_assert_eq(write(fds[i], "\x16\x03\x01", 3), 3);
	}
	expect_good_caller("silence");
	for (int i = 0; i < MANY; i++)
		close(fds[i]);
	/* What nng has begun with them when its listener closes, it never frees. */
	expect_good_caller("after them");
}

Test(bus_tls, refusals_are_said_once_however_many_there_are)
{
	peer_start(&server, "one", fresh_url(TLS));
	for (int i = 0; i < 20; i++)
		cr_assert_neq(intrude(server.url.ptr, NULL), 0);
	await_reason("reason=\"no certificate\"", "many");
	cr_expect_eq(said("reason=\"no certificate\""), 1);
	cr_expect_geq(metric_get(METRIC_BUS_TLS_REFUSED), 20);
}

/* A server with that certificate, which lets everybody in. */
static nng_socket
pretend(const char *url, const char *certificate)
{
	nng_socket s;
	nng_listener listener;
	nng_tls_config *config;

	cr_assert_eq(nng_rep0_open(&s), 0);
	cr_assert_eq(nng_listener_create(&listener, s, url), 0);
	if (bus_url_is_tls(str_c(url))) {
		config = careless(NNG_TLS_MODE_SERVER, certificate);
		cr_assert_eq(nng_listener_set_ptr(listener, NNG_OPT_TLS_CONFIG, config), 0);
		nng_tls_config_free(config);
	}
	cr_assert_eq(nng_listener_start(listener, 0), 0);
	return s;
}

Test(bus_tls, a_caller_talks_to_the_service_that_it_means_alone)
{
	const char *other = another_authority(), *ours = getenv("SORA_TEST_CERTIFICATES");
	const struct {
		const char *what, *certificate;
		bool is_plain;
		const char *said;
	} rows[] = {
		{ "a frontend's", arena_printf(&arena, "%s/imap", ours).ptr, false, "reason=name" },
		{ "another service's", arena_printf(&arena, "%s/blob", ours).ptr, false, "reason=name" },
		{ "of another authority", issue("stranger", other, METADATA), false, "reason=certificate" },
		{ "over", issue("over", NULL, METADATA OVER), false, "reason=certificate" },
		{ "by its CN", issue("cn", NULL, "-subj /CN=metadata.sora"), false, "reason=name" },
		{ "by its CN, another name beside it", issue("cn2", NULL, "-subj /CN=metadata.sora -addext subjectAltName=DNS:imap.sora"), false, "reason=name" },
		{ "by a wildcard", issue("wild", NULL, "-subj /CN=x -addext subjectAltName=DNS:*.sora"), false, "reason=name" },
		{ "no TLS at all", NULL, true, "reason=\"not TLS\"" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct str url = fresh_url(TLS);
		nng_socket s = pretend(rows[i].is_plain ? plain(url) : url.ptr, rows[i].certificate);
		int64_t refused = metric_get(METRIC_BUS_TLS_REFUSED);
		struct caller caller;
		uint64_t ids[1];

		caller_start(&caller, 1, &url);
		caller.call.deadline_ms = clock_mono_ms() + SHORT_MS;
		cr_expect_str_eq(ping(&caller), "DEADLINE", "%s", rows[i].what);
		cr_expect_eq(bus_replicas(caller.bus, "metadata", ids, 1), 0, "%s", rows[i].what);
		if (!rows[i].is_plain) {
			await_refused(refused, rows[i].what);
			await_reason(rows[i].said, rows[i].what);
		}
		caller_stop(&caller);
		nng_close(s);
	}
}

Test(bus_tls, a_caller_by_tls_does_not_fall_back_to_plain)
{
	struct str url = fresh_url(TLS), plain_url = str_c(plain(url));
	struct caller caller;

	peer_start(&server, "one", plain_url);
	caller_start(&caller, 1, &url);
	caller.call.deadline_ms = clock_mono_ms() + SHORT_MS;
	cr_expect_str_eq(ping(&caller), "DEADLINE");
	cr_expect_eq(server.runs, 0);
	caller_stop(&caller);
}

Test(bus_tls, a_certificate_without_a_role_of_ours_may_nothing)
{
	const char *other = issue("www", NULL, "-subj /CN=imap.sora -addext subjectAltName=DNS:www.example.org,DNS:imap.sora.example.org,DNS:xsora");
	struct caller caller;

	peer_start(&server, "one", fresh_url(TLS));
	caller_start_as(&caller, other, 1, &server.url);
	for (enum bus_role role = 0; role < BUS_ROLE_COUNT; role++) {
		caller.call.role = role;
		cr_expect_str_eq(ping(&caller), "DENIED", "%s", bus_role_name(role));
	}
	cr_expect_eq(server.runs, 0);
	caller_stop(&caller);
}

/* As when a service comes back and every frontend at once connects to it. */
Test(bus_tls, many_handshakes_at_once)
{
	struct caller callers[MANY];

	peer_start(&server, "one", fresh_url(TLS));
	for (int i = 0; i < MANY; i++) {
		uint64_t ids[1];

		caller_start(&callers[i], 1, &server.url);
		if (i == 0)
			bus_replicas(callers[i].bus, "metadata", ids, 1);
	}
	for (int i = 0; i < MANY; i++)
		cr_assert_str_eq(ping(&callers[i]), "one");
	for (int i = 0; i < MANY; i++)
		caller_stop(&callers[i]);
}

/* ---- messages, whatever their size */

/* Those about as long as a record of TLS, or several, among them. */
static const size_t SIZES[] = { 1, 2, 4, 8, 100, 16307, 16308, 16309, 16319, 16320, 16321, 16384, 32627, 32628, 32629, 65536, 262144, 1000000 };

static nng_msg *
message_of(size_t size)
{
	nng_msg *msg;

	cr_assert_eq(nng_msg_alloc(&msg, size), 0);
	for (size_t i = 0; i < size; i++)
		((unsigned char *)nng_msg_body(msg))[i] = (unsigned char)(i * 2654435761u >> 24);
	return msg;
}

static void
expect_message_of(size_t size, nng_socket s, const char *what)
{
	nng_msg *msg, *expected = message_of(size);

	cr_assert_eq(nng_recvmsg(s, &msg, 0), 0, "%s, %zu bytes", what, size);
	cr_assert_eq(nng_msg_len(msg), size, "%s: %zu bytes of %zu", what, nng_msg_len(msg), size);
	cr_assert(memcmp(nng_msg_body(msg), nng_msg_body(expected), size) == 0, "%s, %zu bytes", what, size);
	nng_msg_free(expected);
	nng_msg_free(msg);
}

/* All sizes there and back, by sockets that are careless of each other but for the way in which they speak TLS. */
static void
expect_all_sizes(nng_tls_config *server_config, nng_tls_config *client_config, const char *what)
{
	const char *url = fresh_url(TLS).ptr;
	nng_socket from, to;
	nng_listener listener;
	nng_dialer dialer;

	cr_assert_eq(nng_rep0_open(&to) || nng_listener_create(&listener, to, url), 0);
	cr_assert_eq(nng_listener_set_ptr(listener, NNG_OPT_TLS_CONFIG, server_config) || nng_listener_start(listener, 0), 0);
	cr_assert_eq(nng_req0_open(&from) || nng_dialer_create(&dialer, from, url), 0);
	cr_assert_eq(nng_dialer_set_ptr(dialer, NNG_OPT_TLS_CONFIG, client_config) || nng_dialer_start(dialer, 0), 0, "%s", what);
	cr_assert_eq(nng_socket_set_ms(from, NNG_OPT_RECVTIMEO, WAIT_MS) || nng_socket_set_ms(to, NNG_OPT_RECVTIMEO, WAIT_MS), 0);
	for (size_t i = 0; i < sizeof(SIZES) / sizeof(SIZES[0]); i++) {
		cr_assert_eq(nng_sendmsg(from, message_of(SIZES[i]), 0), 0);
		expect_message_of(SIZES[i], to, what);
		cr_assert_eq(nng_sendmsg(to, message_of(SIZES[i]), 0), 0);
		expect_message_of(SIZES[i], from, what);
	}
	nng_close(from);
	nng_close(to);
	nng_tls_config_free(client_config);
	nng_tls_config_free(server_config);
}

Test(bus_tls, messages_of_any_size_arrive_as_they_were)
{
	const char *certificate = issue("metadata", NULL, METADATA);

	bus_tls_use_openssl();
	expect_all_sizes(careless(NNG_TLS_MODE_SERVER, certificate), careless(NNG_TLS_MODE_CLIENT, certificate), "by our engine");
}

/* An older replica has nng's own TLS, which is mbedTLS's. */
Test(bus_tls, nngs_own_tls_is_understood_and_understands)
{
	const char *certificate = issue("metadata", NULL, METADATA);
	nng_tls_config *old_server = careless(NNG_TLS_MODE_SERVER, certificate), *old_client = careless(NNG_TLS_MODE_CLIENT, certificate);

	bus_tls_use_openssl();
	expect_all_sizes(old_server, careless(NNG_TLS_MODE_CLIENT, certificate), "an old server");
	expect_all_sizes(careless(NNG_TLS_MODE_SERVER, certificate), old_client, "an old client");
}

/* ---- what the configuration must have */

Test(bus_tls, check_says_what_is_wrong_with_the_certificate)
{
	static struct str inproc = { "inproc://metadata", sizeof("inproc://metadata") - 1 }, tls = { "tls+tcp://metadata.example.org:7101", sizeof("tls+tcp://metadata.example.org:7101") - 1 };
	const char *other = another_authority(), *ours = getenv("SORA_TEST_CERTIFICATES");
	const struct {
		const char *role, *certificate, *key, *authority, *says;
	} rows[] = {
		{ "imap", "@imap.pem", "@imap.key", "@ca.pem", NULL },
		{ "worker", "@all.pem", "@all.key", "@ca.pem", NULL },
		{ "metadata", "@metadata.pem", "@metadata.key", "@ca.pem", NULL },
		{ "blob", "", "", "", NULL },
		{ "imap", "", "", "", "bus.tls.certificate is not set, and tls+tcp:// needs it" },
		{ "imap", "@imap.pem", "@imap.key", "", "bus.tls.ca is not set" },
		{ "imap", "@nothing.pem", "@imap.key", "@ca.pem", "nothing.pem: No such file or directory" },
		{ "imap", "@", "@imap.key", "@ca.pem", ": Is a directory" },
		{ "imap", "@imap.key", "@imap.key", "@ca.pem", "imap.key: there is no certificate in it" },
		{ "imap", "@imap.pem", "@lmtp.key", "@ca.pem", "lmtp.key: is not the key of bus.tls.certificate" },
		{ "imap", "@imap.pem", "@imap.pem", "@ca.pem", "imap.pem: is not the key of bus.tls.certificate" },
		{ "imap", "@imap.pem", "@imap.key", "=other.pem", "imap.pem: is not signed by bus.tls.ca" },
		{ "imap", "=over.pem", "=over.key", "@ca.pem", "over.pem: is over since 2020-01-02 00:00:00 UTC" },
		{ "imap", "=server.pem", "=server.key", "@ca.pem", "server.pem: is not signed by bus.tls.ca, to be a server and a client" },
		{ "imap", "@lmtp.pem", "@lmtp.key", "@ca.pem", "lmtp.pem: its names do not have imap.sora" },
		{ "metadata", "@imap.pem", "@imap.key", "@ca.pem", "imap.pem: its names do not have metadata.sora" },
		{ "imap", "=cn.pem", "=cn.key", "@ca.pem", "cn.pem: its names do not have imap.sora" },
		{ "imap", "=ed.pem", "=ed.key", "@ca.pem", NULL },
		{ "imap", "=weak.pem", "=weak.key", "@ca.pem", "weak.pem: is not signed by bus.tls.ca, to be a server and a client, or too weak" },
		{ "imap", "=under.pem", "=under.key", "=feeble.pem", "under.pem: is not signed by bus.tls.ca, to be a server and a client, or too weak" },
		{ "imap", "@imap.pem", "@imap.key", "=cut.pem", "cut.pem: there is no certificate in it, or a damaged one" },
	};

	(void)other;
	issue("over", NULL, IMAP OVER);
	issue("server", NULL, IMAP "-addext extendedKeyUsage=serverAuth");
	issue("cn", NULL, "-subj /CN=imap.sora");
	issue_for("ed25519", "ed", NULL, IMAP);
	issue_for("rsa:1024", "weak", NULL, IMAP);
	issue("under", issue_for("rsa:1024", "feeble", "", "-subj /CN=feeble -addext basicConstraints=critical,CA:TRUE"), IMAP);
	shell(arena_printf(&arena, "(cat %s/ca.pem; sed 3d %s/ca.pem) >%s/cut.pem", ours, ours, directory).ptr);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct config config = { .bus_metadata = { &tls, 1 }, .bus_blob = { &inproc, 1 }, .metadata_listen = { &tls, 1 },
			.blob_listen = { &inproc, 1 } };
		const char *files[] = { rows[i].certificate, rows[i].key, rows[i].authority };
		struct str *settings[] = { &config.bus_tls_certificate, &config.bus_tls_key, &config.bus_tls_ca };
		struct buffer problems = { 0 };
		enum err err;

		for (int f = 0; f < 3; f++) {
			if (files[f][0] != '\0')
				*settings[f] = arena_printf(&arena, "%s/%s", files[f][0] == '@' ? ours : directory, files[f] + 1);
		}
		err = bus_check(&config, rows[i].role, &problems);
		buffer_add_byte(&problems, '\0');
		cr_expect_eq(err, rows[i].says ? ERR_CONFIG : ERR_OK, "%zu: %s", i, buffer_str(&problems).ptr);
		cr_expect_not_null(strstr(buffer_str(&problems).ptr, rows[i].says ? rows[i].says : ""), "%s: is not in: %s", rows[i].says,
		    buffer_str(&problems).ptr);
		buffer_clear(&problems);
	}
}

Test(bus_tls, a_bus_that_needs_a_certificate_is_not_made_without)
{
	static struct str tls = { "tls+tcp://127.0.0.1:20000", sizeof("tls+tcp://127.0.0.1:20000") - 1 };
	const struct config calls = { .bus_blob = { &tls, 1 } }, serves = { .blob_listen = { &tls, 1 } }, admin = { .bus_admin = tls };
	const struct config *const rows[] = { &calls, &serves, &admin };

	for (int i = 0; i < 3; i++)
		cr_expect_null(bus_new(rows[i]));
	cr_expect_eq(said("event=bus.tls.config"), 3);
}
