/* Commands about Sieve scripts: of an account, of the administrator for one, of the library of all. */
#include "admin/command.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "admin/output.h"
#include "proto/metadata.client.h"
#include "services/sieve/server.h"

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

static enum err
read_kind(struct admin *admin, const struct admin_line *line, MetadataScriptKind *ret)
{
	bool is_before = admin_has(line, ADMIN_OPT(BEFORE)), is_after = admin_has(line, ADMIN_OPT(AFTER));

	if (is_before && is_after)
		return admin_explain(admin, ERR_SYNTAX, "--before or --after, not both");
	*ret = is_before ? METADATA_SCRIPT_KIND__METADATA_BEFORE :
	    is_after ? METADATA_SCRIPT_KIND__METADATA_AFTER : METADATA_SCRIPT_KIND__METADATA_OWN;
	return ERR_OK;
}

static enum err
name_script(struct admin *admin, const struct admin_line *line, MetadataScriptRequest *ret)
{
	metadata_script_request__init(ret);
	ret->address = given(line, ADMIN_OPT_EMAIL);
	ret->name = given(line, ADMIN_OPT_NAME);
	return read_kind(admin, line, &ret->kind);
}

/* ---- list, get */

static json_t *
script_json(const MetadataScript *script)
{
	char text[ADMIN_TIME_SIZE];

	return json_pack("{s:o, s:b, s:b, s:I, s:s}", "name", admin_json_text(script->name), "active", script->active, "read_only",
	    script->read_only, "size", (json_int_t)script->size, "changed", admin_print_time(script->changed_ms, text));
}

static void
print_list(const MetadataListScriptsReply *list, bool is_json, struct buffer *out)
{
	char text[ADMIN_TIME_SIZE];

	for (size_t i = 0; i < list->n_script; i++) {
		const MetadataScript *script = list->script[i];

		if (is_json)
			admin_print_object(script_json(script), out);
		else
			buffer_printf(out, "%-6s %8" PRIu64 "  %s  %.*s\n", script->active ? "active" : script->read_only ? "log" : "-",
			    script->size, admin_print_time(script->changed_ms, text), STR_ARG(view(script->name)));
	}
}

static enum err
list_run(struct admin *admin, const struct admin_line *line)
{
	MetadataListScriptsRequest request = METADATA_LIST_SCRIPTS_REQUEST__INIT;
	MetadataListScriptsReply *reply;
	struct buffer out = { 0 };

	request.address = given(line, ADMIN_OPT_EMAIL);
	TRY(read_kind(admin, line, &request.kind));
	TRY(metadata_list_scripts(&admin->call, &request, &reply));
	print_list(reply, admin_has(line, ADMIN_OPT(JSON)), &out);
	admin_flush(&out);
	return ERR_OK;
}

static enum err
get_run(struct admin *admin, const struct admin_line *line)
{
	MetadataScriptRequest request;
	struct buffer out = { 0 };
	MetadataScript *script;

	TRY(name_script(admin, line, &request));
	TRY(metadata_get_script(&admin->call, &request, &script));
	if (admin_has(line, ADMIN_OPT(JSON))) {
		json_t *object = script_json(script);

		json_object_set_new(object, "source", admin_json_text(script->source));
		admin_print_object(object, &out);
	} else
		buffer_add(&out, view(script->source));
	admin_flush(&out);
	return ERR_OK;
}

/* ---- put */

/* Everything that `in` has, up to a byte more than a script may have. */
static enum err
read_source(struct admin *admin, FILE *in, const char *name, struct str *ret)
{
	size_t max = (size_t)admin->config->sieve_script_size;
	char *bytes = arena_alloc(&admin->arena, max + 1);
	size_t len = fread(bytes, 1, max + 1, in);

	if (ferror(in))
		return admin_explain(admin, ERR_INVALID, "%s: %s", name, strerror(errno));
	if (len > max)
		return admin_explain(admin, ERR_TOO_BIG, "%s: longer than sieve.script_size, %zu bytes", name, max);
	*ret = str_from(bytes, len);
	return ERR_OK;
}

static enum err
read_file(struct admin *admin, const char *file, struct str *ret)
{
	FILE *in = fopen(file, "re");
	enum err err;

	if (in == NULL)
		return admin_explain(admin, ERR_INVALID, "%s: %s", file, strerror(errno));
	err = read_source(admin, in, file, ret);
	fclose(in);
	return err;
}

/* The engine's opinion, a line each: "FILE:2:5: ...". Warnings are told and do no harm. */
static enum err
check_source(struct admin *admin, const char *name, struct str source)
{
	struct sieve_limits limits = sieve_limits_from(admin->config);
	struct sieve_problems problems;
	struct sieve_script *script;
	enum err err;

	err = sieve_compile(source, &limits, &admin->arena, &script, &problems);
	for (size_t i = 0; i < problems.count; i++)
		fprintf(stderr, "%s:%u:%u: %s%.*s\n", name, problems.items[i].line, problems.items[i].column,
		    problems.items[i].is_warning ? "warning: " : "", STR_ARG(problems.items[i].text));
	if (err != ERR_OK)
		return admin_explain(admin, ERR_CANNOT, "%s is no valid script; nothing was changed", name);
	sieve_script_unref(script);
	return ERR_OK;
}

static enum err
put_run(struct admin *admin, const struct admin_line *line)
{
	MetadataPutScriptRequest request = METADATA_PUT_SCRIPT_REQUEST__INIT;
	const char *file = line->values[ADMIN_OPT_FILE], *name = file != NULL ? file : "standard input";
	struct str source;

	request.address = given(line, ADMIN_OPT_EMAIL);
	request.name = given(line, ADMIN_OPT_NAME);
	request.activate = admin_has(line, ADMIN_OPT(ACTIVATE));
	TRY(read_kind(admin, line, &request.kind));
	TRY(file != NULL ? read_file(admin, file, &source) : read_source(admin, stdin, name, &source));
	TRY(check_source(admin, name, source));
	request.source = (ProtobufCBinaryData){ source.len, (uint8_t *)source.ptr };
	return metadata_put_script(&admin->call, &request, NULL);
}

/* ---- activate, delete, rename */

static enum err
activate_run(struct admin *admin, const struct admin_line *line)
{
	MetadataScriptRequest request;

	TRY(name_script(admin, line, &request));
	return metadata_activate_script(&admin->call, &request, NULL);
}

static enum err
delete_run(struct admin *admin, const struct admin_line *line)
{
	MetadataScriptRequest request;

	TRY(name_script(admin, line, &request));
	return metadata_delete_script(&admin->call, &request, NULL);
}

static enum err
rename_run(struct admin *admin, const struct admin_line *line)
{
	MetadataRenameScriptRequest request = METADATA_RENAME_SCRIPT_REQUEST__INIT;

	request.address = given(line, ADMIN_OPT_EMAIL);
	request.from = given(line, ADMIN_OPT_NAME);
	request.to = given(line, ADMIN_OPT_TO);
	TRY(read_kind(admin, line, &request.kind));
	return metadata_rename_script(&admin->call, &request, NULL);
}

/* ---- log */

static const char *
kind_name(const MetadataScript *script)
{
	static const char *const names[] = { "own", "before", "after" };

	return script->global ? "global" : (size_t)script->kind < sizeof(names) / sizeof(names[0]) ? names[script->kind] : "-";
}

static void
print_entry(const MetadataListSieveLogReply__Entry *entry, bool is_json, struct buffer *out)
{
	char first[ADMIN_TIME_SIZE], last[ADMIN_TIME_SIZE];

	admin_print_time(entry->first_ms, first);
	admin_print_time(entry->last_ms, last);
	if (is_json)
		admin_print_object(json_pack("{s:s, s:o, s:I, s:o, s:s, s:s, s:I}", "kind", kind_name(entry->script), "script",
		    admin_json_text(entry->script->name), "line", (json_int_t)entry->line, "text", admin_json_text(entry->text), "first",
		    first, "last", last, "times", (json_int_t)entry->times), out);
	else
		buffer_printf(out, "%s  %" PRIu64 " times  %s %.*s:%u: %.*s\n", last, entry->times, kind_name(entry->script),
		    STR_ARG(view(entry->script->name)), entry->line, STR_ARG(view(entry->text)));
}

static enum err
log_run(struct admin *admin, const struct admin_line *line)
{
	MetadataAccountName request = METADATA_ACCOUNT_NAME__INIT;
	MetadataListSieveLogReply *reply;
	struct buffer out = { 0 };

	request.address = given(line, ADMIN_OPT_EMAIL);
	TRY(metadata_list_sieve_log(&admin->call, &request, &reply));
	for (size_t i = 0; i < reply->n_entry; i++)
		print_entry(reply->entry[i], admin_has(line, ADMIN_OPT(JSON)), &out);
	admin_flush(&out);
	return ERR_OK;
}

#define WHOSE (ADMIN_OPT(EMAIL) | ADMIN_OPT(GLOBAL) | ADMIN_OPT(BEFORE) | ADMIN_OPT(AFTER))
#define ONE (ADMIN_OPT(EMAIL) | ADMIN_OPT(NAME))

const struct admin_command admin_scripts[] = {
	{ "sieve list",     "List the Sieve scripts of an account", WHOSE, ADMIN_OPT(EMAIL), { ADMIN_OPT_EMAIL }, admin_connect, list_run },
	{ "sieve get",      "Print a Sieve script", WHOSE | ONE, ONE, { ADMIN_OPT_EMAIL, ADMIN_OPT_NAME }, admin_connect, get_run },
	{ "sieve put",      "Check a Sieve script and store it, in place of one of that name", WHOSE | ONE | ADMIN_OPT(FILE) | ADMIN_OPT(ACTIVATE),
	    ONE, { ADMIN_OPT_EMAIL, ADMIN_OPT_NAME, ADMIN_OPT_FILE }, admin_connect, put_run },
	{ "sieve activate", "Make a Sieve script the active one; with \"\" as its name, none", WHOSE | ONE, ONE, { ADMIN_OPT_EMAIL, ADMIN_OPT_NAME },
	    admin_connect, activate_run },
	{ "sieve delete",   "Delete a Sieve script that is not active", WHOSE | ONE, ONE, { ADMIN_OPT_EMAIL, ADMIN_OPT_NAME }, admin_connect,
	    delete_run },
	{ "sieve rename",   "Give a Sieve script another name", WHOSE | ONE | ADMIN_OPT(TO), ONE | ADMIN_OPT(TO),
	    { ADMIN_OPT_EMAIL, ADMIN_OPT_NAME, ADMIN_OPT_TO }, admin_connect, rename_run },
	{ "sieve log",      "Show what went wrong when an account's Sieve scripts ran", ADMIN_OPT(EMAIL), ADMIN_OPT(EMAIL), { ADMIN_OPT_EMAIL },
	    admin_connect, log_run },
	{ NULL, NULL, 0, 0, { ADMIN_OPT_NONE }, NULL, NULL },
};
