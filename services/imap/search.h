/*
 * SEARCH keys: rows, here and in extensions; a program of keys, and what evaluating one may use.             RFC 3501 s. 6.4.4
 *
 * Evaluation goes by cost: what the view can answer, then what metadata's columns can, and only for messages still undecided their bodies.
 */
#ifndef SORA_IMAP_SEARCH_H
#define SORA_IMAP_SEARCH_H

#include "proto/metadata.pb-c.h"
#include "services/imap/ahead.h"
#include "services/imap/command.h"
#include "services/imap/view.h"

enum imap_cost { IMAP_COST_VIEW, IMAP_COST_WIDE, IMAP_COST_BODY };

struct imap_search_row;

struct imap_search_key {
	const struct imap_search_row *row;
	struct imap_search_key *next;     /* sibling */
	struct imap_search_key *children; /* of AND, OR, NOT */
	struct imap_set set;              /* as parsed; then resolved to sequence numbers */
	bool is_uid_set;
	struct str text;                  /* folded; or a keyword */
	struct str field;                 /* HEADER's */
	int32_t day;
	uint64_t number;
	const void *found;                /* what the extension's prepare_search has found for it */
	struct imap_search_key *same;     /* the next key for which it has */
};

/* While keys are parsed. */
struct imap_search_parse {
	struct imap_cursor *cur;
	struct str charset; /* empty: none was named */
	bool is_bad_charset;
};

/* One message being looked at. */
struct imap_search {
	struct imap_command *cmd;
	const struct imap_view *view;
	uint32_t seq;
	const struct imap_row *row;
	const struct imap_chunk *chunk;
	const MetadataFetchReply__Row *wide; /* from IMAP_COST_WIDE on */
	struct arena *arena;                 /* of this message */
	struct imap_ahead *ahead;            /* small bodies that were asked for, as the section imap_search_whole */
	struct str whole;                    /* a small body, once it was read */
	bool has_whole;
};

enum { IMAP_SEARCH_WHOLE_MAX = 256 * 1024 }; /* bodies up to this are read at once, bigger ones part by part */
extern const struct imap_section imap_search_whole;

struct imap_search_row {
	const char *name;
	enum imap_cost cost;
	unsigned data; /* the row's own: a flag */
	/* Arguments, behind the name. NULL: there are none. */
	enum err (*parse)(struct imap_search_parse *parse, struct imap_search_key *key);
	/* NULL: evaluated by search_eval.c (AND, OR, NOT). */
	enum err (*match)(struct imap_search *search, const struct imap_search_key *key, bool *ret_matches);
};

extern const struct imap_search_row imap_search_core[];
extern const struct imap_search_row imap_search_header_keys[];
extern const struct imap_search_row imap_search_and[], imap_search_set[];

/* One key. Recursion is bounded by IMAP_DEPTH_MAX. */
enum err imap_search_parse_key(struct imap_search_parse *parse, struct imap_search_key **ret_key);
/* Keys with a space between, as one AND. */
enum err imap_search_parse_keys(struct imap_search_parse *parse, struct imap_search_key **ret_key);
/* SP astring, as UTF-8, folded. */
enum err imap_search_parse_text(struct imap_search_parse *parse, struct imap_search_key *key);

/* The sequence numbers that match, ascending, in the command's arena. A passing failure fails all: a result is never cut. */
enum err imap_search_run(struct imap_command *cmd, struct imap_search_key *program, uint32_t **ret_seqs, size_t *ret_count);

/* Does the body, or with `with_header` the whole message, contain the folded text? (search_body.c) */
enum err imap_search_body(struct imap_search *search, struct str text, bool with_header, bool *ret_matches);
/* Does a field `name` (empty: any field) of this header block contain the folded text? */
bool imap_search_header_block(struct str header, struct str name, struct str text, struct arena *arena);

#endif
