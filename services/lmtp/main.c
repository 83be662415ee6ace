/* sora-lmtp: takes mail from MTAs. */
#include "services/lmtp/service.h"

int
main(int argc, char **argv)
{
	static const struct service *const services[] = { &lmtp_service };

	return service_main(argc, argv, services, 1, NULL, 0);
}
