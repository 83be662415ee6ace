/*
 * The one configuration file of all processes: YAML, read by libyaml (its only includer).
 *
 * A setting is a row of settings.h. `${NAME}` in a value is replaced by the environment variable, `${file:PATH}` by a file's first line.
 */
#ifndef SORA_CONFIG_CONFIG_H
#define SORA_CONFIG_CONFIG_H

#include "libcommon/config/settings.h"
#include "libcommon/core/arena.h"
#include "libcommon/core/buffer.h"
#include "libcommon/core/err.h"

struct str_list {
	struct str *items;
	size_t count;
};

/* Every setting, typed; strings live as long as the config. Durations are milliseconds, sizes bytes. */
struct config {
	struct arena arena;
#define X(type, field, path, def, help) SETTING_TYPE_##type field;
	SETTINGS_TABLE(X)
#undef X
};

/*
 * Read `file` (NULL: only the defaults). What is wrong (unknown key, wrong type, missing variable) goes to `problems`, a line each
 * ("sora.yaml:12: unknown key \"database.hots\""); an unknown key alone is no failure unless `is_strict`.
 */
enum err config_load(const char *file, bool is_strict, struct config **ret_config, struct buffer *problems);
/* From text, for tests and for those who embed. */
enum err config_parse(struct str yaml, const char *name, bool is_strict, struct config **ret_config, struct buffer *problems);
void config_free(struct config *config);

/* All settings with defaults and help, as a commented YAML file. */
void config_print_example(struct buffer *out);

#endif
