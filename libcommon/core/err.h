/*
 * The one table of errors: what a function returns, what travels on the bus, and what each frontend says about it.
 *
 * A status is a row's number; rows are only ever added at the end, so that old and new replicas understand each other.
 */
#ifndef SORA_CORE_ERR_H
#define SORA_CORE_ERR_H

#include <stdbool.h>

/*
 *  name            text                                   retry  IMAP RFC 5530       LMTP RFC 3463   POP3 RFC 3206  ManageSieve RFC 5804
 *  retry: the same call may succeed later, or at another replica.
 */
#define ERR_TABLE(X)                                                                                                                     \
	X(OK,               "done",                               false, "",                 "250 2.0.0",  "",           "")             \
	X(AGAIN,            "more input is needed",               false, "",                 "",           "",           "")             \
	X(INTERNAL,         "internal error",                     true,  "SERVERBUG",        "451 4.3.0",  "SYS/TEMP",   "TRYLATER")     \
	X(UNAVAILABLE,      "backend unavailable",                true,  "UNAVAILABLE",      "451 4.3.0",  "SYS/TEMP",   "TRYLATER")     \
	X(GOING_AWAY,       "this replica is shutting down",      true,  "UNAVAILABLE",      "451 4.3.2",  "SYS/TEMP",   "TRYLATER")     \
	X(DEADLINE,         "not done in time",                   true,  "UNAVAILABLE",      "451 4.4.1",  "SYS/TEMP",   "TRYLATER")     \
	X(UNKNOWN_OUTCOME,  "outcome unknown, ask again",         true,  "UNAVAILABLE",      "451 4.3.0",  "SYS/TEMP",   "TRYLATER")     \
	X(BUSY,             "too many requests at once",          true,  "LIMIT",            "451 4.3.2",  "SYS/TEMP",   "TRYLATER")     \
	X(SYNTAX,           "syntax error",                       false, "CLIENTBUG",        "501 5.5.4",  "",           "")             \
	X(INVALID,          "invalid argument",                   false, "CLIENTBUG",        "501 5.5.4",  "",           "")             \
	X(NOT_SUPPORTED,    "not supported",                      false, "CANNOT",           "502 5.5.1",  "",           "")             \
	X(TOO_BIG,          "too big",                            false, "TOOBIG",           "552 5.3.4",  "SYS/PERM",   "QUOTA/MAXSIZE") \
	X(LIMIT,            "a limit was reached",                false, "LIMIT",            "452 4.5.3",  "SYS/PERM",   "QUOTA/MAXSCRIPTS") \
	X(DENIED,           "permission denied",                  false, "NOPERM",           "550 5.7.1",  "SYS/PERM",   "")             \
	X(AUTH_FAILED,      "wrong user name or password",        false, "AUTHENTICATIONFAILED", "535 5.7.8", "AUTH",    "")             \
	X(AUTH_EXPIRED,     "the login has expired",              false, "EXPIRED",          "535 5.7.8",  "AUTH",       "")             \
	X(DISABLED,         "the account is disabled",            false, "CONTACTADMIN",     "550 5.2.1",  "AUTH",       "")             \
	X(NO_ACCOUNT,       "no such account",                    false, "NONEXISTENT",      "550 5.1.1",  "AUTH",       "NONEXISTENT")  \
	X(NO_MAILBOX,       "no such mailbox",                    false, "NONEXISTENT",      "550 5.1.1",  "SYS/PERM",   "NONEXISTENT")  \
	X(NONEXISTENT,      "no such thing",                      false, "NONEXISTENT",      "550 5.1.1",  "SYS/PERM",   "NONEXISTENT")  \
	X(EXISTS,           "it exists already",                  false, "ALREADYEXISTS",    "550 5.3.0",  "SYS/PERM",   "ALREADYEXISTS") \
	X(IN_USE,           "it is in use",                       true,  "INUSE",            "451 4.3.0",  "IN-USE",     "TRYLATER")     \
	X(HAS_CHILDREN,     "the mailbox has children",           false, "HASCHILDREN",      "550 5.3.0",  "SYS/PERM",   "")             \
	X(CANNOT,           "this can not be done",               false, "CANNOT",           "550 5.3.0",  "SYS/PERM",   "")             \
	X(OVERQUOTA,        "mailbox is over quota",              false, "OVERQUOTA",        "552 5.2.2",  "SYS/PERM",   "QUOTA")        \
	X(CORRUPT,          "stored data failed its check",       false, "CORRUPTION",       "451 4.3.0",  "SYS/PERM",   "")             \
	X(STALE,            "the body is too old, send it again", true,  "UNAVAILABLE",      "451 4.3.0",  "SYS/TEMP",   "TRYLATER")     \
	X(LOST,             "events were lost",                   true,  "UNAVAILABLE",      "451 4.3.0",  "SYS/TEMP",   "TRYLATER")     \
	X(CLOSED,           "the connection is closed",           false, "",                 "",           "",           "")             \
	X(CLOCK,            "clocks are too far apart",           true,  "UNAVAILABLE",      "451 4.3.5",  "SYS/TEMP",   "TRYLATER")     \
	X(CONFIG,           "the configuration is wrong",         false, "UNAVAILABLE",      "451 4.3.5",  "SYS/TEMP",   "TRYLATER")     \
	X(LOOP,             "this mail goes round in a loop",     false, "CANNOT",           "554 5.4.6",  "SYS/PERM",   "")             \
	X(LOGIN_DELAY,      "too soon after the last login",      false, "LIMIT",            "451 4.3.2",  "LOGIN-DELAY", "TRYLATER")    \
	X(UTF8,             "this needs UTF8",                    false, "CANNOT",           "554 5.6.7",  "UTF8",       "")             \
	X(ACTIVE,           "the script is active",               false, "CANNOT",           "550 5.3.0",  "SYS/PERM",   "ACTIVE")       \
	X(RERUN,            "what was known has changed, decide again", true, "UNAVAILABLE", "451 4.3.0",  "SYS/TEMP",   "TRYLATER")     \
	X(REFUSED,          "the recipient's filter refuses this mail", false, "CANNOT",     "550 5.7.1",  "SYS/PERM",   "")

enum err {
#define X(name, text, retry, imap, lmtp, pop3, sieve) ERR_##name,
	ERR_TABLE(X)
#undef X
	ERR_COUNT
};

struct err_row {
	const char *name; /* "OVERQUOTA" */
	const char *text;
	bool is_retryable;
	const char *imap;  /* response code, or "" */
	const char *lmtp;  /* reply code and enhanced status code, or "" */
	const char *pop3;  /* response code, or "" */
	const char *sieve; /* response code, or "" */
};

/* The row of `err`; a number that is not in the table (a newer replica's) gives INTERNAL's. */
const struct err_row *err_row(enum err err);
/* A status from the wire: numbers this build does not know become ERR_INTERNAL. */
enum err err_from_wire(unsigned status);

/* Return from the calling function unless `expr` is ERR_OK. */
#define TRY(expr)                                                                                                      \
	do {                                                                                                           \
		enum err try_err_ = (expr);                                                                            \
		if (try_err_ != ERR_OK)                                                                                \
			return try_err_;                                                                               \
	} while (0)

#endif
