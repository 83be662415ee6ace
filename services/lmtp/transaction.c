/* One mail, from one sender to its recipients. */
#include "services/lmtp/transaction.h"

#include "libcommon/core/clock.h"
#include "services/lmtp/body.h"

void
lmtp_transaction_begin(struct lmtp_transaction *mail, const struct lmtp_origin *origin, struct str sender, uint64_t size)
{
	lmtp_transaction_end(mail);
	mail->origin = *origin;
	mail->origin.log->trace = random_u64();
	mail->sender = arena_copy(&mail->arena, sender);
	mail->size = size;
}

void
lmtp_transaction_add(struct lmtp_transaction *mail, struct str address)
{
	if (mail->recipient_count == mail->recipient_room) {
		size_t room = mail->recipient_room ? 2 * mail->recipient_room : 8;
		struct lmtp_recipient *larger = ARENA_ARRAY(&mail->arena, struct lmtp_recipient, room);

		if (mail->recipient_count > 0)
			memcpy(larger, mail->recipients, mail->recipient_count * sizeof(*larger));
		mail->recipients = larger;
		mail->recipient_room = room;
	}
	mail->recipients[mail->recipient_count++] = (struct lmtp_recipient){ .address = arena_copy(&mail->arena, address) };
}

void
lmtp_transaction_body(struct lmtp_transaction *mail)
{
	struct bus_call call = lmtp_transaction_call(mail, &mail->arena);

	mail->body = ARENA_NEW(&mail->arena, struct lmtp_body);
	mail->body_ms = clock_mono_ms();
	for (size_t i = 0; i < mail->recipient_count; i++)
		mail->body->keeps_head = mail->body->keeps_head || lmtp_has_scripts(&mail->recipients[i]);
	lmtp_body_begin(mail->body, &call, mail->sender, (uint64_t)lmtp_transaction_config(mail)->message_size, &mail->arena);
}

void
lmtp_transaction_end(struct lmtp_transaction *mail)
{
	if (mail->body != NULL)
		lmtp_body_clear(mail->body);
	if (mail->origin.log != NULL)
		mail->origin.log->trace = 0;
	arena_clear(&mail->arena);
	*mail = (struct lmtp_transaction){ 0 };
}

struct bus_call
lmtp_transaction_call(const struct lmtp_transaction *mail, struct arena *arena)
{
	return (struct bus_call){ .bus = mail->origin.context->bus, .arena = arena, .role = BUS_ROLE_LMTP, .log = *mail->origin.log,
		.is_patient = true };
}
