/* sora-managesieve: lets people edit their Sieve scripts. */
#include "services/managesieve/service.h"

int
main(int argc, char **argv)
{
	static const struct service *const services[] = { &managesieve_service };

	return service_main(argc, argv, services, 1, NULL, 0);
}
