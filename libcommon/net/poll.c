/* Threads that take events straight from epoll, who owns a connection, and how many threads there are. */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "libcommon/core/clock.h"
#include "libcommon/core/metrics.h"
#include "libcommon/net/internal.h"

enum {
	THREAD_IDLE_MS = 10000, /* then a thread above threads_min goes */
	THREAD_STACK_BYTES = 1024 * 1024,

	/* data of an epoll event: kind (2 bits), generation (30), number (32) */
	DATA_NUMBER_BITS = 32,
	DATA_KIND_SHIFT = 62,
};

static const uint64_t generation_mask = (1U << 30) - 1;

uint64_t
event_data(unsigned kind, uint64_t generation, uint32_t number)
{
	return (uint64_t)kind << DATA_KIND_SHIFT | (generation & generation_mask) << DATA_NUMBER_BITS | number;
}

/* ---- ownership */

static uint64_t
generation_of(uint64_t word)
{
	return word >> SLOT_FLAGS_BITS & generation_mask;
}

bool
slot_own(struct slot *slot, uint64_t generation, unsigned mark)
{
	uint64_t word = atomic_load(&slot->word);

	while (generation_of(word) == generation) {
		uint64_t next = word & SLOT_OWNED ? word | mark : word | SLOT_OWNED;

		if (atomic_compare_exchange_weak(&slot->word, &word, next))
			return (word & SLOT_OWNED) == 0;
	}
	return false;
}

/*
 * Armed first, given back then. The other way round a thread that is slow between the two could arm a socket that another thread
 * has closed meanwhile, whose number already belongs to someone else. What epoll reports between the two leaves its mark.
 */
bool
conn_release(struct net_conn *conn, bool keeps_wake)
{
	struct slot *slot = &conn->server->slots[conn->slot];
	uint64_t word = atomic_load(&slot->word);
	uint64_t stops = SLOT_EVENT | SLOT_TIMER | (keeps_wake ? 0 : SLOT_WAKE);
	bool was_added = conn->is_added;

	conn->is_added = true;
	server_arm(conn->server, conn->fd, conn->interest, event_data(EVENT_CONN, generation_of(word), conn->slot), was_added);
	while ((word & stops) == 0) {
		if (atomic_compare_exchange_weak(&slot->word, &word, word & ~(uint64_t)SLOT_OWNED))
			return true;
	}
	return false;
}

/*
 * Whoever sets the mark on a parked connection makes epoll report it: a socket is nearly always writable. If it is owned, or becomes
 * so before we get there, the owner sees the mark, and the report that comes of it finds nothing to do. The socket is open: close
 * has not returned.
 */
void
net_conn_wake(struct net_conn *conn)
{
	struct net_server *server = conn->server;
	uint64_t old = atomic_fetch_or(&server->slots[conn->slot].word, SLOT_WAKE);

	if ((old & (SLOT_OWNED | SLOT_WAKE)) == 0)
		server_arm(server, conn->fd, EPOLLIN | EPOLLOUT, event_data(EVENT_CONN, generation_of(old), conn->slot), true);
}

/* ---- threads */

static void *thread_main(void *arg);

/* The pool is locked. The new thread counts as one that polls from now on. */
static enum err
spawn(struct net_server *server)
{
	pthread_attr_t attr;
	pthread_t thread;
	int failed;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, THREAD_STACK_BYTES);
	failed = pthread_create(&thread, &attr, thread_main, server);
	pthread_attr_destroy(&attr);
	if (failed)
		return ERR_INTERNAL;
	server->pool.threads++;
	server->pool.pollers++;
	return ERR_OK;
}

/* ---- whose turn it is; the pool is locked */

static void
enqueue(struct net_queue *queue, struct net_conn *conn)
{
	conn->next = NULL;
	if (queue->first == NULL)
		queue->first = conn;
	else
		queue->last->next = conn;
	queue->last = conn;
}

static struct net_conn *
dequeue(struct net_queue *queue)
{
	struct net_conn *conn = queue->first;

	if (conn != NULL)
		queue->first = conn->next;
	return conn;
}

/*
 * A user may have as many threads as are left for the others: the first one half, the next half of the rest. So a few who keep theirs
 * busy do not keep everyone out. Past that his connections wait for each other. `idle`: threads that run nothing, or could be started.
 */
static bool
take_share(struct net_conn *conn, size_t idle)
{
	struct tally_name *user = conn->user;

	if (user == NULL)
		return true;
	if (user->running > 0 && user->running >= idle) {
		enqueue(&user->waiting, conn);
		return false;
	}
	user->running++;
	conn->has_share = true;
	return true;
}

/* The caller's thread, when it polls, is one of them. */
static size_t
idle_threads(const struct net_server *server)
{
	return server->limits.threads_max + server->pool.pollers - server->pool.threads;
}

void
conn_leave_share(struct net_conn *conn)
{
	struct pool *pool = &conn->server->pool;
	struct net_conn *next;

	if (!conn->has_share)
		return;
	pthread_mutex_lock(&pool->lock);
	conn->has_share = false;
	conn->user->running--;
	next = dequeue(&conn->user->waiting);
	if (next != NULL)
		enqueue(&pool->ready, next);
	pthread_mutex_unlock(&pool->lock);
}

/*
 * May this thread stop polling and run `conn`? Only when another polls: framing, handshakes and deadlines go on whatever sessions do.
 * False: the connection waits for the next thread that is done with its own.
 */
static bool
may_run(struct net_conn *conn)
{
	struct net_server *server = conn->server;
	struct pool *pool = &server->pool;
	bool may;

	pthread_mutex_lock(&pool->lock);
	may = pool->pollers > 1 || (pool->threads <= server->limits.threads_max && spawn(server) == ERR_OK);
	if (!may) {
		assert(pool->threads > pool->pollers);
		enqueue(&pool->ready, conn);
	} else if (!take_share(conn, idle_threads(server))) {
		may = false;
	} else {
		pool->pollers--;
	}
	pthread_mutex_unlock(&pool->lock);
	metric_add(METRIC_NET_THREADS, may);
	return may;
}

/* A thread has run a request: who is next? NULL: nobody, the thread polls again. `conn`, if it asks for more, is the last in line. */
static struct net_conn *
next_turn(struct pool *pool, struct net_conn *conn)
{
	pthread_mutex_lock(&pool->lock);
	if (conn != NULL)
		enqueue(&pool->ready, conn);
	do {
		conn = dequeue(&pool->ready);
	} while (conn != NULL && !take_share(conn, idle_threads(conn->server) + 1));
	if (conn == NULL)
		pool->pollers++;
	pthread_mutex_unlock(&pool->lock);
	metric_add(METRIC_NET_THREADS, -(conn == NULL));
	return conn;
}

void
pool_work(struct net_conn *conn)
{
	struct pool *pool = &conn->server->pool;
	enum conn_todo todo = conn_look(conn);

	if (todo == TODO_NONE)
		return;
	conn->todo = (uint8_t)todo;
	if (!may_run(conn))
		return;
	do {
		conn_run(conn, conn->todo);
		conn_leave_share(conn);
		todo = conn_look(conn);
		if (todo != TODO_NONE)
			conn->todo = (uint8_t)todo;
		conn = next_turn(pool, todo == TODO_NONE ? NULL : conn);
	} while (conn != NULL);
}

/* ---- events */

static void
timer_event(struct net_server *server)
{
	struct slot *slot;
	uint32_t id;
	bool is_due = timers_pop(&server->timers, clock_mono_ms(), &id);

	/* The next may be due as well: it is another thread's. */
	server_arm(server, server->timers.fd, EPOLLIN, event_data(EVENT_TIMER, 0, 0), true);
	if (!is_due)
		return;
	if (id >= server->limits.connections) {
		server_accept(&server->listeners[id - server->limits.connections]);
		return;
	}
	slot = &server->slots[id];
	if (slot_own(slot, generation_of(atomic_load(&slot->word)), SLOT_TIMER))
		pool_work(slot->conn);
}

static void
conn_event(struct net_server *server, uint64_t data)
{
	struct slot *slot = &server->slots[(uint32_t)data];

	if (slot_own(slot, data >> DATA_NUMBER_BITS & generation_mask, SLOT_EVENT))
		pool_work(slot->conn);
}

/* One event at a time: a thread that runs a session must not sit on others' events. */
static void
handle(struct net_server *server, uint64_t data)
{
	switch (data >> DATA_KIND_SHIFT) {
	case EVENT_CONN:
		conn_event(server, data);
		break;
	case EVENT_LISTENER:
		server_accept(&server->listeners[(uint32_t)data]);
		break;
	case EVENT_TIMER:
		timer_event(server);
		break;
	default:
		break;
	}
}

static bool
may_leave(struct net_server *server, bool is_idle)
{
	struct pool *pool = &server->pool;
	bool may;

	pthread_mutex_lock(&pool->lock);
	may = pool->is_stopping || (is_idle && pool->pollers > 1 && pool->threads > server->limits.threads_min + 1);
	if (may) {
		pool->threads--;
		pool->pollers--;
		pthread_cond_broadcast(&pool->ended);
	}
	pthread_mutex_unlock(&pool->lock);
	return may;
}

static void *
thread_main(void *arg)
{
	struct net_server *server = arg;
	bool is_stop = false;
	sigset_t all;
	int count;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	do {
		struct epoll_event event = { 0 };

		count = epoll_wait(server->epoll_fd, &event, 1, THREAD_IDLE_MS);
		if (count > 0)
			handle(server, event.data.u64);
		is_stop = count > 0 && event.data.u64 >> DATA_KIND_SHIFT == EVENT_STOP;
	} while ((count != 0 && !is_stop) || !may_leave(server, count == 0));
	return NULL;
}

enum err
pool_start(struct net_server *server)
{
	struct pool *pool = &server->pool;
	enum err err = ERR_OK;

	pthread_mutex_lock(&pool->lock);
	while (pool->threads <= server->limits.threads_min && err == ERR_OK)
		err = spawn(server);
	pthread_mutex_unlock(&pool->lock);
	return err;
}

void
pool_stop(struct net_server *server)
{
	struct pool *pool = &server->pool;
	uint64_t one = 1;

	pthread_mutex_lock(&pool->lock);
	pool->is_stopping = true;
	if (write(server->stop_fd, &one, sizeof(one)) < 0)
		assert(errno == EAGAIN);
	while (pool->threads > 0)
		pthread_cond_wait(&pool->ended, &pool->lock);
	pthread_mutex_unlock(&pool->lock);
}
