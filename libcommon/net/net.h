/*
 * Client connections, for every frontend: accepted, parked while idle (a small struct in one epoll set), given a thread while busy.
 *
 * A frontend supplies its framing and its commands (struct net_protocol). On its thread it is plain blocking code; one thread at a time
 * owns a connection, so session code has no locks. Only net_conn_wake may be called by others.
 */
#ifndef SORA_NET_NET_H
#define SORA_NET_NET_H

#include "libcommon/core/arena.h"
#include "libcommon/core/buffer.h"
#include "libcommon/core/err.h"
#include "libcommon/core/log.h"

struct net_conn;
struct net_server;
struct net_tls;

enum net_frame {
	NET_FRAME_MORE,     /* not a whole request yet: stay parked */
	NET_FRAME_READY,    /* give it a thread */
	NET_FRAME_TOO_LONG, /* give it a thread; its run says so and closes */
};

/* Why a connection ends; the reason in its last log line. */
enum net_end { NET_END_NONE, NET_END_QUIT, NET_END_CLIENT, NET_END_TIMEOUT, NET_END_ERROR, NET_END_LIMIT, NET_END_TLS, NET_END_DRAIN,
	NET_END_SLOW, NET_END_KICKED };
const char *net_end_name(enum net_end end);

struct net_protocol {
	const char *name;      /* "imap" */
	size_t session_bytes;  /* of zeroed memory for the frontend's session: net_session() */
	size_t input_max;      /* bytes held while parked: longest line and literal before a thread takes over */

	/* A new connection (TLS done, when implicit): greet. As run. */
	enum err (*open)(struct net_conn *conn);
	/*
	 * Is a whole request there? `*scanned` is how far the last look came (0 at first and after every run), so that nothing is
	 * looked at twice. Runs on the poller's thread: pure, fast.
	 */
	enum net_frame (*frame)(struct net_conn *conn, struct str input, size_t *scanned);
	/*
	 * Run the requests that are there, or the first of them, then return: ERR_OK to be parked again (and called again at once if
	 * there is another), anything else to end (net_end gives the reason). When it consumes nothing it is called again only after
	 * more input, and when there is no room for more (input_max) the connection ends.
	 */
	enum err (*run)(struct net_conn *conn);
	/*
	 * net_conn_wake was called, or the time of net_set_rest is over, and the connection is parked: say what there is to say. NULL: not
	 * used. As run.
	 */
	enum err (*wake)(struct net_conn *conn);
	/* The idle time is over, the server drains: the last words ("* BYE .."). May be NULL. On the poller's thread: must not block. */
	void (*bye)(struct net_conn *conn, enum net_end end);
	/* Always last, once, if open was called; frees what the session holds. May be NULL. Output still goes out after it. */
	void (*close)(struct net_conn *conn);
};

struct net_limits {
	size_t threads_min, threads_max; /* that run sessions; one more always polls */
	size_t connections;        /* in all */
	size_t per_address;        /* 0: no limit */
	int64_t login_ms;          /* from accept, or net_clear_user, to net_set_user; 0: this protocol has no login, idle_ms counts from the start */
	int64_t idle_ms;           /* without a request, once logged in; may be changed by net_set_idle */
	/*
	 * In so long a client takes 64 KiB of what waits for it, or all, and 512 KiB when a thread waits; else NET_END_SLOW. Who takes a
	 * byte now and then holds neither memory nor threads.
	 */
	int64_t write_ms;
	int64_t drain_ms;
	size_t per_user;           /* 0: no limit */
};

/*
 * Certificates, for every listener that shares them. Files are PEM. ERR_CONFIG is logged with file and reason.
 * `alpn` is what clients may ask for (RFC 7301); NULL: the protocol's name, so that one certificate serves all protocols. A client
 * that asks for others only is refused; one that does not ask is welcome.
 */
enum err net_tls_new(const char *certificate_file, const char *key_file, const char *alpn, struct net_tls **ret_tls);
/* Read the files again (SIGHUP); on failure the old ones stay. */
enum err net_tls_reload(struct net_tls *tls);
void net_tls_free(struct net_tls *tls);

struct net_listen {
	struct str address;          /* "127.0.0.1:143", "[::]:993" (IPv6 alone), "localhost:0" */
	bool is_tls;                 /* implicit TLS */
	bool is_proxy;               /* PROXY protocol v2 comes first, from `proxy_from` alone */
};

/*
 * `self` is given to sessions by net_self. `tls` may be NULL: then there is no STARTTLS. `trusted` are networks ("10.0.0.0/8") whose PROXY
 * headers are believed. The server runs threads of its own from net_server_start on.
 */
enum err net_server_new(const struct net_protocol *protocol, void *self, const struct net_limits *limits, struct net_tls *tls,
    const struct str *trusted, size_t trusted_count, struct net_server **ret_server);
/* Before the start: networks whose XCLIENT is believed (net_xclient), none otherwise. Once. ERR_CONFIG: not networks; logged. */
enum err net_server_believe_xclient(struct net_server *server, const struct str *networks, size_t count);
/* Before the start. ERR_CONFIG: the address is wrong or taken, or is_tls without a certificate; logged. Port 0 takes a free one. */
enum err net_server_listen(struct net_server *server, const struct net_listen *listen, uint16_t *ret_port);
/* SIGPIPE is ignored from now on. */
enum err net_server_start(struct net_server *server);
/* Stop accepting; parked connections get their bye spread over drain_ms, busy ones after their request. */
void net_server_drain(struct net_server *server);
/* Waits for the drain to end (at most drain_ms and a little), closes what is left, waits for the last run to return, frees. */
void net_server_free(struct net_server *server);
size_t net_server_connections(struct net_server *server);

/* ---- in a session */

void *net_session(struct net_conn *conn);
void *net_self(struct net_conn *conn);
struct log *net_log(struct net_conn *conn);
/* "192.0.2.1" or "2001:db8::1", of the client as PROXY or XCLIENT told or the socket says. */
struct str net_peer(struct net_conn *conn);
/* Is this a proxy whose XCLIENT is believed? */
bool net_can_xclient(struct net_conn *conn);
/*
 * XCLIENT's arguments (xclient.h): the client whose address they tell is the peer from now on, for logs and limits too. ERR_DENIED: not
 * net_can_xclient. ERR_SYNTAX. ERR_LIMIT: that address has too many connections. The peer stays as it was then.
 */
enum err net_xclient(struct net_conn *conn, struct str arguments);
/* The connection's memory: accept to close. */
struct arena *net_arena(struct net_conn *conn);

/* What has been read and not consumed. Take from its front with buffer_consume. */
struct buffer *net_input(struct net_conn *conn);
/*
 * Flush, then block until there is more input. ERR_CLOSED, ERR_DEADLINE (waited `timeout_ms` in all for 64 KiB more, or the time to log in is over).
 * For what does not fit input_max (message literals, DATA); a dialogue is better parked, it then holds no thread.
 */
enum err net_read(struct net_conn *conn, int64_t timeout_ms);

/*
 * Write: collected, sent when the request is done (or 16 KiB are there), queued up to 1 MiB when the client does not read, and only then
 * waited for. ERR_CLOSED once the connection is gone: the caller need not look at each.
 */
enum err net_write(struct net_conn *conn, struct str bytes);
enum err net_printf(struct net_conn *conn, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Send now what was collected: before waiting for the client. */
enum err net_flush(struct net_conn *conn);

bool net_has_tls(struct net_conn *conn);      /* this connection is under TLS */
bool net_is_private(struct net_conn *conn);   /* it is, or the client is on this host: nobody in between reads passwords */
bool net_can_starttls(struct net_conn *conn); /* it is not, and there is a certificate */
/*
 * Flushes, throws away plain input that is already there (RFC 9051 s. 6.2.1), begins the handshake, which goes on while the connection
 * is parked: return ERR_OK from run. What is written from now on is sent under TLS, after the handshake. ERR_INVALID: not
 * net_can_starttls. ERR_CLOSED.
 */
enum err net_starttls(struct net_conn *conn);

enum { NET_BINDING_BYTES = 32 };
/*
 * Can a login be bound to this connection by "tls-exporter"? With TLS 1.3, or 1.2 and an extended master secret (RFC 9266 s. 2), once its
 * handshake is done.
 */
bool net_can_bind(struct net_conn *conn);
/*
 * What both sides of the connection know, and nobody in between. It is given once: a second login may not use it (RFC 9266 s. 4.1). False:
 * not net_can_bind, or net_is_bound.
 */
bool net_take_binding(struct net_conn *conn, uint8_t ret[NET_BINDING_BYTES]);
bool net_is_bound(struct net_conn *conn); /* it has been given */

/* Logged in: the login timeout is over, limits by user count (ERR_LIMIT: too many, nothing changed), logs say who. Copied. */
enum err net_set_user(struct net_conn *conn, struct str user);
/* Logged out: the connection is nobody's again, whose time for the login begins anew. */
void net_clear_user(struct net_conn *conn);
void net_set_idle(struct net_conn *conn, int64_t idle_ms);
/* When the client sends no request for so long after the one that runs, wake is called, once: let go of what was held for the next. */
void net_set_rest(struct net_conn *conn, int64_t rest_ms);
/* Within something that a drain should let come to its end (a mail after DATA), also while parked; false: it is over. */
void net_hold(struct net_conn *conn, bool is_held);
/* The reason for the end that run is about to ask for. */
void net_end(struct net_conn *conn, enum net_end end);

/*
 * Make the connection run `wake` soon: it is called at least once after this call began. Wakes that come while one waits are one.
 * Any thread, never blocks, while the caller knows that close has not returned.
 */
void net_conn_wake(struct net_conn *conn);

#endif
