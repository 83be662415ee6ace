/* Logins at the metadata service, where it is not as it ought to be. The rest is tried with the real one, by the frontends. */
#include <criterion/criterion.h>

#include "libcommon/config/config.h"
#include "libcommon/net/internal.h"
#include "libcommon/sasl/login.h"
#include "proto/metadata.server.h"

static enum err
refuse(struct rpc *rpc, const MetadataLoginRequest *req, MetadataLoginReply *reply)
{
	(void)rpc, (void)req, (void)reply;
	return ERR_AUTH_FAILED;
}

/* In the middle of an upgrade: that is to be tried again later, and is no failure of the client's. */
Test(sasl_login, a_replica_that_knows_no_scram_is_not_there)
{
	static const struct metadata_handlers before = { .login = refuse };
	static const struct bus_limits limits = { 0 };
	struct str url = STR("inproc://before-scram"), challenge;
	struct config config = { .metadata_listen = { &url, 1 }, .bus_metadata = { &url, 1 } };
	struct bus *bus = bus_new(&config);
	struct arena arena = { 0 };
	struct bus_call call = { .bus = bus, .arena = &arena, .role = BUS_ROLE_IMAP };
	struct net_conn conn = { 0 };
	struct sasl *sasl;
	unsigned failed = 0;

	cr_assert_not_null(bus);
	cr_assert_eq(metadata_serve(bus, &before, NULL, &limits), ERR_OK);
	sasl = sasl_login_begin(sasl_login_new(&conn, &call, "imap"), sasl_find(STR("SCRAM-SHA-256")), false);
	cr_expect_eq(sasl_step(sasl, STR("n,,n=user,r=abc"), &challenge), ERR_UNAVAILABLE);
	cr_expect(sasl_login_again(&conn, ERR_UNAVAILABLE, &failed));
	cr_expect_eq(failed, 0);
	bus_free(bus);
	arena_clear(&arena);
}
