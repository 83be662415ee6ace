/* The table of commands, gathered by the build from the files of commands/. */
#ifndef SORA_MANAGESIEVE_COMMAND_H
#define SORA_MANAGESIEVE_COMMAND_H

#include "services/managesieve/reply.h"

/* A row; a file of commands/ has an array of them, ended by one without a name. */
struct managesieve_command {
	const char *name;
	unsigned states;  /* enum managesieve_state, or-ed */
	const char *args; /* as managesieve_has_args */
	/*
	 * Answers. ERR_OK; ERR_AGAIN: back to the poller first, or the client's next string is this command's, too (session->sasl takes
	 * it); or why the connection ends.
	 */
	enum err (*run)(struct managesieve_session *session, const struct managesieve_request *request);
};

/* The row of `name`, any case, or NULL. */
const struct managesieve_command *managesieve_command_find(struct str name);

/* Parse one framed command, check that it may come now, run it. As its run. */
enum err managesieve_command_run(struct managesieve_session *session, struct str line);

/* AUTHENTICATE's further strings: base64 of the client's response, or "*". As a command's run. */
enum err managesieve_authenticate_line(struct managesieve_session *session, struct str line);

#endif
