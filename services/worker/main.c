/* sora-worker: what happens by itself: sweeps and purges, and mail on its way out. */
#include "services/worker/service.h"

static const struct service *const services[] = { &worker_service };

int
main(int argc, char **argv)
{
	return service_main(argc, argv, services, 1, NULL, 0);
}
