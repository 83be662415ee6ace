/*
 * Structured logs: one line an event on standard error, logfmt or JSON, UTC with milliseconds.
 *
 *	log_info(&cmd->log, "imap.command", KV_STR("cmd", name), KV_ERR(err), KV_INT("elapsed_ms", ms));
 *
 * Passwords and message text are never values. Lines are written whole (one write(2)), from any thread.
 */
#ifndef SORA_CORE_LOG_H
#define SORA_CORE_LOG_H

#include "libcommon/core/err.h"
#include "libcommon/core/str.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_LOGFMT, LOG_JSON };

/* What every line of a session or call says; copied freely, points to memory that lives as long. */
struct log {
	const char *service; /* "imap" */
	struct str session;  /* empty: none */
	struct str user;
	uint64_t trace; /* 0: none; printed as 16 hex digits */
};

struct log_kv {
	const char *key;
	enum { LOG_KV_STR, LOG_KV_INT, LOG_KV_BOOL } kind;
	struct str str;
	int64_t num;
};

#define KV_STR(k, v) ((struct log_kv){ .key = (k), .kind = LOG_KV_STR, .str = (v) })
#define KV_C(k, v) ((struct log_kv){ .key = (k), .kind = LOG_KV_STR, .str = str_c(v) })
#define KV_INT(k, v) ((struct log_kv){ .key = (k), .kind = LOG_KV_INT, .num = (int64_t)(v) })
#define KV_BOOL(k, v) ((struct log_kv){ .key = (k), .kind = LOG_KV_BOOL, .num = (v) })
#define KV_ERR(e) KV_C("err", err_row(e)->name)

/* For the whole process, before the first thread. Default: LOG_INFO, LOG_LOGFMT. */
void log_setup(enum log_level min, enum log_format format);
/* Change the level of a running process. */
void log_set_level(enum log_level min);
bool log_level_from(struct str name, enum log_level *ret);
void log_write(enum log_level level, const struct log *log, const char *event, size_t count, const struct log_kv *kv);

/* What may happen again and again, and is said once a minute. Zeroed: it was never said. Any thread may use it. */
enum { LOG_SELDOM_MS = 60 * 1000 };
struct log_seldom {
	_Atomic int64_t said_ms; /* 0: never */
	_Atomic int64_t times;   /* that it happened since then */
};

/* It happened: how often since it was said, this time too, or 0 when it is not to be said yet. */
int64_t log_seldom(struct log_seldom *seldom);

#define LOG_KVS(...) (sizeof((struct log_kv[]){ { 0 }, ##__VA_ARGS__ }) / sizeof(struct log_kv) - 1), \
		     ((struct log_kv[]){ { 0 }, ##__VA_ARGS__ } + 1)
#define log_debug(log, event, ...) log_write(LOG_DEBUG, (log), (event), LOG_KVS(__VA_ARGS__))
#define log_info(log, event, ...) log_write(LOG_INFO, (log), (event), LOG_KVS(__VA_ARGS__))
#define log_warn(log, event, ...) log_write(LOG_WARN, (log), (event), LOG_KVS(__VA_ARGS__))
#define log_error(log, event, ...) log_write(LOG_ERROR, (log), (event), LOG_KVS(__VA_ARGS__))

#endif
