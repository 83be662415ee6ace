/* From columns of the database to the messages of the bus. */
#ifndef SORA_METADATA_ROWS_H
#define SORA_METADATA_ROWS_H

#include "services/metadata/metadata.h"

/* The columns of a change, as `changes` and `effect` have them, are eleven in this order. */
#define CHANGE_COLUMNS "modseq, uidnext, is_new, uids, flags, sizes, dates, keywords, vanished, keyword, keyword_first"

/* What a call did to one mailbox; a row of the type `effect`. */
struct effect {
	uint64_t mailbox; /* 0: the tree, or the account */
	bool is_gone;
	MetadataCursor old, new;
	MetadataChange *change; /* NULL: no messages were changed */
	uint32_t recent_uid;
};

struct effects {
	enum err status;
	bool is_twin; /* another call with this key had done it */
	struct pg_ints answer;
	struct effect *items;
	size_t count;
};

/* The row of the error table that a function of the schema names; ERR_INTERNAL: there is none. */
enum err status_read(struct str name);
/* Everything lives in `arena`. `column` is the first of eleven. */
MetadataChange *change_read(const struct pg_rows *rows, size_t row, int column, struct arena *arena);
void effects_read(const struct pg_rows *rows, struct arena *arena, struct effects *ret);
/* Columns of equal length; `modseq` NULL: all have `one_modseq`. */
MetadataRows *rows_make(struct arena *arena, struct pg_ints uid, struct pg_ints flags, struct pg_ints size, struct pg_ints date,
    struct pg_ints keywords, const struct pg_ints *modseq, uint64_t one_modseq);

/* UIDs in ascending order as ranges. */
void ranges_make(struct arena *arena, const int64_t *uids, size_t count, size_t *ret_count, MetadataUidRange ***ret);

/*
 * Ranges that a caller gave: clamped, sorted, without overlap, as the two parameters first[] and last[]. Those that end before `from`
 * are left out. ERR_LIMIT: more than 100,000.
 */
enum err ranges_args(struct pg_args *args, MetadataUidRange *const *ranges, size_t count, uint32_t from);

MetadataCursor *cursor_make(struct arena *arena, uint64_t timeline, uint64_t modseq);

#endif
