/* sora-pop3: serves mail programs that speak POP3. */
#include "services/pop3/service.h"

int
main(int argc, char **argv)
{
	static const struct service *const services[] = { &pop3_service };

	return service_main(argc, argv, services, 1, NULL, 0);
}
