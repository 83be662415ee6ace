/* What both ends of a socket agree on, and the addresses of both: the part of the bus that knows what a URL is. */
#ifndef SORA_BUS_SOCKETS_H
#define SORA_BUS_SOCKETS_H

#include <nng/nng.h>

#include "libcommon/bus/bus.h"
#include "libcommon/bus/codec.h"

/* The greatest message that a socket takes; a peer that sends more is disconnected. */
enum { BUS_WIRE_MAX = BUS_HEADER_MAX + BUS_MESSAGE_MAX + BUS_CHUNK_MAX + 64 };

/*
 * What is done with a socket's contexts, against its close: in nng 1.10.1 a context that is in use while its socket is closed is
 * destroyed after the socket. So nothing enters once the gate is closed, and closing it waits until everyone has left.
 */
struct bus_gate {
	_Atomic int inside;
	_Atomic bool is_closed;
};
/* False: it is closed. */
bool bus_gate_enter(struct bus_gate *gate);
void bus_gate_leave(struct bus_gate *gate);
/* Close the gate, then the socket. */
void bus_gate_close(struct bus_gate *gate, nng_socket socket);

/* A message for nng, which will own it. */
nng_msg *bus_message_new(const ProtobufCMessage *header, const struct bus_body *body);

/*
 * The addresses behind a URL, as URLs in `arena`: of a tcp:// or tls+tcp:// name one for each host (IPv4 alone where there are both, since a
 * replica with two addresses is one replica), else itself. May ask the DNS.
 *
 * ERR_CONFIG       not a URL of inproc, ipc, tcp or tls+tcp
 * ERR_UNAVAILABLE  the name cannot be resolved now
 */
enum err bus_resolve(struct str url, struct arena *arena, struct str **ret_urls, size_t *ret_count);
bool bus_url_is_tls(struct str url);
/* inproc or ipc: nobody on another machine can be there. */
bool bus_url_is_local(struct str url);
/* Could what is behind this URL have other addresses later? */
bool bus_url_is_name(struct str url);

/*
 * May a socket listen here? Nobody can say who calls by plain tcp, so that is for this host alone; tls+tcp is for any. ERR_CONFIG: not a
 * URL that the bus knows. ERR_DENIED: plain tcp on an address that others reach.
 */
enum err bus_listen_check(struct str url);

#endif
