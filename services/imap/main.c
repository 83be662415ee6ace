/* sora-imap: the IMAP frontend on its own. */
#include "libcommon/service/service.h"
#include "services/imap/service.h"

int
main(int argc, char **argv)
{
	const struct service *const services[] = { &imap_service };

	return service_main(argc, argv, services, 1, NULL, 0);
}
