/* Words of IMAP that scripts use, as the metadata service names them. */
#include "services/lmtp/flags.h"

#include "proto/metadata.pb-c.h"

struct word {
	const char *text;
	uint32_t number;
};

static const struct word uses[] = {
	{ "\\Archive", METADATA_ATTRIBUTE__METADATA_ARCHIVE },
	{ "\\Drafts", METADATA_ATTRIBUTE__METADATA_DRAFTS },
	{ "\\Junk", METADATA_ATTRIBUTE__METADATA_JUNK },
	{ "\\Sent", METADATA_ATTRIBUTE__METADATA_SENT },
	{ "\\Trash", METADATA_ATTRIBUTE__METADATA_TRASH },
	{ NULL, 0 },
};

static const struct word flags[] = {
	{ "\\Seen", METADATA_FLAG__METADATA_SEEN },
	{ "\\Answered", METADATA_FLAG__METADATA_ANSWERED },
	{ "\\Flagged", METADATA_FLAG__METADATA_FLAGGED },
	{ "\\Deleted", METADATA_FLAG__METADATA_DELETED },
	{ "\\Draft", METADATA_FLAG__METADATA_DRAFT },
	{ NULL, 0 },
};

static uint32_t
find(const struct word *words, struct str text)
{
	for (; words->text != NULL; words++)
		if (str_equal_nocase(str_c(words->text), text))
			return words->number;
	return 0;
}

uint32_t
lmtp_special_use(struct str attribute)
{
	return find(uses, attribute);
}

uint32_t
lmtp_system_flag(struct str flag)
{
	return find(flags, flag);
}
