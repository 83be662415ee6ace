/* The table of commands, gathered by the build from the files of commands/. */
#ifndef SORA_LMTP_COMMAND_H
#define SORA_LMTP_COMMAND_H

#include "services/lmtp/parser.h"
#include "services/lmtp/reply.h"
#include "services/lmtp/session.h"

enum lmtp_command_flag {
	LMTP_CMD_BATCHED = 1, /* several in a row are answered together */
};

/* What LHLO says of a command that came after RFC 5321. */
struct lmtp_extension {
	const char *keyword; /* "CHUNKING" */
	bool (*is_offered)(const struct lmtp_session *session); /* NULL: always */
	const struct lmtp_attribute *attributes; /* whose names follow the keyword; NULL: nothing does */
};

struct lmtp_command {
	const char *name;
	const char *syntax; /* for HELP */
	const struct lmtp_extension *extension; /* NULL: none */
	unsigned states;    /* enum lmtp_state, or-ed */
	unsigned flags;
	/*
	 * Pure: arguments into `arena`, or the reply that refuses them, LMTP_REPLY_NONE being none. NULL: there are no arguments,
	 * or they do not matter.
	 */
	enum lmtp_reply (*parse)(struct str args, struct arena *arena, void **ret_args);
	/* ERR_OK, or why the connection ends. */
	enum err (*run)(struct lmtp_session *session, void *args);
};

/* The row of `verb`, any case, or NULL. */
const struct lmtp_command *lmtp_command_find(struct str verb);
/* May this session use the command: LHLO and HELP name it? */
bool lmtp_command_is_offered(const struct lmtp_command *command, const struct lmtp_session *session);
/* All rows, in order of their names. */
const struct lmtp_command *const *lmtp_commands(size_t *ret_count);

/* Find the command, check that it may come now, parse and run it. ERR_OK, or why the connection ends. */
enum err lmtp_command_run(struct lmtp_session *session, const struct lmtp_request *request);
/* Refuse a command. After LMTP_ERRORS_MAX mistakes with no mail between them the connection ends. */
enum err lmtp_command_refuse(struct lmtp_session *session, enum lmtp_reply reply);

#endif
