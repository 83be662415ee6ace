/* The table of commands, gathered by the build from the files of commands/. */
#ifndef SORA_POP3_COMMAND_H
#define SORA_POP3_COMMAND_H

#include "services/pop3/parser.h"
#include "services/pop3/reply.h"
#include "services/pop3/session.h"

/* A row; a file of commands/ has an array of them, ended by one without a name. */
struct pop3_command {
	const char *name;
	unsigned states; /* enum pop3_state, or-ed */
	enum pop3_args args;
	/*
	 * Answers. ERR_OK; ERR_AGAIN: the client's next line is this command's, too (session->sasl takes it); or why the connection ends.
	 */
	enum err (*run)(struct pop3_session *session, const struct pop3_request *request);
};

/* The row of `keyword`, any case, or NULL. */
const struct pop3_command *pop3_command_find(struct str keyword);

/* Find the command, check that it may come now and has its arguments, run it. As its run. */
enum err pop3_command_run(struct pop3_session *session, struct pop3_request *request);

/* AUTH's further lines: base64 of the client's response, or "*". As a command's run. */
enum err pop3_auth_line(struct pop3_session *session, struct str line);

#endif
