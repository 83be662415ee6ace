/* Ping: is it there, and what does the database's clock say? */
#include "services/metadata/rpc/rpc.h"
#include "version.h"

enum err
rpc_ping(struct rpc *rpc, const MetadataEmpty *req, MetadataPingReply *reply)
{
	static const struct pg_statement statement = { "ping", "SELECT now_ms()" };
	struct pg_args none = { .arena = rpc->arena };
	struct pg_rows rows;

	(void)req;
	reply->version = (char *)SORA_VERSION;
	TRY(metadata_read(rpc, &statement, &none, &rows));
	reply->database_ms = pg_int(&rows, 0, 0);
	return ERR_OK;
}
