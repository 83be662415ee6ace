#include "libcommon/core/log.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdio.h>

static void
expect(const char *part)
{
	char line[4096] = "";
	FILE *err = cr_get_redirected_stderr();
	size_t got;

	got = fread(line, 1, sizeof(line) - 1, err);
	line[got] = '\0';
	cr_assert(strstr(line, part) != NULL, "%s is not in: %s", part, line);
}

Test(log, a_line_says_who_and_what, .init = cr_redirect_stderr)
{
	struct log log = { .service = "imap", .user = STR("a b"), .trace = 0xabc };

	log_info(&log, "imap.command", KV_C("cmd", "NOOP"), KV_ERR(ERR_OVERQUOTA), KV_INT("ms", -5), KV_BOOL("tls", true));
	expect("level=info event=imap.command service=imap user=\"a b\" trace=0000000000000abc cmd=NOOP err=OVERQUOTA ms=-5 tls=true\n");
}

/* A client chooses values: it must not be able to write lines of its own. */
Test(log, a_value_stays_in_its_line, .init = cr_redirect_stderr)
{
	log_warn(NULL, "x", KV_STR("v", str_from("a\nb\"c\\\x01\xff", 8)));
	expect("v=\"a\\u000ab\\\"c\\\\\\u0001\\u00ff\"\n");
}

Test(log, json_is_json, .init = cr_redirect_stderr)
{
	log_setup(LOG_INFO, LOG_JSON);
	log_debug(NULL, "hidden");
	log_error(NULL, "shown", KV_INT("n", 1));
	expect("\"level\":\"error\",\"event\":\"shown\",\"n\":1}\n");
}

Test(log, what_happens_often_is_said_once_a_minute)
{
	struct log_seldom seldom = { 0 };

	cr_assert_eq(log_seldom(&seldom), 1);
	for (int i = 0; i < 5; i++)
		cr_assert_eq(log_seldom(&seldom), 0);
	seldom.said_ms -= LOG_SELDOM_MS;
	cr_assert_eq(log_seldom(&seldom), 6, "those that were not said are counted");
}
