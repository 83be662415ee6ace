/* The IMAP service, and what all its sessions share. */
#ifndef SORA_IMAP_SERVICE_H
#define SORA_IMAP_SERVICE_H

#include "libcommon/net/net.h"
#include "libcommon/service/service.h"

struct imap_views;
struct imap_watch;

struct imap_server {
	const struct config *config;
	struct bus *bus;
	struct str hostname;
	struct net_server *net;
	struct imap_views *views;
	struct imap_watch *watch;
};

extern const struct service imap_service;

#endif
