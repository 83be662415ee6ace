/*
 * The Sieve engine: a script is compiled once, and run with any number of messages.                          RFC 5228
 *
 *	sieve_compile(source, &limits, arena, &script, &problems);
 *	sieve_run(&(struct sieve_program){ STR("main"), script }, 1, &input, &limits, arena, &result);
 *
 * Pure: no files, no network, no clock but the one that stops a script which takes too long. The same input gives the same result.
 * What a script asks for and the input does not have (does this mailbox exist?) ends the run with SIEVE_NEED and a list of needs; the
 * caller finds the answers, adds them to those it gave before, and runs again from the beginning.
 *
 * A script is immutable; any number of threads may run it at once. No script can take more than the limits of memory and time.
 */
#ifndef SORA_SIEVE_H
#define SORA_SIEVE_H

#include "libcommon/core/arena.h"
#include "libcommon/core/err.h"

struct sieve_script;

/* Zeroed fields are no limit of that kind; sieve_limits_default has what the settings have by default. */
struct sieve_limits {
	uint64_t source_bytes;    /* of one script */
	uint64_t nesting;         /* of blocks, and of tests: RFC 5228 s. 2.10.7 asks for 15 */
	uint64_t problems;        /* how many errors and warnings are listed before the compiler gives up */
	uint64_t steps;           /* of a run: a test, a command, a comparison, a piece of text of some hundred bytes */
	uint64_t cpu_ms;          /* of a run */
	uint64_t memory_bytes;    /* of a run */
	uint64_t actions;         /* of a run */
	uint64_t redirects;       /* of these */
	uint64_t variables;       /* of a script, and of the global ones */
	uint64_t variable_bytes;  /* of one variable, and of any string that is made of some */
	uint64_t includes;        /* scripts included in a run, each time counted */
	uint64_t include_depth;   /* included one in the other */
	uint64_t regex_steps;     /* of one regular expression on one text */
	uint64_t vacation_min_s, vacation_default_s, vacation_max_s; /* the time between two replies to one sender */
};
extern const struct sieve_limits sieve_limits_default;

/* Where and what. Lines and columns are counted from 1, columns in bytes. */
struct sieve_problem {
	uint32_t line, column;
	bool is_warning;
	struct str text; /* "unknown command 'fileinot'; did you mean 'fileinto'?" */
};

struct sieve_problems {
	const struct sieve_problem *items; /* in the order of the script */
	size_t count;
};

/*
 * ERR_OK      *ret_script is the caller's, with one reference; there may be warnings
 * ERR_SYNTAX  the problems say why
 * ERR_TOO_BIG longer than limits->source_bytes; one problem says so
 * *ret_problems is always set; it lives in `arena`. The script does not.
 */
enum err sieve_compile(struct str source, const struct sieve_limits *limits, struct arena *arena, struct sieve_script **ret_script,
    struct sieve_problems *ret_problems);
struct sieve_script *sieve_script_ref(struct sieve_script *script);
void sieve_script_unref(struct sieve_script *script);
/* Memory that it takes: for a cache with a bound. */
size_t sieve_script_bytes(const struct sieve_script *script);

/* Names for `require` and ManageSieve's SIEVE capability, by number; NULL past the last. */
const char *sieve_extension_name(size_t index);

/* ---- what a script may need to know */

enum sieve_need_kind {
	SIEVE_NEED_MAILBOX,          /* does the mailbox of this name exist? */
	SIEVE_NEED_SPECIAL_USE,      /* is there a mailbox with this attribute ("\Archive")? `scope`: is it this one, by name? */
	SIEVE_NEED_MAILBOX_ID,       /* is there a mailbox with this MAILBOXID? */
	SIEVE_NEED_INCLUDE_PERSONAL, /* the script of this name */
	SIEVE_NEED_INCLUDE_GLOBAL,
	SIEVE_NEED_MARK,             /* is the mark of this key taken? `scope`: its kind ("duplicate") */
	SIEVE_NEED_BODY,             /* the message's body, all of it */
	SIEVE_NEED_SOURCE,           /* of the service alone: the source of the script with this hash */
};

struct sieve_need {
	enum sieve_need_kind kind;
	struct str name;
	struct str scope; /* empty: none */
};

/* The answer to a need, recognised by kind, name and scope. */
struct sieve_answer {
	struct sieve_need need;
	bool exists;
	struct str text;             /* of mailboxes: the name. Of an include that exists and has no `script`: why it can not be run */
	struct sieve_script *script; /* of an include: the caller's reference, kept until the run is over */
};

/* ---- a run */

struct sieve_item {
	struct str name, value;
};

struct sieve_input {
	struct str header;          /* the message's header block; a final empty line may be there or not */
	struct str body;            /* what follows the empty line, or as much of its beginning as is to be looked at; ptr NULL: not here, ask for it */
	uint64_t size;              /* of the whole message, bytes */
	struct str sender;          /* MAIL FROM without angle brackets; empty: the null sender */
	struct str recipient;       /* RCPT TO as the MTA said it, without angle brackets */
	struct str address;         /* the mailbox owner's own address: the default sender of vacation replies and notices */
	const struct str *addresses; /* the owner's others: mail to them is to the owner (RFC 5230 s. 4.5) */
	size_t address_count;
	struct str detail_separator; /* "+" */
	struct str hostname;        /* for Message-IDs of what the script sends, and notices */
	struct str seed;            /* unique for this delivery, the same at each try of it: such Message-IDs are made of it */
	int64_t now_ms;             /* ms since 1970 */
	int32_t zone_minutes;       /* local time, east of UTC */
	const struct sieve_item *environment; /* items of RFC 5183 by name; "name" and "version" are the engine's own */
	size_t environment_count;
	const struct sieve_answer *answers;
	size_t answer_count;
	bool explain;               /* fill sieve_result.trace */
};

/* Scripts are run one after the other (the administrator's, the user's, the administrator's). */
struct sieve_program {
	struct str name;
	struct sieve_script *script;
};

enum sieve_action_kind {
	SIEVE_KEEP,     /* into INBOX */
	SIEVE_FILEINTO,
	SIEVE_REDIRECT,
	SIEVE_SEND,     /* a message that the script makes */
	SIEVE_REFUSE,   /* at the end of DATA, with `text`; nothing else is done */
	SIEVE_DISCARD,  /* it was said so; alone it means that nothing is done */
	SIEVE_MARK,     /* the mark is taken if the delivery succeeds */
};

enum sieve_send_kind { SIEVE_SEND_VACATION, SIEVE_SEND_REJECT, SIEVE_SEND_NOTIFY };

/* A key that is remembered for a time: who had a vacation reply (RFC 5230), what was delivered (RFC 7352). */
struct sieve_mark {
	struct str kind;    /* "vacation", "duplicate"; empty: none */
	struct str key;     /* 32 bytes, a hash */
	uint64_t lifetime_s;
	bool is_last;       /* its time is counted from the last try, not from the first: RFC 7352's :last */
};

struct sieve_action {
	enum sieve_action_kind kind;
	uint32_t line;           /* where, in the script `script`; 0: the implicit keep */
	struct str script;

	/* KEEP, FILEINTO */
	struct str mailbox;      /* UTF-8, normalised; of a KEEP empty */
	struct str special_use;  /* ":specialuse": the mailbox with this attribute, or else `mailbox` (RFC 8579 s. 4) */
	struct str mailbox_id;   /* ":mailboxid": the mailbox with this id, or else `mailbox` (RFC 9042 s. 4) */
	bool create;             /* make it when it is not there (RFC 5490 s. 3.2) */
	const struct str *flags; /* "\Seen", "$label"; each once, in order */
	size_t flag_count;
	bool has_flags;          /* the script spoke of flags, and be it of none */

	/* REDIRECT, SEND */
	struct str address;
	enum sieve_send_kind send;
	struct sieve_mark mark;  /* of a SEND: sent only if it is not taken. Of a MARK: itself */

	struct str text;         /* REFUSE: UTF-8, lines end in CRLF */

	/* Of a SEND, and of the copy of one that is filed (RFC 8580): all bytes of that message, CRLF. Else ptr NULL */
	struct str message;
	/* KEEP, FILEINTO, REDIRECT: the header block when the script has changed it (RFC 5293), else ptr NULL */
	struct str header;
	bool is_copy;            /* ":copy" (RFC 3894): it did not take the place of the implicit keep */
};

enum sieve_outcome {
	SIEVE_OK,
	SIEVE_NEED,   /* the needs say what; there are no actions */
	SIEVE_FAILED, /* `failure` says why; the one action is the implicit keep */
};

struct sieve_failure {
	struct str script; /* the name of the program, or of what it included */
	uint32_t line;
	struct str text;
};

/* One test or action, in the order in which they were met. */
struct sieve_trace {
	struct str script;
	uint32_t line;
	uint32_t depth;   /* of blocks and tests */
	bool is_test;
	bool is_true;     /* of a test */
	struct str name;  /* "header", "fileinto" */
	struct str text;  /* what was compared with what; empty: nothing to say */
};

struct sieve_result {
	enum sieve_outcome outcome;
	const struct sieve_action *actions; /* in order; what is the same twice is there once */
	size_t action_count;
	const struct sieve_need *needs;
	size_t need_count;
	struct sieve_failure failure;
	const struct sieve_trace *trace;
	size_t trace_count;
	uint64_t steps;
};

/*
 * Run the scripts in order. The next one is run while the implicit keep is in force, or after an explicit keep; what cancels the keep ends
 * it. The implicit keep is done at the end, if the last script that was run has not cancelled it. When one of them
 * fails, nothing of all that is done but the implicit keep.
 * Strings of the result live in `arena`, or are the input's, or the scripts'.
 */
void sieve_run(const struct sieve_program *programs, size_t count, const struct sieve_input *input, const struct sieve_limits *limits,
    struct arena *arena, struct sieve_result *ret_result);

/*
 * The actions as text, one a line, for people and tests:
 *
 *	keep
 *	fileinto "Lists/sora" specialuse="\\Junk" mailboxid="F1" flags="\\Seen $label" create copy
 *	fileinto "Sent" message                             a copy of what is sent
 *	redirect "me@example.org"
 *	send vacation "sender@example.org" mark=vacation:<seconds>
 *	refuse "text"
 *	discard
 *	mark duplicate 604800
 * Strings are quoted as Sieve's are, CR, LF and other controls as \r, \n, \xNN. Implicit: "keep implicit". A failure, a need: a line too,
 *	failed main:3 "text"
 *	need mailbox "name"
 */
struct buffer;
void sieve_print_result(const struct sieve_result *result, struct buffer *out);
void sieve_print_trace(const struct sieve_result *result, struct buffer *out);
/* "3:14: error: text" */
void sieve_print_problems(const struct sieve_problems *problems, struct buffer *out);

/* The script in its canonical form: parsed and printed again, it is the same. False: it can not be parsed. For fuzzers and tests. */
bool sieve_canonical(struct str source, const struct sieve_limits *limits, struct arena *arena, struct str *ret_text);

#endif
