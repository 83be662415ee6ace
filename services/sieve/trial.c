/* A run by hand. */
#include "services/sieve/trial.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "libcommon/core/buffer.h"
#include "libcommon/core/clock.h"
#include "libcommon/mail/header.h"
#include "services/sieve/ext.h"

enum { ROUNDS_MAX = 1000 };

void
sieve_trial_init(struct sieve_trial *trial, struct arena *arena, struct buffer *said)
{
	*trial = (struct sieve_trial){ .arena = arena, .limits = sieve_limits_default, .said = said };
	trial->input = (struct sieve_input){ .sender = STR("sender@example.org"), .recipient = STR("recipient@example.org"),
		.detail_separator = STR("+"), .hostname = STR("localhost"), .seed = STR("trial"), .now_ms = clock_wall_ms(),
		.environment = trial->environment };
}

/* ---- files */

static enum err
read_open(struct sieve_trial *trial, FILE *in, const char *path, struct str *ret)
{
	struct stat info;
	char *bytes;

	if (fstat(fileno(in), &info) != 0 || !S_ISREG(info.st_mode) || info.st_size > SIEVE_TRIAL_FILE_MAX) {
		buffer_printf(trial->said, "%s: no file, or longer than %d bytes\n", path, SIEVE_TRIAL_FILE_MAX);
		return ERR_TOO_BIG;
	}
	bytes = arena_alloc(trial->arena, (size_t)info.st_size + 1);
	*ret = str_from(bytes, fread(bytes, 1, (size_t)info.st_size, in));
	return ERR_OK;
}

static enum err
read_file(struct sieve_trial *trial, const char *path, struct str *ret)
{
	FILE *in = fopen(path, "re");
	enum err err;

	if (in == NULL) {
		buffer_printf(trial->said, "%s: %s\n", path, strerror(errno));
		return ERR_NONEXISTENT;
	}
	err = read_open(trial, in, path, ret);
	fclose(in);
	return err;
}

static void
release(void *value)
{
	sieve_script_unref(value);
}

static enum err
compile(struct sieve_trial *trial, const char *path, struct str source, struct sieve_script **ret_script)
{
	struct sieve_problems problems;
	enum err err = sieve_compile(source, &trial->limits, trial->arena, ret_script, &problems);
	struct buffer text = { 0 };
	struct str rest, line;

	sieve_print_problems(&problems, &text);
	rest = buffer_str(&text);
	while (str_split(&rest, '\n', &line))
		if (line.len > 0)
			buffer_printf(trial->said, "%s:%.*s\n", path, STR_ARG(line));
	buffer_clear(&text);
	if (err == ERR_OK)
		arena_defer(trial->arena, release, *ret_script);
	return err == ERR_OK ? ERR_OK : ERR_SYNTAX;
}

/* "dir/main.sieve" is "main". */
static struct str
name_of(const char *path)
{
	struct str name = str_c(path);
	size_t slash = str_rindex(name, '/');

	name = slash < name.len ? str_sub(name, slash + 1, SIZE_MAX) : name;
	return str_ends_with(name, STR(".sieve")) ? str_sub(name, 0, name.len - 6) : name;
}

enum err
sieve_trial_add(struct sieve_trial *trial, const char *path)
{
	struct sieve_program *program = &trial->programs[trial->program_count];
	struct str source;

	if (trial->program_count == SIEVE_TRIAL_SCRIPTS_MAX) {
		buffer_printf(trial->said, "%s: more than %d scripts\n", path, SIEVE_TRIAL_SCRIPTS_MAX);
		return ERR_TOO_BIG;
	}
	TRY(read_file(trial, path, &source));
	program->name = name_of(path);
	TRY(compile(trial, path, source, &program->script));
	trial->program_count++;
	return ERR_OK;
}

static struct str
with_crlf(struct str text, struct arena *arena)
{
	struct buffer out = { 0 };
	struct str copy;

	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '\n' && (i == 0 || text.ptr[i - 1] != '\r'))
			buffer_add_byte(&out, '\r');
		buffer_add_byte(&out, text.ptr[i]);
	}
	copy = arena_copy(arena, buffer_str(&out));
	buffer_clear(&out);
	return copy;
}

enum err
sieve_trial_message(struct sieve_trial *trial, const char *path)
{
	struct str bytes, rest;
	struct mail_field field;

	TRY(read_file(trial, path, &bytes));
	bytes = with_crlf(bytes, trial->arena);
	rest = bytes;
	while (mail_header_next(&rest, &field))
		;
	trial->input.size = bytes.len;
	trial->input.header = str_sub(bytes, 0, bytes.len - rest.len);
	trial->input.body = rest.len > 0 ? rest : STR("");
	return ERR_OK;
}

/* ---- answers */

static bool
is_mailbox(const struct sieve_trial *trial, struct str name)
{
	bool is_there = str_equal(name, STR("INBOX"));

	for (size_t i = 0; i < trial->mailbox_count; i++)
		is_there |= str_equal(name, trial->mailboxes[i]);
	return is_there;
}

static bool
is_mailbox_id(const struct sieve_trial *trial, struct str id)
{
	bool is_there = false;

	for (size_t i = 0; i < trial->mailbox_id_count; i++)
		is_there |= str_equal(id, trial->mailbox_ids[i]);
	return is_there;
}

static void
answer_include(struct sieve_trial *trial, struct sieve_answer *answer)
{
	const char *path;
	struct str source;

	/* A name with "/" is a fine name of a script, and no file of this directory. */
	if (trial->include_dir == NULL || str_index(answer->need.name, '/') < answer->need.name.len)
		return;
	path = arena_printf(trial->arena, "%s/%.*s.sieve", trial->include_dir, STR_ARG(answer->need.name)).ptr;
	if (read_file(trial, path, &source) != ERR_OK)
		return;
	answer->exists = true;
	if (compile(trial, path, source, &answer->script) != ERR_OK) {
		answer->script = NULL;
		answer->text = STR("it has errors");
	}
}

static void
answer_need(struct sieve_trial *trial, struct sieve_answer *answer)
{
	switch (answer->need.kind) {
	case SIEVE_NEED_MAILBOX:
		answer->exists = is_mailbox(trial, answer->need.name);
		answer->text = answer->need.name;
		break;
	case SIEVE_NEED_MAILBOX_ID:
		answer->exists = is_mailbox_id(trial, answer->need.name);
		break;
	case SIEVE_NEED_INCLUDE_PERSONAL:
	case SIEVE_NEED_INCLUDE_GLOBAL:
		answer_include(trial, answer);
		break;
	default:
		break;
	}
}

void
sieve_trial_run(struct sieve_trial *trial, struct sieve_result *ret_result)
{
	struct sieve_answer *answers = NULL;
	size_t count = 0, room = 0;

	for (int round = 0; round < ROUNDS_MAX; round++) {
		sieve_run(trial->programs, trial->program_count, &trial->input, &trial->limits, trial->arena, ret_result);
		if (ret_result->outcome != SIEVE_NEED)
			return;
		for (size_t i = 0; i < ret_result->need_count; i++) {
			answers = sieve_grow(trial->arena, answers, count, &room, sizeof(*answers));
			answers[count] = (struct sieve_answer){ .need = ret_result->needs[i] };
			answer_need(trial, &answers[count++]);
		}
		trial->input.answers = answers;
		trial->input.answer_count = count;
	}
}
