/*
 * What was read and written lately, on the disk of this machine: pieces of objects as they are stored (compressed, sealed if they are), so
 * that they are as secret here as in the store, and go through the same checks. Best effort throughout: a piece may be missing at any time.
 *
 * Where it is. `blob.cache.dir` (mode 0700, one process, by flock) has up to 64 segment files of a 64th of `blob.cache.size` each. A segment
 * begins with a table, a row for each piece (object, place in the object, length, place in the file, a check of the row); the pieces follow.
 * Pieces are only appended, by one thread; when a segment is full a new one begins, and the oldest goes: what was asked for in the meantime
 * is first written into the new one (at most half of it). That is "least recently used" by a second chance.
 *
 * Why so, and not a file for each body: a hit is one pread (a file of its own: open, pread, close, and something to note the use); the
 * number of files and the bytes on the disk are bounded by construction, nothing has to be counted or walked; 100,000 pieces are read back
 * by 64 reads of tables; what goes goes by one unlink. Not mapped: a disk that fails would be a SIGBUS.
 *
 * After a crash. A piece is written before its row and neither is synced: a row without its check, or whose piece lies behind the end of the
 * file, is none; a piece that the kernel never wrote fails the check of its frames when it is read, as any damage does, and is dropped.
 *
 * Memory: 40 bytes a piece and 4 of the table that finds it; a segment has a row for each 2 KiB at most, which makes 2.2 % of the size if
 * every piece is that small. Up to 8 MiB wait to be written. On the disk: never more than `blob.cache.size`, and what the file system adds
 * for its blocks and the directory (64 blocks or so).
 *
 * Any thread may call everything. Every function takes a NULL cache, which has nothing and keeps nothing.
 */
#ifndef SORA_BLOB_CACHE_CACHE_H
#define SORA_BLOB_CACHE_CACHE_H

#include "libcommon/config/config.h"
#include "libcommon/core/random.h"

enum {
	CACHE_SIZE_LEAST = 8 * 1024 * 1024,
	CACHE_PIECE_MAX = 512 * 1024,     /* longer ones are not kept */
};

struct cache;

/* Some bytes of an object. */
struct cache_key {
	struct uuid object;
	uint64_t at;
	uint32_t len;
};

/* Somebody reads a piece from the store; its fields are the module's own. */
struct cache_flight {
	struct cache_flight *next;
	struct cache_key key;
	uint64_t number; /* 0: it is not known to others */
};

/* ERR_CONFIG, and a line in `problems`, for a size that is too small. */
enum err cache_settings_check(const struct config *config, struct buffer *problems);
/* NULL when no directory is set, or it can not be used (another process has it): that is logged, and the service goes on without. */
struct cache *cache_open(const struct config *config);
/* What waits is written. Nobody may be using it. */
void cache_close(struct cache *cache);

/*
 * True: the piece is in `ret`, unchecked. False: read it from the store, then call cache_landed. When another thread does that already, this
 * one waits for it, until the deadline, so that a storm of readers asks the store once.
 */
bool cache_get(struct cache *cache, const struct cache_key *key, char *ret, int64_t deadline_ms, struct cache_flight *flight);
/* The same, but nobody is waited for, and after a false nothing is to be done. */
bool cache_find(struct cache *cache, const struct cache_key *key, char *ret);
/* After a cache_get that said false, in any case: the bytes, checked, to be kept, or nothing (they could not be read). */
void cache_landed(struct cache *cache, struct cache_flight *flight, struct str bytes);
/*
 * These bytes, which are `at` in the object, have just been stored: they will be read next. Copied; written by another thread. Costs a copy,
 * and nothing when too much is waiting.
 */
void cache_keep(struct cache *cache, const struct uuid *object, uint64_t at, struct str bytes);
/* What cache_get gave failed its check. */
void cache_drop(struct cache *cache, const struct cache_key *key);
/* The object is deleted: none of its pieces stays, in the table or on the disk. */
void cache_forget(struct cache *cache, const struct uuid *object);

#endif
