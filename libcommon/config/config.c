/* The configuration file: YAML events become rows of the settings table. */
#include "libcommon/config/config.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

#include "libcommon/config/value.h"
#include "libcommon/core/mem.h"

enum { DEPTH_MAX = 8, PATH_BYTES_MAX = 200, FILE_BYTES_MAX = 1024 * 1024 };

#define X(type, field, path, def, help) { path, VALUE_##type, offsetof(struct config, field), def, help },
static const struct setting settings[] = { SETTINGS_TABLE(X) };
#undef X
enum { SETTING_COUNT = sizeof(settings) / sizeof(settings[0]) };

/* One load: the mapping we are in, and what is wrong so far. */
struct load {
	struct config *config;
	const char *name;
	struct buffer *problems;
	yaml_parser_t parser;
	bool is_strict;
	bool has_failed;
	bool seen[SETTING_COUNT];
};

static void
failure(struct load *load, size_t line, const char *text, const char *what)
{
	if (line > 0)
		buffer_printf(load->problems, "%s:%zu: %s \"%s\"\n", load->name, line, text, what);
	else
		buffer_printf(load->problems, "%s: %s \"%s\"\n", load->name, text, what);
	load->has_failed = true;
}

static ssize_t
setting_find(const char *path)
{
	for (size_t i = 0; i < SETTING_COUNT; i++)
		if (str_equal(str_c(settings[i].path), str_c(path)))
			return (ssize_t)i;
	return -1;
}

/* Is `path` a mapping that holds settings? */
static bool
is_section(const char *path)
{
	size_t len = strlen(path);

	for (size_t i = 0; i < SETTING_COUNT; i++)
		if (strncmp(settings[i].path, path, len) == 0 && settings[i].path[len] == '.')
			return true;
	return false;
}

static void
set(struct load *load, size_t line, size_t row, const struct str *items, size_t count, bool is_list)
{
	const struct setting *setting = &settings[row];
	void *field = (char *)load->config + setting->offset;
	struct str why = STR_NONE;

	if (load->seen[row])
		failure(load, line, "set twice:", setting->path);
	load->seen[row] = true;
	if (is_list != (setting->type == VALUE_LIST)) {
		failure(load, line, is_list ? "one value is expected, not a list, for" : "a list is expected for",
		    setting->path);
		return;
	}
	if (!value_set(&load->config->arena, setting->type, items, count, field, &why)) {
		buffer_printf(load->problems, "%s:%zu: %s: %.*s\n", load->name, line, setting->path, STR_ARG(why));
		load->has_failed = true;
	}
}

static bool
next(struct load *load, yaml_event_t *event)
{
	if (yaml_parser_parse(&load->parser, event))
		return true;
	failure(load, load->parser.problem_mark.line + 1, "not YAML:",
	    load->parser.problem ? load->parser.problem : "unreadable");
	return false;
}

static struct str
scalar(const yaml_event_t *event)
{
	return str_from(event->data.scalar.value, event->data.scalar.length);
}

/* Pass over a value whose key nobody knows. */
static bool
skip(struct load *load, const yaml_event_t *first)
{
	yaml_event_t event;
	int depth = first->type == YAML_MAPPING_START_EVENT || first->type == YAML_SEQUENCE_START_EVENT;

	while (depth > 0) {
		if (!next(load, &event))
			return false;
		depth += event.type == YAML_MAPPING_START_EVENT || event.type == YAML_SEQUENCE_START_EVENT;
		depth -= event.type == YAML_MAPPING_END_EVENT || event.type == YAML_SEQUENCE_END_EVENT;
		yaml_event_delete(&event);
	}
	return true;
}

static bool
read_list(struct load *load, const char *path, size_t line)
{
	struct str items[256];
	size_t count = 0;
	yaml_event_t event;
	ssize_t row = setting_find(path);

	for (;;) {
		bool is_end, is_scalar;

		if (!next(load, &event))
			return false;
		is_end = event.type == YAML_SEQUENCE_END_EVENT;
		is_scalar = event.type == YAML_SCALAR_EVENT;
		if (is_scalar && count < sizeof(items) / sizeof(items[0]))
			items[count++] = arena_copy(&load->config->arena, scalar(&event));
		yaml_event_delete(&event);
		if (is_end)
			break;
		if (!is_scalar) {
			failure(load, line, "only plain values can stand in the list", path);
			return false;
		}
	}
	if (row >= 0)
		set(load, line, (size_t)row, items, count, true);
	return true;
}

static void
unknown(struct load *load, size_t line, const char *path)
{
	buffer_printf(load->problems, "%s:%zu: unknown key \"%s\": sora.yaml.example has all that there are\n", load->name, line, path);
	load->has_failed |= load->is_strict;
}

static bool read_mapping(struct load *load, const char *prefix, int depth);

/* The value behind a key. */
static bool
read_value(struct load *load, const char *path, int depth)
{
	yaml_event_t event;
	size_t line;
	bool ok = true;
	ssize_t row = setting_find(path);

	if (!next(load, &event))
		return false;
	line = event.start_mark.line + 1;
	if (row < 0 && !is_section(path)) {
		unknown(load, line, path);
		ok = skip(load, &event);
	} else if (event.type == YAML_MAPPING_START_EVENT && row < 0 && depth < DEPTH_MAX) {
		ok = read_mapping(load, path, depth + 1);
	} else if (event.type == YAML_SEQUENCE_START_EVENT && row >= 0) {
		ok = read_list(load, path, line);
	} else if (event.type == YAML_SCALAR_EVENT && row >= 0) {
		struct str value = arena_copy(&load->config->arena, scalar(&event));

		set(load, line, (size_t)row, &value, 1, false);
	} else if (event.type != YAML_SCALAR_EVENT || event.data.scalar.length > 0) {
		failure(load, line, row < 0 ? "settings are expected below" : "one value is expected for", path);
		ok = skip(load, &event);
	}
	yaml_event_delete(&event);
	return ok;
}

static bool
read_mapping(struct load *load, const char *prefix, int depth)
{
	yaml_event_t event;
	char path[PATH_BYTES_MAX];

	for (;;) {
		bool is_end, is_key;

		if (!next(load, &event))
			return false;
		is_end = event.type == YAML_MAPPING_END_EVENT;
		is_key = event.type == YAML_SCALAR_EVENT;
		if (is_key)
			snprintf(path, sizeof(path), "%s%s%s", prefix, *prefix ? "." : "", event.data.scalar.value);
		yaml_event_delete(&event);
		if (is_end)
			return true;
		if (!is_key) {
			failure(load, load->parser.mark.line + 1, "a key is expected in", *prefix ? prefix : "the file");
			return false;
		}
		if (!read_value(load, path, depth))
			return false;
	}
}

static void
read_document(struct load *load, struct str yaml)
{
	yaml_event_t event;
	bool done = false;

	if (!yaml_parser_initialize(&load->parser))
		abort();
	yaml_parser_set_input_string(&load->parser, (const unsigned char *)yaml.ptr, yaml.len);
	while (!done && next(load, &event)) {
		yaml_event_type_t type = event.type;
		size_t line = event.start_mark.line + 1;

		yaml_event_delete(&event);
		done = type == YAML_STREAM_END_EVENT;
		if (type == YAML_MAPPING_START_EVENT) {
			done = !read_mapping(load, "", 0);
		} else if (type == YAML_SCALAR_EVENT || type == YAML_SEQUENCE_START_EVENT || type == YAML_ALIAS_EVENT) {
			failure(load, line, "a mapping is expected:", "section: ...");
			done = true;
		}
	}
	yaml_parser_delete(&load->parser);
}

static void
set_defaults(struct load *load)
{
	for (size_t i = 0; i < SETTING_COUNT; i++) {
		void *field = (char *)load->config + settings[i].offset;
		struct str why;
		struct str text = str_c(settings[i].def);
		struct str items[16];
		size_t count = 1;

		items[0] = text;
		if (settings[i].type == VALUE_LIST)
			count = value_split_list(text, items, 16);
		if (!value_set(&load->config->arena, settings[i].type, items, count, field, &why))
			abort();
	}
}

enum err
config_parse(struct str yaml, const char *name, bool is_strict, struct config **ret_config, struct buffer *problems)
{
	struct load load = { .config = MEM_NEW(struct config), .name = name, .problems = problems, .is_strict = is_strict };

	set_defaults(&load);
	read_document(&load, yaml);
	if (load.has_failed) {
		config_free(load.config);
		return ERR_CONFIG;
	}
	*ret_config = load.config;
	return ERR_OK;
}

/* A directory can be opened, but not read. */
static enum err
read_file(const char *file, struct buffer *ret, struct buffer *problems)
{
	FILE *in = fopen(file, "re");
	size_t got = in != NULL;

	while (got > 0 && buffer_len(ret) <= FILE_BYTES_MAX) {
		got = fread(buffer_reserve(ret, 4096), 1, 4096, in);
		buffer_grew(ret, got);
	}
	if (in == NULL || ferror(in)) {
		buffer_printf(problems, "%s: cannot be read: %m. Start from sora.yaml.example.\n", file);
		if (in != NULL)
			fclose(in);
		return ERR_CONFIG;
	}
	fclose(in);
	if (buffer_len(ret) <= FILE_BYTES_MAX)
		return ERR_OK;
	buffer_printf(problems, "%s: is too large for a configuration\n", file);
	return ERR_CONFIG;
}

enum err
config_load(const char *file, bool is_strict, struct config **ret_config, struct buffer *problems)
{
	struct buffer text = { 0 };
	enum err err;

	if (file == NULL)
		return config_parse(STR(""), "defaults", is_strict, ret_config, problems);
	err = read_file(file, &text, problems);
	if (err == ERR_OK)
		err = config_parse(buffer_str(&text), file, is_strict, ret_config, problems);
	buffer_clear(&text);
	return err;
}

void
config_free(struct config *config)
{
	if (config == NULL)
		return;
	arena_clear(&config->arena);
	free(config);
}

/* Close the sections that `path` is not in, open those that it is in; returns its depth. */
static int
print_sections(struct buffer *out, struct str path, struct str last)
{
	int depth = 0;
	size_t from = 0;

	for (;;) {
		size_t dot = from + str_index(str_sub(path, from, SIZE_MAX), '.');

		if (dot >= path.len)
			return depth;
		if (!str_starts_with(last, str_sub(path, 0, dot + 1)))
			buffer_printf(out, "%s%*s%.*s:\n", depth == 0 ? "\n" : "", depth * 2, "",
			    STR_ARG(str_sub(path, from, dot - from)));
		from = dot + 1;
		depth++;
	}
}

void
config_print_example(struct buffer *out)
{
	struct str last = STR("");

	buffer_add(out, STR("# Sora: every setting there is, with its default. Uncomment what you change.\n"
			    "# One file for all processes; each reads what concerns it. Check it with `sora --check --config FILE`.\n"
			    "# ${NAME} is an environment variable, ${file:/path} the first line of a file.\n"
			    "# Times: ms s m h d. Sizes: K M G.\n\n"));
	for (size_t i = 0; i < SETTING_COUNT; i++) {
		struct str path = str_c(settings[i].path);
		int depth = print_sections(out, path, last);
		size_t dot = str_rindex(path, '.');
		struct str key = dot == path.len ? path : str_sub(path, dot + 1, SIZE_MAX);
		bool quote = settings[i].type == VALUE_STR &&
		    (settings[i].def[0] == '\0' || strpbrk(settings[i].def, "+#:{}[]") != NULL);

		if (settings[i].help[0] != '\0')
			buffer_printf(out, "%*s# %s\n", depth * 2, "", settings[i].help);
		buffer_printf(out, "%*s%s%.*s: %s%s%s\n", depth * 2, "", "#", STR_ARG(key), quote ? "\"" : "", settings[i].def,
		    quote ? "\"" : "");
		last = path;
	}
}
