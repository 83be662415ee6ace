/*
 * The bus: typed calls between services, protobuf over nng's REQ/REP (the only includer of <nng/...>).
 *
 * proto/gen makes for each service X two headers: X.client.h with a function for each method,
 *
 *	enum err metadata_store(struct bus_call *call, const MetadataStoreRequest *req, MetadataStoreReply **ret_reply);
 *	enum err blob_put(struct bus_call *call, const BlobPutRequest *req, struct str chunk, BlobPutReply **ret_reply);
 *	enum err blob_get(struct bus_call *call, const BlobGetRequest *req, BlobGetReply **ret_reply, struct str *ret_chunk);
 *
 * (ret_reply may be NULL; metadata_store_start and metadata_store_wait are the same in two steps), and X.server.h with a struct of
 * handlers, one for each method, and a function that serves them where the configuration says:
 *
 *	struct metadata_handlers { enum err (*store)(struct rpc *rpc, const MetadataStoreRequest *req, MetadataStoreReply *reply); ... };
 *	enum err metadata_serve(struct bus *bus, const struct metadata_handlers *handlers, void *service, const struct bus_limits *limits);
 *
 * Wire: u32 (big endian) length of the header, the header, u32 length of the message, the message, then the raw chunk, if any.
 */
#ifndef SORA_BUS_BUS_H
#define SORA_BUS_BUS_H

#include <protobuf-c/protobuf-c.h>

#include "libcommon/core/arena.h"
#include "libcommon/core/buffer.h"
#include "libcommon/core/err.h"
#include "libcommon/core/log.h"
#include "libcommon/core/random.h"

struct bus;
struct config;

enum { BUS_CHUNK_MAX = 256 * 1024, BUS_MESSAGE_MAX = 4 * 1024 * 1024 };

enum bus_role { BUS_ROLE_IMAP, BUS_ROLE_POP3, BUS_ROLE_LMTP, BUS_ROLE_MANAGESIEVE, BUS_ROLE_WORKER, BUS_ROLE_ADMIN,
	BUS_ROLE_SERVICE, BUS_ROLE_COUNT };
enum { BUS_ROLES_ALL = (1 << BUS_ROLE_COUNT) - 1 };
const char *bus_role_name(enum bus_role role);

/*
 * The bus of a process: its sockets to the services that the configuration names (`bus.metadata`, `bus.blob`, `bus.sieve`: lists of URLs,
 * inproc:// ipc:// tcp:// or tls+tcp://; a name of a tcp URL may resolve to many replicas), made when first used, and what it serves.
 * `config` must outlive it. NULL: a URL is of tls+tcp, and bus.tls.* cannot be used; logged.
 */
struct bus *bus_new(const struct config *config);
/*
 * Can a process be `role` ("imap"), or serve `role` ("metadata"), with the certificate that bus.tls.* names, if its URLs need one?
 * ERR_CONFIG: no; a line for each problem in `problems`.
 */
enum err bus_check(const struct config *config, const char *role, struct buffer *problems);
/*
 * Closes every socket; calls in flight end with ERR_CLOSED, handlers that run are waited for. Services have finished what they deferred
 * before. Nothing may be called afterwards.
 */
void bus_free(struct bus *bus);

/* ---- calling */

/* One caller's context. Zero it, then set what follows; may be used for many calls, one after the other. */
struct bus_call {
	struct bus *bus;
	struct arena *arena;   /* replies are unpacked here */
	enum bus_role role;
	struct log log;        /* its trace goes along */
	int64_t deadline_ms;   /* monotonic; 0: the method's own timeout. The nearer of the two counts. */
	struct str token;      /* of the login */
	uint64_t route;        /* account, or hash of the object: chooses the replica */
	struct uuid key;       /* for methods with a key: set by bus_call_key, used for one effect and its repetitions */
	bool has_key;
	bool is_patient;       /* while all are busy, ask them again: ERR_DEADLINE in place of ERR_BUSY */
	bool is_pinned;        /* talk to `replica` alone: the next part of something begun there, or one Watch each */
	uint64_t replica;      /* in: with is_pinned; out: who answered */
	struct str detail;     /* out: what the other side said about an error, for the log or for people; in the arena */
};

/* A fresh idempotency key: what follows is a new effect. Methods that need one get it by themselves where has_key is false. */
void bus_call_key(struct bus_call *call);

/* A method as the generator writes it down. */
struct bus_method {
	const char *service; /* "metadata" */
	const char *name;    /* "Store" */
	const ProtobufCMessageDescriptor *request, *reply;
	uint32_t timeout_ms;
	uint32_t roles;      /* 1 << enum bus_role */
	bool needs_key, chunk_in, chunk_out, needs_account;
};

/*
 * Call `method`. Asks the next replica by rendezvous hash when one is not there, is going away, or (when that can do no harm:
 * the method has no key and changes nothing twice, or the same key goes along) was lost in the middle; until the deadline.
 *
 * ERR_OK            *ret_reply is set, in call->arena
 * ERR_UNAVAILABLE      no replica could be reached (within 2 s), or each says that what it needs is not there
 * ERR_DEADLINE         not answered in time: perhaps done
 * ERR_UNKNOWN_OUTCOME  a method with a key was lost in the middle, and no replica is left to ask: perhaps done
 * ERR_GOING_AWAY       only of a pinned call: its replica is shutting down
 * ERR_TOO_BIG          the request or the chunk is over its limit; nothing was sent
 * ERR_CLOSED           the bus is being freed
 * others               what the service answered; call->detail may say more
 */
enum err bus_call_method(struct bus_call *call, const struct bus_method *method, const ProtobufCMessage *request,
    struct str chunk, ProtobufCMessage **ret_reply, struct str *ret_chunk);

/*
 * The same in two steps, so that calls overlap. The future must be waited for, once; `request` and `chunk` may go after the start, `call`,
 * its token and its arena stay until the wait.
 */
struct bus_future;
struct bus_future *bus_call_start(struct bus_call *call, const struct bus_method *method, const ProtobufCMessage *request,
    struct str chunk);
enum err bus_future_wait(struct bus_future *future, ProtobufCMessage **ret_reply, struct str *ret_chunk);

/*
 * The replicas of a service that are connected now, as numbers for bus_call.replica. Returns how many there are; at most `max` are
 * written. For Watch, which talks to each. The very first look at a service may take up to 2 s.
 */
size_t bus_replicas(struct bus *bus, const char *service, uint64_t *ret, size_t max);

/*
 * The replica that a call of `route` would be made to now; 0: none is connected. What goes to the same may go there together.
 */
uint64_t bus_replica_of(struct bus *bus, const struct bus_method *method, uint64_t route);

/* ---- looking */

/* The services there are, by number; NULL past the last. */
const char *bus_service_name(size_t i);

struct bus_address {
	struct str url;
	uint64_t replica; /* its number, for bus_call.replica */
	bool is_connected;
};
/*
 * Every address that the configuration's URLs of `service` lead to now, in `arena`; a name that cannot be resolved stands for itself. Waits
 * up to 2 s until all are connected. Returns how many there are.
 */
size_t bus_addresses(struct bus *bus, const char *service, struct arena *arena, struct bus_address **ret);

struct bus_health {
	struct str version;
	uint64_t waiting, under_way; /* calls: that wait for a thread; that are run, or will be answered later */
	int64_t up_ms, clock_ms, latency_us;
	bool is_draining;
};
/* How is the replica? `call` is pinned to it. Every server answers at once, however busy it is, to the role admin. Errors as of any call. */
enum err bus_ping(struct bus_call *call, const char *service, struct bus_health *ret);

/* ---- serving */

/* One call being answered. */
struct rpc {
	void *service;              /* what was given to X_serve */
	const void *handlers;       /* likewise; for the stubs */
	const struct bus_method *method;
	struct arena *arena;        /* request to reply */
	enum bus_role role;
	struct log log;
	int64_t deadline_ms;        /* monotonic */
	struct str token;
	struct uuid key;            /* with method->needs_key */
	struct str chunk;           /* in, with method->chunk_in */
	struct str reply_chunk;     /* out, with method->chunk_out */
	struct str detail;          /* out, with an error: a line for whoever reads the caller's log; never secrets */
	ProtobufCMessage *reply;
};

/*
 * Called by a handler, which will answer later: rpc_finish, exactly once, from any thread. Until then `rpc`, its request and its
 * arena stay. The handler's return value is then ignored.
 */
void rpc_defer(struct rpc *rpc);
void rpc_finish(struct rpc *rpc, enum err err);

/*
 * 0 is a usual number: 8 threads, 1024 waiting, 2048 in flight, 256 MiB. Past a limit a call is answered with ERR_BUSY. Calls of one route
 * have at most half of the threads and of the queue; those of others overtake them.
 */
struct bus_limits {
	size_t threads;   /* that run handlers */
	size_t queue;     /* calls waiting for a thread */
	size_t in_flight; /* calls received and not answered, deferred ones included */
	size_t bytes;     /* of their requests */
};

struct bus_handler {
	const struct bus_method *method;
	enum err (*run)(struct rpc *rpc, const ProtobufCMessage *request, ProtobufCMessage *reply);
	const void *handlers; /* given to `run` as rpc->handlers */
};

/*
 * Serve `count` methods of `service` at every URL of `listen` (an nng URL; a list; NULL: where the configuration says, as the
 * stubs do). `handlers` is copied. A call is refused before its handler runs
 * when its role may not, its deadline has passed, its key is missing, or a limit is reached.
 * ERR_CONFIG: a URL is wrong or its port is taken; logged.
 */
enum err bus_serve(struct bus *bus, const char *service, const struct str *listen, size_t listen_count,
    const struct bus_handler *handlers, size_t count, void *self, const struct bus_limits *limits);

/*
 * From now on answer GOING_AWAY to new calls by ipc and tcp; those under way are finished, and pinned ones, the next part of what was
 * begun here, still taken. Calls over inproc are this process's own, which has no other replica to go to: they are still served.
 */
void bus_drain(struct bus *bus);
/* Does it serve at an address that callers on other machines may have? They need a while to learn that it drains. */
bool bus_serves_network(struct bus *bus);
/* Take nothing more but over inproc, and wait until nothing is under way, or the deadline (monotonic). */
void bus_quiesce(struct bus *bus, int64_t deadline_ms);

#endif
