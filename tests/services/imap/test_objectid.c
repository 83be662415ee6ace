/* SEARCH EMAILID between a metadata service that answers as it is told. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "libcommon/mail/objectid.h"
#include "peers.h"

/* For the messages with these UIDs. */
static struct str
search_two(struct peers *peers, const char *tag, uint64_t one, uint64_t two)
{
	char ids[2][MAIL_OBJECTID_SIZE], line[200];

	mail_objectid_print(MAIL_OBJECT_EMAIL, PEER_ACCOUNT, PEER_EMAILS + one, ids[0]);
	mail_objectid_print(MAIL_OBJECT_EMAIL, PEER_ACCOUNT, PEER_EMAILS + two, ids[1]);
	snprintf(line, sizeof(line), "%s SEARCH OR EMAILID %s EMAILID %s\r\n", tag, ids[0], ids[1]);
	return peers_talk(peers, 0, line);
}

#define HAS(text, what) cr_expect(str_find((text), STR(what)) < (text).len, "expected %s in %.*s", what, STR_ARG(text))

Test(imap_objectid, pages_are_asked_for_until_there_are_no_more, .timeout = 60)
{
	struct peers peers = { 0 };
	struct str came;

	peers_start(&peers, 5);
	peers_talk(&peers, 0, "a SELECT INBOX\r\n");
	came = search_two(&peers, "b", 4, 2);
	HAS(came, "* SEARCH 2 4\r\n");
	cr_expect_eq(peers.finds, 3, "both at once, a message a page");
	came = peers_talk(&peers, 0, "c SEARCH OR EMAILID nobodys ALL\r\n");
	HAS(came, "* SEARCH 1 2 3 4 5\r\n");
	came = peers_talk(&peers, 0, "d SEARCH UNSEEN\r\n");
	cr_expect_eq(peers.finds, 3, "nothing to ask for");
	peers_stop(&peers);
}

/* RFC 8474 s. 8.3. */
Test(imap_objectid, a_line_of_ors_is_one_question, .timeout = 60)
{
	struct peers peers = { 0 };
	struct buffer line = { 0 };
	char id[MAIL_OBJECTID_SIZE];
	struct str came;

	peers_start(&peers, 3);
	peers_talk(&peers, 0, "a SELECT INBOX\r\n");
	buffer_add(&line, STR("b SEARCH"));
	for (uint64_t uid = 1500; uid > 1; uid--)
		buffer_printf(&line, "%s EMAILID %s", uid > 2 ? " OR" : "", mail_objectid_print(MAIL_OBJECT_EMAIL, PEER_ACCOUNT, PEER_EMAILS + uid, id));
	buffer_add(&line, STR("\r\n"));
	came = peers_talk(&peers, 0, arena_cstr(&peers.arena, buffer_str(&line)));
	HAS(came, "* SEARCH 2 3\r\n");
	cr_expect_eq(peers.finds, 2, "a message a page");
	buffer_clear(&line);
	peers_stop(&peers);
}

/* What has come since is in no view yet, and what has gone is in no answer. */
Test(imap_objectid, only_what_the_client_knows_of_is_found, .timeout = 60)
{
	struct peers peers = { 0 };
	struct str came;

	peers_start(&peers, 3);
	peers_talk(&peers, 0, "a SELECT INBOX\r\n");
	peers_deliver(&peers);
	peers_remove(&peers, 2);
	came = search_two(&peers, "b", 4, 2);
	HAS(came, "* SEARCH\r\n");
	peers_stop(&peers);
}

Test(imap_objectid, a_search_that_can_not_ask_fails_and_is_never_cut, .timeout = 60)
{
	struct peers peers = { 0 };
	struct str came;

	peers_start(&peers, 3);
	peers_talk(&peers, 0, "a SELECT INBOX\r\n");
	peers.find = ERR_UNAVAILABLE;
	came = search_two(&peers, "b", 1, 2);
	cr_expect(str_starts_with(came, STR("b NO [UNAVAILABLE]")), "%.*s", STR_ARG(came));
	peers.find = ERR_OK;
	peers.is_find_broken = true;
	came = search_two(&peers, "c", 1, 2);
	cr_expect(str_starts_with(came, STR("c NO ")), "%.*s", STR_ARG(came));
	peers_stop(&peers);
}
