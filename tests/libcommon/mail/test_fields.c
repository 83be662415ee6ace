#include "libcommon/mail/fields.h"

#include <criterion/criterion.h>

Test(fields, covers_what_clients_list_a_mailbox_with)
{
	/* Thunderbird, Apple Mail, Roundcube, mutt, K-9, mbsync; and what SEARCH looks at */
	static const struct str names[] = {
		{ "From", 4 }, { "to", 2 }, { "CC", 2 }, { "Bcc", 3 }, { "Subject", 7 }, { "Date", 4 }, { "Message-Id", 10 },
		{ "In-Reply-To", 11 }, { "References", 10 }, { "Reply-To", 8 }, { "Sender", 6 }, { "Content-Type", 12 }, { "X-Priority", 10 },
		{ "Priority", 8 }, { "Newsgroups", 10 }, { "List-Post", 9 }, { "Disposition-Notification-To", 27 }, { "X-TUID", 6 },
		{ "X-Label", 7 }, { "Lines", 5 }, { "X-Original-To", 13 },
	};

	cr_assert(mail_fields_cover_all(names, sizeof(names) / sizeof(names[0])));
	cr_assert_not(mail_fields_covers(STR("Received")));
	cr_assert_not(mail_fields_covers(STR("")));
	cr_assert_not(mail_fields_covers(STR("Fro")));
}
