/* sora-admin: the operator's command line. */
#include "admin/command.h"

int
main(int argc, char **argv)
{
	return admin_main(argc, argv);
}
