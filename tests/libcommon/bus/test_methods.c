/* Every method there is, tried with what must be refused: a method that is added to proto/ is tried without further ado. */
#include <criterion/criterion.h>

#include "libcommon/bus/link.h"
#include "libcommon/bus/tls.h"
#include "libcommon/core/clock.h"
#include "peers.h"
#include "proto/bus.pb-c.h"

static _Atomic int runs;

static enum err
count_run(struct rpc *rpc, const ProtobufCMessage *request, ProtobufCMessage *reply)
{
	(void)rpc;
	(void)request;
	(void)reply;
	runs++;
	return ERR_OK;
}

/* A server of all methods, and a connection to it on which headers can be made up. */
struct bench {
	struct config config;
	struct bus *bus;
	struct bus_link *link;
	struct bus_tls *tls; /* of the connection, when it has a certificate */
};

static void
ignore(void *arg)
{
	(void)arg;
}

/* Over inproc; or, with the name of a certificate, over TLS. */
static void
bench_start(struct bench *bench, const char *certificate)
{
	struct str url = fresh_url(certificate ? TLS : INPROC);
	struct bus_handler handlers[BUS_ALL_METHODS];
	struct config config = { 0 };
	struct buffer problems = { 0 };

	for (int i = 0; i < BUS_ALL_METHODS; i++)
		handlers[i] = (struct bus_handler){ bus_all_methods[i], count_run, NULL };
	memset(bench, 0, sizeof(*bench));
	if (certificate != NULL) {
		bench->config.metadata_listen = (struct str_list){ &url, 1 };
		certify(&bench->config, "all");
		certify(&config, certificate);
		cr_assert_eq(bus_tls_new(&config, &problems, &bench->tls), ERR_OK);
	}
	bench->bus = bus_new(&bench->config);
	cr_assert_eq(bus_serve(bench->bus, "all", &url, 1, handlers, BUS_ALL_METHODS, NULL, NULL), ERR_OK);
	cr_assert_eq(bus_link_open(url.ptr, bench->tls, "metadata", ignore, NULL, &bench->link), ERR_OK);
}

static void
bench_stop(struct bench *bench)
{
	bus_link_close(bench->link);
	bus_link_free(bench->link);
	bus_free(bench->bus);
	bus_tls_free(bench->tls);
}

/* What is right for `method`. */
static BusCallHeader
good_header(const struct bus_method *method, struct arena *arena)
{
	static const uint8_t key[16] = "0123456789abcdef";
	BusCallHeader header = BUS_CALL_HEADER__INIT;
	struct str name = arena_printf(arena, "%s.%s", method->service, method->name);

	header.method = (ProtobufCBinaryData){ name.len, (uint8_t *)name.ptr };
	header.timeout_ms = 5000;
	header.expires_ms = clock_wall_ms() + 5000;
	if (method->needs_key)
		header.key = (ProtobufCBinaryData){ sizeof(key), (uint8_t *)key };
	while ((method->roles >> header.role & 1) == 0)
		header.role++;
	return header;
}

static enum err
send(struct bench *bench, const BusCallHeader *header, struct bus_body body)
{
	struct arena arena = { 0 };
	struct bus_lane *lane = bus_lane_begin(bench->link, &header->base, &body, clock_mono_ms() + 5000);
	struct bus_frame frame;
	struct str bytes;
	enum err err;

	cr_assert_eq(bus_lane_wait(lane, &bytes), ERR_OK);
	cr_assert_eq(bus_frame_read(bytes, &frame), ERR_OK);
	err = (enum err)((BusReplyHeader *)bus_unpack(&bus_reply_header__descriptor, frame.header, &arena, 4096))->status;
	bus_lane_end(lane);
	arena_clear(&arena);
	return err;
}

/* Send it, and say whether a handler ran. */
static void
expect(struct bench *bench, const struct bus_method *method, const BusCallHeader *header, enum err err, const char *what)
{
	int before = runs;

	cr_assert_eq(send(bench, header, (struct bus_body){ 0 }), err, "%s.%s: %s", method->service, method->name, what);
	cr_assert_eq(runs - before, err == ERR_OK, "%s.%s: %s: the handler", method->service, method->name, what);
}

Test(bus_methods, each_runs_when_called_rightly_and_is_refused_otherwise)
{
	struct bench bench;
	struct arena arena = { 0 };

	bench_start(&bench, NULL);
	for (int i = 0; i < BUS_ALL_METHODS; i++) {
		const struct bus_method *method = bus_all_methods[i];
		BusCallHeader good = good_header(method, &arena), bad;

		expect(&bench, method, &good, ERR_OK, "as it should be");

		bad = good;
		bad.timeout_ms = 0;
		expect(&bench, method, &bad, ERR_DEADLINE, "no time left");
		bad = good;
		bad.expires_ms = clock_wall_ms() - 1;
		expect(&bench, method, &bad, method->needs_key ? ERR_CLOCK : ERR_OK, "a passed absolute deadline");
		bad.expires_ms = clock_wall_ms() + 60 * 60 * 1000;
		expect(&bench, method, &bad, method->needs_key ? ERR_CLOCK : ERR_OK, "a deadline an hour ahead");

		bad = good;
		bad.key.len = 0;
		expect(&bench, method, &bad, method->needs_key ? ERR_INVALID : ERR_OK, "no key");
		bad.key.len = method->needs_key ? 15 : 0;
		expect(&bench, method, &bad, method->needs_key ? ERR_INVALID : ERR_OK, "a short key");

		for (uint32_t role = 0; role <= BUS_ROLE_COUNT + 1; role++) {
			bool may = role < BUS_ROLE_COUNT && (method->roles >> role & 1) != 0;

			bad = good;
			bad.role = role;
			expect(&bench, method, &bad, may ? ERR_OK : ERR_DENIED, bus_role_name((enum bus_role)role));
		}
	}
	bench_stop(&bench);
	arena_clear(&arena);
}

Test(bus_methods, a_chunk_goes_only_where_it_belongs)
{
	struct bench bench;
	struct arena arena = { 0 };

	bench_start(&bench, NULL);
	for (int i = 0; i < BUS_ALL_METHODS; i++) {
		BusCallHeader header = good_header(bus_all_methods[i], &arena);
		enum err err = send(&bench, &header, (struct bus_body){ .chunk = STR("chunk") });

		cr_assert_eq(err, bus_all_methods[i]->chunk_in ? ERR_OK : ERR_INVALID, "%s", bus_all_methods[i]->name);
	}
	bench_stop(&bench);
	arena_clear(&arena);
}

Test(bus_methods, what_is_no_call_is_refused)
{
	static const struct {
		const char *what;
		struct str packed; /* what follows the header */
		struct str method;
		enum err err;
	} rows[] = {
		{ "no body", { "", 0 }, { "metadata.Ping", 13 }, ERR_SYNTAX },
		{ "a message shorter than it says", { "\0\0\0\5abc", 7 }, { "metadata.Ping", 13 }, ERR_SYNTAX },
		{ "a message that is none", { "\0\0\0\3\xff\xff\xff", 7 }, { "metadata.Ping", 13 }, ERR_SYNTAX },
		{ "an unknown method", { "\0\0\0\0", 4 }, { "metadata.Pong", 13 }, ERR_NOT_SUPPORTED },
		{ "no method", { "\0\0\0\0", 4 }, { "", 0 }, ERR_NOT_SUPPORTED },
		{ "a service alone", { "\0\0\0\0", 4 }, { "metadata", 8 }, ERR_NOT_SUPPORTED },
		{ "another service's method", { "\0\0\0\0", 4 }, { "blob.Store", 10 }, ERR_NOT_SUPPORTED },
	};
	struct bench bench;

	bench_start(&bench, NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		BusCallHeader header = BUS_CALL_HEADER__INIT;
		int before = runs;

		header.timeout_ms = 1000;
		header.method = (ProtobufCBinaryData){ rows[i].method.len, (uint8_t *)rows[i].method.ptr };
		cr_assert_eq(send(&bench, &header, (struct bus_body){ .packed = rows[i].packed }), rows[i].err, "%s", rows[i].what);
		cr_assert_eq(runs, before, "%s", rows[i].what);
	}
	bench_stop(&bench);
}

/* The certificate that has just this role: a service's where none is of it. */
static const char *
certificate_of(enum bus_role role)
{
	return role == BUS_ROLE_SERVICE ? "blob" : bus_role_name(role);
}

Test(bus_methods, by_tls_a_caller_has_the_roles_of_its_certificate)
{
	struct arena arena = { 0 };

	for (uint32_t own = 0; own < BUS_ROLE_COUNT; own++) {
		struct bench bench;

		bench_start(&bench, certificate_of((enum bus_role)own));
		for (int i = 0; i < BUS_ALL_METHODS; i++) {
			const struct bus_method *method = bus_all_methods[i];

			for (uint32_t role = 0; role <= BUS_ROLE_COUNT; role++) {
				BusCallHeader header = good_header(method, &arena);
				bool may = role == own && (method->roles >> role & 1) != 0;
				struct str what = arena_printf(&arena, "%s as %s", certificate_of((enum bus_role)own),
				    bus_role_name((enum bus_role)role));

				header.role = role;
				expect(&bench, method, &header, may ? ERR_OK : ERR_DENIED, what.ptr);
			}
		}
		bench_stop(&bench);
	}
	arena_clear(&arena);
}

Test(bus_methods, by_tls_a_certificate_of_all_roles_may_claim_each)
{
	struct bench bench;
	struct arena arena = { 0 };

	bench_start(&bench, "all");
	for (int i = 0; i < BUS_ALL_METHODS; i++) {
		for (uint32_t role = 0; role < BUS_ROLE_COUNT; role++) {
			BusCallHeader header = good_header(bus_all_methods[i], &arena);

			header.role = role;
			expect(&bench, bus_all_methods[i], &header, (bus_all_methods[i]->roles >> role & 1) != 0 ? ERR_OK : ERR_DENIED,
			    bus_role_name((enum bus_role)role));
		}
	}
	bench_stop(&bench);
	arena_clear(&arena);
}
