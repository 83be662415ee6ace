/* The all-in-one: every service in one process, over inproc. */
#include "services/sora/all.h"

int
main(int argc, char **argv)
{
	return service_main(argc, argv, sora_services, SORA_SERVICES, NULL, 0);
}
