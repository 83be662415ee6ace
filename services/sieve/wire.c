/* Between the messages of the bus and the engine's structs. */
#include "services/sieve/server.h"

/* The numbers travel: SieveNeedKind and SieveAction's are those of sieve.h. */
_Static_assert((int)SIEVE_NEED_KIND__SIEVE_KIND_SOURCE == (int)SIEVE_NEED_SOURCE, "kinds of needs");
_Static_assert((int)SIEVE_ACTION__KIND__MARK == (int)SIEVE_MARK, "kinds of actions");
_Static_assert((int)SIEVE_ACTION__SEND__NOTIFY == (int)SIEVE_SEND_NOTIFY, "kinds of what is sent");
_Static_assert((int)SIEVE_FILTER_REPLY__OUTCOME__FAILED == (int)SIEVE_FAILED, "outcomes");

static struct sieve_item *
items(SieveItem *const *wire, size_t count, struct arena *arena)
{
	struct sieve_item *array = ARENA_ARRAY(arena, struct sieve_item, count + 1);

	for (size_t i = 0; i < count; i++)
		array[i] = (struct sieve_item){ sieve_str(wire[i]->name), sieve_str(wire[i]->value) };
	return array;
}

static struct str *
strings(const ProtobufCBinaryData *wire, size_t count, struct arena *arena)
{
	struct str *array = ARENA_ARRAY(arena, struct str, count + 1);

	for (size_t i = 0; i < count; i++)
		array[i] = sieve_str(wire[i]);
	return array;
}

void
sieve_wire_input(const SieveInput *wire, struct arena *arena, struct sieve_input *ret_input)
{
	*ret_input = (struct sieve_input){
		.header = sieve_str(wire->header),
		.body = wire->has_body ? str_from(wire->body.data != NULL ? (const char *)wire->body.data : "", wire->body.len) : STR_NONE,
		.size = wire->size,
		.sender = sieve_str(wire->sender),
		.recipient = sieve_str(wire->recipient),
		.address = sieve_str(wire->address),
		.addresses = strings(wire->addresses, wire->n_addresses, arena),
		.address_count = wire->n_addresses,
		.detail_separator = sieve_str(wire->detail_separator),
		.hostname = sieve_str(wire->hostname),
		.seed = sieve_str(wire->seed),
		.now_ms = wire->now_ms,
		.zone_minutes = wire->zone_minutes,
		.environment = items(wire->environment, wire->n_environment, arena),
		.environment_count = wire->n_environment,
	};
}

void
sieve_wire_need(const SieveNeed *wire, struct sieve_need *ret_need)
{
	*ret_need = (struct sieve_need){ (enum sieve_need_kind)wire->kind, sieve_str(wire->name), sieve_str(wire->scope) };
}

/* ---- the result */

static ProtobufCBinaryData *
flags(const struct sieve_action *action, struct arena *arena)
{
	ProtobufCBinaryData *array = ARENA_ARRAY(arena, ProtobufCBinaryData, action->flag_count + 1);

	for (size_t i = 0; i < action->flag_count; i++)
		array[i] = sieve_data(action->flags[i]);
	return array;
}

static SieveMark *
mark(const struct sieve_mark *from, struct arena *arena)
{
	SieveMark *wire;

	if (from->kind.len == 0)
		return NULL;
	wire = ARENA_NEW(arena, SieveMark);
	sieve_mark__init(wire);
	wire->kind = sieve_data(from->kind);
	wire->key = sieve_data(from->key);
	wire->lifetime_s = from->lifetime_s;
	wire->last = from->is_last;
	return wire;
}

static SieveAction *
action(const struct sieve_action *from, struct arena *arena)
{
	SieveAction *wire = ARENA_NEW(arena, SieveAction);

	sieve_action__init(wire);
	wire->kind = (SieveAction__Kind)from->kind;
	wire->mailbox = sieve_data(from->mailbox);
	wire->special_use = sieve_data(from->special_use);
	wire->mailbox_id = sieve_data(from->mailbox_id);
	wire->create = from->create;
	wire->n_flag = from->flag_count;
	wire->flag = flags(from, arena);
	wire->address = sieve_data(from->address);
	wire->send = (SieveAction__Send)from->send;
	wire->mark = mark(&from->mark, arena);
	wire->text = sieve_data(from->text);
	wire->message = sieve_data(from->message);
	wire->has_header = from->header.ptr != NULL;
	wire->header = sieve_data(from->header);
	wire->implicit = from->kind == SIEVE_KEEP && from->line == 0;
	wire->copy = from->is_copy;
	return wire;
}

static SieveNeed *
need(const struct sieve_need *from, struct arena *arena)
{
	SieveNeed *wire = ARENA_NEW(arena, SieveNeed);

	sieve_need__init(wire);
	wire->kind = (SieveNeedKind)from->kind;
	wire->name = sieve_data(from->name);
	wire->scope = sieve_data(from->scope);
	return wire;
}

void
sieve_wire_result(const struct sieve_result *result, struct arena *arena, SieveFilterReply *reply)
{
	reply->outcome = (SieveFilterReply__Outcome)result->outcome;
	reply->action = ARENA_ARRAY(arena, SieveAction *, result->action_count + 1);
	for (; reply->n_action < result->action_count; reply->n_action++)
		reply->action[reply->n_action] = action(&result->actions[reply->n_action], arena);
	reply->need = ARENA_ARRAY(arena, SieveNeed *, result->need_count + 1);
	for (; reply->n_need < result->need_count; reply->n_need++)
		reply->need[reply->n_need] = need(&result->needs[reply->n_need], arena);
	if (result->outcome != SIEVE_FAILED)
		return;
	reply->failure = ARENA_NEW(arena, SieveFailure);
	sieve_failure__init(reply->failure);
	reply->failure->script = sieve_data(result->failure.script);
	reply->failure->line = result->failure.line;
	reply->failure->text = sieve_data(result->failure.text);
}
