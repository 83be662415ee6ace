/* One call being answered, from its arrival to the end of its reply; then the next one. */
#ifndef SORA_BUS_SLOT_H
#define SORA_BUS_SLOT_H

#include "libcommon/bus/codec.h"
#include "libcommon/bus/server.h"
#include "proto/bus.pb-c.h"

enum bus_slot_state { BUS_SLOT_RECEIVING, BUS_SLOT_RUNNING, BUS_SLOT_SENDING };

struct bus_slot {
	struct rpc rpc; /* first: what handlers have is this */
	struct bus_server *server;
	struct bus_slot *next; /* in the queue */
	struct bus_local *local; /* NULL: it came through nng, and the slot is one of the server's; else it is this call's own */
	struct bus_slot *previous, *following; /* of the server's local ones */
	nng_ctx ctx;
	nng_aio *aio;
	enum bus_slot_state state;
	bool is_counted;   /* in server->in_flight */
	nng_msg *msg;      /* the request, while something refers to it */
	uint32_t roles;    /* of who sent it: bits, 1 << enum bus_role */
	nng_pipe pipe;     /* that it came by */
	size_t bytes;      /* its size, in server->bytes */
	struct bus_frame frame;
	const BusCallHeader *header;
	struct arena arena;
	int64_t received_us;
	bool *deferred;    /* on the stack of the thread that runs the handler */
};

/* Read the header of what was received. ERR_SYNTAX: it is no call. */
enum err bus_slot_open(struct bus_slot *slot);
/* Run the call that was opened: on a thread of the pool. */
void bus_slot_run(struct bus_slot *slot);
/* Answer: `err`, and with ERR_OK the reply. The slot is then the server's again, which may use it at once. */
void bus_slot_answer(struct bus_slot *slot, enum err err);

/* Is it the call that every server answers by itself? */
bool bus_slot_is_ping(const struct bus_slot *slot);
/* The answer to it, in slot->rpc.reply. */
enum err bus_slot_ping(struct bus_slot *slot);

/* The handler's table row for "metadata.Store"; NULL: there is none. */
const struct bus_handler *bus_server_handler(const struct bus_server *server, struct str method);

/*
 * May this call be run? `now_ms` (wall clock) and `waited_ms` since it came.
 *
 * ERR_DENIED    the peer's role may not call the method
 * ERR_INVALID   its key is missing or not a UUID, or there is a chunk where none belongs
 * ERR_DEADLINE  it is too late
 * ERR_CLOCK     its absolute deadline has passed, or is so far away, that the caller's clock and this one cannot both be right
 * *ret_detail says it in words, in `arena` when they are not always the same.
 */
enum err bus_call_check(const struct bus_method *method, const BusCallHeader *header, enum bus_role role, struct str chunk,
    int64_t now_ms, int64_t waited_ms, struct arena *arena, struct str *ret_detail);

#endif
