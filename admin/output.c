/* What commands print: for people, aligned and with units; for programs, JSON. */
#include "admin/output.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <time.h>

static struct str
view(ProtobufCBinaryData data)
{
	return str_from(data.data, data.len);
}

static struct str
primary(const MetadataAccount *account)
{
	return account->n_address > 0 ? view(account->address[0]) : STR("-");
}

const char *
admin_print_time(int64_t ms, char text[static ADMIN_TIME_SIZE])
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm parts;

	if (gmtime_r(&seconds, &parts) == NULL || strftime(text, ADMIN_TIME_SIZE, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
		return "-";
	return text;
}

void
admin_print_size(uint64_t bytes, struct buffer *out)
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = (double)bytes / 1024;
	size_t unit = 0;

	if (bytes < 1024) {
		buffer_printf(out, "%" PRIu64 " bytes", bytes);
		return;
	}
	for (; value >= 1024; unit++)
		value /= 1024;
	buffer_printf(out, "%.1f %s", value, units[unit]);
}

static void
print_quota(uint64_t bytes, struct buffer *out)
{
	if (bytes == 0)
		buffer_add(out, STR("no limit"));
	else
		admin_print_size(bytes, out);
}

void
admin_print_details(const MetadataAccount *account, struct buffer *out)
{
	char text[ADMIN_TIME_SIZE];

	buffer_printf(out, "address    %.*s\n", STR_ARG(primary(account)));
	for (size_t i = 1; i < account->n_address; i++)
		buffer_printf(out, "           %.*s\n", STR_ARG(view(account->address[i])));
	buffer_printf(out, "account    %" PRIu64 "\nstate      %.*s\npassword   %.*s\nused       ", account->account,
	    STR_ARG(view(account->state)), STR_ARG(view(account->hash)));
	admin_print_size(account->used_bytes, out);
	buffer_printf(out, " in %" PRIu64 " messages\nquota      ", account->used_messages);
	print_quota(account->quota_bytes, out);
	buffer_printf(out, "\ncreated    %s\n", admin_print_time(account->created_ms, text));
	if (account->deleted_ms != 0)
		buffer_printf(out, "deleted    %s\n", admin_print_time(account->deleted_ms, text));
}

void
admin_print_line(const MetadataAccount *account, const char *verb, struct buffer *out)
{
	buffer_printf(out, "%s %.*s (account %" PRIu64 ")\n", verb, STR_ARG(primary(account)), account->account);
}

json_t *
admin_json_text(ProtobufCBinaryData data)
{
	json_t *text = json_stringn((const char *)data.data, data.len);

	return text != NULL ? text : json_null();
}

static int
json_to_buffer(const char *bytes, size_t len, void *out)
{
	buffer_add(out, str_from(bytes, len));
	return 0;
}

void
admin_print_object(json_t *object, struct buffer *out)
{
	json_dump_callback(object, json_to_buffer, out, JSON_COMPACT);
	buffer_add_byte(out, '\n');
	json_decref(object);
}

/* The account's number is a string: it has 63 bits, and many readers of JSON have 53. */
void
admin_print_json(const MetadataAccount *account, struct buffer *out)
{
	json_t *object = json_object(), *addresses = json_array();
	char number[24], text[ADMIN_TIME_SIZE];

	snprintf(number, sizeof(number), "%" PRIu64, account->account);
	for (size_t i = 0; i < account->n_address; i++)
		json_array_append_new(addresses, admin_json_text(account->address[i]));
	json_object_set_new(object, "account", json_string(number));
	json_object_set_new(object, "addresses", addresses);
	json_object_set_new(object, "state", admin_json_text(account->state));
	json_object_set_new(object, "hash", admin_json_text(account->hash));
	json_object_set_new(object, "quota_bytes", json_integer((json_int_t)account->quota_bytes));
	json_object_set_new(object, "used_bytes", json_integer((json_int_t)account->used_bytes));
	json_object_set_new(object, "used_messages", json_integer((json_int_t)account->used_messages));
	json_object_set_new(object, "created", json_string(admin_print_time(account->created_ms, text)));
	json_object_set_new(object, "deleted", account->deleted_ms ? json_string(admin_print_time(account->deleted_ms, text)) : json_null());
	admin_print_object(object, out);
}

void
admin_print_table(struct admin_table *table, MetadataAccount *const *accounts, size_t count, struct buffer *out)
{
	struct buffer used = { 0 }, quota = { 0 };

	for (size_t i = 0; i < count; i++)
		if (primary(accounts[i]).len > table->width)
			table->width = primary(accounts[i]).len;
	if (!table->has_begun && count > 0)
		buffer_printf(out, "%-*s  %-8s  %10s  %10s  %8s\n", (int)table->width, "ADDRESS", "STATE", "USED", "QUOTA", "MESSAGES");
	table->has_begun = true;
	for (size_t i = 0; i < count; i++) {
		buffer_reset(&used);
		buffer_reset(&quota);
		admin_print_size(accounts[i]->used_bytes, &used);
		print_quota(accounts[i]->quota_bytes, &quota);
		buffer_printf(out, "%-*.*s  %-8.*s  %10.*s  %10.*s  %8" PRIu64 "\n", (int)table->width,
		    STR_ARG(primary(accounts[i])), STR_ARG(view(accounts[i]->state)), STR_ARG(buffer_str(&used)),
		    STR_ARG(buffer_str(&quota)), accounts[i]->used_messages);
	}
	buffer_clear(&used);
	buffer_clear(&quota);
}

void
admin_flush(struct buffer *out)
{
	if (buffer_len(out) > 0)
		fwrite(buffer_str(out).ptr, 1, buffer_len(out), stdout);
	buffer_clear(out);
}

void
admin_show(const struct admin_line *line, const MetadataAccount *account, const char *verb)
{
	struct buffer out = { 0 };

	if (admin_has(line, ADMIN_OPT(JSON)))
		admin_print_json(account, &out);
	else if (verb != NULL)
		admin_print_line(account, verb, &out);
	else
		admin_print_details(account, &out);
	admin_flush(&out);
}

void
admin_show_list(const struct admin_line *line, struct admin_table *table, MetadataAccount *const *accounts, size_t count)
{
	struct buffer out = { 0 };

	if (!admin_has(line, ADMIN_OPT(JSON)))
		admin_print_table(table, accounts, count, &out);
	else
		for (size_t i = 0; i < count; i++)
			admin_print_json(accounts[i], &out);
	admin_flush(&out);
}
