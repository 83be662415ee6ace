/*
 * Calls within one process: the caller's own thread puts them into the queue of the server, whose thread hands the answer straight back.
 * Through nng each went by four threads, who took longer than most calls do. All else is the same: nng's connection by inproc says whether the
 * server is there, and messages are packed and checked.
 */
#ifndef SORA_BUS_LOCAL_H
#define SORA_BUS_LOCAL_H

#include <nng/nng.h>

#include "libcommon/core/err.h"

struct bus_local; /* one call; the caller and the server hold it */
struct bus_server;

/* `server` answers at `url`, which stays where it is, until bus_local_forget: when that returns nothing new comes. */
void bus_local_listen(struct bus_server *server, const char *url);
void bus_local_forget(struct bus_server *server);

/* Begin a call of whoever listens at `url`, who takes the message. NULL: nobody does. */
struct bus_local *bus_local_begin(const char *url, nng_msg *msg);
/*
 * Wait for its answer, which lives until bus_local_end.
 *
 * ERR_DEADLINE     no answer until then (monotonic): perhaps done
 * or what bus_local_close said
 */
enum err bus_local_wait(struct bus_local *call, int64_t deadline_ms, nng_msg **ret_reply);
/* Whoever waits for it is told `err`, if it is not answered. */
void bus_local_close(struct bus_local *call, enum err err);
void bus_local_end(struct bus_local *call);

/* The server's side, once. */
void bus_local_answer(struct bus_local *call, nng_msg *reply);

#endif
