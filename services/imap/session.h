/*
 * One connection: its states, its framing, its end.
 *
 * A session's memory is zeroed by libcommon/net; one thread at a time owns it.
 */
#ifndef SORA_IMAP_SESSION_H
#define SORA_IMAP_SESSION_H

#include "libcommon/net/net.h"
#include "services/imap/command.h"
#include "services/imap/series.h"
#include "services/imap/service.h"
#include "services/imap/view.h"

struct sasl;
struct sasl_mechanism;

struct imap_session {
	struct net_conn *conn;
	struct imap_server *server;
	enum imap_state state;
	struct imap_framer framer;
	struct imap_limits limits;
	struct arena arena;        /* the command's; empty while parked between commands */
	struct imap_command cmd;   /* the one that runs, or waits for the client's next line */

	/* Not NULL: the client's next line goes to this. Its result is like a run's. */
	enum err (*continuation)(struct imap_command *cmd, struct str line);
	struct sasl *sasl;

	uint64_t account;
	struct str user, token;    /* in the connection's arena */
	unsigned logins_failed, bad_commands;
	uint64_t enabled;          /* bits: places in imap_extensions (RFC 5161) */

	struct imap_view *view;    /* the selected mailbox, or NULL */
	struct imap_series series; /* of FETCHes in it */
	enum net_end end;          /* why it ends; for the log */
};

/* For libcommon/net. */
extern const struct net_protocol imap_protocol;

/* The one place where the state changes; logged. */
void imap_session_enter(struct imap_session *session, enum imap_state state);
/* Logged in: the limits of the unknown are over. ERR_BUSY: too many connections of this user. */
enum err imap_session_login(struct imap_session *session, uint64_t account, struct str user, struct str token);
/* May a password be sent over this connection? */
bool imap_session_can_login(const struct imap_session *session);
/* As sasl_admit, on this connection. */
enum err imap_session_admit(const struct imap_session *session, const struct sasl_mechanism *mechanism);
/* The running command goes on with the client's next line. Returns ERR_AGAIN, for run to return. */
enum err imap_session_continue(struct imap_session *session, enum err (*continuation)(struct imap_command *cmd, struct str line));
/* The selected mailbox as it is now, with a reference; the login is seen to hold. As imap_view_latest. */
enum err imap_session_latest(struct imap_session *session, struct bus_call *call, struct imap_image **ret_image);
/* Forget the selected mailbox. */
void imap_session_unselect(struct imap_session *session);
/* The last words for a mailbox that is gone or a login that is over; returns ERR_CLOSED. */
enum err imap_session_kick(struct imap_session *session, enum err err);
/* The connection is to end, for this reason; returns ERR_CLOSED. */
enum err imap_session_end(struct imap_session *session, enum net_end end);
/* Take and forget `size` octets that the client sends. ERR_CLOSED when it does not. */
enum err imap_session_drain(struct imap_session *session, uint64_t size);
/*
 * Take the rest of a command behind a literal: up to the line's end, further literals too. *ret_is_empty: there was nothing but the line's
 * end. May be NULL.
 */
enum err imap_session_drain_line(struct imap_session *session, bool *ret_is_empty);
/* Block until there is input. */
enum err imap_session_read(struct imap_session *session);
/* How much of an unwanted literal is taken, so that NO can be said; beyond that the connection ends. */
uint64_t imap_session_drain_max(const struct imap_session *session);

#endif
