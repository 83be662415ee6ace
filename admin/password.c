/* Passwords: from the command line, standard input or a file. */
#include "admin/password.h"

#include <errno.h>
#include <stdio.h>

/* The first line of `in`, without its end. */
static enum err
read_line(struct admin *admin, FILE *in, struct str *ret)
{
	char line[ADMIN_PASSWORD_MAX + 3];
	enum err err = ERR_OK;

	if (fgets(line, sizeof(line), in) == NULL)
		line[0] = '\0';
	line[strcspn(line, "\r\n")] = '\0';
	if (line[0] == '\0')
		err = admin_explain(admin, ERR_INVALID, "the password is empty");
	else
		*ret = arena_copy(&admin->arena, str_c(line));
	explicit_bzero(line, sizeof(line));
	return err;
}

static enum err
read_file(struct admin *admin, const char *path, struct str *ret)
{
	FILE *in = fopen(path, "re");
	enum err err;

	if (in == NULL)
		return admin_explain(admin, ERR_INVALID, "%s: %s", path, strerror(errno));
	err = read_line(admin, in, ret);
	fclose(in);
	return err;
}

enum err
admin_password(struct admin *admin, const struct admin_line *line, struct str *ret)
{
	uint64_t given = line->given & ADMIN_OPTS_PASSWORD;
	struct str password = str_c(line->values[ADMIN_OPT_PASSWORD]);

	if (given & (given - 1))
		return admin_explain(admin, ERR_SYNTAX, "one password is enough: %s, %s or %s",
		    admin_options[ADMIN_OPT_PASSWORD].name, admin_options[ADMIN_OPT_PASSWORD_STDIN].name,
		    admin_options[ADMIN_OPT_PASSWORD_FILE].name);
	if (given & ADMIN_OPT(PASSWORD_STDIN))
		TRY(read_line(admin, stdin, &password));
	else if (given & ADMIN_OPT(PASSWORD_FILE))
		TRY(read_file(admin, line->values[ADMIN_OPT_PASSWORD_FILE], &password));
	if (password.len == 0)
		return admin_explain(admin, ERR_INVALID, "the password is empty");
	if (password.len > ADMIN_PASSWORD_MAX)
		return admin_explain(admin, ERR_INVALID, "the password is longer than %d bytes", ADMIN_PASSWORD_MAX);
	*ret = password;
	return ERR_OK;
}
