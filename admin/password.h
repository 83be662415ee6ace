/* Passwords: from the command line, standard input or a file. */
#ifndef SORA_ADMIN_PASSWORD_H
#define SORA_ADMIN_PASSWORD_H

#include "admin/connect.h"

enum { ADMIN_PASSWORD_MAX = 1000 }; /* bytes */

/* The one password that the line names, in admin->arena. ERR_SYNTAX and ERR_INVALID are explained. */
enum err admin_password(struct admin *admin, const struct admin_line *line, struct str *ret);

#endif
