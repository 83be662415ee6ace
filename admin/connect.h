/* The way to the metadata service: a running one, or one of our own for this command. */
#ifndef SORA_ADMIN_CONNECT_H
#define SORA_ADMIN_CONNECT_H

#include "admin/options.h"
#include "libcommon/service/service.h"

struct admin {
	struct config *config;
	struct bus *bus;
	void *own;                 /* the metadata service in this process, if there is one */
	struct service_context context;
	struct arena arena;
	struct bus_call call;      /* for the command; its `detail` says what is wrong with an error */
};

/*
 * Read the configuration and find the service, in this order:
 *	--db*                          one of our own, on that database
 *	--metadata ADDRESS             that one
 *	bus.metadata of the config     unless that is inproc
 *	bus.admin of the config        the all-in-one that runs, if it answers
 *	nothing                        one of our own, on the config's database
 * ERR_CONFIG: said on standard error. ERR_UNAVAILABLE: nothing answers. In any case admin_disconnect ends it.
 */
enum err admin_connect(struct admin *admin, const struct admin_line *line);
/*
 * Read the configuration, and talk to nobody yet: to what it names, or to --metadata alone, or, where everything is in one process, to
 * bus.admin. ERR_SYNTAX: the line names a database. ERR_UNAVAILABLE: the configuration says no way to the all-in-one.
 */
enum err admin_look(struct admin *admin, const struct admin_line *line);
void admin_disconnect(struct admin *admin);

/* Say what is wrong, for the end of the program, and return `err`. */
enum err admin_explain(struct admin *admin, enum err err, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
