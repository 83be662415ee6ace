/* The threads that check passwords, what they remember, and the count of failures. */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "libcommon/core/clock.h"
#include "libcommon/core/mem.h"
#include "libcommon/crypto/hash.h"
#include "libcommon/crypto/password.h"
#include "services/metadata/login.h"

enum { THREADS_MAX = 8, WAITING_MAX = 256, REMEMBERED = 4096, REMEMBER_MS = 3600 * 1000, FAILURES_MAX = 10, FORGIVE_MS = 6000 };
/*
 * Places for failures. A wrong proof by SCRAM costs next to nothing, so there are more than can be kept full by who wants his other guesses
 * not to be counted: that would take 40,000 a second. 4 MiB, of which only what is used is there.
 */
enum { COUNTED = 256 * 1024 };

struct remembered {
	uint8_t mac[SHA256_BYTES];
	int64_t until_ms;
};

/* Failures drain away, one each FORGIVE_MS. */
struct failures {
	uint64_t who;
	int64_t clear_ms; /* when all are forgiven */
};

struct logins {
	pthread_mutex_t mutex;
	pthread_cond_t work;
	struct login *first, **last;
	size_t waiting;
	bool is_ending;
	pthread_t threads[THREADS_MAX];
	size_t thread_count;
	char salt[16]; /* no one outside can choose what collides */
	struct remembered remembered[REMEMBERED];
	struct failures failures[COUNTED];
	struct arena arena;
	struct str dummy; /* what unknown users' passwords are compared with */
};

static void
mac_of(const struct login *login, uint8_t ret[SHA256_BYTES])
{
	hmac_sha256(login->stored, login->password, ret);
}

static struct remembered *
place_of(struct logins *logins, const uint8_t mac[SHA256_BYTES])
{
	uint32_t n;

	memcpy(&n, mac, sizeof(n));
	return &logins->remembered[n % REMEMBERED];
}

bool
login_is_remembered(struct logins *logins, const struct login *login)
{
	uint8_t mac[SHA256_BYTES];
	struct remembered *place;
	bool is_same;

	if (login->stored.len == 0)
		return false;
	mac_of(login, mac);
	place = place_of(logins, mac);
	pthread_mutex_lock(&logins->mutex);
	is_same = place->until_ms > clock_mono_ms() && memcmp(place->mac, mac, sizeof(mac)) == 0;
	pthread_mutex_unlock(&logins->mutex);
	return is_same;
}

/* With the mutex. */
static void
remember(struct logins *logins, const uint8_t mac[SHA256_BYTES])
{
	struct remembered *place = place_of(logins, mac);

	memcpy(place->mac, mac, sizeof(place->mac));
	place->until_ms = clock_mono_ms() + REMEMBER_MS;
}

/* Who has one address of IPv6 has all of its /64: these are one. */
static struct str
network_of(struct str peer, struct in6_addr *space)
{
	char text[INET6_ADDRSTRLEN];

	snprintf(text, sizeof(text), "%.*s", STR_ARG(peer));
	return inet_pton(AF_INET6, text, space) == 1 ? str_from(space, sizeof(*space) / 2) : peer;
}

static struct failures *
failures_of(struct logins *logins, const struct login *login, uint64_t *ret_who)
{
	uint8_t mac[SHA256_BYTES], both[2 * SHA256_BYTES];
	struct in6_addr space;

	sha256(network_of(login->peer, &space), both);
	sha256(login->user, both + SHA256_BYTES);
	hmac_sha256(str_from(logins->salt, sizeof(logins->salt)), str_from(both, sizeof(both)), mac);
	memcpy(ret_who, mac, sizeof(*ret_who));
	return &logins->failures[*ret_who % COUNTED];
}

enum err
login_may_try(struct logins *logins, const struct login *login)
{
	uint64_t who;
	struct failures *failures = failures_of(logins, login, &who);
	bool may;

	pthread_mutex_lock(&logins->mutex);
	may = failures->who != who || failures->clear_ms - clock_mono_ms() < FAILURES_MAX * FORGIVE_MS;
	pthread_mutex_unlock(&logins->mutex);
	return may ? ERR_OK : ERR_LIMIT;
}

/* With the mutex. */
static void
count_failure(struct logins *logins, const struct login *login)
{
	int64_t now_ms = clock_mono_ms();
	uint64_t who;
	struct failures *failures = failures_of(logins, login, &who);

	/* A place is taken over only when its owner's failures are mostly forgiven. */
	if (failures->who != who) {
		if (failures->clear_ms - now_ms > FAILURES_MAX * FORGIVE_MS / 2)
			return;
		*failures = (struct failures){ .who = who };
	}
	failures->clear_ms = (failures->clear_ms > now_ms ? failures->clear_ms : now_ms) + FORGIVE_MS;
}

void
login_failed(struct logins *logins, const struct login *login)
{
	pthread_mutex_lock(&logins->mutex);
	count_failure(logins, login);
	pthread_mutex_unlock(&logins->mutex);
}

static void
check(struct logins *logins, struct login *login)
{
	bool is_known = login->stored.len > 0;
	bool is_right = password_verify(is_known ? login->stored : logins->dummy, login->password) && is_known;
	uint8_t mac[SHA256_BYTES];

	if (is_right)
		mac_of(login, mac);
	pthread_mutex_lock(&logins->mutex);
	if (is_right)
		remember(logins, mac);
	else
		count_failure(logins, login);
	pthread_mutex_unlock(&logins->mutex);
	login->done(login, is_right);
}

static void *
check_forever(void *arg)
{
	struct logins *logins = arg;

	pthread_mutex_lock(&logins->mutex);
	for (;;) {
		struct login *login;

		while (!logins->first && !logins->is_ending)
			pthread_cond_wait(&logins->work, &logins->mutex);
		if (!logins->first)
			break;
		login = logins->first;
		logins->first = login->next;
		if (!logins->first)
			logins->last = &logins->first;
		logins->waiting--;
		pthread_mutex_unlock(&logins->mutex);
		check(logins, login);
		pthread_mutex_lock(&logins->mutex);
	}
	pthread_mutex_unlock(&logins->mutex);
	return NULL;
}

enum err
login_check(struct logins *logins, struct login *login)
{
	enum err err = ERR_OK;

	login->next = NULL;
	pthread_mutex_lock(&logins->mutex);
	if (logins->waiting == WAITING_MAX) {
		err = ERR_BUSY;
	} else {
		*logins->last = login;
		logins->last = &login->next;
		logins->waiting++;
		pthread_cond_signal(&logins->work);
	}
	pthread_mutex_unlock(&logins->mutex);
	return err;
}

struct logins *
logins_new(const struct config *config)
{
	struct logins *logins = MEM_NEW(struct logins);
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	pthread_mutex_init(&logins->mutex, NULL);
	pthread_cond_init(&logins->work, NULL);
	logins->last = &logins->first;
	random_bytes(logins->salt, sizeof(logins->salt));
	if (password_hash(config->account_hash, STR("no one's password"), &logins->arena, &logins->dummy) != ERR_OK)
		(void)password_hash(STR("bcrypt"), STR("no one's password"), &logins->arena, &logins->dummy);
	logins->thread_count = cores < 1 ? 1 : cores > THREADS_MAX ? THREADS_MAX : (size_t)cores;
	for (size_t i = 0; i < logins->thread_count; i++)
		if (pthread_create(&logins->threads[i], NULL, check_forever, logins) != 0)
			abort();
	return logins;
}

void
logins_free(struct logins *logins)
{
	if (!logins)
		return;
	pthread_mutex_lock(&logins->mutex);
	logins->is_ending = true;
	pthread_cond_broadcast(&logins->work);
	pthread_mutex_unlock(&logins->mutex);
	for (size_t i = 0; i < logins->thread_count; i++)
		pthread_join(logins->threads[i], NULL);
	pthread_cond_destroy(&logins->work);
	pthread_mutex_destroy(&logins->mutex);
	arena_clear(&logins->arena);
	free(logins);
}
