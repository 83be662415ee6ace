/*
 * What the files of libcommon/net share. Who owns a connection:
 *
 * Every connection has a slot, whose word says in one atomic step whether a thread owns the connection (SLOT_OWNED) and what has
 * happened meanwhile. Only the owner touches the connection. To park it, the owner arms the socket in epoll and then gives the word
 * back, which fails when something has happened: then it goes on owning. Whoever finds it owned leaves a mark and goes: so no event
 * is lost, and none holds a thread. The word carries a generation, so that an event for a connection that ended finds nobody.
 */
#ifndef SORA_NET_INTERNAL_H
#define SORA_NET_INTERNAL_H

#include <openssl/ssl.h>
#include <pthread.h>

#include "libcommon/net/limits.h"
#include "libcommon/net/net.h"
#include "libcommon/net/proxy.h"
#include "libcommon/net/timer.h"

enum {
	SLOT_OWNED = 1,
	SLOT_EVENT = 2,  /* epoll reported while owned: look again */
	SLOT_TIMER = 4,  /* a deadline came while owned: look at the clock */
	SLOT_WAKE = 8,   /* net_conn_wake: run wake */
	SLOT_FLAGS_BITS = 8,

	LISTENERS_MAX = 32,
	OUTPUT_CHUNK = 16 * 1024,         /* collected before it is sent */
	OUTPUT_QUEUE = 1024 * 1024,       /* queued before a thread waits, until half of it is sent */
	INPUT_STEP = 64 * 1024,           /* what must come within the time of net_read */
	OUTPUT_STEP = 64 * 1024,          /* what must be sent in write_ms, when there is so much */
};

struct slot {
	_Atomic uint64_t word; /* generation << SLOT_FLAGS_BITS, flags */
	struct net_conn *conn; /* NULL: free; changed under the server's lock */
};

enum conn_phase {
	PHASE_PROXY,    /* the PROXY header has not come */
	PHASE_TLS,      /* shaking hands */
	PHASE_OPEN,     /* to be greeted */
	PHASE_SESSION,
	PHASE_END,      /* the session is to be closed */
	PHASE_CLOSING,  /* the session is closed, output is not yet sent */
	PHASE_LINGER,   /* all is sent; until the client has read it */
};

/* What a connection needs next of a thread that may block. */
enum conn_todo { TODO_NONE, TODO_PARK, TODO_FREE, TODO_OPEN, TODO_RUN, TODO_WAKE, TODO_CLOSE };

enum net_io { IO_OK, IO_WANT_READ, IO_WANT_WRITE, IO_EOF, IO_ERROR };

struct net_conn {
	struct net_server *server;
	int fd;
	uint32_t slot;
	uint8_t phase;          /* enum conn_phase */
	uint8_t end;            /* enum net_end */
	uint8_t todo;           /* enum conn_todo, of one that has a thread or waits for it */
	bool is_tls_listener : 1;
	bool is_added : 1;      /* to epoll */
	bool is_open : 1;       /* protocol->open was called, close was not */
	bool is_eof : 1;        /* the client sends no more */
	bool is_broken : 1;     /* the socket takes no more */
	bool is_held : 1;       /* net_hold */
	bool is_bound : 1;      /* net_take_binding */
	bool is_stuck : 1;      /* the last run consumed nothing: not again without more input */
	bool has_woken : 1;     /* wake was the last to run: now it is the input's turn */
	bool has_share : 1;     /* counted in user->running; under the pool's lock */
	bool is_blocked : 1;    /* output waits for the client since progress_ms, when bytes_out was progress_out */
	uint32_t interest;      /* EPOLLIN, EPOLLOUT */
	SSL *ssl;
	struct buffer in, out;
	size_t scanned;         /* of `in`, by protocol->frame */
	size_t push_at;         /* try to send when `out` is so long */
	int64_t accepted_ms;
	int64_t unknown_ms;     /* since when it is nobody's, while it has no user */
	int64_t active_ms;      /* the last request's end */
	int64_t progress_ms;    /* also the linger's start */
	uint64_t progress_out;
	int64_t waited_ms;      /* by net_read in this run, since bytes_in was step_in */
	uint64_t step_in;
	int64_t idle_ms;
	int64_t rest_ms;        /* 0: no rest is waited for */
	uint64_t bytes_in, bytes_out;
	struct tally_name *address, *user;
	struct net_conn *next;  /* in a queue for a thread */
	struct arena arena;
	struct log log;
	char id[17];
	_Alignas(max_align_t) char session[];
};

struct listener {
	struct net_server *server;
	int fd;
	bool is_tls, is_proxy;
};

/* Threads: those that poll (at least one), and those that run sessions. */
struct pool {
	pthread_mutex_t lock;
	pthread_cond_t ended;            /* a thread, or the last connection */
	size_t threads, pollers;
	struct net_queue ready;          /* no thread was free for them */
	bool is_stopping;
};

struct networks {
	struct net_network *items;
	size_t count;
};

struct net_server {
	const struct net_protocol *protocol;
	void *self;
	struct net_limits limits;
	struct net_tls *tls;
	struct log log;
	struct networks trusted;    /* for PROXY headers */
	struct networks xclients;

	int epoll_fd, stop_fd;
	struct listener listeners[LISTENERS_MAX];
	size_t listener_count;
	struct timers timers;   /* slots, then listeners */
	struct pool pool;

	pthread_mutex_t lock;   /* slots' conn, free_slots, open */
	pthread_cond_t is_empty;
	struct slot *slots;
	uint32_t *free_slots;
	size_t free_count;
	size_t open;
	struct tally addresses, users;
	_Atomic int64_t drain_ms;  /* when the drain began, 0: not */
	_Atomic bool is_forced;    /* the drain is over: close what is left */
};

/* server.c */
bool networks_have(const struct networks *networks, const struct net_address *address);
/* Accept one, let epoll report the next (when there are no descriptors left, only after a while), then work for the one. */
void server_accept(struct listener *listener);
/* Give `events` of `fd` to epoll, once. */
void server_arm(struct net_server *server, int fd, uint32_t events, uint64_t data, bool is_added);
/* When the drain ends the parked connection in `slot`; 0: there is no drain. */
int64_t server_drain_at(struct net_server *server, uint32_t slot);

/* poll.c */
/* What epoll reports: the kind, the generation, the number. */
enum { EVENT_CONN, EVENT_LISTENER, EVENT_TIMER, EVENT_STOP };
uint64_t event_data(unsigned kind, uint64_t generation, uint32_t number);
/* Its user may have another run in its place. */
void conn_leave_share(struct net_conn *conn);
enum err pool_start(struct net_server *server);
void pool_stop(struct net_server *server);
/* The caller owns `conn`: look at it, and run what it asks for, then what others wait for. */
void pool_work(struct net_conn *conn);
/* Give a connection that the caller owns to epoll. False: something happened meanwhile, it is still the caller's. */
bool conn_release(struct net_conn *conn, bool keeps_wake);
/* Own a connection until the word is given back. False: another does, who will see `mark`; or it is gone. */
bool slot_own(struct slot *slot, uint64_t generation, unsigned mark);

/* park.c: what a connection needs next. The caller owns it. */
/* Do what can be done without blocking. TODO_NONE: it is parked or freed, not the caller's any more. */
enum conn_todo conn_look(struct net_conn *conn);
/* What it asked for, on a thread that may block. */
void conn_run(struct net_conn *conn, enum conn_todo todo);
void conn_end(struct net_conn *conn, enum net_end end);

/* conn.c */
struct net_conn *conn_new(struct listener *listener, int fd, uint32_t slot, const struct net_address *peer);
/* Count it to its address. ERR_LIMIT. */
enum err conn_set_peer(struct net_conn *conn, const struct net_address *peer);
/* Closed, logged, its slot free. */
void conn_free(struct net_conn *conn);
/* Read at most `max` bytes into `in`. */
enum net_io conn_fill(struct net_conn *conn, size_t max);

/* output.c */
/* Send of `out` what the socket takes now. IO_OK: all. */
enum net_io output_send(struct net_conn *conn);
/* When the client must have taken something. */
int64_t output_deadline(const struct net_conn *conn);

/* tls.c */
enum err tls_accept(struct net_conn *conn);
enum net_io tls_handshake(struct net_conn *conn);
enum net_io tls_read(struct net_conn *conn, char *ret_bytes, size_t max, size_t *ret_len);
enum net_io tls_write(struct net_conn *conn, struct str bytes, size_t *ret_len);
/* Say goodbye, if that is still possible. */
void tls_close(struct net_conn *conn);

#endif
