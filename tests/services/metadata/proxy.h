/* A proxy before PostgreSQL that cuts a connection at its COMMIT: for outcomes that are unknown. */
#ifndef SORA_TESTS_METADATA_PROXY_H
#define SORA_TESTS_METADATA_PROXY_H

enum proxy_mode {
	PROXY_PASS,
	PROXY_CUT_BEFORE_COMMIT, /* what was sent before it arrives, it does not */
	PROXY_CUT_AFTER_COMMIT,  /* it is done, the answer does not arrive */
};

/* Lead to that port of 127.0.0.1, for as long as the process lives. Returns the port to connect to. */
int proxy_start(int target);
/* For the next COMMIT that comes by, of any connection; then it passes again. */
void proxy_set(enum proxy_mode mode);
/* How many connections were cut. */
int proxy_cuts(void);

#endif
