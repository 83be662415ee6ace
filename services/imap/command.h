/*
 * Commands: the rows that say what there is, and the running of one.
 *
 * A file commands/NAME.c defines `const struct imap_command_row imap_commands_NAME[]`, ended by a row without a name; a directory
 * ext/NAME defines `const struct imap_extension imap_ext_NAME`. The build gathers both (tables.sh).
 */
#ifndef SORA_IMAP_COMMAND_H
#define SORA_IMAP_COMMAND_H

#include "libcommon/bus/bus.h"
#include "libcommon/core/log.h"
#include "services/imap/parser.h"

struct imap_session;
struct imap_command;
struct imap_fetch_row;
struct imap_search_key;
struct imap_search_row;
struct imap_status_row;

/* States of RFC 3501 s. 3, as bits. */
enum imap_state {
	IMAP_NOT_AUTHENTICATED = 1,
	IMAP_AUTHENTICATED = 2,
	IMAP_SELECTED = 4,
	IMAP_LOGOUT = 8,
	IMAP_LOGGED_IN = IMAP_AUTHENTICATED | IMAP_SELECTED,
	IMAP_ANY = IMAP_NOT_AUTHENTICATED | IMAP_LOGGED_IN,
};

enum imap_command_flag {
	IMAP_CMD_USES_SEQS = 1,    /* no EXPUNGE is told while it runs, unless it is the UID variant (RFC 3501 s. 7.4.1) */
	IMAP_CMD_UID_VARIANT = 2,  /* there is also "UID NAME" */
	IMAP_CMD_MESSAGE = 4,      /* its last argument is a message, streamed */
	IMAP_CMD_QUIET = 8,        /* changes of the mailbox are not told before its answer (SELECT, CLOSE) */
	IMAP_CMD_KEEPS_AHEAD = 16, /* it may come between two FETCHes of a series (series.h) */
};

struct imap_command_row {
	const char *name; /* "STORE"; what exists only with UID: "UID EXPUNGE" */
	unsigned states;
	unsigned flags;
	/* Arguments, from behind the name (so it begins with the space). Pure. NULL: there are none. */
	enum err (*parse)(struct imap_cursor *cur, void **ret_args);
	/*
	 * Do it. ERR_OK is answered with "OK", with what imap_reply_ok set; an error with NO and its response code (err.h), ERR_SYNTAX with
	 * BAD. ERR_AGAIN: more of the client's lines are needed, imap_session_continue was called. ERR_CLOSED: the connection ends.
	 */
	enum err (*run)(struct imap_command *cmd);
};

/* When is a capability shown? */
enum imap_when { IMAP_WHEN_ALWAYS, IMAP_WHEN_CAN_STARTTLS, IMAP_WHEN_CANNOT_LOGIN };

struct imap_capability {
	const char *name;
	unsigned states;
	enum imap_when when;
};

/* An extension: what it adds. Every pointer may be NULL; tables end with a row without a name. */
struct imap_extension {
	const struct imap_capability *capabilities;
	const char *enable; /* its name in ENABLE */
	const struct imap_command_row *commands;
	const struct imap_fetch_row *fetch_items;
	const struct imap_search_row *search_keys;
	const struct imap_status_row *status_items;
	/* What its keys in a SEARCH need to know is asked here, once for all of them, before messages are looked at. */
	enum err (*prepare_search)(struct imap_command *cmd, struct imap_search_key *program);
};

/* The tables, ended by NULL. Core has capabilities of its own (command.c). */
extern const struct imap_command_row *const imap_command_tables[];
extern const struct imap_extension *const imap_extensions[];

/* By name in any case; with `is_uid` "UID NAME", or NAME where it has that variant. NULL: there is none. */
const struct imap_command_row *imap_command_find(struct str name, bool is_uid);

/* One command while it runs. */
struct imap_command {
	struct imap_session *session;
	const struct imap_command_row *row;
	struct imap_request request;
	void *args;              /* what the row's parse made */
	bool is_uid;
	struct arena *arena;     /* first byte to tagged reply */
	struct bus_call call[1];
	struct log log;
	uint64_t message_left;   /* octets of the message's literal that were not taken yet; they are on the wire */
	struct str code;         /* the response code of the tagged answer */
	bool has_code;           /* of a NO too, in place of the error's */
	bool is_answered;        /* the run wrote the tagged answer itself (STARTTLS) */
	struct str text;         /* of the tagged answer; empty: a standard one */
	int64_t start_us, client_us; /* when it began, and time spent waiting for the client */
};

/*
 * Run the framed command at the front of the connection's input, and answer it. ERR_OK: go on. ERR_AGAIN: it goes on with the client's next
 * line. Others end the connection.
 */
enum err imap_command_run(struct imap_session *session);
/* The answer to a command that went on over several lines (IDLE, AUTHENTICATE): as if its run had returned `err`. */
enum err imap_command_finish(struct imap_command *cmd, enum err err);

/* The capabilities of the session's state, separated by spaces, in the command's arena. */
struct str imap_capabilities(struct imap_session *session, struct arena *arena);

#endif
