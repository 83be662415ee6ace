/* date and currentdate.                                                                                RFC 5260 s. 4, 5 */
#include "services/sieve/ext/date/parts.h"

#include "libcommon/mail/token.h"

/* ---- zones */

/* "+0100", "-0730": minutes east of UTC. */
static bool
read_zone(struct str text, int32_t *ret_minutes)
{
	uint32_t digits;

	if (text.len != 5 || (text.ptr[0] != '+' && text.ptr[0] != '-') || !str_to_u32(str_sub(text, 1, 4), &digits) || digits % 100 > 59)
		return false;
	*ret_minutes = (int32_t)(digits / 100 * 60 + digits % 100) * (text.ptr[0] == '-' ? -1 : 1);
	return true;
}

static enum err
zone_check(struct sieve_check *check, struct sieve_node *node, const struct sieve_value *value)
{
	int32_t minutes;

	(void)node;
	if (value->strings->pieces != NULL || read_zone(value->strings->text, &minutes))
		return ERR_OK;
	return sieve_problem(check, value->line, value->column, "\"%.*s\" is no time zone: a sign and four digits are, as in \"+0100\"",
	    STR_ARG(str_sub(value->strings->text, 0, 40)));
}

/* The date in the zone that the node wants: one of its own, that of the date, or the local one. */
static enum err
shift(struct sieve_run *run, const struct sieve_node *node, struct mail_date *date)
{
	const struct sieve_value *zone = sieve_tag(node, "zone");
	struct str text;

	if (zone != NULL) {
		TRY(sieve_expand(run, zone->strings, &text));
		if (!read_zone(text, &date->offset_minutes))
			return sieve_fail(run, node, "\"%.*s\" is no time zone", STR_ARG(str_sub(text, 0, 40)));
	} else if (sieve_tag(node, "originalzone") == NULL) {
		date->offset_minutes = sieve_input(run)->zone_minutes;
	}
	return ERR_OK;
}

/* ---- dates in fields */

/* What stands behind the last semicolon, if there is one that is in no comment and no quotes: RFC 5260 s. 4. */
static struct str
date_of_field(struct str value)
{
	struct mail_cursor cur = mail_cur(value);

	while (mail_cur_cfws(&cur, NULL) || cur.p < cur.end) {
		size_t quoted = mail_cur_quoted_len(&cur);

		if (mail_cur_byte(&cur, ';'))
			value = str_from(cur.p, (size_t)(cur.end - cur.p));
		else if (cur.p < cur.end)
			cur.p += quoted > 0 ? quoted : 1;
	}
	return value;
}

/* ---- tests */

static enum err
part_check(struct sieve_check *check, const struct sieve_value *name)
{
	if (name->strings->pieces != NULL || sieve_date_part_find(name->strings->text) != NULL)
		return ERR_OK;
	return sieve_problem(check, name->line, name->column, "a date has no \"%.*s\": year, month, day, date, julian, hour, minute, second, time, "
	    "iso8601, std11, zone and weekday are its parts", STR_ARG(str_sub(name->strings->text, 0, 40)));
}

static enum err
date_check(struct sieve_check *check, struct sieve_node *node)
{
	return part_check(check, &node->arguments[1]);
}

static enum err
currentdate_check(struct sieve_check *check, struct sieve_node *node)
{
	return part_check(check, &node->arguments[0]);
}

static enum err
match_date(struct sieve_match *match, const struct sieve_value *part_name, struct mail_date date)
{
	char text[MAIL_DATE_SIZE];
	const struct date_part *part;
	struct str name;

	TRY(sieve_expand(match->run, part_name->strings, &name));
	part = sieve_date_part_find(name);
	TRY(shift(match->run, match->node, &date));
	return part != NULL ? sieve_match_value(match, part->print(date, text)) : ERR_OK;
}

static enum err
date_test(struct sieve_run *run, const struct sieve_node *node, bool *ret_is_true)
{
	struct sieve_match match;
	struct sieve_walk walk;
	struct mail_date date;
	struct str name;
	size_t field;

	TRY(sieve_expand(run, node->arguments[0].strings, &name));
	TRY(sieve_match_begin(run, node, &match));
	TRY(sieve_walk_begin(run, node, &name, 1, &walk));
	if (sieve_walk_next(&walk, &field)) {
		TRY(sieve_spend_bytes(run, sieve_field(run, field)->value.len));
		if (mail_date_parse(date_of_field(sieve_field(run, field)->value), &date))
			TRY(match_date(&match, &node->arguments[1], date));
	}
	return sieve_match_end(&match, ret_is_true);
}

/* The time is the input's: the same for all tests of a run (RFC 5260 s. 5). */
static enum err
currentdate_test(struct sieve_run *run, const struct sieve_node *node, bool *ret_is_true)
{
	struct mail_date now = { sieve_input(run)->now_ms / 1000, sieve_input(run)->zone_minutes };
	struct sieve_match match;

	TRY(sieve_match_begin(run, node, &match));
	TRY(match_date(&match, &node->arguments[0], now));
	return sieve_match_end(&match, ret_is_true);
}

static const struct sieve_command COMMANDS[] = {
	{ .name = "date", .flags = SIEVE_TEST | SIEVE_MATCHES,
	    .parameters = { { SIEVE_STRING, "name of a header field" }, { SIEVE_STRING, "part of a date" }, { SIEVE_STRINGS, "list of keys" } },
	    .check = date_check, .test = date_test },
	{ .name = "currentdate", .flags = SIEVE_TEST | SIEVE_MATCHES,
	    .parameters = { { SIEVE_STRING, "part of a date" }, { SIEVE_STRINGS, "list of keys" } },
	    .check = currentdate_check, .test = currentdate_test },
	{ 0 },
};

static const struct sieve_tag TAGS[] = {
	{ .name = "zone", .commands = "date currentdate", .argument = { SIEVE_STRING, "time zone" }, .group = "time zone", .check = zone_check },
	{ .name = "originalzone", .commands = "date", .group = "time zone" },
	{ 0 },
};

const struct sieve_extension sieve_ext_date = { .name = "date", .commands = COMMANDS, .tags = TAGS };
