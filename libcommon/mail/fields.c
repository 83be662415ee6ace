/* The one table of common header fields. */
#include "libcommon/mail/fields.h"

/*
 * What mail clients ask for when they list a mailbox, and what SEARCH looks at, in order of the alphabet. Each with the first
 * MAIL_DERIVE_VERSION that keeps it: rows of older ones do not have it, and are answered from the blob until they are derived anew.
 */
static const struct {
	const char *name;
	uint32_t since;
} common_fields[] = {
	{ "Accept-Language", 2 },
	{ "Authentication-Results", 2 },
	{ "Auto-Submitted", 1 },
	{ "Bcc", 1 },
	{ "BIMI-Indicator", 2 },
	{ "BIMI-Location", 2 },
	{ "Cc", 1 },
	{ "Chat-Version", 2 },
	{ "Comments", 2 },
	{ "Content-Class", 1 },
	{ "Content-Description", 1 },
	{ "Content-Disposition", 1 },
	{ "Content-Language", 1 },
	{ "Content-Transfer-Encoding", 1 },
	{ "Content-Type", 1 },
	{ "Date", 1 },
	{ "Delivered-To", 1 },
	{ "Disposition-Notification-To", 1 },
	{ "DKIM-Signature", 2 },
	{ "Followup-To", 1 },
	{ "From", 1 },
	{ "Importance", 1 },
	{ "In-Reply-To", 1 },
	{ "Keywords", 1 },
	{ "Lines", 1 },
	{ "List-Help", 1 },
	{ "List-Id", 1 },
	{ "List-Post", 1 },
	{ "List-Subscribe", 1 },
	{ "List-Unsubscribe", 1 },
	{ "List-Unsubscribe-Post", 1 },
	{ "Mail-Followup-To", 1 },
	{ "Mail-Reply-To", 2 },
	{ "Message-ID", 1 },
	{ "MIME-Version", 1 },
	{ "Newsgroups", 1 },
	{ "Organization", 1 },
	{ "Precedence", 1 },
	{ "Priority", 1 },
	{ "Received-SPF", 2 },
	{ "References", 1 },
	{ "Reply-To", 1 },
	{ "Resent-Bcc", 2 },
	{ "Resent-Cc", 2 },
	{ "Resent-Date", 1 },
	{ "Resent-From", 1 },
	{ "Resent-To", 1 },
	{ "Return-Path", 1 },
	{ "Return-Receipt-To", 1 },
	{ "Sender", 1 },
	{ "Status", 1 },
	{ "Subject", 1 },
	{ "Thread-Index", 1 },
	{ "Thread-Topic", 1 },
	{ "To", 1 },
	{ "User-Agent", 1 },
	{ "X-BIMI-Indicator-Hash", 2 },
	{ "X-Draft-Info", 1 },
	{ "X-Forefront-Antispam-Report", 2 },
	{ "X-K9mail-Identity", 2 },
	{ "X-Label", 1 },
	{ "X-Mailer", 1 },
	{ "X-MSMail-Priority", 1 },
	{ "X-OfflineIMAP", 1 },
	{ "X-Original-To", 1 },
	{ "X-Priority", 1 },
	{ "X-Spam-Flag", 1 },
	{ "X-Spam-Status", 2 },
	{ "X-Status", 1 },
	{ "X-TUID", 1 },
	{ "X-Uniform-Type-Identifier", 1 },
	{ "X-Universally-Unique-Identifier", 1 },
};

bool
mail_fields_covers(struct str name, uint32_t version)
{
	for (size_t i = 0; i < sizeof(common_fields) / sizeof(common_fields[0]); i++)
		if (str_equal_nocase(name, str_c(common_fields[i].name)))
			return version >= common_fields[i].since;
	return false;
}

bool
mail_fields_cover_all(const struct str *names, size_t count, uint32_t version)
{
	for (size_t i = 0; i < count; i++)
		if (!mail_fields_covers(names[i], version))
			return false;
	return true;
}
