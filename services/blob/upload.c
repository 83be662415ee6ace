/* Uploads: bodies on their way into the store, and where they wait for their next chunk. */
#include <stdlib.h>

#include "libcommon/core/clock.h"
#include "libcommon/core/mem.h"
#include "libcommon/core/metrics.h"
#include "services/blob/blob.h"

struct upload {
	struct blob *blob;
	struct upload *next;
	uint64_t number;
	int64_t put_ms, expires_ms;
	void *put;              /* the store's; NULL once committed */
	int64_t deadline_ms;    /* of the call that is being served, for the sink */
	struct frame_writer writer;
};

static enum err
to_store(void *self, struct str bytes)
{
	struct upload *up = self;

	return up->blob->ops->put_write(up->put, bytes, up->deadline_ms);
}

/* Count one more, or not. */
static bool
admit(struct blob *blob)
{
	bool is_admitted;

	pthread_mutex_lock(&blob->lock);
	is_admitted = blob->upload_count < BLOB_UPLOADS_MAX;
	if (is_admitted)
		blob->upload_count++;
	pthread_mutex_unlock(&blob->lock);
	return is_admitted;
}

static void
release(struct blob *blob)
{
	pthread_mutex_lock(&blob->lock);
	blob->upload_count--;
	pthread_mutex_unlock(&blob->lock);
}

enum err
upload_new(struct blob *blob, struct upload **ret_upload)
{
	struct upload *up;
	struct frame_sink sink;
	struct uuid object = uuid_v7();
	enum err err;

	if (!blob_clock_is_good(blob))
		return ERR_CLOCK;
	if (!admit(blob))
		return ERR_BUSY;
	up = MEM_NEW(struct upload);
	up->blob = blob;
	up->put_ms = clock_wall_ms();
	while (up->number == 0)
		up->number = random_u64();
	err = blob->ops->put_begin(blob->store, &object, &up->put);
	if (err != ERR_OK) {
		release(blob);
		free(up);
		return err;
	}
	sink = (struct frame_sink){ to_store, up };
	frame_writer_init(&up->writer, &object, 0, seal_keys_first(&blob->seal_keys), &sink);
	*ret_upload = up;
	return ERR_OK;
}

void
upload_drop(struct upload *up)
{
	if (up->put != NULL)
		up->blob->ops->put_abort(up->put);
	frame_writer_clear(&up->writer);
	release(up->blob);
	free(up);
}

uint64_t
upload_number(const struct upload *up)
{
	return up->number;
}

uint64_t
upload_size(const struct upload *up)
{
	return up->writer.size;
}

enum err
upload_add(struct upload *up, struct str bytes, int64_t deadline_ms)
{
	up->deadline_ms = deadline_ms;
	return frame_writer_add(&up->writer, bytes);
}

static enum err
finish(struct upload *up, struct blob_ref *ret)
{
	const struct store_ops *ops = up->blob->ops;

	TRY(frame_writer_finish(&up->writer, ret));
	TRY(ops->put_commit(up->put, up->deadline_ms));
	up->put = NULL;
	metric_add(METRIC_BLOB_STORE_PUTS, 1);
	/* Its time would be compared with times of another clock: as good as not stored. */
	if (!blob_clock_is_good(up->blob)) {
		ops->remove(up->blob->store, &ret->object, up->deadline_ms);
		return ERR_CLOCK;
	}
	ret->put_ms = up->put_ms;
	metric_add(METRIC_BLOB_PUTS, 1);
	metric_add(METRIC_BLOB_BYTES_IN, (int64_t)ret->size);
	return ERR_OK;
}

enum err
upload_finish(struct upload *up, int64_t deadline_ms, struct blob_ref *ret)
{
	enum err err;

	up->deadline_ms = deadline_ms;
	err = finish(up, ret);
	upload_drop(up);
	return err;
}

/* ---- waiting for the next chunk */

void
upload_park(struct upload *up)
{
	struct blob *blob = up->blob;

	up->expires_ms = clock_mono_ms() + blob->idle_ms;
	up->next = NULL;
	pthread_mutex_lock(&blob->lock);
	*blob->parked_end = up;
	blob->parked_end = &up->next;
	pthread_cond_signal(&blob->changed);
	pthread_mutex_unlock(&blob->lock);
}

static struct upload *
unlink_at(struct blob *blob, struct upload **at)
{
	struct upload *up = *at;

	*at = up->next;
	if (blob->parked_end == &up->next)
		blob->parked_end = at;
	return up;
}

struct upload *
upload_take(struct blob *blob, uint64_t number)
{
	struct upload *up = NULL;

	pthread_mutex_lock(&blob->lock);
	for (struct upload **at = &blob->parked; *at != NULL && up == NULL; at = &(*at)->next) {
		if ((*at)->number == number) {
			up = unlink_at(blob, at);
			break;
		}
	}
	pthread_mutex_unlock(&blob->lock);
	return up;
}

/* ---- the keeper: a thread that ends what nobody continues */

enum { CLEAN_EVERY_MS = 60 * 60 * 1000, CLEAN_AGE_MS = 24 * 60 * 60 * 1000, CLEAN_TIME_MS = 60 * 1000 };

/* Wait until there is something to do, holding the lock. An upload that is past its time, or NULL: time to clean, or the end. */
static struct upload *
keeper_wait(struct blob *blob, int64_t clean_ms)
{
	while (!blob->is_stopping) {
		int64_t next_ms = blob->parked && blob->parked->expires_ms < clean_ms ? blob->parked->expires_ms : clean_ms;
		struct timespec until = clock_timespec(next_ms);

		if (clock_left_ms(next_ms) == 0)
			return next_ms < clean_ms ? unlink_at(blob, &blob->parked) : NULL;
		pthread_cond_clockwait(&blob->changed, &blob->lock, CLOCK_MONOTONIC, &until);
	}
	return NULL;
}

static void *
keeper_run(void *self)
{
	struct blob *blob = self;
	int64_t clean_ms = clock_mono_ms();

	pthread_mutex_lock(&blob->lock);
	while (!blob->is_stopping) {
		struct upload *idle = keeper_wait(blob, clean_ms);

		if (blob->is_stopping && idle == NULL)
			break;
		pthread_mutex_unlock(&blob->lock);
		if (idle != NULL) {
			log_info(&blob->log, "blob.upload_expired", KV_INT("bytes", upload_size(idle)));
			upload_drop(idle);
		} else {
			enum err err = blob->ops->clean(blob->store, CLEAN_AGE_MS, clock_mono_ms() + CLEAN_TIME_MS);

			clean_ms = clock_mono_ms() + CLEAN_EVERY_MS;
			if (err != ERR_OK)
				log_warn(&blob->log, "blob.clean", KV_ERR(err));
		}
		pthread_mutex_lock(&blob->lock);
	}
	pthread_mutex_unlock(&blob->lock);
	return NULL;
}

enum err
blob_keeper_start(struct blob *blob)
{
	return pthread_create(&blob->keeper, NULL, keeper_run, blob) == 0 ? ERR_OK : ERR_INTERNAL;
}

void
blob_keeper_stop(struct blob *blob)
{
	pthread_mutex_lock(&blob->lock);
	blob->is_stopping = true;
	pthread_cond_broadcast(&blob->changed);
	pthread_mutex_unlock(&blob->lock);
	if (blob->ops->stop != NULL)
		blob->ops->stop(blob->store);
	pthread_join(blob->keeper, NULL);
}

void
upload_drop_parked(struct blob *blob)
{
	while (blob->parked != NULL)
		upload_drop(unlink_at(blob, &blob->parked));
}
