/* What the files of this directory share. */
#ifndef SORA_SIEVE_VACATION_H
#define SORA_SIEVE_VACATION_H

#include "services/sieve/compose.h"

/*
 * May the message be answered? Only one that a person sent to the owner: not a list's, a program's, one's own (RFC 5230 s. 4.5, 4.6; RFC 3834
 * s. 2). *ret_why says why not, else it is NULL.
 */
enum err sieve_vacation_may_answer(struct sieve_run *run, const struct sieve_node *node, const char **ret_why);

#endif
