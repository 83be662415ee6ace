/* Sections that set something, and runs of the engine with what they set. */
#include "tests/sieve/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "libcommon/core/buffer.h"

/* RFC 5228 s. 1.2, message A */
static const char message_a[] =
    "Date: Tue, 1 Apr 1997 09:06:31 -0800 (PST)\r\n"
    "From: coyote@desert.example.org\r\n"
    "To: roadrunner@acme.example.com\r\n"
    "Subject: I have a present for you\r\n"
    "\r\n"
    "Look, I'm sorry about the whole anvil thing, and I really\r\n"
    "didn't mean to try and drop it on you from the top of the\r\n"
    "cliff.  I want to try to make it up to you.\r\n";

void
world_init(struct world *world, struct arena *arena)
{
	*world = (struct world){ .arena = arena, .message = STR(message_a), .limits = sieve_limits_default };
	world->input = (struct sieve_input){
		.sender = STR("coyote@desert.example.org"),
		.recipient = STR("roadrunner@acme.example.com"),
		.address = STR("roadrunner@acme.example.com"),
		.addresses = world->addresses,
		.detail_separator = STR("+"),
		.hostname = STR("mail.acme.example.com"),
		.seed = STR("seed"),
		.now_ms = 1795694400000, /* 2026-11-26T12:00:00Z */
		.environment = world->environment,
	};
}

static bool
set_address(struct str text, struct str *ret_address)
{
	*ret_address = str_equal(text, STR("<>")) ? STR_NONE : text;
	return true;
}

static bool
set_addresses(struct world *world, struct str text)
{
	struct str one;

	world->input.address_count = 0;
	while (str_split(&text, ' ', &one))
		world->addresses[world->input.address_count++] = one;
	return true;
}

static bool
set_environment(struct world *world, struct str text)
{
	struct sieve_item *item = &world->environment[world->input.environment_count++];

	return str_split(&text, '=', &item->name) && (item->value = text, true);
}

/* "NAME specialuse=\Archive id=F1" */
static bool
set_mailbox(struct world *world, struct str text)
{
	struct world_mailbox *box = &world->mailboxes[world->mailbox_count++];
	size_t id = str_find(text, STR(" id=")), use = str_find(text, STR(" specialuse="));

	box->id = str_sub(text, id + 4, SIZE_MAX);
	text = str_sub(text, 0, id);
	box->special_use = str_sub(text, use + 12, SIZE_MAX);
	box->name = str_sub(text, 0, use);
	return true;
}

/* "2026-11-26T12:00:00+01:00" */
static bool
set_now(struct world *world, struct str text)
{
	struct tm tm = { 0 };
	int hours = 0, minutes = 0;
	char sign = '+';

	if (sscanf(arena_cstr(world->arena, text), "%d-%d-%dT%d:%d:%d%c%d:%d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min,
		&tm.tm_sec, &sign, &hours, &minutes) != 9)
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	world->input.zone_minutes = (hours * 60 + minutes) * (sign == '-' ? -1 : 1);
	world->input.now_ms = ((int64_t)timegm(&tm) - world->input.zone_minutes * 60) * 1000;
	return true;
}

static bool
set_limit(struct world *world, struct str text)
{
#define LIMIT(field) { #field, &world->limits.field }
	const struct {
		const char *name;
		uint64_t *value;
	} limits[] = { LIMIT(source_bytes), LIMIT(nesting), LIMIT(steps), LIMIT(cpu_ms), LIMIT(memory_bytes), LIMIT(actions), LIMIT(redirects),
		LIMIT(variables), LIMIT(variable_bytes), LIMIT(includes), LIMIT(include_depth), LIMIT(regex_steps), LIMIT(vacation_min_s),
		LIMIT(vacation_default_s), LIMIT(vacation_max_s) };
#undef LIMIT
	struct str name;

	str_split(&text, '=', &name);
	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
		if (str_equal(name, str_c(limits[i].name)))
			return str_to_u64(text, limits[i].value);
	return false;
}

static bool
set_script(struct world *world, const struct section *section)
{
	struct world_script *script = world->scripts, *end = script + world->script_count;

	while (script < end && !(str_equal(script->kind, section->name) && str_equal(script->name, section->argument)))
		script++;
	world->script_count += script == end;
	*script = (struct world_script){ section->name, section->argument, case_text(section, world->arena) };
	return section->line_count > 0 && world->script_count < WORLD_NAMES_MAX;
}

bool
world_set(struct world *world, const struct section *section)
{
#define NAMED(name_) (str_equal(section->name, STR(name_)))
	struct str text = case_text(section, world->arena);

	if (NAMED("before") || NAMED("after") || NAMED("personal") || NAMED("global"))
		return set_script(world, section);
	if (NAMED("script") || NAMED("message") || NAMED("require") || NAMED("setup") || NAMED("separator")) {
		*(NAMED("script") ? &world->script : NAMED("message") ? &world->message : NAMED("require") ? &world->require :
		    NAMED("setup") ? &world->setup : &world->input.detail_separator) = str_equal(text, STR("none")) ? STR_NONE : text;
		return true;
	}
	if (NAMED("from") || NAMED("to") || NAMED("address"))
		return set_address(text, NAMED("from") ? &world->input.sender : NAMED("to") ? &world->input.recipient : &world->input.address);
	if (NAMED("remember"))
		return world->is_remembering = true;
	return NAMED("addresses") ? set_addresses(world, text) :
	    NAMED("environment") ? set_environment(world, text) :
	    NAMED("mailbox") ? set_mailbox(world, text) :
	    NAMED("now") ? set_now(world, text) :
	    NAMED("limit") && set_limit(world, text);
#undef NAMED
}

static const char *
compile(struct world *world, struct str source, struct sieve_script **ret_script)
{
	struct sieve_problems problems;
	struct buffer text = { 0 };
	const char *why;

	if (sieve_compile(source, &world->limits, world->arena, ret_script, &problems) == ERR_OK) {
		arena_defer(world->arena, (void (*)(void *))sieve_script_unref, *ret_script);
		return NULL;
	}
	sieve_print_problems(&problems, &text);
	why = arena_cstr(world->arena, buffer_str(&text));
	buffer_clear(&text);
	return why;
}

static void
answer_mailbox(const struct world *world, struct sieve_answer *answer)
{
	const struct sieve_need *need = &answer->need;

	for (size_t i = 0; i < world->mailbox_count && !answer->exists; i++) {
		const struct world_mailbox *box = &world->mailboxes[i];

		if (need->kind == SIEVE_NEED_MAILBOX)
			answer->exists = str_equal(need->name, box->name);
		else if (need->kind == SIEVE_NEED_MAILBOX_ID)
			answer->exists = str_equal(need->name, box->id);
		else
			answer->exists = str_equal_nocase(need->name, box->special_use) &&
			    (need->scope.len == 0 || str_equal(need->scope, box->name));
		answer->text = box->name;
	}
}

static void
answer_include(struct world *world, struct sieve_answer *answer)
{
	struct str kind = answer->need.kind == SIEVE_NEED_INCLUDE_GLOBAL ? STR("global") : STR("personal");

	for (size_t i = 0; i < world->script_count && !answer->exists; i++)
		if (str_equal(world->scripts[i].kind, kind) && str_equal(world->scripts[i].name, answer->need.name)) {
			answer->exists = true;
			answer->text = str_c(compile(world, world->scripts[i].source, &answer->script));
		}
}

static void
answer_mark(const struct world *world, struct sieve_answer *answer)
{
	for (size_t i = 0; i < world->mark_count; i++)
		if (str_equal(world->marks[i].kind, answer->need.scope) && str_equal(world->marks[i].key, answer->need.name))
			answer->exists = world->marks[i].until_ms > world->input.now_ms;
}

static void
answer(struct world *world, struct sieve_answer *answer)
{
	enum sieve_need_kind kind = answer->need.kind;

	if (kind == SIEVE_NEED_INCLUDE_GLOBAL || kind == SIEVE_NEED_INCLUDE_PERSONAL)
		answer_include(world, answer);
	else if (kind == SIEVE_NEED_MARK)
		answer_mark(world, answer);
	else
		answer_mailbox(world, answer);
}

/* The mark is taken: what a delivery would do in its transaction. False: it was taken before. */
static bool
claim(struct world *world, const struct sieve_mark *mark)
{
	struct world_mark *one = world->marks, *end = one + world->mark_count;
	int64_t until_ms = world->input.now_ms + (int64_t)mark->lifetime_s * 1000;

	while (one < end && !(str_equal(one->kind, mark->kind) && str_equal(one->key, mark->key)))
		one++;
	if (one < end && one->until_ms > world->input.now_ms) {
		if (mark->is_last)
			one->until_ms = until_ms;
		return false;
	}
	world->mark_count += one == end && world->mark_count + 1 < WORLD_NAMES_MAX;
	*one = (struct world_mark){ arena_copy(world->arena, mark->kind), arena_copy(world->arena, mark->key), until_ms };
	return true;
}

static void
remember(struct world *world)
{
	struct sieve_action *kept = ARENA_ARRAY(world->arena, struct sieve_action, world->result.action_count + 1);
	size_t count = 0;

	for (size_t i = 0; i < world->result.action_count; i++) {
		const struct sieve_action *action = &world->result.actions[i];

		if (action->mark.kind.len == 0 || claim(world, &action->mark) || action->kind != SIEVE_SEND)
			kept[count++] = *action;
	}
	world->result.actions = kept;
	world->result.action_count = count;
}

/* `program` is run again and again, with an answer to what it asked for each time. */
static const char *
run_answering(struct world *world, const struct sieve_program *programs, size_t count)
{
	struct sieve_answer *answers = ARENA_ARRAY(world->arena, struct sieve_answer, WORLD_NAMES_MAX * 10);
	struct sieve_input *input = &world->input;
	size_t header = str_find(world->message, STR("\r\n\r\n"));

	header = str_starts_with(world->message, STR("\r\n")) ? 2 : header == world->message.len ? header : header + 4;
	input->header = str_sub(world->message, 0, header);
	input->size = world->message.len;
	input->body = STR_NONE;
	input->answers = answers;
	input->answer_count = 0;
	for (unsigned round = 0; round < WORLD_ROUNDS_MAX; round++) {
		sieve_run(programs, count, input, &world->limits, world->arena, &world->result);
		if (world->result.outcome != SIEVE_NEED)
			return NULL;
		for (size_t i = 0; i < world->result.need_count && input->answer_count < WORLD_NAMES_MAX * 10; i++) {
			if (world->result.needs[i].kind == SIEVE_NEED_BODY) {
				input->body = str_from(world->message.ptr + header, world->message.len - header);
				continue;
			}
			answers[input->answer_count].need = world->result.needs[i];
			answer(world, &answers[input->answer_count++]);
		}
	}
	return "it needs more and more, without end";
}

const char *
world_run(struct world *world, struct str source)
{
	struct sieve_program programs[WORLD_NAMES_MAX + 1];
	struct str kinds[] = { STR("before"), STR("main"), STR("after") };
	const char *wrong;
	size_t count = 0;

	for (size_t kind = 0; kind < 3; kind++) {
		for (size_t i = 0; i < world->script_count; i++)
			if (str_equal(world->scripts[i].kind, kinds[kind])) {
				programs[count].name = world->scripts[i].name;
				if ((wrong = compile(world, world->scripts[i].source, &programs[count++].script)) != NULL)
					return wrong;
			}
		if (kind == 1) {
			programs[count].name = kinds[kind];
			if ((wrong = compile(world, source, &programs[count++].script)) != NULL)
				return wrong;
		}
	}
	if ((wrong = run_answering(world, programs, count)) == NULL && world->is_remembering && world->result.outcome == SIEVE_OK)
		remember(world);
	return wrong;
}
