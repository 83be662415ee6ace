/* Segments: the files, their tables, and pieces in them. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libcommon/core/mem.h"
#include "services/blob/cache/internal.h"
#include "services/blob/frame/bytes.h"

/*
 * head  magic, u32 rows, u32 zero, u64 number, u64 bytes of a segment; all of it must be as this process would write it
 * row   object, u64 place in the object, u64 place in the file, u32 length, u32 check of these
 */
enum { HEAD_BYTES = 32, ROW_BYTES = 40, CHECK_AT = 36, BLOCK = 4096, NAME_BYTES = 32 };

static void
segment_name(uint64_t number, char ret[NAME_BYTES])
{
	snprintf(ret, NAME_BYTES, "segment-%016" PRIx64, number);
}

uint64_t
segment_data_at(const struct cache *cache)
{
	return (HEAD_BYTES + (uint64_t)cache->rows * ROW_BYTES + BLOCK - 1) / BLOCK * BLOCK;
}

static void
head_write(const struct cache *cache, uint64_t number, uint8_t ret[HEAD_BYTES])
{
	memcpy(ret, "SORACAC1", 8);
	put_u32(ret + 8, cache->rows);
	put_u32(ret + 12, 0);
	put_u64(ret + 16, number);
	put_u64(ret + 24, cache->segment_bytes);
}

static void
row_write(const struct cache_key *key, uint64_t place, uint8_t ret[ROW_BYTES])
{
	memcpy(ret, key->object.bytes, sizeof(key->object.bytes));
	put_u64(ret + 16, key->at);
	put_u64(ret + 24, place);
	put_u32(ret + 32, key->len);
	put_u32(ret + CHECK_AT, (uint32_t)str_hash(str_from(ret, CHECK_AT)));
}

static bool
write_all(int fd, const void *bytes, size_t len, uint64_t place)
{
	const char *at = bytes;

	while (len > 0) {
		ssize_t done = pwrite(fd, at, len, (off_t)place);

		if (done < 0 && errno != EINTR)
			return false;
		if (done > 0) {
			at += done;
			place += (size_t)done;
			len -= (size_t)done;
		}
	}
	return true;
}

/* All of it; what lies behind the end of the file is an error without errno. */
static bool
read_all(int fd, void *ret, size_t len, uint64_t place)
{
	char *at = ret;

	while (len > 0) {
		ssize_t done = pread(fd, at, len, (off_t)place);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0) {
			errno = done < 0 ? errno : 0;
			return false;
		}
		at += done;
		place += (size_t)done;
		len -= (size_t)done;
	}
	return true;
}

static struct cache_segment *
segment_of(int fd, uint64_t number)
{
	struct cache_segment *seg = MEM_NEW(struct cache_segment);

	seg->fd = fd;
	seg->number = number;
	seg->users = 1;
	return seg;
}

void
segment_free(struct cache_segment *seg)
{
	close(seg->fd);
	free(seg->entries);
	free(seg);
}

void
segment_unlink(struct cache *cache, uint64_t number)
{
	char name[NAME_BYTES];

	segment_name(number, name);
	unlinkat(cache->dir, name, 0);
}

struct cache_segment *
segment_new(struct cache *cache, uint64_t number)
{
	uint8_t head[HEAD_BYTES];
	char name[NAME_BYTES];
	struct cache_segment *seg;
	int fd;

	segment_name(number, name);
	fd = openat(cache->dir, name, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return NULL;
	seg = segment_of(fd, number);
	seg->end = segment_data_at(cache);
	head_write(cache, number, head);
	if (write_all(fd, head, sizeof(head), 0))
		return seg;
	segment_unlink(cache, number);
	segment_free(seg);
	return NULL;
}

/* ---- reading back */

static bool
row_read(const uint8_t *row, uint64_t data_at, uint64_t file_bytes, struct cache_entry *ret)
{
	uint64_t place = get_u64(row + 24);
	uint32_t len = get_u32(row + 32);

	if (get_u32(row + CHECK_AT) != (uint32_t)str_hash(str_from(row, CHECK_AT)))
		return false;
	if (len == 0 || len > CACHE_PIECE_MAX || place < data_at || place > file_bytes || len > file_bytes - place)
		return false;
	memcpy(ret->object.bytes, row, sizeof(ret->object.bytes));
	ret->at = get_u64(row + 16);
	ret->place = place;
	ret->len = len;
	return true;
}

/* The rows, up to the last good one. What was written behind it, and has no row, is overwritten by what comes next. */
static void
rows_read(struct cache *cache, struct cache_segment *seg, const uint8_t *table, uint64_t file_bytes)
{
	seg->end = segment_data_at(cache);
	seg->room = cache->rows;
	seg->entries = mem_calloc(cache->rows, sizeof(*seg->entries));
	for (uint32_t i = 0; i < cache->rows; i++) {
		struct cache_entry *entry = &seg->entries[i];

		if (!row_read(table + (size_t)i * ROW_BYTES, segment_data_at(cache), file_bytes, entry))
			continue;
		seg->count = i + 1;
		if (entry->place + entry->len > seg->end)
			seg->end = entry->place + entry->len;
	}
	seg->room = seg->count;
	seg->entries = mem_resize(seg->entries, seg->room ? seg->room : 1, sizeof(*seg->entries));
}

struct cache_segment *
segment_load(struct cache *cache, uint64_t number)
{
	size_t table_bytes = HEAD_BYTES + (size_t)cache->rows * ROW_BYTES;
	uint8_t *table = mem_calloc(1, table_bytes), head[HEAD_BYTES];
	char name[NAME_BYTES];
	struct cache_segment *seg;
	struct stat st;
	int fd;

	segment_name(number, name);
	fd = openat(cache->dir, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	seg = segment_of(fd, number);
	head_write(cache, number, head);
	if (fd >= 0 && fstat(fd, &st) == 0 && (uint64_t)st.st_size > segment_data_at(cache) &&
	    read_all(fd, table, table_bytes, 0) && memcmp(table, head, HEAD_BYTES) == 0)
		rows_read(cache, seg, table + HEAD_BYTES, (uint64_t)st.st_size);
	free(table);
	if (seg->count > 0)
		return seg;
	segment_free(seg);
	return NULL;
}

/* ---- pieces */

bool
segment_has_room(const struct cache *cache, const struct cache_segment *seg, uint32_t len)
{
	return seg->count < cache->rows && seg->end + len <= cache->segment_bytes;
}

bool
segment_write(struct cache_segment *seg, const struct cache_key *key, const char *bytes)
{
	uint8_t row[ROW_BYTES];

	row_write(key, seg->end, row);
	return write_all(seg->fd, bytes, key->len, seg->end) &&
	    write_all(seg->fd, row, sizeof(row), HEAD_BYTES + (uint64_t)seg->count * ROW_BYTES);
}

bool
segment_read(struct cache_segment *seg, uint64_t place, uint32_t len, char *ret)
{
	return read_all(seg->fd, ret, len, place);
}

void
segment_erase(struct cache_segment *seg, uint32_t row, uint64_t place, uint32_t len)
{
	static const uint8_t none[ROW_BYTES];

	write_all(seg->fd, none, sizeof(none), HEAD_BYTES + (uint64_t)row * ROW_BYTES);
	fallocate(seg->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)place, (off_t)len);
}
