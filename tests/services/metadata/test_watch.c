/* Events: those who watch an account are told what was committed, and when they were not. */
#include "tests/services/metadata/world.h"

TestSuite(metadata_watch, .init = world_begin, .fini = world_end);

static ProtobufCBinaryData
token_of(uint64_t account)
{
	struct str token = user(0, account)->token;

	return (ProtobufCBinaryData){ token.len, (uint8_t *)token.ptr };
}

/* With `add`, as one who has logged in to it. */
static MetadataWatchReply *
watch(uint64_t watcher, uint64_t incarnation, uint64_t after, uint64_t *add, bool wait)
{
	MetadataWatchRequest req = METADATA_WATCH_REQUEST__INIT;
	MetadataWatchReply *reply;
	ProtobufCBinaryData token = { 0 };

	req.watcher = watcher;
	req.incarnation = incarnation;
	req.after = after;
	req.n_add = add ? 1 : 0;
	req.add = add;
	req.n_token = req.n_add;
	req.token = &token;
	if (add != NULL)
		token = token_of(*add);
	req.wait = wait;
	cr_assert_eq(metadata_watch(as(0, BUS_ROLE_IMAP), &req, &reply), ERR_OK);
	return reply;
}

Test(metadata_watch, an_event_is_the_change_between_two_cursors)
{
	uint64_t account = make_account("a", 0), inbox = mailbox_of(account, "INBOX");
	MetadataCursor before;
	MetadataWatchReply *reply = watch(1, 0, 0, &account, false);
	uint64_t incarnation = reply->incarnation;

	before = *status_of(0, account, "INBOX")->cursor;
	(void)append(0, account, "INBOX", 0);
	(void)append(1, account, "INBOX", 0);
	reply = watch(1, incarnation, reply->last, NULL, true);
	cr_assert(!reply->lost);
	cr_assert_eq(reply->n_event, 1, "the other replica's is told by the other replica");
	cr_assert_eq(reply->event[0]->account, account);
	cr_assert_eq(reply->event[0]->mailbox, inbox);
	cr_assert_eq(reply->event[0]->old->modseq, before.modseq);
	cr_assert_eq(reply->event[0]->new_->modseq, before.modseq + 1);
	cr_assert_eq(reply->event[0]->change->rows->uid[0], 1);
	/* What is not acknowledged comes again. */
	cr_assert_eq(watch(1, incarnation, reply->last - 1, NULL, true)->n_event, 1);
}

Test(metadata_watch, a_poll_that_waits_is_answered_by_the_event)
{
	uint64_t account = make_account("a", 0);
	MetadataWatchReply *reply = watch(1, 0, 0, &account, false);
	MetadataWatchRequest req = METADATA_WATCH_REQUEST__INIT;
	struct bus_call *call = as(0, BUS_ROLE_IMAP), mine = *call;
	int64_t begun;
	struct bus_future *future;

	req.watcher = 1;
	req.incarnation = reply->incarnation;
	req.wait = true;
	future = metadata_watch_start(&mine, &req);
	nanosleep(&(struct timespec){ .tv_nsec = 200000000 }, NULL);
	begun = clock_mono_ms();
	cr_assert_eq(deliver(0, account, NULL, 10), ERR_OK);
	cr_assert_eq(metadata_watch_wait(future, &reply), ERR_OK);
	cr_assert_eq(reply->n_event, 1);
	cr_assert_lt(clock_mono_ms() - begun, 5000);
}

Test(metadata_watch, trees_and_ends_are_events_too)
{
	uint64_t account = make_account("a", 0);
	MetadataWatchReply *reply = watch(1, 0, 0, &account, false);
	MetadataDeleteRequest req = METADATA_DELETE_REQUEST__INIT;
	MetadataAccountName name = METADATA_ACCOUNT_NAME__INIT;

	req.account = account;
	req.name = BIN("Junk");
	cr_assert_eq(metadata_delete(user(0, account), &req, NULL), ERR_OK);
	reply = watch(1, reply->incarnation, 0, NULL, true);
	cr_assert_eq(reply->n_event, 2);
	cr_assert(reply->event[0]->gone && reply->event[0]->mailbox != 0);
	cr_assert(!reply->event[1]->gone && reply->event[1]->mailbox == 0);
	name.address = BIN("a@example.org");
	cr_assert_eq(metadata_delete_account(as(0, BUS_ROLE_ADMIN), &name, NULL), ERR_OK);
	reply = watch(1, reply->incarnation, reply->last, NULL, true);
	cr_assert_eq(reply->n_event, 2);
	cr_assert(reply->event[0]->gone && reply->event[0]->mailbox == 0);
	cr_assert(reply->event[1]->refused.len > 0, "and no more is told of it");
}

Test(metadata_watch, who_is_not_known_or_too_slow_has_lost)
{
	uint64_t account = make_account("a", 0), other = make_account("b", 0);
	MetadataWatchReply *reply;
	uint64_t incarnation;

	cr_assert(watch(7, 12345, 3, &account, true)->lost, "an earlier life of this replica");
	reply = watch(8, 0, 0, &account, false);
	incarnation = reply->incarnation;
	reply = watch(8, incarnation, 0, &other, false);
	(void)append(0, other, "INBOX", 0);
	reply = watch(8, incarnation, reply->last, NULL, true);
	cr_assert(!reply->lost);
	cr_assert_eq(reply->n_event, 1);
	cr_assert(watch(9, incarnation, 5, &account, true)->lost, "forgotten, though the replica lives");
}
