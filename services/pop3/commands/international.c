/* UTF8 and LANG.                                                                               RFC 6856 */
#include "services/pop3/command.h"

/* Also after the login: some clients send it there. */
static enum err
utf8_run(struct pop3_session *session, const struct pop3_request *request)
{
	(void)request;
	session->is_utf8 = true;
	return pop3_ok(session, "UTF-8 it is");
}

/* RFC 6856 s. 3.2: a list, or a choice by a basic language range (RFC 4647). */
static enum err
lang_run(struct pop3_session *session, const struct pop3_request *request)
{
	if (request->text.len == 0) {
		TRY(pop3_ok(session, "languages follow"));
		TRY(pop3_line(session, "en English"));
		return pop3_end_lines(session);
	}
	if (str_equal(request->text, STR("*")) || str_equal_nocase(request->text, STR("en")))
		return pop3_ok(session, "en English it is");
	return pop3_mistake(session, "no such language");
}

const struct pop3_command pop3_commands_international[] = {
	{ "UTF8", POP3_ANY, POP3_ARGS_NONE, utf8_run },
	{ "LANG", POP3_ANY, POP3_ARGS_TEXT_OPTIONAL, lang_run },
	{ 0 },
};
