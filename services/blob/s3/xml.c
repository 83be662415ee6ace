/* The few elements that we look for in S3's answers. */
#include "services/blob/s3/xml.h"

#include <stdio.h>
#include <time.h>

bool
xml_next(struct str *rest, const char *name, struct str *ret)
{
	char open[40], close[40];
	size_t begin, end;
	struct str behind;

	snprintf(open, sizeof(open), "<%s>", name);
	snprintf(close, sizeof(close), "</%s>", name);
	begin = str_find(*rest, str_c(open));
	if (begin == rest->len)
		return false;
	behind = str_sub(*rest, begin + strlen(open), SIZE_MAX);
	end = str_find(behind, str_c(close));
	if (end == behind.len)
		return false;
	*ret = str_sub(behind, 0, end);
	*rest = str_sub(behind, end + strlen(close), SIZE_MAX);
	return true;
}

/* What `entity` (without & and ;) stands for; '\0': nothing we know. */
static char
entity_value(struct str entity)
{
	static const struct { struct str name; char value; } rows[] = {
		{ STR("amp"), '&' }, { STR("lt"), '<' }, { STR("gt"), '>' }, { STR("quot"), '"' }, { STR("apos"), '\'' },
	};
	uint32_t number;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		if (str_equal(entity, rows[i].name))
			return rows[i].value;
	}
	if (str_starts_with(entity, STR("#")) && str_to_u32(str_sub(entity, 1, SIZE_MAX), &number) && number < 128)
		return (char)number;
	return '\0';
}

struct str
xml_text(struct arena *arena, struct str xml, const char *name)
{
	struct str raw;
	char *text;
	size_t len = 0;

	if (!xml_next(&xml, name, &raw))
		return STR_NONE;
	text = arena_alloc(arena, raw.len + 1);
	for (size_t i = 0; i < raw.len; i++) {
		struct str entity = str_sub(raw, i + 1, 6);
		size_t end = str_index(entity, ';');
		char value = raw.ptr[i] == '&' && end < entity.len ? entity_value(str_sub(entity, 0, end)) : '\0';

		text[len++] = value ? value : raw.ptr[i];
		i += value ? end + 1 : 0;
	}
	return str_from(text, len);
}

bool
xml_time(struct str text, int64_t *ret_ms)
{
	static const struct { uint8_t at, len; } fields[] = { { 0, 4 }, { 5, 2 }, { 8, 2 }, { 11, 2 }, { 14, 2 }, { 17, 2 } };
	static const char shape[] = "0000-00-00T00:00:00";
	uint32_t values[6];
	struct tm tm = { 0 };

	if (text.len < sizeof(shape) - 1)
		return false;
	for (size_t i = 0; i < sizeof(shape) - 1; i++) {
		if (shape[i] != '0' && text.ptr[i] != shape[i])
			return false;
	}
	for (size_t i = 0; i < 6; i++) {
		if (!str_to_u32(str_sub(text, fields[i].at, fields[i].len), &values[i]))
			return false;
	}
	tm.tm_year = (int)values[0] - 1900;
	tm.tm_mon = (int)values[1] - 1;
	tm.tm_mday = (int)values[2];
	tm.tm_hour = (int)values[3];
	tm.tm_min = (int)values[4];
	tm.tm_sec = (int)values[5];
	*ret_ms = (int64_t)timegm(&tm) * 1000;
	return true;
}
