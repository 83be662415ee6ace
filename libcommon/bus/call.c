/* Making a call: whom to ask, how long, and what to do when that one does not answer. */
#include <stdio.h>
#include <stdlib.h>

#include "libcommon/bus/internal.h"
#include "libcommon/core/clock.h"
#include "libcommon/core/mem.h"
#include "libcommon/core/metrics.h"
#include "proto/bus.pb-c.h"

enum {
	FAIR_TIME_MS = 1000, /* a caller that gave a replica less time than this learned nothing about its health */
	TURN_MS = 5000,      /* the longest that one is waited for while there is another */
	PAUSE_MIN_MS = 5,    /* before those that were busy are asked again, */
	PAUSE_MAX_MS = 200,  /* longer each time */
};

struct bus_future {
	struct bus_call *call;
	const struct bus_method *method;
	struct bus_body body;
	char *kept; /* the body's bytes, when the caller's may go */
	struct uuid key;
	char *name; /* "metadata.Store" */
	BusCallHeader header;
	int64_t deadline_ms;
	struct bus_remote *remote;
	struct bus_search search;
	struct bus_replica *replica;
	struct bus_lane *lane; /* NULL: nothing is under way */
	int64_t attempt_ms;    /* how long this replica was given */
	int64_t pause_ms;      /* the last one, for those that are busy */
	bool is_over;          /* `err` is the answer */
	bool is_perhaps_done;
	enum err err;
};

void
bus_call_key(struct bus_call *call)
{
	call->key = uuid_v7();
	call->has_key = true;
}

static ProtobufCBinaryData
as_bytes(struct str s)
{
	return (ProtobufCBinaryData){ s.len, (uint8_t *)s.ptr };
}

static void
end(struct bus_future *f, enum err err)
{
	f->is_over = true;
	f->err = err;
}

static void
set_header(struct bus_future *f)
{
	const struct bus_call *call = f->call;
	BusCallHeader *header = &f->header;
	size_t size = strlen(f->method->service) + 1 + strlen(f->method->name) + 1;

	f->name = mem_alloc(size);
	snprintf(f->name, size, "%s.%s", f->method->service, f->method->name);
	bus_call_header__init(header);
	header->method = as_bytes(str_c(f->name));
	header->trace = call->log.trace;
	header->token = as_bytes(call->token);
	header->role = (uint32_t)call->role;
	header->route = call->route;
	header->pinned = call->is_pinned;
	if (f->method->needs_key) {
		f->key = call->has_key ? call->key : uuid_v7();
		header->key = as_bytes(str_from(f->key.bytes, sizeof(f->key.bytes)));
	}
}

static enum bus_lane_kind
kind_of(const struct bus_method *method)
{
	return method->chunk_in || method->chunk_out ? BUS_LANE_CHUNK : BUS_LANE_SMALL;
}

uint64_t
bus_replica_of(struct bus *bus, const struct bus_method *method, uint64_t route)
{
	struct bus_remote *remote = bus_remote_of(bus, method->service);
	struct bus_search search = { .route = route, .kind = kind_of(method) };

	return remote != NULL ? bus_remote_peek(remote, &search) : 0;
}

static void
prepare(struct bus_future *f, struct bus_call *call, const struct bus_method *method, const ProtobufCMessage *request,
    struct str chunk)
{
	int64_t now = clock_mono_ms();
	enum err err;

	*f = (struct bus_future){ .call = call, .method = method, .body = { .message = request, .chunk = chunk } };
	call->detail = STR_NONE;
	f->deadline_ms = now + method->timeout_ms;
	if (call->deadline_ms != 0 && call->deadline_ms < f->deadline_ms)
		f->deadline_ms = call->deadline_ms;
	f->search = (struct bus_search){ .route = call->route, .is_pinned = call->is_pinned, .replica = call->replica,
		.kind = kind_of(method), .deadline_ms = f->deadline_ms };
	f->remote = bus_remote_of(call->bus, method->service);
	set_header(f);
	metric_add(METRIC_BUS_CALLS, 1);
	err = bus_body_check(&f->body);
	if (err != ERR_OK)
		end(f, err);
	else if (f->remote == NULL)
		end(f, ERR_UNAVAILABLE);
	else if (now >= f->deadline_ms)
		end(f, ERR_DEADLINE);
}

/* Then everybody may be asked anew. Not all at the same moment, who were refused together. */
static void
pause_for_the_busy(struct bus_future *f)
{
	int64_t left_us = clock_left_ms(f->deadline_ms) * 1000, us;
	struct timespec time;

	f->pause_ms = f->pause_ms == 0 ? PAUSE_MIN_MS : f->pause_ms * 2 < PAUSE_MAX_MS ? f->pause_ms * 2 : PAUSE_MAX_MS;
	us = f->pause_ms * 500 + (int64_t)(random_u64() % (uint64_t)(f->pause_ms * 500));
	us = us < left_us ? us : left_us;
	time = (struct timespec){ .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000 };
	nanosleep(&time, NULL);
	f->search.count = 0;
	f->err = ERR_OK;
}

/* No replica is left to ask: what is the caller told? */
static void
end_unanswered(struct bus_future *f)
{
	if (f->err == ERR_BUSY && f->call->is_patient && clock_left_ms(f->deadline_ms) > 0)
		pause_for_the_busy(f);
	else if (clock_left_ms(f->deadline_ms) == 0 || f->err == ERR_DEADLINE)
		end(f, ERR_DEADLINE);
	else if (f->is_perhaps_done && f->method->needs_key)
		end(f, ERR_UNKNOWN_OUTCOME);
	else
		end(f, f->err != ERR_OK ? f->err : ERR_UNAVAILABLE);
}

/* Ask the next replica. */
static void
attempt(struct bus_future *f)
{
	bool has_other;
	enum err err = bus_remote_take(f->remote, &f->search, &f->replica, &has_other);
	int64_t left = clock_left_ms(f->deadline_ms), turn = left / 2 < TURN_MS ? left / 2 : TURN_MS;

	if (err == ERR_CLOSED) {
		end(f, err);
		return;
	}
	if (err != ERR_OK) {
		end_unanswered(f);
		return;
	}
	/* Asking a second one does no harm: what may not happen twice carries its key. So a silent one gets half of the time, or less. */
	f->attempt_ms = has_other && !f->search.is_pinned ? turn : left;
	f->header.timeout_ms = (uint32_t)left;
	f->header.expires_ms = f->method->needs_key ? clock_wall_ms() + left : 0;
	f->lane = bus_lane_begin(bus_replica_link(f->replica, f->search.kind), &f->header.base, &f->body,
	    clock_mono_ms() + f->attempt_ms);
}

static void
set_detail(struct bus_future *f, struct str detail)
{
	f->call->detail = arena_copy(f->call->arena, detail);
}

/* Is this the answer, or is another replica asked? */
static enum bus_outcome
judge_status(struct bus_future *f, enum err status)
{
	switch (status) {
	case ERR_GOING_AWAY:
		f->err = ERR_UNAVAILABLE;
		if (f->search.is_pinned)
			end(f, status);
		return BUS_GOING_AWAY;
	case ERR_UNAVAILABLE:
	case ERR_CLOCK: /* it did nothing, and another's clock may be right */
	case ERR_BUSY:
		f->err = status;
		return status == ERR_BUSY ? BUS_REFUSED : BUS_FAILED;
	default:
		end(f, status);
		return BUS_ANSWERED;
	}
}

static enum bus_outcome
read_reply(struct bus_future *f, struct str bytes, ProtobufCMessage **ret_reply, struct str *ret_chunk)
{
	struct arena *arena = f->call->arena;
	struct bus_frame frame;
	BusReplyHeader *header;
	enum bus_outcome outcome;

	if (bus_frame_read(bytes, &frame) != ERR_OK ||
	    (header = (BusReplyHeader *)bus_unpack(&bus_reply_header__descriptor, frame.header, arena,
	         BUS_HEADER_MAX * BUS_UNPACK_FACTOR)) == NULL || header->version == 0) {
		set_detail(f, STR("malformed reply"));
		f->err = ERR_UNAVAILABLE;
		f->is_perhaps_done = true;
		return BUS_FAILED;
	}
	f->call->replica = bus_replica_id(f->replica);
	f->call->detail = str_from(header->detail.data, header->detail.len);
	outcome = judge_status(f, err_from_wire(header->status));
	if (!f->is_over || f->err != ERR_OK)
		return outcome;
	*ret_reply = bus_unpack(f->method->reply, frame.message, arena, BUS_MESSAGE_MAX * BUS_UNPACK_FACTOR);
	if (*ret_reply == NULL) {
		set_detail(f, STR("malformed reply"));
		f->err = ERR_INTERNAL;
	}
	if (ret_chunk != NULL)
		*ret_chunk = arena_copy(arena, frame.chunk);
	return outcome;
}

/* Wait for the replica that was asked. Leaves is_over false when another may be asked. */
static void
collect(struct bus_future *f, ProtobufCMessage **ret_reply, struct str *ret_chunk)
{
	struct str bytes;
	enum bus_outcome outcome;
	enum err err = bus_lane_wait(f->lane, &bytes);

	f->is_perhaps_done |= err != ERR_OK && bus_lane_was_sent(f->lane);
	if (err == ERR_OK) {
		outcome = read_reply(f, bytes, ret_reply, ret_chunk);
	} else if (err == ERR_CLOSED) {
		outcome = BUS_REFUSED;
		end(f, err);
	} else if (err == ERR_DEADLINE) {
		outcome = f->attempt_ms >= FAIR_TIME_MS ? BUS_FAILED : BUS_REFUSED;
		f->err = err;
	} else {
		outcome = BUS_LOST;
		f->err = err;
	}
	bus_lane_end(f->lane);
	f->lane = NULL;
	if (!f->is_over && outcome != BUS_ANSWERED)
		log_debug(&f->call->log, "bus.retry", KV_C("method", f->name), KV_C("replica", bus_replica_url(f->replica)),
		    KV_ERR(f->err));
	bus_remote_give(f->remote, &f->search, f->replica, outcome);
	if (!f->is_over && f->search.is_pinned)
		end_unanswered(f);
}

static enum err
finish(struct bus_future *f, ProtobufCMessage **ret_reply, struct str *ret_chunk)
{
	while (!f->is_over) {
		if (f->lane == NULL)
			attempt(f);
		if (f->lane != NULL)
			collect(f, ret_reply, ret_chunk);
	}
	if (f->err == ERR_UNAVAILABLE || f->err == ERR_DEADLINE || f->err == ERR_UNKNOWN_OUTCOME)
		metric_add(METRIC_BUS_CALLS_FAILED, 1);
	free(f->name);
	free(f->kept);
	return f->err;
}

enum err
bus_call_method(struct bus_call *call, const struct bus_method *method, const ProtobufCMessage *request, struct str chunk,
    ProtobufCMessage **ret_reply, struct str *ret_chunk)
{
	struct bus_future f;

	prepare(&f, call, method, request, chunk);
	return finish(&f, ret_reply, ret_chunk);
}

struct bus_future *
bus_call_start(struct bus_call *call, const struct bus_method *method, const ProtobufCMessage *request, struct str chunk)
{
	struct bus_future *f = MEM_NEW(struct bus_future);

	prepare(f, call, method, request, chunk);
	if (f->is_over)
		return f;
	f->body.packed.len = bus_body_size(&f->body);
	f->kept = mem_alloc(f->body.packed.len);
	bus_body_write(&f->body, f->kept);
	f->body.packed.ptr = f->kept;
	attempt(f);
	return f;
}

enum err
bus_future_wait(struct bus_future *future, ProtobufCMessage **ret_reply, struct str *ret_chunk)
{
	enum err err = finish(future, ret_reply, ret_chunk);

	free(future);
	return err;
}
