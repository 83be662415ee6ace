/* DELE, RSET, NOOP and QUIT: what goes, when the client says goodbye.                         RFC 1939 s. 4, 5, 6 */
#include "services/pop3/command.h"

static enum err
dele_run(struct pop3_session *session, const struct pop3_request *request)
{
	size_t place;

	if (pop3_maildrop_find(&session->maildrop, request->numbers[0], &place) != ERR_OK)
		return pop3_mistake(session, "no such message");
	pop3_maildrop_delete(&session->maildrop, place);
	return pop3_ok(session, "message %u is to be deleted at QUIT", request->numbers[0]);
}

static enum err
rset_run(struct pop3_session *session, const struct pop3_request *request)
{
	(void)request;
	pop3_maildrop_undelete(&session->maildrop);
	return pop3_ok(session, "%zu messages", session->maildrop.count);
}

static enum err
noop_run(struct pop3_session *session, const struct pop3_request *request)
{
	(void)request;
	return pop3_ok(session, "still here");
}

/* RFC 1939 s. 6: what could not be removed stays, and the client is told. */
static enum err
update(struct pop3_session *session)
{
	struct pop3_maildrop *drop = &session->maildrop;
	struct bus_call call = pop3_call(session);
	enum err err = pop3_maildrop_update(drop, &call);

	log_info(net_log(session->conn), "pop3.update", KV_INT("deleted", drop->deleted), KV_INT("kept", drop->count - drop->deleted),
	    KV_ERR(err), KV_STR("detail", call.detail));
	if (err == ERR_OK)
		return pop3_ok(session, "%zu messages deleted, %zu left", drop->deleted, drop->count - drop->deleted);
	return pop3_err(session, err, "%zu messages may still be there: %s", drop->deleted, err_row(err)->text);
}

static enum err
quit_run(struct pop3_session *session, const struct pop3_request *request)
{
	(void)request;
	if (session->state == POP3_TRANSACTION)
		update(session);
	else
		pop3_ok(session, "goodbye");
	net_end(session->conn, NET_END_QUIT);
	return ERR_CLOSED;
}

const struct pop3_command pop3_commands_delete[] = {
	{ "DELE", POP3_TRANSACTION, POP3_ARGS_MESSAGE, dele_run },
	{ "RSET", POP3_TRANSACTION, POP3_ARGS_NONE, rset_run },
	{ "NOOP", POP3_TRANSACTION, POP3_ARGS_NONE, noop_run },
	{ "QUIT", POP3_ANY, POP3_ARGS_NONE, quit_run },
	{ 0 },
};
