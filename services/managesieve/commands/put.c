/* HAVESPACE, PUTSCRIPT and CHECKSCRIPT: what may be stored, and storing it.                 RFC 5804 s. 2.5, 2.6, 2.12 */
#include "proto/metadata.client.h"
#include "proto/sieve.client.h"
#include "services/managesieve/command.h"
#include "services/managesieve/wire.h"

enum { PROBLEMS_MAX = 20 }; /* that a client is told at once */

static enum err
have_space_run(struct managesieve_session *session, const struct managesieve_request *request)
{
	MetadataHaveSpaceRequest have = METADATA_HAVE_SPACE_REQUEST__INIT;
	struct bus_call call = managesieve_call(session);

	have.account = session->account;
	have.name = wire_bytes(request->args[0].text);
	have.size = request->args[1].number;
	return managesieve_answer(session, &call, metadata_have_space(&call, &have, NULL));
}

/* Errors, or else warnings, a line each: "line 2, column 5: ...". */
static struct str
print_problems(const SieveCheckReply *check, struct arena *arena)
{
	struct buffer out = { 0 };
	size_t printed = 0;
	struct str text;

	for (size_t i = 0; i < check->n_problem && printed < PROBLEMS_MAX; i++) {
		const SieveCheckReply__Problem *problem = check->problem[i];

		if (problem->warning != check->ok)
			continue;
		buffer_printf(&out, "%sline %u, column %u: %.*s", printed > 0 ? "\r\n" : "", problem->line, problem->column,
		    STR_ARG(wire_str(problem->text)));
		printed++;
	}
	text = arena_copy(arena, buffer_str(&out));
	buffer_clear(&out);
	return text;
}

/* Ask the Sieve service. *ret_text is what is wrong with it; of a valid script, its warnings. */
static enum err
check(struct managesieve_session *session, struct bus_call *call, struct str source, bool *ret_is_valid, struct str *ret_text)
{
	SieveCheckRequest request = SIEVE_CHECK_REQUEST__INIT;
	SieveCheckReply *reply;

	request.source = wire_bytes(source);
	TRY(sieve_check(call, &request, &reply));
	*ret_is_valid = reply->ok;
	*ret_text = print_problems(reply, &session->arena);
	return ERR_OK;
}

static enum err
ok_with_warnings(struct managesieve_session *session, struct str warnings)
{
	return warnings.len > 0 ? managesieve_ok_code(session, STR("WARNINGS"), warnings) : managesieve_ok(session, STR("done"));
}

static enum err
put_run(struct managesieve_session *session, const struct managesieve_request *request)
{
	MetadataPutScriptRequest put = METADATA_PUT_SCRIPT_REQUEST__INIT;
	struct bus_call call = managesieve_call(session);
	struct str source = request->args[1].text, text;
	bool is_valid;
	enum err err;

	if (source.len == 0)
		return managesieve_no_code(session, "", STR("a script is not empty"));
	err = check(session, &call, source, &is_valid, &text);
	if (err == ERR_OK && !is_valid)
		return managesieve_no_code(session, "", text);
	if (err == ERR_OK) {
		put.account = session->account;
		put.name = wire_bytes(request->args[0].text);
		put.source = wire_bytes(source);
		err = metadata_put_script(&call, &put, NULL);
	}
	return err == ERR_OK ? ok_with_warnings(session, text) : managesieve_answer(session, &call, err);
}

/* Quotas are none of its business; but what is larger than any script can not be looked at. */
static enum err
check_run(struct managesieve_session *session, const struct managesieve_request *request)
{
	struct bus_call call = managesieve_call(session);
	struct str text;
	bool is_valid;
	enum err err = check(session, &call, request->args[0].text, &is_valid, &text);

	if (err == ERR_TOO_BIG)
		return managesieve_no_code(session, "", STR("this is longer than any script"));
	if (err != ERR_OK)
		return managesieve_answer(session, &call, err);
	return is_valid ? ok_with_warnings(session, text) : managesieve_no_code(session, "", text);
}

const struct managesieve_command managesieve_commands_put[] = {
	{ "HAVESPACE", MANAGESIEVE_AUTHENTICATED, "sn", have_space_run },
	{ "PUTSCRIPT", MANAGESIEVE_AUTHENTICATED, "ss", put_run },
	{ "CHECKSCRIPT", MANAGESIEVE_AUTHENTICATED, "s", check_run },
	{ 0 },
};
