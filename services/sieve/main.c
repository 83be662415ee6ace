/* sora-sieve: checks and runs Sieve scripts. */
#include "services/sieve/service.h"

static const struct service *const services[] = { &sieve_service };

int
main(int argc, char **argv)
{
	return service_main(argc, argv, services, 1, NULL, 0);
}
