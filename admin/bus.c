/* Commands about the bus. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "admin/command.h"
#include "admin/output.h"

/* A replica as it was found. */
struct sight {
	const char *service;
	struct bus_address address;
	enum err err; /* why it did not answer */
	struct bus_health health;
};

static const char *
state(const struct sight *s)
{
	if (s->err != ERR_OK)
		return s->address.is_connected ? "silent" : "unreachable";
	return s->health.is_draining ? "draining" : "serving";
}

static void
print_line(const struct sight *s, struct buffer *out)
{
	buffer_printf(out, "%-9s %-32.*s %-11s", s->service, STR_ARG(s->address.url), state(s));
	if (s->err == ERR_OK)
		buffer_printf(out, " %8.1f %8" PRIu64 " %9" PRIu64 " %9" PRId64 "  %.*s", (double)s->health.latency_us / 1000,
		    s->health.waiting, s->health.under_way, s->health.up_ms / 1000, STR_ARG(s->health.version));
	buffer_add_byte(out, '\n');
}

static void
print_json(const struct sight *s, struct buffer *out)
{
	json_t *object = json_pack("{s:s, s:s%, s:s}", "service", s->service, "address", s->address.url.ptr, s->address.url.len,
	    "state", state(s));

	if (s->err == ERR_OK) {
		json_t *more = json_pack("{s:s%, s:f, s:I, s:I, s:I}", "version", s->health.version.ptr, s->health.version.len,
		    "latency_ms", (double)s->health.latency_us / 1000, "waiting", (json_int_t)s->health.waiting, "under_way",
		    (json_int_t)s->health.under_way, "up_seconds", (json_int_t)(s->health.up_ms / 1000));

		json_object_update(object, more);
		json_decref(more);
	}
	admin_print_object(object, out);
}

static void
look(struct admin *admin, struct sight *s)
{
	s->err = ERR_UNAVAILABLE;
	if (!s->address.is_connected)
		return;
	admin->call.is_pinned = true;
	admin->call.replica = s->address.replica;
	s->err = bus_ping(&admin->call, s->service, &s->health);
}

/* Every replica of one service. ERR_UNAVAILABLE: none answers. */
static enum err
ping_service(struct admin *admin, const char *service, bool is_json, struct buffer *out)
{
	struct bus_address *addresses;
	size_t count = bus_addresses(admin->bus, service, &admin->arena, &addresses), answered = 0;

	for (size_t i = 0; i < count; i++) {
		struct sight sight = { .service = service, .address = addresses[i] };

		look(admin, &sight);
		answered += sight.err == ERR_OK;
		(is_json ? print_json : print_line)(&sight, out);
	}
	return count > 0 && answered == 0 ? ERR_UNAVAILABLE : ERR_OK;
}

static enum err
ping_run(struct admin *admin, const struct admin_line *line)
{
	bool is_json = admin_has(line, ADMIN_OPT(JSON));
	struct buffer out = { 0 };
	enum err err = ERR_OK;
	const char *service;

	if (!is_json)
		buffer_printf(&out, "%-9s %-32s %-11s %8s %8s %9s %9s  %s\n", "SERVICE", "ADDRESS", "STATE", "MS", "WAITING", "UNDER WAY",
		    "UP S", "VERSION");
	for (size_t i = 0; (service = bus_service_name(i)) != NULL; i++)
		if (ping_service(admin, service, is_json, &out) != ERR_OK)
			err = admin_explain(admin, ERR_UNAVAILABLE, "no replica of %s answers", service);
	printf("%.*s", STR_ARG(buffer_str(&out)));
	buffer_clear(&out);
	return err;
}

const struct admin_command admin_bus[] = {
	{ "bus ping",        "Show each replica of each service: is it there, how busy, for how long", 0, 0, { ADMIN_OPT_NONE }, admin_look,
	    ping_run },
	{ NULL, NULL, 0, 0, { ADMIN_OPT_NONE }, NULL, NULL },
};
