/* Functions that do not compile here: each has a bounded or checked counterpart. Included by the Makefile in every file. */
#ifndef SORA_CORE_BANNED_H
#define SORA_CORE_BANNED_H

/* What uses them in its inline functions must come before the poison. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf strtok strtok_r atoi atol atoll gets
#pragma GCC poison gmtime localtime asctime ctime tmpnam mktemp

#endif
