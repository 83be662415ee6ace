/* sora-metadata: the metadata service as a process of its own, and the verbs for its database. */
#include "services/metadata/migrate.h"
#include "services/metadata/service.h"

int
main(int argc, char **argv)
{
	static const struct service *const services[] = { &metadata_service };
	static const struct service_verb verbs[] = {
		{ "migrate", "bring the database's schema up to this version", migrate_verb },
		{ "new-timeline", "after a restore from a dump or snapshot: let nothing be reused that clients may have seen", new_timeline_verb },
	};

	return service_main(argc, argv, services, 1, verbs, sizeof(verbs) / sizeof(verbs[0]));
}
