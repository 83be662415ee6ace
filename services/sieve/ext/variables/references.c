/* "${name}", "${1}" and "${namespace.name}" in the strings of a script.                                            RFC 5229 s. 3 */
#include "services/sieve/ext/variables/internal.h"

bool
sieve_variable_is_name(struct str name)
{
	for (size_t i = 0; i < name.len; i++) {
		char c = ascii_lower(name.ptr[i]);

		if (c != '_' && (c < 'a' || c > 'z') && (i == 0 || c < '0' || c > '9'))
			return false;
	}
	return name.len > 0;
}

static bool
is_number(struct str name)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.ptr[i] < '0' || name.ptr[i] > '9')
			return false;
	return name.len > 0;
}

/* identifier "." *(variable-name "."), with what stands behind the last dot being a name or a number. */
static bool
is_namespaced(struct str name)
{
	bool is_first = true;
	struct str part;

	while (str_split(&name, '.', &part)) {
		if (!sieve_variable_is_name(part) && (is_first || !is_number(part)))
			return false;
		is_first = false;
	}
	return true;
}

static bool
is_reference(struct str name)
{
	return is_number(name) || is_namespaced(name);
}

/* The namespace that `name` begins with; a problem when the script has none of that name. */
static enum err
find_namespace(struct sieve_check *check, const struct sieve_string *at, struct str name, const struct sieve_namespace **ret, struct str *ret_rest)
{
	struct str first = str_sub(name, 0, str_index(name, '.'));

	*ret_rest = str_sub(name, first.len + 1, SIZE_MAX);
	*ret = sieve_check_namespace(check, first);
	if (*ret == NULL)
		return SIEVE_PROBLEM(check, at, "there is no namespace \"%.*s\" for variables", STR_ARG(str_sub(first, 0, 40)));
	if (!(*ret)->is_name(*ret_rest))
		return SIEVE_PROBLEM(check, at, "\"%.*s\" is no variable of the namespace \"%.*s\"", STR_ARG(str_sub(*ret_rest, 0, 40)),
		    STR_ARG(first));
	return ERR_OK;
}

enum err
sieve_variable_check(struct sieve_check *check, const struct sieve_string *at, struct str name)
{
	const struct sieve_namespace *space;
	struct str rest;

	if (sieve_variable_is_name(name))
		return ERR_OK;
	if (!is_namespaced(name))
		return SIEVE_PROBLEM(check, at, "\"%.*s\" can not be the name of a variable that is set", STR_ARG(str_sub(name, 0, 40)));
	TRY(find_namespace(check, at, name, &space, &rest));
	if (space->set == NULL)
		return SIEVE_PROBLEM(check, at, "\"%.*s\" can not be set", STR_ARG(str_sub(name, 0, 80)));
	return ERR_OK;
}

/* ---- what pieces stand for */

static enum err
expand_name(struct sieve_run *run, const struct sieve_piece *piece, struct buffer *out)
{
	buffer_add(out, sieve_variable_get(run, piece->text));
	return ERR_OK;
}

static enum err
expand_capture(struct sieve_run *run, const struct sieve_piece *piece, struct buffer *out)
{
	buffer_add(out, sieve_capture(run, piece->number));
	return ERR_OK;
}

static enum err
expand_namespace(struct sieve_run *run, const struct sieve_piece *piece, struct buffer *out)
{
	const struct sieve_namespace *space = piece->what;
	struct str value = STR_NONE;

	TRY(space->get(run, piece->text, &value));
	buffer_add(out, value);
	return ERR_OK;
}

static enum err
make_piece(struct sieve_check *check, const struct sieve_string *at, struct str name, struct sieve_piece *piece)
{
	const struct sieve_namespace *space;

	*piece = (struct sieve_piece){ .expand = expand_name, .text = name };
	if (is_number(name)) {
		piece->expand = expand_capture;
		while (name.len > 1 && name.ptr[0] == '0')
			name = str_sub(name, 1, SIZE_MAX);
		if (!str_to_u64(name, &piece->number) || piece->number >= SIEVE_CAPTURES_MAX)
			return SIEVE_PROBLEM(check, at, "${%.*s}: the highest is ${%d}", STR_ARG(str_sub(name, 0, 20)),
			    SIEVE_CAPTURES_MAX - 1);
	} else if (!sieve_variable_is_name(name)) {
		piece->expand = expand_namespace;
		TRY(find_namespace(check, at, name, &space, &piece->text));
		piece->what = space;
	}
	return ERR_OK;
}

/* ---- cutting */

/* The first reference of `text`: where it begins, and its name. False: there is none. */
static bool
find_reference(struct str text, size_t *ret_start, struct str *ret_name)
{
	for (size_t start = 0; start < text.len; start++) {
		struct str rest = str_sub(text, start, SIZE_MAX);
		size_t end;

		start += str_find(rest, STR("${"));
		if (start >= text.len)
			return false;
		rest = str_sub(text, start + 2, SIZE_MAX);
		/* A name has none of these, so the search for its end is never long for nothing. */
		for (end = 0; end < rest.len && rest.ptr[end] != '}' && rest.ptr[end] != '$' && rest.ptr[end] != ' '; end++)
			;
		*ret_name = str_sub(rest, 0, end);
		*ret_start = start;
		if (end < rest.len && rest.ptr[end] == '}' && is_reference(*ret_name))
			return true;
	}
	return false;
}

enum err
sieve_variables_cut(struct sieve_check *check, struct sieve_string *string)
{
	struct arena *arena = sieve_check_arena(check);
	struct sieve_piece *pieces = NULL;
	struct str rest = string->text, name;
	size_t count = 0, room = 0, start;

	while (find_reference(rest, &start, &name)) {
		pieces = sieve_grow(arena, pieces, count, &room, sizeof(*pieces));
		pieces[count++] = (struct sieve_piece){ .text = str_sub(rest, 0, start) };
		pieces = sieve_grow(arena, pieces, count, &room, sizeof(*pieces));
		TRY(make_piece(check, string, name, &pieces[count++]));
		rest = str_sub(rest, start + name.len + 3, SIZE_MAX);
	}
	if (count == 0)
		return ERR_OK;
	pieces = sieve_grow(arena, pieces, count, &room, sizeof(*pieces));
	pieces[count++] = (struct sieve_piece){ .text = rest };
	string->pieces = pieces;
	string->piece_count = count;
	return ERR_OK;
}
