/* Values of settings: from text to their type. Private to libcommon/config. */
#ifndef SORA_CONFIG_VALUE_H
#define SORA_CONFIG_VALUE_H

#include "libcommon/core/arena.h"

enum value_type { VALUE_STR, VALUE_BOOL, VALUE_INT, VALUE_THREADS, VALUE_PORT, VALUE_SIZE, VALUE_TIME, VALUE_LIST };

struct setting {
	const char *path;
	enum value_type type;
	size_t offset; /* in struct config */
	const char *def;
	const char *help;
};

/*
 * Expand ${..} in `items`, convert them (one, but for VALUE_LIST) and write the result to `field`, whose type goes with `type`.
 * False: *reterr_why says what is wrong, without the value if that came out of ${file:}.
 */
bool value_set(struct arena *arena, enum value_type type, const struct str *items, size_t count, void *field,
    struct str *reterr_why);

/* "[a, b]" as its items; at most `max`. */
size_t value_split_list(struct str text, struct str *ret_items, size_t max);

#endif
