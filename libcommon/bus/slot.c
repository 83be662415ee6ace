/* One call being answered: unpacked, checked, run, packed. */
#include "libcommon/bus/slot.h"

#include <stdlib.h>

#include "libcommon/bus/local.h"
#include "libcommon/bus/sockets.h"
#include "libcommon/core/clock.h"
#include "libcommon/core/metrics.h"
#include "version.h"

enum {
	SEND_TIME_MS = 5000,
	DETAIL_MAX = 512,
	ARENA_MAX = BUS_MESSAGE_MAX * BUS_UNPACK_FACTOR,
	CLOCK_APART_MS = 10 * 60 * 1000, /* a deadline further away than its method's time and this is of another clock */
};

const struct bus_handler *
bus_server_handler(const struct bus_server *server, struct str method)
{
	size_t dot = str_index(method, '.');
	struct str service = str_sub(method, 0, dot), name = str_sub(method, dot + 1, SIZE_MAX);

	for (size_t i = 0; i < server->handler_count; i++) {
		const struct bus_method *row = server->handlers[i].method;

		if (str_equal(name, str_c(row->name)) && str_equal(service, str_c(row->service)))
			return &server->handlers[i];
	}
	return NULL;
}

static void
print_time(int64_t wall_ms, char *out, size_t size)
{
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm tm;

	if (gmtime_r(&seconds, &tm) == NULL || strftime(out, size, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		out[0] = '\0';
}

/*
 * A caller that still waits says by its own clock how long: when that time is over by ours, or far away, the clocks differ. (A call that was
 * late on its way has nobody left who would read this.)
 */
static enum err
check_clock(const struct bus_method *method, const BusCallHeader *header, int64_t now_ms, struct arena *arena, struct str *ret_detail)
{
	char here[32], there[32];

	if (now_ms < header->expires_ms && header->expires_ms - now_ms < (int64_t)method->timeout_ms + CLOCK_APART_MS)
		return ERR_OK;
	print_time(now_ms, here, sizeof(here));
	print_time(header->expires_ms - header->timeout_ms, there, sizeof(there));
	*ret_detail = arena_printf(arena, "clocks differ: it is %s here, and was %s where the call comes from; they must agree"
	    " within seconds: run an NTP client such as chrony on both machines", here, there);
	return ERR_CLOCK;
}

enum err
bus_call_check(const struct bus_method *method, const BusCallHeader *header, enum bus_role role, struct str chunk,
    int64_t now_ms, int64_t waited_ms, struct arena *arena, struct str *ret_detail)
{
	if ((unsigned)role >= BUS_ROLE_COUNT) {
		*ret_detail = STR("the caller has not the role that it claims");
		return ERR_DENIED;
	}
	if ((method->roles >> role & 1) == 0) {
		*ret_detail = STR("this role may not call the method");
		return ERR_DENIED;
	}
	if (method->needs_key && header->key.len != sizeof(struct uuid)) {
		*ret_detail = STR("the call has no key");
		return ERR_INVALID;
	}
	if (chunk.len > 0 && !method->chunk_in) {
		*ret_detail = STR("the method takes no chunk");
		return ERR_INVALID;
	}
	if (waited_ms >= header->timeout_ms) {
		*ret_detail = STR("its time was over before it could begin");
		return ERR_DEADLINE;
	}
	return method->needs_key ? check_clock(method, header, now_ms, arena, ret_detail) : ERR_OK;
}

/* Who is calling? The role that it claims, if it may: roles.h. */
static enum bus_role
peer_role(const struct bus_slot *slot, const BusCallHeader *header)
{
	return header->role < BUS_ROLE_COUNT && (slot->roles >> header->role & 1) != 0 ? (enum bus_role)header->role : BUS_ROLE_COUNT;
}

static struct str
copy_bytes(struct arena *arena, ProtobufCBinaryData bytes)
{
	return arena_copy(arena, str_from(bytes.data, bytes.len));
}

static enum err
refuse(struct rpc *rpc, enum err err, struct str detail)
{
	rpc->detail = detail;
	metric_add(METRIC_BUS_REFUSED, 1);
	return err;
}

static void
fill_rpc(struct bus_slot *slot, const struct bus_handler *handler, const BusCallHeader *header, struct str chunk)
{
	struct rpc *rpc = &slot->rpc;
	int64_t timeout_ms = header->timeout_ms < handler->method->timeout_ms ? header->timeout_ms : handler->method->timeout_ms;

	rpc->method = handler->method;
	rpc->handlers = handler->handlers;
	rpc->role = peer_role(slot, header);
	rpc->log.trace = header->trace;
	rpc->deadline_ms = slot->received_us / 1000 + timeout_ms;
	rpc->token = copy_bytes(&slot->arena, header->token);
	if (header->key.len == sizeof(rpc->key))
		memcpy(rpc->key.bytes, header->key.data, sizeof(rpc->key));
	rpc->chunk = chunk;
	rpc->reply = arena_alloc(&slot->arena, handler->method->reply->sizeof_message);
	protobuf_c_message_init(handler->method->reply, rpc->reply);
}

enum err
bus_slot_open(struct bus_slot *slot)
{
	if (bus_frame_read(str_from(nng_msg_body(slot->msg), nng_msg_len(slot->msg)), &slot->frame) == ERR_OK)
		slot->header = (const BusCallHeader *)bus_unpack(&bus_call_header__descriptor, slot->frame.header, &slot->arena,
		    BUS_HEADER_MAX * BUS_UNPACK_FACTOR);
	if (slot->header != NULL)
		return ERR_OK;
	slot->rpc.detail = STR("malformed call");
	return ERR_SYNTAX;
}

static enum err
check(struct bus_slot *slot, const struct bus_method *method)
{
	struct str detail;
	enum err err = bus_call_check(method, slot->header, peer_role(slot, slot->header), slot->frame.chunk, clock_wall_ms(),
	    (clock_mono_us() - slot->received_us) / 1000, &slot->arena, &detail);

	if (err == ERR_CLOCK)
		bus_server_note_clock(slot->server, detail);
	return err == ERR_OK ? ERR_OK : refuse(&slot->rpc, err, detail);
}

/* Check what came, and unpack the rest of it. */
static enum err
admit(struct bus_slot *slot, const struct bus_handler **ret_handler, ProtobufCMessage **ret_request)
{
	const BusCallHeader *header = slot->header;
	const struct bus_handler *handler = bus_server_handler(slot->server, str_from(header->method.data, header->method.len));

	if (handler == NULL)
		return refuse(&slot->rpc, ERR_NOT_SUPPORTED, STR("no such method here"));
	TRY(check(slot, handler->method));
	*ret_request = bus_unpack(handler->method->request, slot->frame.message, &slot->arena, ARENA_MAX);
	if (*ret_request == NULL)
		return refuse(&slot->rpc, ERR_SYNTAX, STR("malformed request"));
	fill_rpc(slot, handler, header, slot->frame.chunk);
	*ret_handler = handler;
	return ERR_OK;
}

/* ---- the call that every server answers by itself */

static const struct bus_method ping_method = { .service = "bus", .name = BUS_PING_NAME, .reply = &bus_ping_reply__descriptor,
	.timeout_ms = BUS_PING_MS, .roles = 1u << BUS_ROLE_ADMIN };

bool
bus_slot_is_ping(const struct bus_slot *slot)
{
	struct str method = str_from(slot->header->method.data, slot->header->method.len);

	return str_equal(str_sub(method, str_index(method, '.') + 1, SIZE_MAX), STR(BUS_PING_NAME));
}

enum err
bus_slot_ping(struct bus_slot *slot)
{
	BusPingReply *reply = ARENA_NEW(&slot->arena, BusPingReply);

	TRY(check(slot, &ping_method));
	bus_ping_reply__init(reply);
	reply->version = (ProtobufCBinaryData){ strlen(SORA_VERSION), (uint8_t *)SORA_VERSION };
	reply->clock_ms = clock_wall_ms();
	bus_server_describe(slot->server, reply);
	slot->rpc.reply = &reply->base;
	return ERR_OK;
}

void
bus_slot_run(struct bus_slot *slot)
{
	const struct bus_handler *handler;
	ProtobufCMessage *request;
	bool deferred = false;
	enum err err = admit(slot, &handler, &request);

	if (err == ERR_OK) {
		/* Everything but a chunk was copied. */
		if (slot->rpc.chunk.len == 0) {
			nng_msg_free(slot->msg);
			slot->msg = NULL;
		}
		slot->deferred = &deferred;
		err = handler->run(&slot->rpc, request, slot->rpc.reply);
	}
	/* A deferred call may be answered by now, and the slot be another call's: do not look at it. */
	if (!deferred)
		bus_slot_answer(slot, err);
}

void
rpc_defer(struct rpc *rpc)
{
	*((struct bus_slot *)rpc)->deferred = true;
}

void
rpc_finish(struct rpc *rpc, enum err err)
{
	bus_slot_answer((struct bus_slot *)rpc, err);
}

static nng_msg *
reply_message(struct bus_slot *slot, enum err err)
{
	struct rpc *rpc = &slot->rpc;
	struct bus_body body = { 0 };
	BusReplyHeader header = BUS_REPLY_HEADER__INIT;
	struct str detail;

	if (err == ERR_OK) {
		body.message = rpc->reply;
		body.chunk = rpc->reply_chunk;
		err = bus_body_check(&body);
		if (err != ERR_OK) {
			log_error(&rpc->log, "bus.reply_too_big", KV_C("method", rpc->method->name));
			body = (struct bus_body){ 0 };
		}
	}
	detail = str_sub(rpc->detail, 0, DETAIL_MAX);
	header.status = (uint32_t)err;
	header.version = BUS_WIRE_VERSION;
	if (err != ERR_OK)
		header.detail = (ProtobufCBinaryData){ detail.len, (uint8_t *)detail.ptr };
	return bus_message_new(&header.base, &body);
}

/* The call's own slot ends with it. */
static void
answer_local(struct bus_slot *slot, nng_msg *reply)
{
	struct bus_local *local = slot->local;

	bus_server_release(slot);
	free(slot);
	bus_local_answer(local, reply);
}

void
bus_slot_answer(struct bus_slot *slot, enum err err)
{
	nng_msg *reply = reply_message(slot, err);
	int64_t elapsed_us = clock_mono_us() - slot->received_us;

	if (slot->rpc.method != NULL) {
		log_debug(&slot->rpc.log, "bus.served", KV_C("method", slot->rpc.method->name), KV_ERR(err),
		    KV_INT("elapsed_us", elapsed_us));
		metric_add(METRIC_BUS_SERVED, 1);
		metric_latency(METRIC_BUS_SERVE_US, elapsed_us);
	}
	nng_msg_free(slot->msg);
	slot->msg = NULL;
	arena_clear(&slot->arena);
	if (slot->local != NULL) {
		answer_local(slot, reply);
		return;
	}
	if (!bus_gate_enter(&slot->server->gate)) {
		nng_msg_free(reply);
		return;
	}
	slot->state = BUS_SLOT_SENDING;
	nng_aio_set_msg(slot->aio, reply);
	nng_aio_set_timeout(slot->aio, SEND_TIME_MS);
	nng_ctx_send(slot->ctx, slot->aio);
	bus_gate_leave(&slot->server->gate);
}
