/* :copy, which leaves the implicit keep in force.                                                      RFC 3894 */
#include "services/sieve/ext.h"

static enum err
copy_apply(struct sieve_run *run, const struct sieve_node *node, const struct sieve_value *value, struct sieve_action *action)
{
	(void)run;
	(void)node;
	(void)value;
	action->is_copy = true;
	return ERR_OK;
}

static const struct sieve_tag TAGS[] = { { .name = "copy", .commands = "fileinto redirect", .apply = copy_apply }, { 0 } };

const struct sieve_extension sieve_ext_copy = { .name = "copy", .tags = TAGS };
