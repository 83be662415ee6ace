/* A proxy in front of a real S3 that lies, cuts and stalls as it is told to. One request a connection. */
#ifndef SORA_TESTS_BLOB_LIAR_H
#define SORA_TESTS_BLOB_LIAR_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

enum lie {
	LIE_NONE,
	LIE_BUSY,        /* 503 SlowDown, the request is not passed on */
	LIE_ERROR,       /* 500 InternalError, likewise */
	LIE_THROTTLED,   /* 429, likewise */
	LIE_CUT_BEFORE,  /* the connection ends before the store sees the request */
	LIE_CUT_AFTER,   /* the store did it, the answer is lost */
	LIE_CUT_MIDDLE,  /* half of the answer's body comes */
	LIE_LONGER,      /* Content-Length says more than there is */
	LIE_SHORTER,     /* the body lacks its last bytes, and Content-Length agrees */
	LIE_FLIP_UP,     /* a byte of the request's body is changed */
	LIE_FLIP_DOWN,   /* a byte of the answer's body is changed */
	LIE_SILENT,      /* no answer */
	LIE_DATE,        /* the store's clock is an hour ahead */
	LIE_OK_ERROR,    /* 200, with an error in the body */
	LIE_OK_EMPTY,    /* 200, and nothing else; the request is not passed on */
	LIE_RETRY_SOON,  /* 429 with Retry-After: 1 */
	LIE_RETRY_LATE,  /* 503 with Retry-After: 3600 */
	LIE_MOVED,       /* 301 to this proxy itself, which would answer */
	LIE_REDIRECT,    /* 307 likewise */
	LIE_DENIED,      /* 403 AccessDenied */
	LIE_NO_BUCKET,   /* 404 NoSuchBucket */
	LIE_NOT_FOUND,   /* 404 with a page of HTML: something that stands before the store */
	LIE_NO_KEY,      /* 404 NoSuchKey, as by a store that does not know yet */
	LIE_CUT_HEAD,    /* the connection ends in the middle of the answer's head */
	LIE_CUT_END,     /* the last byte of the answer's body does not come */
	LIE_MORE,        /* the body has more bytes than it should, and Content-Length agrees */
	LIE_EMPTY,       /* the answer's own head, and an empty body */
	LIE_OTHER,       /* the body is as long as it should be, and another one's */
	LIE_NO_ETAG,     /* the store did it; the answer has no ETag */
	LIE_ETAG,        /* the ETag is another one's */
	LIE_CUT_XML,     /* the body lacks its second half, and Content-Length agrees */
	LIE_HUGE_HEAD,   /* a head that does not end */
	LIE_HUGE_BODY,   /* a body that does not end */
	LIE_TRICKLE,     /* a byte now and then */
	LIE_CONTINUE,    /* "100 Continue" three times, then the truth */
	LIE_NO_HTTP,     /* the greeting of another protocol */
	LIE_COUNT,
};

struct liar {
	int listener;
	uint16_t port, store_port;
	pthread_t thread;
	atomic_bool is_ending;
	atomic_int lie;
	char method[8];      /* to whose requests it lies */
	atomic_int skip;     /* so many are let through first */
	atomic_int times;    /* and so many are lied to */
	atomic_int lied;
	atomic_int followed; /* redirects */
};

/* Listen on a port of the kernel's choice; the store is at 127.0.0.1:`store_port`. */
void liar_start(struct liar *liar, uint16_t store_port);
void liar_tell(struct liar *liar, enum lie lie, const char *method, int skip, int times);
void liar_stop(struct liar *liar);

#endif
