/* CAPA: what is offered here and now.                                                         RFC 2449 s. 5, 6 */
#include "libcommon/sasl/sasl.h"
#include "services/pop3/command.h"

static bool
always(const struct pop3_session *session)
{
	(void)session;
	return true;
}

static bool
has_stls(const struct pop3_session *session)
{
	return session->state == POP3_AUTHORIZATION && net_can_starttls(session->conn) && !session->is_utf8;
}

/* Mechanisms that may be used now; RFC 5034 s. 3: said after the login, too. */
static void
print_sasl(struct pop3_session *session, struct buffer *line)
{
	buffer_add(line, STR("SASL"));
	for (const struct sasl_mechanism *m = sasl_mechanisms; m->name != NULL; m++)
		if (pop3_admit(session, m) == ERR_OK)
			buffer_printf(line, " %s", m->name);
}

static void
print_login_delay(struct pop3_session *session, struct buffer *line)
{
	buffer_printf(line, "LOGIN-DELAY %lld", (long long)(pop3_config(session)->pop3_login_delay / 1000));
}

static bool
has_login_delay(const struct pop3_session *session)
{
	return pop3_config(session)->pop3_login_delay > 0;
}

static bool
has_xclient(const struct pop3_session *session)
{
	return session->state == POP3_AUTHORIZATION && net_can_xclient(session->conn);
}

static const struct {
	const char *text;
	bool (*is_there)(const struct pop3_session *session);
	void (*print)(struct pop3_session *session, struct buffer *line); /* in place of `text` */
} rows[] = {
	{ "TOP", always, NULL },
	{ "UIDL", always, NULL },
	{ "RESP-CODES", always, NULL },
	{ "AUTH-RESP-CODE", always, NULL },
	{ "PIPELINING", always, NULL },
	/* RFC 2449 s. 6.7: nothing is removed but what the client deletes. */
	{ "EXPIRE NEVER", always, NULL },
	{ "UTF8 USER", always, NULL },
	{ "LANG", always, NULL },
	{ NULL, has_login_delay, print_login_delay },
	{ "STLS", has_stls, NULL },
	{ "XCLIENT ADDR", has_xclient, NULL },
	{ "USER", pop3_can_login, NULL },
	{ NULL, always, print_sasl },
	{ "IMPLEMENTATION Sora", always, NULL },
};

static enum err
capa_run(struct pop3_session *session, const struct pop3_request *request)
{
	(void)request;
	TRY(pop3_ok(session, "capabilities follow"));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buffer line = { 0 };

		if (!rows[i].is_there(session))
			continue;
		if (rows[i].print != NULL)
			rows[i].print(session, &line);
		else
			buffer_printf(&line, "%s", rows[i].text);
		pop3_line(session, "%.*s", STR_ARG(buffer_str(&line)));
		buffer_clear(&line);
	}
	return pop3_end_lines(session);
}

const struct pop3_command pop3_commands_capa[] = {
	{ "CAPA", POP3_ANY, POP3_ARGS_NONE, capa_run },
	{ 0 },
};
