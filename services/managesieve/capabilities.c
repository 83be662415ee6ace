/* What is offered here and now.                                                              RFC 5804 s. 1.7 */
#include "libcommon/sasl/sasl.h"
#include "services/managesieve/reply.h"

static void
print_version(const struct managesieve_session *session, struct buffer *value)
{
	(void)session;
	buffer_add(value, STR("Sora"));
}

/* Mechanisms that may be used now. */
static void
print_sasl(const struct managesieve_session *session, struct buffer *value)
{
	for (const struct sasl_mechanism *m = sasl_mechanisms; m->name != NULL; m++)
		if (managesieve_admit(session, m) == ERR_OK)
			buffer_printf(value, "%s%s", buffer_len(value) > 0 ? " " : "", m->name);
}

static void
print_sieve(const struct managesieve_session *session, struct buffer *value)
{
	buffer_add(value, session->abilities->extensions);
}

static bool
has_notify(const struct managesieve_session *session)
{
	return session->abilities->has_notify;
}

static void
print_redirects(const struct managesieve_session *session, struct buffer *value)
{
	buffer_add(value, session->abilities->redirects);
}

static bool
has_starttls(const struct managesieve_session *session)
{
	return session->state == MANAGESIEVE_NOT_AUTHENTICATED && net_can_starttls(session->conn);
}

static bool
has_owner(const struct managesieve_session *session)
{
	return session->state == MANAGESIEVE_AUTHENTICATED;
}

static void
print_owner(const struct managesieve_session *session, struct buffer *value)
{
	buffer_add(value, session->user);
}

static const struct {
	const char *name;
	bool (*is_there)(const struct managesieve_session *session); /* NULL: always */
	void (*print)(const struct managesieve_session *session, struct buffer *value);
	const char *value; /* in place of `print`; NULL as well: there is none */
} rows[] = {
	{ "IMPLEMENTATION", NULL, print_version, NULL },
	{ "VERSION", NULL, NULL, "1.0" },
	{ "SASL", NULL, print_sasl, NULL },
	{ "SIEVE", NULL, print_sieve, NULL },
	{ "NOTIFY", has_notify, NULL, "mailto" },
	{ "STARTTLS", has_starttls, NULL, NULL },
	{ "MAXREDIRECTS", NULL, print_redirects, NULL },
	{ "LANGUAGE", NULL, NULL, "en" },
	{ "UNAUTHENTICATE", NULL, NULL, NULL },
	{ "OWNER", has_owner, print_owner, NULL },
};

static void
print_row(const struct managesieve_session *session, size_t row, struct buffer *out)
{
	struct buffer value = { 0 };

	managesieve_add_string(out, str_c(rows[row].name));
	if (rows[row].print != NULL)
		rows[row].print(session, &value);
	else if (rows[row].value != NULL)
		buffer_add(&value, str_c(rows[row].value));
	if (rows[row].print != NULL || rows[row].value != NULL) {
		buffer_add_byte(out, ' ');
		managesieve_add_string(out, buffer_str(&value));
	}
	buffer_add(out, STR("\r\n"));
	buffer_clear(&value);
}

/* What the engine can do now is what this client is told until the next time that it may change. */
static enum err
look_anew(struct managesieve_session *session)
{
	struct bus_call call = managesieve_call(session);
	struct managesieve_abilities *now;
	enum err err = managesieve_abilities_get(&session->server->engine, &call, &now);

	if (err != ERR_OK) {
		log_warn(net_log(session->conn), "managesieve.capabilities", KV_ERR(err), KV_STR("detail", call.detail));
		managesieve_bye(session, err_row(ERR_UNAVAILABLE)->sieve, STR("the Sieve service does not answer, come back soon"));
		net_end(session->conn, NET_END_ERROR);
		return ERR_CLOSED;
	}
	managesieve_abilities_unref(session->abilities);
	session->abilities = now;
	return ERR_OK;
}

enum err
managesieve_capabilities(struct managesieve_session *session, bool is_new)
{
	struct buffer out = { 0 };
	enum err err;

	if (is_new)
		TRY(look_anew(session));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].is_there == NULL || rows[i].is_there(session))
			print_row(session, i, &out);
	err = net_write(session->conn, buffer_str(&out));
	buffer_clear(&out);
	return err == ERR_OK ? managesieve_ok(session, STR_NONE) : err;
}
