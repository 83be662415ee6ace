/*
 * The command line: every option is a row, which the parser and --help read. A command names the rows that it takes.
 *
 * Pure: nothing is printed or read here.
 */
#ifndef SORA_ADMIN_OPTIONS_H
#define SORA_ADMIN_OPTIONS_H

#include "libcommon/core/buffer.h"
#include "libcommon/core/err.h"

/*  id             name               value        help */
#define ADMIN_OPTION_TABLE(X)                                                                                          \
	X(EMAIL,          "--email",          "ADDRESS",   "the account, by any of its addresses; may stand without --email") \
	X(ADDRESS,        "--address",        "ADDRESS",   "the address to add or remove; may stand without --address")    \
	X(PASSWORD,       "--password",       "PASSWORD",  "the password; other users of this machine may see it")         \
	X(PASSWORD_STDIN, "--password-stdin", NULL,        "read the password from the first line of standard input")      \
	X(PASSWORD_FILE,  "--password-file",  "FILE",      "read the password from the first line of a file")              \
	X(HASH,           "--hash",           "SCHEME",    "store the password as bcrypt, ssha512 or sha512; default: account.hash") \
	X(QUOTA,          "--quota",          "SIZE",      "the most that the account may hold: 500M, 20G; 0: no limit")   \
	X(PRIMARY,        "--primary",        NULL,        "make the address the account's main one")                      \
	X(DISABLE,        "--disable",        NULL,        "no more logins and deliveries, until --enable")                \
	X(ENABLE,         "--enable",         NULL,        "undo --disable")                                               \
	X(MAILBOX,        "--mailbox",        "NAME",      "the mailbox; default: INBOX")                                  \
	X(FILE,           "--file",           "FILE",      "read from this file; default: standard input")                  \
	X(NAME,           "--name",           "NAME",      "the script; may stand without --name")                         \
	X(TO,             "--to",             "NAME",      "its new name; may stand without --to")                         \
	X(GLOBAL,         "--global",         NULL,        "of the library of all, in place of an account: what sieve.before and sieve.after name, and include :global") \
	X(BEFORE,         "--before",         NULL,        "yours for this account: the active one runs before the user's own") \
	X(AFTER,          "--after",          NULL,        "likewise, after the user's own")                                \
	X(ACTIVATE,       "--activate",       NULL,        "and make it the active one")                                    \
	X(ITEM,           "--item",           "NUMBER",    "the mail in the queue; may stand without --item")               \
	X(KIND,           "--kind",           "KIND",      "only redirect, vacation, reject, notify or bounce")             \
	X(STATE,          "--state",          "STATE",     "only ready, sending or deferred")                               \
	X(ALL,            "--all",            NULL,        "all of them")                                                   \
	X(MESSAGE,        "--message",        "FILE",      "the mail; may stand without --message")                         \
	X(FROM,           "--from",           "ADDRESS",   "its envelope sender")                                           \
	X(EXPLAIN,        "--explain",        NULL,        "also print which test was true, and why")                       \
	/* ---- for every command */                                                                                       \
	X(CONFIG,         "--config",         "FILE",      "the configuration file")                                       \
	X(METADATA,       "--metadata",       "ADDRESS",   "the metadata service: host:port, tcp://host:port, ipc:///path") \
	X(DBHOST,         "--dbhost",         "HOST",      "work on this database, without a running Sora: host or socket directory") \
	X(DBPORT,         "--dbport",         "PORT",      "its port")                                                     \
	X(DBUSER,         "--dbuser",         "USER",      "its user")                                                     \
	X(DBPASSWORD,     "--dbpassword",     "PASSWORD",  "the user's password; other users of this machine may see it")  \
	X(DBNAME,         "--dbname",         "NAME",      "its name")                                                     \
	X(DBTLS,          "--dbtls",          "MODE",      "disable, prefer, require or verify-full")                      \
	X(JSON,           "--json",           NULL,        "print JSON: an object, or one a line")                         \
	X(CHECK,          "--check",          NULL,        "read the configuration, try to reach the service, and end")    \
	X(VERSION,        "--version",        NULL,        "print the version")                                            \
	X(HELP,           "--help",           NULL,        "print what a command does, or all of them")

enum admin_option {
	ADMIN_OPT_NONE,
#define X(id, name, value, help) ADMIN_OPT_##id,
	ADMIN_OPTION_TABLE(X)
#undef X
	ADMIN_OPT_COUNT
};

#define ADMIN_OPT(id) (UINT64_C(1) << ADMIN_OPT_##id)
#define ADMIN_OPTS_DATABASE                                                                                            \
	(ADMIN_OPT(DBHOST) | ADMIN_OPT(DBPORT) | ADMIN_OPT(DBUSER) | ADMIN_OPT(DBPASSWORD) | ADMIN_OPT(DBNAME) | ADMIN_OPT(DBTLS))
#define ADMIN_OPTS_PASSWORD (ADMIN_OPT(PASSWORD) | ADMIN_OPT(PASSWORD_STDIN) | ADMIN_OPT(PASSWORD_FILE))
#define ADMIN_OPTS_COMMON                                                                                              \
	(ADMIN_OPT(CONFIG) | ADMIN_OPT(METADATA) | ADMIN_OPTS_DATABASE | ADMIN_OPT(JSON) | ADMIN_OPT(CHECK) | ADMIN_OPT(VERSION) | \
	    ADMIN_OPT(HELP))

struct admin_option_row {
	const char *name;
	const char *value; /* NULL: a flag */
	const char *help;
};
extern const struct admin_option_row admin_options[ADMIN_OPT_COUNT];

enum { ADMIN_OPERANDS_MAX = 6 };

struct admin_line {
	const struct admin_command *command;  /* NULL: none was named */
	uint64_t given;                       /* 1 << enum admin_option */
	const char *values[ADMIN_OPT_COUNT];  /* NULL: not given; a flag: "" */
};

static inline bool
admin_has(const struct admin_line *line, uint64_t options)
{
	return (line->given & options) != 0;
}

/* ERR_OK, or ERR_SYNTAX: `*problem` says what is wrong. The values are views of `argv`. */
enum err admin_options_parse(int argc, char **argv, struct admin_line *ret_line, struct buffer *problem);

/* "500M" or "20G" as bytes: K, M, G and T are powers of 1024. */
bool admin_parse_size(struct str text, uint64_t *ret_bytes);

#endif
