/* STAT, LIST and UIDL: the maildrop in numbers.                                                RFC 1939 s. 5, 7 */
#include "services/pop3/command.h"

static enum err
stat_run(struct pop3_session *session, const struct pop3_request *request)
{
	const struct pop3_maildrop *drop = &session->maildrop;

	(void)request;
	return pop3_ok(session, "%zu %llu", drop->count - drop->deleted, (unsigned long long)drop->bytes);
}

/* What is said of one message, behind its number. */
typedef enum err print_message(struct pop3_session *session, const char *status, size_t place);

static enum err
print_size(struct pop3_session *session, const char *status, size_t place)
{
	return net_printf(session->conn, "%s%zu %llu\r\n", status, place + 1, (unsigned long long)session->maildrop.sizes[place]);
}

static enum err
print_uidl(struct pop3_session *session, const char *status, size_t place)
{
	char uidl[POP3_UIDL_MAX + 1];

	pop3_maildrop_uidl(&session->maildrop, place, uidl);
	return net_printf(session->conn, "%s%zu %s\r\n", status, place + 1, uidl);
}

/* One message, or all that are not deleted. */
static enum err
print(struct pop3_session *session, const struct pop3_request *request, print_message *print_one)
{
	const struct pop3_maildrop *drop = &session->maildrop;
	size_t place;

	if (request->count > 0) {
		if (pop3_maildrop_find(drop, request->numbers[0], &place) != ERR_OK)
			return pop3_mistake(session, "no such message");
		return print_one(session, "+OK ", place);
	}
	TRY(pop3_ok(session, "%zu messages, %llu octets", drop->count - drop->deleted, (unsigned long long)drop->bytes));
	for (size_t i = 0; i < drop->count; i++)
		if (!drop->is_deleted[i])
			TRY(print_one(session, "", i));
	return pop3_end_lines(session);
}

static enum err
list_run(struct pop3_session *session, const struct pop3_request *request)
{
	return print(session, request, print_size);
}

static enum err
uidl_run(struct pop3_session *session, const struct pop3_request *request)
{
	struct arena arena = { 0 };
	struct bus_call call = pop3_call(session);
	enum err err;

	call.arena = &arena;
	err = pop3_maildrop_load_uidls(&session->maildrop, &call);
	arena_clear(&arena);
	return err == ERR_OK ? print(session, request, print_uidl) : pop3_err(session, err, "%s", err_row(err)->text);
}

const struct pop3_command pop3_commands_list[] = {
	{ "STAT", POP3_TRANSACTION, POP3_ARGS_NONE, stat_run },
	{ "LIST", POP3_TRANSACTION, POP3_ARGS_MESSAGE_OPTIONAL, list_run },
	{ "UIDL", POP3_TRANSACTION, POP3_ARGS_MESSAGE_OPTIONAL, uidl_run },
	{ 0 },
};
