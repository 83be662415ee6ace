/* Reads files of cases. */
#include "tests/sieve/case.h"

#include <stdio.h>
#include <stdlib.h>

#include "libcommon/core/buffer.h"

static bool
read_file(const char *path, struct buffer *out)
{
	FILE *file = fopen(path, "rb");
	char bytes[16384];

	if (!file)
		return false;
	for (size_t len; (len = fread(bytes, 1, sizeof bytes, file)) > 0;)
		buffer_add(out, str_from(bytes, len));
	fclose(file);
	return true;
}

static int
hex(char c)
{
	const char *digits = "0123456789abcdef", *found = c ? strchr(digits, ascii_lower(c)) : NULL;

	return found ? (int)(found - digits) : -1;
}

/* What stands between "<<" and ">>". */
static void
expand(struct str inner, struct buffer *out)
{
	if (str_starts_with(inner, STR("repeat "))) {
		struct str text = str_sub(inner, 7, SIZE_MAX), count;

		str_split(&text, ' ', &count);
		for (unsigned long n = strtoul(count.ptr, NULL, 10); n > 0; n--)
			buffer_add(out, text);
		return;
	}
	for (size_t i = 0; i + 1 < inner.len; i++)
		if (hex(inner.ptr[i]) >= 0 && hex(inner.ptr[i + 1]) >= 0) {
			buffer_add_byte(out, (char)(hex(inner.ptr[i]) * 16 + hex(inner.ptr[i + 1])));
			i++;
		}
}

static struct str
expanded(struct str line, struct arena *arena)
{
	struct buffer out = { 0 };
	struct str copy;

	for (size_t at; (at = str_find(line, STR("<<"))) < line.len;) {
		struct str rest = str_sub(line, at + 2, SIZE_MAX);
		size_t end = str_find(rest, STR(">>"));

		if (end == rest.len)
			break;
		buffer_add(&out, str_sub(line, 0, at));
		expand(str_sub(rest, 0, end), &out);
		line = str_sub(rest, end + 2, SIZE_MAX);
	}
	buffer_add(&out, line);
	copy = arena_copy(arena, buffer_str(&out));
	buffer_clear(&out);
	return copy;
}

/* "name: argument", "name argument:" or "name:". */
static bool
read_name(struct str line, struct arena *arena, struct section *section)
{
	size_t colon = str_index(line, ':'), space = str_index(line, ' ');

	if (colon == line.len || space == 0)
		return false;
	section->name = str_sub(line, 0, space < colon ? space : colon);
	section->argument = str_trim(space < colon ? str_sub(line, space, colon - space) : str_sub(line, colon + 1, SIZE_MAX));
	section->argument = expanded(section->argument, arena);
	return true;
}

/* The lines that follow a section's name, up to the next name; empty ones at the end are not its own. */
static void
read_lines(struct str *rest, unsigned *number, struct arena *arena, struct section *section)
{
	struct str next, after = *rest;
	size_t room = 0, empty = 0;

	while (str_split(&after, '\n', &next) && (next.len == 0 || next.ptr[0] == '\t')) {
		if (section->line_count + 1 >= room) {
			struct str *more = ARENA_ARRAY(arena, struct str, room = room * 2 + 16);

			if (section->line_count > 0)
				memcpy(more, section->lines, section->line_count * sizeof *more);
			section->lines = more;
		}
		section->lines[section->line_count++] = expanded(str_sub(next, 1, SIZE_MAX), arena);
		empty = next.len == 0 ? empty + 1 : 0;
		*rest = after;
		++*number;
	}
	section->line_count -= empty;
}

const char *
case_read(const char *path, struct arena *arena, struct case_file *ret_file)
{
	struct buffer text = { 0 };
	struct str rest, line;
	unsigned number = 1;

	if (!read_file(path, &text))
		return "cannot be read";
	rest = arena_copy(arena, buffer_str(&text));
	buffer_clear(&text);
	ret_file->sections = ARENA_ARRAY(arena, struct section, 1000);
	ret_file->count = 0;
	if (!str_split(&rest, '\n', &line) || !str_starts_with(line, STR("# ")))
		return "does not begin with '# ' and the rule";
	ret_file->rule = str_sub(line, 2, SIZE_MAX);
	while (str_split(&rest, '\n', &line)) {
		struct section *section = &ret_file->sections[ret_file->count];

		number++;
		if (line.len == 0 || line.ptr[0] == '#')
			continue;
		section->line = number;
		if (!read_name(line, arena, section) || ++ret_file->count == 1000)
			return arena_printf(arena, "line %u is no section", number).ptr;
		read_lines(&rest, &number, arena, section);
	}
	return NULL;
}

struct str
case_text(const struct section *section, struct arena *arena)
{
	struct buffer out = { 0 };
	struct str text;

	for (size_t i = 0; i < section->line_count; i++) {
		buffer_add(&out, section->lines[i]);
		buffer_add(&out, STR("\r\n"));
	}
	text = section->line_count > 0 ? arena_copy(arena, buffer_str(&out)) : section->argument;
	buffer_clear(&out);
	return text;
}
