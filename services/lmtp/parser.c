/* Command lines: bytes -> verb and arguments. */
#include "services/lmtp/parser.h"

static bool
has_controls(struct str line)
{
	for (size_t i = 0; i < line.len; i++)
		if ((unsigned char)line.ptr[i] < ' ' || line.ptr[i] == 0x7f)
			return true;
	return false;
}

enum err
lmtp_parse(struct str in, struct lmtp_request *ret_request, size_t *ret_used)
{
	size_t lf = str_index(str_sub(in, 0, LMTP_LINE_MAX), '\n');
	struct str line;

	if (lf == LMTP_LINE_MAX)
		return ERR_TOO_BIG;
	if (lf == in.len)
		return ERR_AGAIN;
	*ret_used = lf + 1;
	if (lf == 0 || in.ptr[lf - 1] != '\r')
		return ERR_SYNTAX;
	line = str_sub(in, 0, lf - 1);
	if (has_controls(line))
		return ERR_SYNTAX;
	ret_request->verb = str_sub(line, 0, str_index(line, ' '));
	ret_request->args = str_trim(str_sub(line, ret_request->verb.len, SIZE_MAX));
	return ERR_OK;
}

static bool
is_param_name(struct str name)
{
	for (size_t i = 0; i < name.len; i++) {
		char c = ascii_lower(name.ptr[i]);

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-')
			return false;
	}
	return name.len > 0;
}

static enum err
parse_params(struct str text, struct lmtp_path_args *args)
{
	struct str word;

	while (str_split(&text, ' ', &word)) {
		struct lmtp_param *param = &args->params[args->param_count];
		size_t equals = str_index(word, '=');

		if (word.len == 0)
			continue;
		if (args->param_count == LMTP_PARAMS_MAX || !is_param_name(str_sub(word, 0, equals)) || equals + 1 == word.len)
			return ERR_SYNTAX;
		param->name = str_sub(word, 0, equals);
		param->value = str_sub(word, equals + 1, SIZE_MAX);
		args->param_count++;
	}
	return ERR_OK;
}

enum err
lmtp_parse_path(struct str args, struct str keyword, struct arena *arena, struct lmtp_path_args *ret)
{
	struct str rest;

	if (!str_starts_with_nocase(args, keyword))
		return ERR_SYNTAX;
	*ret = (struct lmtp_path_args){ 0 };
	if (mail_path_parse(str_sub(args, keyword.len, SIZE_MAX), arena, &ret->path, &rest) != ERR_OK)
		return ERR_INVALID;
	if (rest.len > 0 && rest.ptr[0] != ' ')
		return ERR_INVALID;
	return parse_params(rest, ret);
}
