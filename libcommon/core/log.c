/* Structured logs: one line an event. */
#include "libcommon/core/log.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "libcommon/core/buffer.h"
#include "libcommon/core/clock.h"

enum { VALUE_MAX = 2048 };

static _Atomic int min_level = LOG_INFO;
static enum log_format log_format = LOG_LOGFMT;
static const char *const level_names[] = { "debug", "info", "warn", "error" };

void
log_setup(enum log_level min, enum log_format format)
{
	min_level = (int)min;
	log_format = format;
}

void
log_set_level(enum log_level min)
{
	min_level = (int)min;
}

bool
log_level_from(struct str name, enum log_level *ret)
{
	for (int i = LOG_DEBUG; i <= LOG_ERROR; i++) {
		if (str_equal(name, str_c(level_names[i]))) {
			*ret = (enum log_level)i;
			return true;
		}
	}
	return false;
}

/* Does a logfmt value need quotes? */
static bool
is_plain(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c >= 0x7f)
			return false;
	}
	return s.len > 0;
}

static void
add_quoted(struct buffer *line, struct str s)
{
	bool utf8 = str_is_utf8(s);

	buffer_add_byte(line, '"');
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if (c == '"' || c == '\\')
			buffer_printf(line, "\\%c", c);
		else if (c < ' ' || c == 0x7f || (c >= 0x80 && !utf8))
			buffer_printf(line, "\\u%04x", c);
		else
			buffer_add_byte(line, (char)c);
	}
	buffer_add_byte(line, '"');
}

static void
add_key(struct buffer *line, const char *key)
{
	if (log_format == LOG_JSON)
		buffer_printf(line, "%s\"%s\":", buffer_len(line) > 1 ? "," : "", key);
	else
		buffer_printf(line, "%s%s=", buffer_len(line) > 0 ? " " : "", key);
}

static void
add_str(struct buffer *line, const char *key, struct str value)
{
	value = str_sub(value, 0, VALUE_MAX);
	add_key(line, key);
	if (log_format == LOG_LOGFMT && is_plain(value))
		buffer_add(line, value);
	else
		add_quoted(line, value);
}

static void
add_kv(struct buffer *line, const struct log_kv *kv)
{
	if (kv->kind == LOG_KV_STR) {
		add_str(line, kv->key, kv->str);
		return;
	}
	add_key(line, kv->key);
	if (kv->kind == LOG_KV_BOOL)
		buffer_add(line, kv->num ? STR("true") : STR("false"));
	else
		buffer_printf(line, "%" PRId64, kv->num);
}

static void
add_time(struct buffer *line)
{
	struct timespec now;
	struct tm tm;
	char text[64];
	size_t len;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	len = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + len, sizeof(text) - len, ".%03ldZ", now.tv_nsec / 1000000);
	add_str(line, "time", str_c(text));
}

void
log_write(enum log_level level, const struct log *log, const char *event, size_t count, const struct log_kv *kv)
{
	struct buffer line = { 0 };
	struct str out;

	if ((int)level < min_level)
		return;
	if (log_format == LOG_JSON)
		buffer_add_byte(&line, '{');
	add_time(&line);
	add_str(&line, "level", str_c(level_names[level]));
	add_str(&line, "event", str_c(event));
	if (log != NULL && log->service != NULL)
		add_str(&line, "service", str_c(log->service));
	if (log != NULL && log->session.len > 0)
		add_str(&line, "session", log->session);
	if (log != NULL && log->user.len > 0)
		add_str(&line, "user", log->user);
	if (log != NULL && log->trace != 0) {
		char trace[17];

		snprintf(trace, sizeof(trace), "%016" PRIx64, log->trace);
		add_str(&line, "trace", str_c(trace));
	}
	for (size_t i = 0; i < count; i++)
		add_kv(&line, &kv[i]);
	buffer_add(&line, log_format == LOG_JSON ? STR("}\n") : STR("\n"));
	out = buffer_str(&line);
	if (write(STDERR_FILENO, out.ptr, out.len) < 0) {
		/* Nobody can be told that the log itself cannot be written. */
	}
	buffer_clear(&line);
}

int64_t
log_seldom(struct log_seldom *seldom)
{
	int64_t now_ms = clock_mono_ms(), said_ms = atomic_load(&seldom->said_ms);

	atomic_fetch_add(&seldom->times, 1);
	if (said_ms != 0 && now_ms - said_ms < LOG_SELDOM_MS)
		return 0;
	/* Of those who come at once, one says it. */
	return atomic_compare_exchange_strong(&seldom->said_ms, &said_ms, now_ms) ? atomic_exchange(&seldom->times, 0) : 0;
}
