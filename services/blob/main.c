/* sora-blob: bodies, in S3 or in a directory. */
#include "services/blob/service.h"

static const struct service *const services[] = { &blob_service };

static const struct service_verb verbs[] = {
	{ "create-bucket", "make the bucket, or the directory, that the configuration names", blob_create_bucket },
};

int
main(int argc, char **argv)
{
	return service_main(argc, argv, services, 1, verbs, sizeof(verbs) / sizeof(*verbs));
}
