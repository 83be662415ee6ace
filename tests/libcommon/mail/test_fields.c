#include "libcommon/mail/fields.h"

#include <criterion/criterion.h>

#include "libcommon/mail/derive.h"

/* The lists that mail programs ask for when they list a mailbox, as they were seen on the wire or in their sources. */
static const struct {
	const char *client;
	struct str fields;
} lists[] = {
	{ "Thunderbird", STR("From To Cc Bcc Subject Date Message-ID Priority X-Priority References Newsgroups In-Reply-To Content-Type "
	    "Reply-To") },
	{ "Apple Mail", STR("date subject from to cc message-id in-reply-to references content-type x-priority x-uniform-type-identifier "
	    "x-universally-unique-identifier list-id list-unsubscribe bimi-indicator bimi-location x-bimi-indicator-hash "
	    "authentication-results dkim-signature") },
	{ "iOS", STR("date subject from to cc message-id in-reply-to references content-type x-priority x-uniform-type-identifier "
	    "x-universally-unique-identifier list-id list-unsubscribe bimi-indicator bimi-location x-bimi-indicator-hash "
	    "authentication-results dkim-signature x-spam-status x-spam-flag received-spf X-Forefront-Antispam-Report") },
	{ "K-9, Thunderbird for Android", STR("date subject from content-type to cc bcc reply-to message-id references in-reply-to list-post "
	    "list-unsubscribe sender X-K9mail-Identity Chat-Version") },
	{ "Roundcube", STR("DATE FROM TO SUBJECT CONTENT-TYPE CC REPLY-TO LIST-POST DISPOSITION-NOTIFICATION-TO X-PRIORITY "
	    "CONTENT-TRANSFER-ENCODING BCC IN-REPLY-TO MAIL-FOLLOWUP-TO MAIL-REPLY-TO MESSAGE-ID REFERENCES RESENT-BCC RETURN-PATH SENDER "
	    "X-DRAFT-INFO") },
	{ "mutt", STR("DATE FROM SENDER SUBJECT TO CC MESSAGE-ID REFERENCES CONTENT-TYPE CONTENT-DESCRIPTION IN-REPLY-TO REPLY-TO LINES "
	    "LIST-POST LIST-SUBSCRIBE LIST-UNSUBSCRIBE X-LABEL X-ORIGINAL-TO") },
	{ "mbsync", STR("X-TUID MESSAGE-ID") },
	{ "Android's own", STR("date subject from content-type to cc message-id disposition-notification-to") },
	{ "ESP-Mail-Client", STR("From Sender To Cc Subject Date Message-ID Return-Path Reply-To In-Reply-To References Comments Keywords Bcc "
	    "Content-Type Content-transfer-encoding Content-Language Accept-Language") },
};

Test(fields, covers_what_clients_list_a_mailbox_with)
{
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		struct str rest = lists[i].fields, name;

		while (str_split(&rest, ' ', &name))
			cr_assert(mail_fields_covers(name, MAIL_DERIVE_VERSION), "%s: %.*s", lists[i].client, STR_ARG(name));
	}
	cr_assert_not(mail_fields_covers(STR("Received"), MAIL_DERIVE_VERSION));
	cr_assert_not(mail_fields_covers(STR(""), MAIL_DERIVE_VERSION));
	cr_assert_not(mail_fields_covers(STR("Fro"), MAIL_DERIVE_VERSION));
}

Test(fields, a_row_of_an_older_version_has_only_what_that_version_kept)
{
	const struct str old = STR("subject"), both[] = { STR("subject"), STR("DKIM-Signature") };

	cr_assert(mail_fields_covers(old, 1) && mail_fields_covers(old, 2));
	cr_assert(!mail_fields_covers(both[1], 1) && mail_fields_covers(both[1], 2));
	cr_assert(!mail_fields_cover_all(both, 2, 1) && mail_fields_cover_all(both, 2, 2));
}
