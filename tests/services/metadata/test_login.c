/* The count of failures, without the service. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "libcommon/config/config.h"
#include "services/metadata/login.h"

enum { GUESSES = 12, OTHERS = 20000, OTHER_GUESSES = 6, VICTIMS = 20 };

/* May it be tried again, after so many that were wrong? */
static enum err
guess(struct logins *logins, const char *peer, const char *prefix, int number, int times)
{
	char user[40];
	struct login login = { .peer = str_c(peer) };

	snprintf(user, sizeof(user), "%s%d@example.org", prefix, number);
	login.user = str_c(user);
	for (int i = 0; i < times; i++)
		login_failed(logins, &login);
	return login_may_try(logins, &login);
}

/* A place that is another's, and mostly not forgiven, is not taken over: who fills them all with names that he makes up guesses freely. */
Test(metadata_logins, many_failures_of_others_hide_none)
{
	struct config config = { .account_hash = STR("ssha512") };
	struct logins *logins = logins_new(&config);
	int stopped = 0;

	for (int i = 0; i < OTHERS; i++)
		(void)guess(logins, "192.0.2.1", "other", i, OTHER_GUESSES);
	for (int i = 0; i < VICTIMS; i++)
		stopped += guess(logins, "192.0.2.1", "victim", i, GUESSES) == ERR_LIMIT;
	/* Some may share a place with others: 7 of 100. */
	cr_expect_gt(stopped, VICTIMS / 2, "%d of %d are stopped", stopped, VICTIMS);
	logins_free(logins);
}

Test(metadata_logins, addresses_of_a_64_are_one)
{
	static const struct {
		const char *guesser, *other;
		enum err err;
	} cases[] = {
		{ "2001:db8::1", "2001:db8::ffff:1", ERR_LIMIT },
		{ "2001:db8::1", "2001:db8:0:1::1", ERR_OK },
		{ "192.0.2.1", "192.0.2.1", ERR_LIMIT },
		{ "192.0.2.1", "192.0.2.2", ERR_OK },
		{ "", "::1", ERR_OK },
	};
	struct config config = { .account_hash = STR("ssha512") };
	struct logins *logins = logins_new(&config);

	for (int i = 0; i < (int)(sizeof(cases) / sizeof(cases[0])); i++) {
		cr_expect_eq(guess(logins, cases[i].guesser, "user", i, GUESSES), ERR_LIMIT, "%s", cases[i].guesser);
		cr_expect_eq(guess(logins, cases[i].other, "user", i, 0), cases[i].err, "%s", cases[i].other);
	}
	logins_free(logins);
}
