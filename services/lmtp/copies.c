/* What each account is to get of a mail. */
#include "services/lmtp/copies.h"

#include "libcommon/core/clock.h"
#include "libcommon/crypto/hash.h"
#include "services/lmtp/body.h"
#include "services/lmtp/outcome.h"
#include "services/lmtp/wire.h"

enum {
	BATCH_MAX = 64,                   /* recipients whose scripts run at the same time, */
	BATCH_BYTES = 8 * 1024 * 1024,    /* and what is sent for them */
	STORING_MAX = 8,                  /* recipients whose own mails are stored at the same time: many sessions do so at once */
};

static struct str
prefix_of(struct lmtp_transaction *mail, const struct lmtp_recipient *recipient)
{
	const struct lmtp_origin *origin = &mail->origin;
	const struct lmtp_stamp stamp = {
		.sender = mail->sender,
		.recipient = recipient->address,
		.client = origin->client,
		.hostname = origin->context->hostname,
		.id = arena_printf(&mail->arena, "%016llx", (unsigned long long)origin->log->trace),
		.has_tls = origin->has_tls,
		.has_utf8 = origin->has_utf8,
		.has_for = mail->recipient_count == 1,
		.date = { .unix_s = clock_wall_ms() / 1000 },
	};

	return lmtp_prefix(&stamp, &mail->arena);
}

static struct lmtp_copy *
copy_of(struct lmtp_copies *copies, uint64_t account)
{
	for (size_t i = 0; i < copies->count; i++)
		if (copies->items[i].owner->account == account)
			return &copies->items[i];
	return NULL;
}

void
lmtp_copies_make(struct lmtp_transaction *mail, struct lmtp_copies *ret_copies)
{
	*ret_copies = (struct lmtp_copies){ .items = ARENA_ARRAY(&mail->arena, struct lmtp_copy, mail->recipient_count + 1) };
	for (size_t i = 0; i < mail->recipient_count; i++) {
		struct lmtp_recipient *recipient = &mail->recipients[i];

		if (lmtp_trace_was_delivered_to(&mail->body->trace, recipient->address)) {
			recipient->err = ERR_LOOP;
			continue;
		}
		recipient->copy = copy_of(ret_copies, recipient->account);
		if (recipient->copy != NULL)
			continue;
		recipient->copy = &ret_copies->items[ret_copies->count++];
		recipient->copy->owner = recipient;
		recipient->copy->prefix = prefix_of(mail, recipient);
		recipient->copy->err = ERR_RERUN;
	}
}

/* ---- deciding */

static void
keep(struct lmtp_transaction *mail, struct lmtp_copy *copy)
{
	MetadataAction *action = ARENA_NEW(&mail->arena, MetadataAction);

	metadata_action__init(action);
	copy->actions.items[copy->actions.count++] = action;
}

static void
take(struct lmtp_transaction *mail, const struct lmtp_filter *filter, struct arena *arena)
{
	struct lmtp_copy *copy = filter->recipient->copy;
	enum err err = filter->err;

	if (err == ERR_OK)
		err = lmtp_actions_add(mail, filter, &copy->actions, arena);
	filter->recipient->err = err == ERR_REFUSED ? err : ERR_OK;
	if (err != ERR_OK && err != ERR_REFUSED)
		copy->err = lmtp_is_refused(lmtp_outcome(err, false)) ? ERR_UNAVAILABLE : err;
}

/* What was decided for these recipients, with the mails of their own that it takes. */
static void
take_some(struct lmtp_transaction *mail, const struct lmtp_filter *filters, size_t count, struct arena *arena)
{
	for (size_t i = 0; i < count; i++)
		take(mail, &filters[i], arena);
	for (size_t i = 0; i < count; i++) {
		struct lmtp_copy *copy = filters[i].recipient->copy;
		enum err err = lmtp_actions_settle(mail, &copy->actions);

		if (err != ERR_OK)
			copy->err = lmtp_is_refused(lmtp_outcome(err, false)) ? ERR_UNAVAILABLE : err;
	}
}

/* The scripts of these recipients, all at once. */
static void
filter_batch(struct lmtp_transaction *mail, struct lmtp_recipient *const *recipients, size_t count)
{
	struct arena arena = { 0 };
	struct lmtp_filter *filters = ARENA_ARRAY(&arena, struct lmtp_filter, count);

	for (size_t i = 0; i < count; i++) {
		filters[i].recipient = recipients[i];
		filters[i].prefix = recipients[i] == recipients[i]->copy->owner ? recipients[i]->copy->prefix : prefix_of(mail, recipients[i]);
	}
	lmtp_filter_run(mail, filters, count, &arena);
	for (size_t i = 0; i < count; i += STORING_MAX)
		take_some(mail, filters + i, count - i < STORING_MAX ? count - i : STORING_MAX, &arena);
	arena_clear(&arena);
}

/* All whose copy waits for it, as many at once as the memory for it allows. */
static void
filter_all(struct lmtp_transaction *mail, struct lmtp_recipient **waiting, size_t count)
{
	size_t step = BATCH_BYTES / lmtp_filter_bytes(mail);

	step = step < 1 ? 1 : step > BATCH_MAX ? BATCH_MAX : step;
	for (size_t i = 0; i < count; i += step)
		filter_batch(mail, waiting + i, count - i < step ? count - i : step);
}

/* What will never be done as it was decided becomes a copy in INBOX, and the owner is told. */
static bool
fall_back(struct lmtp_transaction *mail, struct lmtp_copy *copy)
{
	if (copy->is_kept || !lmtp_has_scripts(copy->owner) || !lmtp_is_scripts_fault(copy->err))
		return false;
	lmtp_filter_note(mail, copy->owner, copy->owner->found->script[0], 0,
	    arena_printf(&mail->arena, "what the scripts have decided can not be done: %s", err_row(copy->err)->text));
	copy->actions = (struct lmtp_actions){ .count = 0 };
	copy->err = ERR_OK;
	copy->is_kept = true;
	copy->is_done = false;
	keep(mail, copy);
	return true;
}

bool
lmtp_copies_decide(struct lmtp_transaction *mail, struct lmtp_copies *copies)
{
	struct lmtp_recipient **waiting = ARENA_ARRAY(&mail->arena, struct lmtp_recipient *, mail->recipient_count + 1);
	size_t waiting_count = 0, decided = 0;

	for (size_t i = 0; i < mail->recipient_count; i++) {
		struct lmtp_recipient *recipient = &mail->recipients[i];

		if (recipient->copy == NULL || recipient->copy->err != ERR_RERUN)
			continue;
		recipient->copy->actions = (struct lmtp_actions){ .count = 0 };
		if (lmtp_has_scripts(recipient))
			waiting[waiting_count++] = recipient;
	}
	for (size_t i = 0; i < copies->count; i++) {
		decided += fall_back(mail, &copies->items[i]);
		if (copies->items[i].err != ERR_RERUN)
			continue;
		copies->items[i].err = ERR_OK;
		if (!lmtp_has_scripts(copies->items[i].owner))
			keep(mail, &copies->items[i]);
		decided++;
	}
	if (waiting_count > 0)
		filter_all(mail, waiting, waiting_count);
	return decided > 0;
}

void
lmtp_copies_end(struct lmtp_transaction *mail)
{
	for (size_t i = 0; i < mail->recipient_count; i++)
		if (mail->recipients[i].copy != NULL && mail->recipients[i].err == ERR_OK)
			mail->recipients[i].err = mail->recipients[i].copy->err;
}

/* ---- names */

/* Was another address named than the one that was found: one with a detail? */
static bool
has_detail(const struct lmtp_recipient *recipient)
{
	return recipient->found != NULL && !str_equal_nocase(recipient->address, lmtp_str(recipient->found->address));
}

struct str
lmtp_copy_transaction(struct lmtp_transaction *mail, const struct lmtp_copy *copy)
{
	uint8_t *digest;
	struct sha256 hash;
	bool is_own = false;

	if (mail->transaction.len == 0 || !lmtp_has_scripts(copy->owner))
		return mail->transaction;
	sha256_init(&hash);
	sha256_add(&hash, mail->transaction);
	for (size_t i = 0; i < mail->recipient_count; i++) {
		if (mail->recipients[i].copy != copy || !has_detail(&mail->recipients[i]))
			continue;
		sha256_add(&hash, STR("\n"));
		sha256_add(&hash, mail->recipients[i].address);
		is_own = true;
	}
	digest = arena_alloc(&mail->arena, SHA256_BYTES);
	sha256_finish(&hash, digest);
	return is_own ? str_from(digest, SHA256_BYTES) : mail->transaction;
}
