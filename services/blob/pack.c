/* Small bodies as one object. */
#include "services/blob/pack.h"

#include <assert.h>

#include "libcommon/core/clock.h"
#include "libcommon/core/metrics.h"

void
pack_init(struct pack *pack)
{
	*pack = (struct pack){ .object = uuid_v7() };
}

void
pack_clear(struct pack *pack)
{
	buffer_clear(&pack->bytes);
}

bool
pack_has_room(const struct pack *pack, size_t body_bytes)
{
	return pack->count == 0 || (pack->count < PACK_BODIES && buffer_len(&pack->bytes) + body_bytes <= PACK_BYTES);
}

static enum err
to_buffer(void *self, struct str bytes)
{
	buffer_add(self, bytes);
	return ERR_OK;
}

void
pack_add(struct pack *pack, const struct seal_key *key, struct str body, struct blob_ref *ret)
{
	struct frame_sink sink = { to_buffer, &pack->bytes };
	struct frame_writer writer;
	enum err err;

	frame_writer_init(&writer, &pack->object, (uint32_t)buffer_len(&pack->bytes), key, &sink);
	err = frame_writer_add(&writer, body);
	if (err == ERR_OK)
		err = frame_writer_finish(&writer, ret);
	/* Memory takes everything, and so small a body is never too big. */
	assert(err == ERR_OK);
	frame_writer_clear(&writer);
	/* Before it is stored: what counts its age never takes it for younger than its object. */
	ret->put_ms = clock_wall_ms();
	pack->count++;
	pack->plain += body.len;
}

static enum err
write_object(struct blob *blob, const struct pack *pack, int64_t deadline_ms)
{
	const struct store_ops *ops = blob->ops;
	enum err err;
	void *put;

	TRY(ops->put_begin(blob->store, &pack->object, &put));
	err = ops->put_write(put, buffer_str(&pack->bytes), deadline_ms);
	if (err == ERR_OK)
		err = ops->put_commit(put, deadline_ms);
	if (err != ERR_OK)
		ops->put_abort(put);
	return err;
}

enum err
pack_store(struct blob *blob, const struct pack *pack, int64_t deadline_ms)
{
	TRY(write_object(blob, pack, deadline_ms));
	metric_add(METRIC_BLOB_STORE_PUTS, 1);
	/* Its time would be compared with times of another clock: as good as not stored. */
	if (!blob_clock_is_good(blob)) {
		blob->ops->remove(blob->store, &pack->object, deadline_ms);
		return ERR_CLOCK;
	}
	metric_add(METRIC_BLOB_PUTS, (int64_t)pack->count);
	metric_add(METRIC_BLOB_BYTES_IN, (int64_t)pack->plain);
	if (pack->count > 1)
		metric_add(METRIC_BLOB_PACKED, (int64_t)pack->count);
	return ERR_OK;
}
