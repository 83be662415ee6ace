/* LISTSCRIPTS, GETSCRIPT, SETACTIVE, DELETESCRIPT, RENAMESCRIPT: the scripts that are there.      RFC 5804 s. 2.7 to 2.11 */
#include "proto/metadata.client.h"
#include "services/managesieve/command.h"
#include "services/managesieve/wire.h"

static void
name_script(struct managesieve_session *session, struct str name, MetadataScriptRequest *ret)
{
	metadata_script_request__init(ret);
	ret->account = session->account;
	ret->name = wire_bytes(name);
}

static enum err
list_run(struct managesieve_session *session, const struct managesieve_request *request)
{
	MetadataListScriptsRequest list = METADATA_LIST_SCRIPTS_REQUEST__INIT;
	struct bus_call call = managesieve_call(session);
	MetadataListScriptsReply *reply;
	struct buffer out = { 0 };
	enum err err;

	(void)request;
	list.account = session->account;
	err = metadata_list_scripts(&call, &list, &reply);
	if (err != ERR_OK)
		return managesieve_answer(session, &call, err);
	for (size_t i = 0; i < reply->n_script; i++) {
		managesieve_add_string(&out, wire_str(reply->script[i]->name));
		buffer_printf(&out, "%s\r\n", reply->script[i]->active ? " ACTIVE" : "");
	}
	net_write(session->conn, buffer_str(&out));
	buffer_clear(&out);
	return managesieve_ok(session, STR_NONE);
}

static enum err
get_run(struct managesieve_session *session, const struct managesieve_request *request)
{
	struct bus_call call = managesieve_call(session);
	MetadataScriptRequest get;
	MetadataScript *script;
	struct buffer out = { 0 };
	enum err err;

	name_script(session, request->args[0].text, &get);
	err = metadata_get_script(&call, &get, &script);
	if (err != ERR_OK)
		return managesieve_answer(session, &call, err);
	managesieve_add_literal(&out, wire_str(script->source));
	buffer_add(&out, STR("\r\n"));
	net_write(session->conn, buffer_str(&out));
	buffer_clear(&out);
	return managesieve_ok(session, STR_NONE);
}

static enum err
set_active_run(struct managesieve_session *session, const struct managesieve_request *request)
{
	struct bus_call call = managesieve_call(session);
	MetadataScriptRequest activate;

	name_script(session, request->args[0].text, &activate);
	return managesieve_answer(session, &call, metadata_activate_script(&call, &activate, NULL));
}

static enum err
delete_run(struct managesieve_session *session, const struct managesieve_request *request)
{
	struct bus_call call = managesieve_call(session);
	MetadataScriptRequest delete;

	name_script(session, request->args[0].text, &delete);
	return managesieve_answer(session, &call, metadata_delete_script(&call, &delete, NULL));
}

static enum err
rename_run(struct managesieve_session *session, const struct managesieve_request *request)
{
	MetadataRenameScriptRequest rename = METADATA_RENAME_SCRIPT_REQUEST__INIT;
	struct bus_call call = managesieve_call(session);

	rename.account = session->account;
	rename.from = wire_bytes(request->args[0].text);
	rename.to = wire_bytes(request->args[1].text);
	return managesieve_answer(session, &call, metadata_rename_script(&call, &rename, NULL));
}

const struct managesieve_command managesieve_commands_scripts[] = {
	{ "LISTSCRIPTS", MANAGESIEVE_AUTHENTICATED, "", list_run },
	{ "GETSCRIPT", MANAGESIEVE_AUTHENTICATED, "s", get_run },
	{ "SETACTIVE", MANAGESIEVE_AUTHENTICATED, "s", set_active_run },
	{ "DELETESCRIPT", MANAGESIEVE_AUTHENTICATED, "s", delete_run },
	{ "RENAMESCRIPT", MANAGESIEVE_AUTHENTICATED, "ss", rename_run },
	{ 0 },
};
