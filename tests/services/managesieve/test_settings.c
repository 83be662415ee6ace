#include <criterion/criterion.h>

#include "libcommon/config/config.h"

/* RFC 5804 s. 1.2: thirty minutes at least, once logged in. */
Test(managesieve_settings, who_has_logged_in_may_be_silent_for_half_an_hour)
{
	struct buffer problems = { 0 };
	struct config *config;

	cr_assert_eq(config_parse(STR(""), "test", true, &config, &problems), ERR_OK);
	cr_assert_geq(config->managesieve_idle, 30 * 60 * 1000);
	cr_assert(!config->managesieve_plain_login);
	config_free(config);
	buffer_clear(&problems);
}
