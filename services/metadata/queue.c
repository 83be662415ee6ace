/* The queue of changes and the threads that write them. */
#include <pthread.h>

#include "libcommon/core/clock.h"
#include "libcommon/core/mem.h"
#include "libcommon/core/metrics.h"
#include "services/metadata/queue.h"
#include "services/metadata/watch.h"

enum { BATCH_MAX = 64, WAITING_MAX = 20000, ACCOUNT_MAX = 2000 /* of one account */, BUCKETS = 1024, WRITERS_MAX = 64, ATTEMPTS = 8, RETRY_MS = 20,
	SETTLE_MS = 4000 };

/* What waits for one account. In the list `ready` unless a writer has it. */
struct account_queue {
	struct account_queue *next_bucket, *next_ready;
	uint64_t account;
	struct write *first, **last;
	size_t waiting;
};

struct queue {
	struct metadata *metadata;
	pthread_mutex_t mutex;
	pthread_cond_t work;
	struct account_queue *buckets[BUCKETS];
	struct account_queue *ready, **ready_last;
	size_t waiting;
	bool is_ending;
	pthread_t writers[WRITERS_MAX];
	size_t writer_count;
};

static const struct pg_statement lock_statement = { "lock", "SELECT mailboxes_lock($1, $2, $3)" };
/*
 * What finds a change done is no proof that it will stay: one whose COMMIT was not answered may be there and not yet on the synchronous
 * standby. A transaction that writes is answered only when itself and all before it are.
 */
static const struct pg_statement settle_statement = { "settle", "SELECT pg_logical_emit_message(true, 'sora', 'settled')" };

/* ---- the queue */

static struct account_queue **
bucket_of(struct queue *q, uint64_t account)
{
	struct account_queue **at = &q->buckets[(account * 0x9e3779b97f4a7c15ULL) >> 54];

	while (*at && (*at)->account != account)
		at = &(*at)->next_bucket;
	return at;
}

static void
make_ready(struct queue *q, struct account_queue *aq)
{
	aq->next_ready = NULL;
	*q->ready_last = aq;
	q->ready_last = &aq->next_ready;
	pthread_cond_signal(&q->work);
}

enum err
queue_submit(struct queue *q, struct write *write)
{
	struct account_queue **at;

	write->next = NULL;
	pthread_mutex_lock(&q->mutex);
	if (q->waiting >= WAITING_MAX) {
		pthread_mutex_unlock(&q->mutex);
		return ERR_BUSY;
	}
	at = bucket_of(q, write->account);
	/* One that is busy leaves room for the others. */
	if (*at && (*at)->waiting >= ACCOUNT_MAX) {
		pthread_mutex_unlock(&q->mutex);
		return ERR_BUSY;
	}
	if (!*at) {
		*at = MEM_NEW(struct account_queue);
		(*at)->account = write->account;
		(*at)->last = &(*at)->first;
		make_ready(q, *at);
	}
	*(*at)->last = write;
	(*at)->last = &write->next;
	(*at)->waiting++;
	q->waiting++;
	pthread_mutex_unlock(&q->mutex);
	return ERR_OK;
}

/* With the mutex: what shares the next transaction. */
static size_t
take_batch(struct queue *q, struct account_queue *aq, struct write **batch)
{
	size_t n = 0;

	while (aq->first && n < BATCH_MAX && !(n > 0 && aq->first->is_alone)) {
		batch[n++] = aq->first;
		aq->first = aq->first->next;
		if (batch[n - 1]->is_alone)
			break;
	}
	if (!aq->first)
		aq->last = &aq->first;
	aq->waiting -= n;
	q->waiting -= n;
	return n;
}

/* ---- one transaction */

static void
publish(struct queue *q, const struct write *write, const struct effects *effects)
{
	uint64_t account = write->account;

	/* The operator's calls answer with the account that they changed. */
	if (account == 0 && effects->answer.count > 0)
		account = (uint64_t)effects->answer.items[0];
	for (size_t i = 0; i < effects->count; i++)
		watch_publish(q->metadata->watch, account, &effects->items[i]);
}

static void
committed(struct queue *q, struct write *write)
{
	struct effects effects;

	effects_read(&write->rows, write->arena, &effects);
	publish(q, write, &effects);
	write->done(write, ERR_OK, &effects);
}

static int64_t
latest_deadline(struct write **batch, size_t count)
{
	int64_t latest = batch[0]->deadline_ms;

	for (size_t i = 1; i < count; i++)
		if (batch[i]->deadline_ms > latest)
			latest = batch[i]->deadline_ms;
	return latest;
}

static void
lock_args(struct pg_args *args, struct write **batch, size_t count)
{
	int32_t mailboxes[BATCH_MAX * WRITE_LOCKS_MAX];
	struct str names[BATCH_MAX * WRITE_LOCKS_MAX];
	size_t mailbox_count = 0, name_count = 0;

	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < batch[i]->mailbox_count; j++)
			mailboxes[mailbox_count++] = batch[i]->mailboxes[j];
		for (size_t j = 0; j < batch[i]->name_count; j++)
			names[name_count++] = batch[i]->names[j];
	}
	pg_arg_int(args, (int64_t)batch[0]->account);
	pg_arg_int4s(args, mailboxes, mailbox_count);
	pg_arg_byteses(args, names, name_count);
}

static enum err
run_together(struct queue *q, struct write **batch, size_t count, bool is_settling, struct arena *arena, struct pg_failure *failure)
{
	struct pg_step steps[BATCH_MAX + 1] = { 0 };
	struct pg_args locks = { .arena = arena }, none = { .arena = arena };
	size_t n = 0, before;
	int64_t deadline_ms = latest_deadline(batch, count);
	struct pg *pg;
	enum err err;

	if (is_settling)
		steps[n++] = (struct pg_step){ .statement = &settle_statement, .args = &none, .arena = arena };
	if (count > 1) {
		lock_args(&locks, batch, count);
		steps[n++] = (struct pg_step){ .statement = &lock_statement, .args = &locks, .arena = arena };
	}
	before = n;
	for (size_t i = 0; i < count; i++)
		steps[n++] = (struct pg_step){ batch[i]->statement, &batch[i]->args, batch[i]->arena, { 0 } };
	*failure = (struct pg_failure){ .text = STR_NONE };
	TRY(pg_take_to_write(q->metadata->pool, batch[0]->account, deadline_ms, &pg));
	err = pg_transaction(pg, steps, n, deadline_ms, failure);
	pg_give(q->metadata->pool, pg);
	for (size_t i = 0; err == ERR_OK && i < count; i++)
		batch[i]->rows = steps[before + i].rows;
	return err;
}

static void
pause_ms(int64_t ms)
{
	struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&time, NULL);
}

static void
log_failure(struct queue *q, enum err err, const struct pg_failure *failure)
{
	metadata_log_failure(q->metadata, &q->metadata->log, "pg.transaction", err, failure->where, failure);
}

/*
 * One call in a transaction of its own, as often as it takes: what lost against another is run again, and so is what may have been
 * committed, since its key (or its nature) makes a second time harmless and tells us the answer of the first.
 */
static enum err
run_alone(struct queue *q, struct write *write, bool is_unknown)
{
	struct pg_failure failure = { .text = STR_NONE };
	struct arena arena = { 0 };
	int64_t settle_until_ms = clock_mono_ms() + SETTLE_MS;
	enum err err = ERR_DEADLINE;

	for (int attempt = 0; clock_left_ms(write->deadline_ms) > 0; attempt++) {
		err = run_together(q, &write, 1, is_unknown, &arena, &failure);
		if (err == ERR_OK)
			break;
		is_unknown |= failure.is_unknown;
		if (!is_unknown && (!pg_is_retryable(&failure) || attempt + 1 == ATTEMPTS))
			break;
		if (is_unknown && (err == ERR_INTERNAL || clock_left_ms(settle_until_ms) == 0))
			break;
		log_debug(&q->metadata->log, "pg.again", KV_ERR(err), KV_C("sqlstate", failure.sqlstate), KV_STR("statement", failure.where));
		pause_ms(RETRY_MS * (attempt < 10 ? attempt + 1 : 10));
	}
	if (err != ERR_OK)
		log_failure(q, err, &failure);
	arena_clear(&arena);
	/* What the first attempt committed nobody has published: the second only finds it done. */
	if (is_unknown)
		watch_lose(q->metadata->watch, write->account);
	return err != ERR_OK && is_unknown ? ERR_UNKNOWN_OUTCOME : err;
}

/* A call that has waited past its deadline is not run late. Returns how many are left. */
static size_t
refuse_late(struct write **batch, size_t count)
{
	size_t left = 0;

	for (size_t i = 0; i < count; i++) {
		if (clock_left_ms(batch[i]->deadline_ms) > 0)
			batch[left++] = batch[i];
		else
			batch[i]->done(batch[i], ERR_DEADLINE, NULL);
	}
	return left;
}

static void
run_batch(struct queue *q, struct write **batch, size_t count)
{
	struct pg_failure failure = { .text = STR_NONE };
	struct arena arena = { 0 };
	enum err err = ERR_AGAIN;

	count = refuse_late(batch, count);
	if (count > 1) {
		err = run_together(q, batch, count, false, &arena, &failure);
		if (err == ERR_OK)
			metric_add(METRIC_PG_BATCHED, (int64_t)count);
		else
			log_failure(q, err, &failure);
	}
	arena_clear(&arena);
	for (size_t i = 0; i < count; i++) {
		struct write *write = batch[i];
		enum err mine = err == ERR_OK ? ERR_OK : run_alone(q, write, failure.is_unknown);

		if (mine == ERR_OK)
			committed(q, write);
		else
			write->done(write, mine, NULL);
	}
}

/* ---- the writers */

/* With the mutex: the account's queue goes back to the others, or away when it is empty. */
static void
put_back(struct queue *q, struct account_queue *aq)
{
	struct account_queue **at;

	if (aq->first) {
		make_ready(q, aq);
		return;
	}
	at = bucket_of(q, aq->account);
	*at = aq->next_bucket;
	free(aq);
}

static void *
write_forever(void *arg)
{
	struct queue *q = arg;
	struct write *batch[BATCH_MAX];

	pthread_mutex_lock(&q->mutex);
	for (;;) {
		struct account_queue *aq;
		size_t count;

		while (!q->ready && !q->is_ending)
			pthread_cond_wait(&q->work, &q->mutex);
		if (!q->ready)
			break;
		aq = q->ready;
		q->ready = aq->next_ready;
		if (!q->ready)
			q->ready_last = &q->ready;
		count = take_batch(q, aq, batch);
		pthread_mutex_unlock(&q->mutex);
		run_batch(q, batch, count);
		pthread_mutex_lock(&q->mutex);
		put_back(q, aq);
	}
	pthread_mutex_unlock(&q->mutex);
	return NULL;
}

struct queue *
queue_new(struct metadata *metadata)
{
	struct queue *q = MEM_NEW(struct queue);
	q->metadata = metadata;
	q->ready_last = &q->ready;
	pthread_mutex_init(&q->mutex, NULL);
	pthread_cond_init(&q->work, NULL);
	q->writer_count = pg_writers(metadata->config);
	if (q->writer_count > WRITERS_MAX)
		q->writer_count = WRITERS_MAX;
	for (size_t i = 0; i < q->writer_count; i++)
		if (pthread_create(&q->writers[i], NULL, write_forever, q) != 0)
			abort();
	return q;
}

void
queue_free(struct queue *q)
{
	if (!q)
		return;
	pthread_mutex_lock(&q->mutex);
	q->is_ending = true;
	pthread_cond_broadcast(&q->work);
	pthread_mutex_unlock(&q->mutex);
	for (size_t i = 0; i < q->writer_count; i++)
		pthread_join(q->writers[i], NULL);
	pthread_cond_destroy(&q->work);
	pthread_mutex_destroy(&q->mutex);
	free(q);
}
