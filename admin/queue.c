/* Commands about mail on its way out. */
#include "admin/command.h"

#include <inttypes.h>
#include <stdio.h>

#include "admin/output.h"
#include "proto/metadata.client.h"

static struct str
view(ProtobufCBinaryData data)
{
	return str_from(data.data, data.len);
}

static ProtobufCBinaryData
given(const struct admin_line *line, enum admin_option option)
{
	const char *value = line->values[option];

	return (ProtobufCBinaryData){ value ? strlen(value) : 0, (uint8_t *)value };
}

/* What the line names; `*ret_item` is the place for an item. */
static enum err
read_filter(struct admin *admin, const struct admin_line *line, MetadataQueueFilter *ret, uint64_t *ret_item)
{
	const char *item = line->values[ADMIN_OPT_ITEM];

	metadata_queue_filter__init(ret);
	ret->address = given(line, ADMIN_OPT_EMAIL);
	ret->kind = given(line, ADMIN_OPT_KIND);
	ret->state = given(line, ADMIN_OPT_STATE);
	if (item == NULL)
		return ERR_OK;
	if (!str_to_u64(str_c(item), ret_item))
		return admin_explain(admin, ERR_SYNTAX, "an item is a number, as `sora-admin queue list` shows it, not \"%s\"", item);
	ret->item = ret_item;
	ret->n_item = 1;
	return ERR_OK;
}

static enum err
explain_filter(struct admin *admin, enum err err)
{
	if (err == ERR_INVALID)
		return admin_explain(admin, err, "--kind: redirect, vacation, reject, notify or bounce; --state: ready, sending or deferred");
	return err;
}

/* ---- list, show */

/* A null sender is an empty one. */
static json_t *
text(ProtobufCBinaryData data)
{
	return data.len > 0 ? admin_json_text(data) : json_string("");
}

static json_t *
item_json(const MetadataQueueItem *item)
{
	char created[ADMIN_TIME_SIZE], due[ADMIN_TIME_SIZE];

	return json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:s, s:s, s:i, s:o, s:o}", "item", (json_int_t)item->item, "account",
	    text(item->address), "kind", text(item->kind), "state", text(item->state), "from",
	    text(item->sender), "to", text(item->recipient), "message_id", text(item->message_id), "size",
	    (json_int_t)item->size, "created", admin_print_time(item->created_ms, created), "due", admin_print_time(item->due_ms, due),
	    "attempts", (int)item->attempts, "owner", text(item->owner), "reply", text(item->reply));
}

static void
print_item(const MetadataQueueItem *item, struct buffer *out)
{
	char created[ADMIN_TIME_SIZE];

	buffer_printf(out, "%-8" PRIu64 " %-9.*s %-8.*s %s  <%.*s> -> <%.*s>", item->item, STR_ARG(view(item->kind)), STR_ARG(view(item->state)),
	    admin_print_time(item->created_ms, created), STR_ARG(view(item->sender)), STR_ARG(view(item->recipient)));
	if (item->reply.len > 0)
		buffer_printf(out, "  (%.*s)", STR_ARG(view(item->reply)));
	buffer_add_byte(out, '\n');
}

static void
print_details(const MetadataQueueItem *item, struct buffer *out)
{
	char created[ADMIN_TIME_SIZE], due[ADMIN_TIME_SIZE];

	buffer_printf(out, "item        %" PRIu64 "\naccount     %.*s\nkind        %.*s\nstate       %.*s\nfrom        <%.*s>\nto          <%.*s>\n",
	    item->item, STR_ARG(view(item->address)), STR_ARG(view(item->kind)), STR_ARG(view(item->state)), STR_ARG(view(item->sender)),
	    STR_ARG(view(item->recipient)));
	buffer_printf(out, "message-id  %.*s\nsize        ", STR_ARG(view(item->message_id)));
	admin_print_size(item->size, out);
	buffer_printf(out, "\ncreated     %s\n%-11s %s\nattempts    %u\n", admin_print_time(item->created_ms, created),
	    item->owner.len > 0 ? "lease ends" : "due", admin_print_time(item->due_ms, due), item->attempts);
	if (item->owner.len > 0)
		buffer_printf(out, "sent by     %.*s\n", STR_ARG(view(item->owner)));
	buffer_printf(out, "last reply  %.*s\n", STR_ARG(view(item->reply)));
}

static void
show(const MetadataQueueItem *item, const struct admin_line *line, bool has_details)
{
	struct buffer out = { 0 };

	if (admin_has(line, ADMIN_OPT(JSON)))
		admin_print_object(item_json(item), &out);
	else if (has_details)
		print_details(item, &out);
	else
		print_item(item, &out);
	fwrite(buffer_str(&out).ptr, 1, buffer_len(&out), stdout);
	buffer_clear(&out);
}

/* What there is, on standard error: the list is for pipes. */
static enum err
show_state(struct admin *admin)
{
	MetadataEmpty request = METADATA_EMPTY__INIT;
	MetadataQueueStateReply *state;

	TRY(metadata_queue_state(&admin->call, &request, &state));
	fprintf(stderr, "%" PRIu64 " in the queue, %" PRIu64 " ready, %" PRIu64 " being sent; the oldest is %" PRId64 " s old\n", state->items,
	    state->ready, state->sending, state->oldest_ms / 1000);
	if (state->items > 0 && admin->config->smarthost_host.len == 0)
		fprintf(stderr, "nothing is sent where smarthost.host is not set\n");
	return ERR_OK;
}

static enum err
list_run(struct admin *admin, const struct admin_line *line)
{
	MetadataQueueFilter request;
	MetadataListQueueReply *reply;
	uint64_t item;

	TRY(read_filter(admin, line, &request, &item));
	do {
		TRY(explain_filter(admin, metadata_list_queue(&admin->call, &request, &reply)));
		for (size_t i = 0; i < reply->n_item; i++)
			show(reply->item[i], line, false);
		if (reply->n_item > 0)
			request.after = reply->item[reply->n_item - 1]->item;
	} while (reply->more);
	return admin_has(line, ADMIN_OPT(JSON)) ? ERR_OK : show_state(admin);
}

static enum err
show_run(struct admin *admin, const struct admin_line *line)
{
	MetadataQueueFilter request;
	MetadataListQueueReply *reply;
	uint64_t item;

	TRY(read_filter(admin, line, &request, &item));
	TRY(metadata_list_queue(&admin->call, &request, &reply));
	if (reply->n_item == 0)
		return admin_explain(admin, ERR_NONEXISTENT, "there is no item %" PRIu64 " in the queue", item);
	show(reply->item[0], line, true);
	return ERR_OK;
}

/* ---- retry, drop */

static enum err
change(struct admin *admin, const struct admin_line *line,
    enum err (*call)(struct bus_call *, const MetadataQueueFilter *, MetadataQueueDone **), const char *verb)
{
	bool has_filter = admin_has(line, ADMIN_OPT(EMAIL) | ADMIN_OPT(KIND) | ADMIN_OPT(STATE) | ADMIN_OPT(ALL));
	MetadataQueueFilter request;
	MetadataQueueDone *done;
	uint64_t item, found = 0, changed = 0;

	TRY(read_filter(admin, line, &request, &item));
	if (has_filter == (request.n_item > 0))
		return admin_explain(admin, ERR_SYNTAX, "an item is expected, or --email, --kind, --state, or --all");
	do {
		TRY(explain_filter(admin, call(&admin->call, &request, &done)));
		found += done->found;
		changed += done->changed;
		request.after = done->after;
	} while (done->more);
	if (found == 0 && request.n_item > 0)
		return admin_explain(admin, ERR_NONEXISTENT, "there is no item %" PRIu64 " in the queue", item);
	if (admin_has(line, ADMIN_OPT(JSON)))
		printf("{\"found\": %" PRIu64 ", \"changed\": %" PRIu64 "}\n", found, changed);
	else
		printf("%" PRIu64 " %s%s\n", changed, verb, changed < found ? ", the others are being sent" : "");
	return ERR_OK;
}

static enum err
retry_run(struct admin *admin, const struct admin_line *line)
{
	return change(admin, line, metadata_retry_queue, "due now");
}

static enum err
drop_run(struct admin *admin, const struct admin_line *line)
{
	return change(admin, line, metadata_drop_queue, "dropped");
}

#define FILTER (ADMIN_OPT(EMAIL) | ADMIN_OPT(KIND) | ADMIN_OPT(STATE))

const struct admin_command admin_queue[] = {
	{ "queue list",  "Mail on its way out: redirects, vacation replies, rejects, notifications, bounces", FILTER, 0,
	    { ADMIN_OPT_NONE }, admin_connect, list_run },
	{ "queue show",  "Everything about one mail on its way out", ADMIN_OPT(ITEM), ADMIN_OPT(ITEM), { ADMIN_OPT_ITEM }, admin_connect,
	    show_run },
	{ "queue retry", "Send one now, or those that the options name", FILTER | ADMIN_OPT(ITEM) | ADMIN_OPT(ALL), 0, { ADMIN_OPT_ITEM },
	    admin_connect, retry_run },
	{ "queue drop",  "Give one up, or those that the options name, without a word to the sender", FILTER | ADMIN_OPT(ITEM) | ADMIN_OPT(ALL), 0,
	    { ADMIN_OPT_ITEM }, admin_connect, drop_run },
	{ NULL, NULL, 0, 0, { ADMIN_OPT_NONE }, NULL, NULL },
};
