/* The one table of common header fields. */
#include "libcommon/mail/fields.h"

/* What mail clients ask for when they list a mailbox, and what SEARCH looks at, in order of the alphabet. */
static const char *const common_fields[] = {
	"Auto-Submitted",
	"Bcc",
	"Cc",
	"Content-Class",
	"Content-Description",
	"Content-Disposition",
	"Content-Language",
	"Content-Transfer-Encoding",
	"Content-Type",
	"Date",
	"Delivered-To",
	"Disposition-Notification-To",
	"Followup-To",
	"From",
	"Importance",
	"In-Reply-To",
	"Keywords",
	"Lines",
	"List-Help",
	"List-Id",
	"List-Post",
	"List-Subscribe",
	"List-Unsubscribe",
	"List-Unsubscribe-Post",
	"Mail-Followup-To",
	"Message-ID",
	"MIME-Version",
	"Newsgroups",
	"Organization",
	"Precedence",
	"Priority",
	"References",
	"Reply-To",
	"Resent-Date",
	"Resent-From",
	"Resent-To",
	"Return-Path",
	"Return-Receipt-To",
	"Sender",
	"Status",
	"Subject",
	"Thread-Index",
	"Thread-Topic",
	"To",
	"User-Agent",
	"X-Draft-Info",
	"X-Label",
	"X-Mailer",
	"X-MSMail-Priority",
	"X-OfflineIMAP",
	"X-Original-To",
	"X-Priority",
	"X-Spam-Flag",
	"X-Status",
	"X-TUID",
	"X-Uniform-Type-Identifier",
	"X-Universally-Unique-Identifier",
};

bool
mail_fields_covers(struct str name)
{
	for (size_t i = 0; i < sizeof(common_fields) / sizeof(common_fields[0]); i++)
		if (str_equal_nocase(name, str_c(common_fields[i])))
			return true;
	return false;
}

bool
mail_fields_cover_all(const struct str *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!mail_fields_covers(names[i]))
			return false;
	return true;
}
