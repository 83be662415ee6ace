/* Every service there is. The frontends are last: they need the others. */
#include "services/sora/all.h"

#include "services/blob/service.h"
#include "services/imap/service.h"
#include "services/lmtp/service.h"
#include "services/managesieve/service.h"
#include "services/metadata/service.h"
#include "services/pop3/service.h"
#include "services/sieve/service.h"
#include "services/worker/service.h"

const struct service *const sora_services[SORA_SERVICES] = { &blob_service, &metadata_service, &sieve_service, &worker_service, &imap_service,
	&pop3_service, &managesieve_service, &lmtp_service };
