/*
 * How an extension plugs in: one directory ext/<name>/ with one constant `sieve_ext_<name>` (dashes and the like are underscores).
 * The build gathers the directories; nothing else is edited. The base language (base/) is made of the same rows.
 *
 *	const struct sieve_extension sieve_ext_copy = { .name = "copy", .tags = TAGS };
 *
 * A script is compiled in two steps. The parser knows no command; the checker finds each by its row, sorts its arguments by the row's
 * parameters and the rows of tags, and calls the row's `check`, which may look closer and prepare something in node->prepared. What comes
 * out is a tree of nodes that never changes. Running it calls the row's `run` or `test`; what changes is in struct sieve_run.
 *
 * An action is built by its command, then each tag of the node and each extension in effect may change it (sieve_do). So `fileinto` does
 * not know of :copy, :flags or :create.
 *
 * Errors while running: ERR_AGAIN after sieve_ask (the answer is not here), ERR_INVALID after sieve_fail (a runtime error), ERR_LIMIT after
 * sieve_spend. Pass them on with TRY; the run ends.
 */
#ifndef SORA_SIEVE_EXT_H
#define SORA_SIEVE_EXT_H

#include "libcommon/core/buffer.h"
#include "services/sieve/sieve.h"

struct sieve_check;
struct sieve_run;
struct sieve_node;
struct sieve_block;

/* ---- arguments */

enum sieve_type { SIEVE_NONE, SIEVE_NUMBER, SIEVE_STRING, SIEVE_STRINGS };

/* A string of the script. With pieces it is made anew at each use: variables (RFC 5229). */
struct sieve_string {
	struct str text;                  /* as written, escapes and encoded characters undone */
	uint32_t line, column;
	const struct sieve_piece *pieces; /* NULL: a constant */
	size_t piece_count;
};

struct sieve_piece {
	/* Append what it stands for; NULL: `text` itself. */
	enum err (*expand)(struct sieve_run *run, const struct sieve_piece *piece, struct buffer *out);
	struct str text;
	uint64_t number;
	const void *what; /* the extension's own */
};

struct sieve_value {
	enum sieve_type type; /* SIEVE_NONE: an optional argument that is not there */
	uint32_t line, column;
	uint64_t number;
	const struct sieve_string *strings; /* a STRING is one */
	size_t count;
};

struct sieve_parameter {
	enum sieve_type type;
	const char *name;    /* for messages: "list of header names" */
	bool is_optional;    /* left out when there are fewer arguments than parameters */
	bool is_constant;    /* no variables */
};

enum { SIEVE_PARAMETERS_MAX = 4 };

/* ---- rows */

enum sieve_command_flags {
	SIEVE_TEST = 1 << 0,          /* else a command */
	SIEVE_TAKES_TEST = 1 << 1,    /* if, not */
	SIEVE_TAKES_TESTS = 1 << 2,   /* allof, anyof */
	SIEVE_TAKES_BLOCK = 1 << 3,
	SIEVE_MATCHES = 1 << 4,       /* :comparator and a match type; the last parameter is the list of keys */
	SIEVE_ADDRESS_PARTS = 1 << 5, /* :localpart, :domain, .. */
	SIEVE_FIRST = 1 << 6,         /* only before all other commands, but of this kind: require */
	SIEVE_CONTINUES = 1 << 7,     /* only behind what SIEVE_BEGINS or SIEVE_CONTINUES: elsif; see node->otherwise */
	SIEVE_ENDS = 1 << 8,          /* nothing continues it: else */
	SIEVE_BEGINS = 1 << 9,        /* if */
	SIEVE_FCC = 1 << 10,          /* makes a message, so :fcc and its options may be there (RFC 8580) */
	SIEVE_NO_CAPTURES = 1 << 11,  /* its wildcards set no match variables (RFC 5173 s. 6) */
};

struct sieve_command {
	const char *name;
	unsigned flags;
	struct sieve_parameter parameters[SIEVE_PARAMETERS_MAX]; /* ended by SIEVE_NONE */
	const char *also; /* another extension that has to be in effect: "variables"; NULL: none */
	/* Look closer at the arguments; node->prepared may be set, in the script's memory. NULL: nothing to do. */
	enum err (*check)(struct sieve_check *check, struct sieve_node *node);
	/* One of them: `run` of a command, `test` of a test. */
	enum err (*run)(struct sieve_run *run, const struct sieve_node *node);
	enum err (*test)(struct sieve_run *run, const struct sieve_node *node, bool *ret_is_true);
};

/* Tags that exclude each other are of one group; these the checker knows. */
#define SIEVE_GROUP_COMPARATOR "comparator"
#define SIEVE_GROUP_MATCH "match type"
#define SIEVE_GROUP_ADDRESS_PART "address part"
#define SIEVE_GROUP_MAILBOX "of ':specialuse' and ':mailboxid'"

struct sieve_tag {
	const char *name;      /* "copy" */
	const char *commands;  /* who takes it: "fileinto redirect". NULL: by `group`, all that take such */
	struct sieve_parameter argument; /* zeroed: none */
	const char *group;     /* at most one of a group; NULL: excludes itself only */
	bool is_fcc_option;    /* beside :fcc, it is of the copy that is filed */
	const void *what;      /* match types: struct sieve_match_type; address parts: struct sieve_address_part; else its own */
	enum err (*check)(struct sieve_check *check, struct sieve_node *node, const struct sieve_value *value);
	/* The action that the command does; NULL: the command looks for the tag itself (sieve_tag). */
	enum err (*apply)(struct sieve_run *run, const struct sieve_node *node, const struct sieve_value *value, struct sieve_action *action);
};

/* RFC 4790. A comparator folds both texts, then compares bytes; or it has an order of its own. */
struct sieve_comparator {
	const char *name; /* "i;octet" */
	bool has_substring;  /* may be used with :contains, :matches, :regex */
	bool is_unicode;     /* "?" is a character, not a byte */
	bool is_case_blind;  /* for match types that can not compare folded texts: :regex */
	/* Append the folded `text`; with `offsets`, for each byte of it the place in `text` that it came from. NULL: as it is. */
	void (*fold)(struct str text, struct buffer *out, uint32_t *offsets);
	uint32_t growth;     /* fold makes at most so many bytes of one */
	/* <0, 0, >0; false: undefined, matches nothing. NULL: by bytes. */
	bool (*order)(struct str a, struct str b, int *ret_order);
};

struct sieve_text {
	struct str text;   /* as it is */
	struct str folded; /* by the comparator */
	void *prepared;    /* of a key, by match_type->prepare */
};

struct sieve_match;

struct sieve_match_type {
	bool needs_substring;
	bool counts;          /* :count: the number of values is what is compared, as decimal digits */
	/* A constant key, at compile time (arena: the script's); other keys, at run time. NULL: nothing. ERR_SYNTAX: *ret_text says why. */
	enum err (*prepare)(struct arena *arena, const struct sieve_node *node, struct str key, void **ret_prepared, struct str *ret_text);
	/* Does the value match the key? */
	enum err (*match)(struct sieve_run *run, const struct sieve_node *node, const struct sieve_text *value, const struct sieve_text *key,
	    bool *ret_is_true);
};

struct sieve_address {
	struct str all, localpart, domain; /* of what is no address the last two have ptr NULL */
};

struct sieve_address_part {
	/* False: the address does not have it; it matches nothing. */
	bool (*get)(struct sieve_run *run, const struct sieve_address *address, struct str *ret_part);
};

/* "${global.name}": variables that an extension has (RFC 5229 s. 3). */
struct sieve_namespace {
	const char *name; /* "global" */
	bool (*is_name)(struct str name); /* of what stands behind the dot */
	enum err (*get)(struct sieve_run *run, struct str name, struct str *ret_value);
	enum err (*set)(struct sieve_run *run, struct str name, struct str value); /* NULL: they can not be set */
};

/* How long an extension's state lives. */
enum sieve_lifetime {
	SIEVE_PER_RUN,    /* all scripts */
	SIEVE_PER_SCRIPT, /* one of them, with what it includes */
	SIEVE_PER_FILE,   /* one included script */
	SIEVE_LIFETIMES,
};

struct sieve_extension {
	const char *name;                    /* for `require`; NULL: the base language */
	bool is_implied;                     /* in effect without `require` */
	const char *brings;                  /* another extension that it puts into effect; NULL: none */
	bool is_grammar;                     /* changes how scripts are read: not for `ihave` (RFC 5463 s. 4) */
	const struct sieve_command *commands;      /* ended by a row without a name, as all of these */
	const struct sieve_tag *tags;
	const struct sieve_comparator *comparators;
	const struct sieve_namespace *space; /* NULL: it has no variables */
	/* Zeroed memory for each run, script, file: sieve_state. */
	size_t state_bytes[SIEVE_LIFETIMES];
	/* A string of the script, in order of the extensions' names: encoded characters are undone in its text, .. */
	enum err (*decode)(struct sieve_check *check, struct sieve_string *string);
	/* .. then it is cut into pieces. */
	enum err (*cut)(struct sieve_check *check, struct sieve_string *string);
	/* Each action that a script does while it is in effect, the implicit keep too (node NULL), after its tags. */
	enum err (*apply)(struct sieve_run *run, const struct sieve_node *node, struct sieve_action *action);
	/* The same when it has been put in the list: it may do more. */
	enum err (*done)(struct sieve_run *run, const struct sieve_node *node, const struct sieve_action *action);
};

/* ---- nodes */

struct sieve_tag_use {
	const struct sieve_tag *row;
	struct sieve_value value;
};

struct sieve_block {
	struct sieve_node *const *nodes;
	size_t count;
};

struct sieve_node {
	const struct sieve_command *row;
	uint32_t line, column;
	uint64_t extensions; /* bits of those that it needs, in the order of sieve_extensions */
	struct sieve_value arguments[SIEVE_PARAMETERS_MAX]; /* by the row's parameters */
	const struct sieve_tag_use *tags;
	size_t tag_count;
	struct sieve_node *const *tests;
	size_t test_count;
	struct sieve_block block;
	const struct sieve_node *otherwise; /* elsif, else */
	/* With SIEVE_MATCHES, SIEVE_ADDRESS_PARTS; defaults filled in. */
	const struct sieve_comparator *comparator;
	const struct sieve_tag_use *match; /* its `what` is the struct sieve_match_type */
	const struct sieve_text *keys;     /* of the last argument; of a key with pieces only zeros */
	const struct sieve_address_part *address_part;
	const void *prepared; /* what `check` made */
};

/* The value of the tag, or NULL when it is not there. */
const struct sieve_value *sieve_tag(const struct sieve_node *node, const char *name);
/* The tag of this group, or NULL. */
const struct sieve_tag_use *sieve_tag_of(const struct sieve_node *node, const char *group);

/* ---- compiling */

/* What is wrong, at a place of the script. Returns ERR_SYNTAX, so that a check can end with it. */
enum err sieve_problem(struct sieve_check *check, uint32_t line, uint32_t column, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The same where a string, an argument, a node is: any of them has `line` and `column`. */
#define SIEVE_PROBLEM(check, where, ...) sieve_problem((check), (where)->line, (where)->column, __VA_ARGS__)
void sieve_warn(struct sieve_check *check, uint32_t line, uint32_t column, const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Memory that lives as long as the script; what is made at run time goes into sieve_arena. */
struct arena *sieve_check_arena(struct sieve_check *check);
const struct sieve_limits *sieve_check_limits(const struct sieve_check *check);
/*
 * A run may ask for this. The first need of a run that has no answer brings those of its script with it, so that a script of many
 * such tests takes one round, and not one for each.
 */
void sieve_check_will_ask(struct sieve_check *check, enum sieve_need_kind kind, struct str name, struct str scope);
/* Has the script required it (or, with `ihave`, could it come into effect)? */
bool sieve_check_has(const struct sieve_check *check, struct str extension);
/* From here on what is wrong is no error before it is run: it may be of an extension that is not here, and guarded by an `ihave`. */
void sieve_check_defer(struct sieve_check *check);
/* Put it into effect, in all of the script that comes after: require. False: there is none. */
bool sieve_check_enable(struct sieve_check *check, struct str extension);
/* The namespace of this name, if the extension that has it is in effect; else NULL. */
const struct sieve_namespace *sieve_check_namespace(struct sieve_check *check, struct str name);
/* The same, whatever is in effect: for what the checker let through. */
const struct sieve_namespace *sieve_namespace(struct str name);
/* Is it an extension that this engine has? */
const struct sieve_extension *sieve_extension_find(struct str name);

/* A bigger array when it is full: doubled, in the arena. `*room` is how many it holds. */
void *sieve_grow(struct arena *arena, void *items, size_t count, size_t *room, size_t item_bytes);
/* At most `max` bytes (0: all), and no half of a UTF-8 character at the end. */
struct str sieve_cut(struct str text, size_t max);

/* ---- running */

const struct sieve_input *sieve_input(const struct sieve_run *run);
const struct sieve_limits *sieve_limits(const struct sieve_run *run);
/* Where what the run makes lives; as long as the result. Bounded: spend what you take (sieve_take). */
struct arena *sieve_arena(struct sieve_run *run);
/* ERR_LIMIT, with a text, when the steps, the time or the memory are used up. A step is about a hundred nanoseconds. */
enum err sieve_spend(struct sieve_run *run, uint64_t steps);
/* So many bytes (more to come, or already in the arena) and steps for looking at them. */
enum err sieve_spend_bytes(struct sieve_run *run, size_t bytes);
/* A runtime error, at the node (NULL: at the one that runs). Returns ERR_INVALID. */
enum err sieve_fail(struct sieve_run *run, const struct sieve_node *node, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The extension's state of that lifetime. */
void *sieve_state(struct sieve_run *run, const struct sieve_extension *extension, enum sieve_lifetime lifetime);
/* Is it in effect in the script that runs? */
bool sieve_has(const struct sieve_run *run, const char *extension);

/* Put it into effect in the script that runs: ihave. False: there is none. */
bool sieve_enable(struct sieve_run *run, struct str extension);

/* The string with its variables put in; for a constant a view of the script. At most limits->variable_bytes, cut at a character. */
enum err sieve_expand(struct sieve_run *run, const struct sieve_string *string, struct str *ret_text);
/* All strings of an argument. */
enum err sieve_expand_all(struct sieve_run *run, const struct sieve_value *value, struct str **ret_texts, size_t *ret_count);

enum err sieve_run_block(struct sieve_run *run, const struct sieve_block *block);
enum err sieve_run_test(struct sieve_run *run, const struct sieve_node *test, bool *ret_is_true);
/* Run a compiled script here: include. `name` is for messages. */
enum err sieve_run_script(struct sieve_run *run, struct sieve_script *script, struct str name);
/* End everything; end the script that was included last. The blocks around notice. */
void sieve_stop(struct sieve_run *run);
void sieve_return(struct sieve_run *run);

/*
 * The answer to a need. ERR_AGAIN: it is not among the input's answers, and was noted. Ask for all that may be needed together before the
 * first of them is looked at: each round costs the caller a call.
 */
enum err sieve_ask(struct sieve_run *run, enum sieve_need_kind kind, struct str name, struct str scope, const struct sieve_answer **ret_answer);

/* For --explain: what this test or action compared, in a few words. Costs nothing when nobody asked. */
void sieve_explain(struct sieve_run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- matching: does one of the values match one of the node's keys? */

/*
 *	struct sieve_match match;
 *
 *	TRY(sieve_match_begin(run, node, &match));
 *	while (!match.is_true && (there is a value))
 *		TRY(sieve_match_value(&match, value));
 *	return sieve_match_end(&match, ret_is_true);
 */
struct sieve_match {
	struct sieve_run *run;
	const struct sieve_node *node;
	const struct sieve_text *keys;
	size_t key_count;
	uint64_t values; /* so far */
	bool is_true;    /* never set before the end by what counts */
};

enum err sieve_match_begin(struct sieve_run *run, const struct sieve_node *node, struct sieve_match *ret_match);
/* Other keys than those of the node: what is made of them. */
enum err sieve_match_keys(struct sieve_match *match, const struct str *keys, size_t count);
enum err sieve_match_value(struct sieve_match *match, struct str value);
/* Is it only how many there are that matters (:count)? */
bool sieve_match_counts(const struct sieve_match *match);
enum err sieve_match_end(struct sieve_match *match, bool *ret_is_true);
/* A value that was folded before, with sieve_fold and the node's comparator: for what many tests look at. */
enum err sieve_match_folded(struct sieve_match *match, const struct sieve_text *value);
/* `text` as the comparator compares it, in `arena`, or `text` itself. */
struct str sieve_fold(const struct sieve_comparator *comparator, struct str text, struct arena *arena);

/* What :matches and :regex found: ${0}, ${1}, .. Kept only while the script has variables. The texts may be views of the value. */
enum { SIEVE_CAPTURES_MAX = 32 };
void sieve_captures_set(struct sieve_run *run, const struct str *texts, size_t count);
/* ${index}; empty when there is none. */
struct str sieve_capture(const struct sieve_run *run, size_t index);
/* Would anyone look at them? */
bool sieve_wants_captures(const struct sieve_run *run);

/* ---- the message */

struct sieve_field {
	struct str name;   /* as written */
	struct str value;  /* raw: folded */
	struct str raw;    /* the whole field with its line end */
};

/* The fields in order, as the script sees them now. */
size_t sieve_field_count(struct sieve_run *run);
/* `index` is less than their number, which was asked for before. */
const struct sieve_field *sieve_field(const struct sieve_run *run, size_t index);
/* The first field of this name from `from` on; their number when there is none. */
size_t sieve_field_find(struct sieve_run *run, struct str name, size_t from);
/* Is it this field? (i;ascii-casemap) */
bool sieve_field_is(const struct sieve_field *field, struct str name);
/*
 * The fields that a node looks at: those of the names, in the order of the names; with :index, or :index and :last, one of them, or none.
 *
 *	TRY(sieve_walk_begin(run, node, names, count, &walk));
 *	while (sieve_walk_next(&walk, &field))
 */
struct sieve_walk {
	struct sieve_run *run;
	const struct str *names;
	size_t name_count, name, field; /* where it is */
	bool is_one;
	uint64_t one, seen; /* which, counted from 1 */
};
enum err sieve_walk_begin(struct sieve_run *run, const struct sieve_node *node, const struct str *names, size_t name_count,
    struct sieve_walk *ret_walk);
bool sieve_walk_next(struct sieve_walk *walk, size_t *ret_field);
/* The check of a tag ":last": not without ":index". */
enum err sieve_check_last(struct sieve_check *check, struct sieve_node *node, const struct sieve_value *value);

/* Its value unfolded, encoded words decoded, blanks at both ends taken off; made once. */
enum err sieve_field_text(struct sieve_run *run, size_t index, struct str *ret_text);
/* Its addresses; made once. */
enum err sieve_field_addresses(struct sieve_run *run, size_t index, const struct sieve_address **ret_addresses, size_t *ret_count);
/* Put this header in the place of the message's, for what comes after (editheader). `header` ends with its empty line. */
enum err sieve_set_header(struct sieve_run *run, struct str header);
/* The header block in force, with its empty line. */
struct str sieve_header(const struct sieve_run *run);
/* The body: ERR_AGAIN when it has to be asked for. */
enum err sieve_body(struct sieve_run *run, struct str *ret_body);

/* The address without name, route and brackets: "local@domain". False: it is none that mail can be sent to (RFC 5228 s. 2.4.2.3). */
bool sieve_outbound_address(struct str text, struct arena *arena, struct str *ret_address);
/* Is it one of the owner's addresses, or the one that the mail came to? Case is not looked at. */
bool sieve_is_owner(const struct sieve_run *run, struct str address);
/* Read one address, leniently: what an envelope has. */
struct sieve_address sieve_address_of(struct str text, struct arena *arena);

/* ---- mailboxes */

/* Constants among the strings must be names that a mailbox can have. */
enum err sieve_check_mailbox(struct sieve_check *check, const struct sieve_value *value);
/* The name as it is stored (NFC, INBOX in upper case). ERR_INVALID: it can be none. */
enum err sieve_mailbox(struct sieve_run *run, const struct sieve_node *node, const struct sieve_string *string, struct str *ret_name);

/* ---- actions */

/* A zeroed action of the kind, with where it comes from and the header in force. */
struct sieve_action sieve_action_new(struct sieve_run *run, const struct sieve_node *node, enum sieve_action_kind kind);
/*
 * Let the node's tags and the extensions change the action, then do it: put it at the end of the list, unless the same is there. KEEP, FILEINTO,
 * REDIRECT, REFUSE, SEND of a reject and DISCARD cancel the implicit keep, unless is_copy. ERR_INVALID: it does not go with what was
 * done before, or is one too many.
 */
enum err sieve_do(struct sieve_run *run, const struct sieve_node *node, struct sieve_action *action);
/* The actions so far. */
const struct sieve_action *sieve_actions(const struct sieve_run *run, size_t *ret_count);
/* A new Message-ID, with its brackets: the same at each run with this input, another for each call. */
struct str sieve_message_id(struct sieve_run *run);

#endif
