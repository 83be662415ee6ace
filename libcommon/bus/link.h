/*
 * One socket to one replica: nng's REQ with a context for each call that is under way.
 *
 * nng never sends a request again by itself here: a lost peer ends the exchange, and the caller decides.
 */
#ifndef SORA_BUS_LINK_H
#define SORA_BUS_LINK_H

#include "libcommon/bus/codec.h"

struct bus_link;
struct bus_lane;
struct bus_tls;

/*
 * Begin to connect to `url`, again and again until it is closed. `changed(arg)` is called, from a thread that must not be held up, after
 * each connect and loss. By tls+tcp it is connected when the other end has shown that it is `service`; `tls` may be NULL for other URLs.
 *
 * ERR_CONFIG: not a URL that nng understands
 */
enum err bus_link_open(const char *url, const struct bus_tls *tls, const char *service, void (*changed)(void *arg), void *arg, struct bus_link **ret_link);
/* What is under way ends with ERR_CLOSED. */
void bus_link_close(struct bus_link *link);
/* Of a closed link, when every lane has ended. */
void bus_link_free(struct bus_link *link);

bool bus_link_is_connected(const struct bus_link *link);
/* How often it has connected: another number is another connection, perhaps another process. Never 0 once connected. */
unsigned bus_link_generation(const struct bus_link *link);

/* Send a request, to be answered until `deadline_ms` (monotonic). Does not wait. */
struct bus_lane *bus_lane_begin(struct bus_link *link, const ProtobufCMessage *header, const struct bus_body *body,
    int64_t deadline_ms);
/*
 * Wait for the answer, once; `*ret_bytes` lives until bus_lane_end.
 *
 * ERR_UNAVAILABLE  it was not sent, or the connection was lost: then perhaps done
 * ERR_DEADLINE     no answer in time: perhaps done
 * ERR_CLOSED       the link was closed
 */
enum err bus_lane_wait(struct bus_lane *lane, struct str *ret_bytes);
/* Was the request handed to a connection? If not it cannot have been done. */
bool bus_lane_was_sent(const struct bus_lane *lane);
void bus_lane_end(struct bus_lane *lane);

#endif
