/* The all-in-one: every service in one process, over inproc. The frontends last: they need the others. */
#include "libcommon/service/service.h"
#include "services/blob/service.h"
#include "services/imap/service.h"
#include "services/lmtp/service.h"
#include "services/metadata/service.h"
#include "services/worker/service.h"

int
main(int argc, char **argv)
{
	static const struct service *const services[] = { &blob_service, &metadata_service, &worker_service, &imap_service,
		&lmtp_service };

	return service_main(argc, argv, services, sizeof(services) / sizeof(services[0]), NULL, 0);
}
