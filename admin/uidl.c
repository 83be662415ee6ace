/* Commands about the unique-ids of POP3. */
#include "admin/command.h"

#include <errno.h>
#include <stdio.h>

#include "proto/metadata.client.h"

enum { BATCH = 10000, LINE_MAX_BYTES = 256, UIDL_MAX = 70 };

/* A file of "UID UNIQUE-ID", a pair a line. */
struct pairs {
	FILE *in;
	const char *name;
	size_t line, total;
};

static bool
parse_pair(struct str line, struct arena *arena, uint32_t *ret_uid, ProtobufCBinaryData *ret_uidl)
{
	struct str rest = str_trim(line), uid, uidl;

	str_split(&rest, ' ', &uid);
	uidl = arena_copy(arena, str_trim(rest));
	*ret_uidl = (ProtobufCBinaryData){ uidl.len, (uint8_t *)uidl.ptr };
	for (size_t i = 0; i < uidl.len; i++)
		if (uidl.ptr[i] <= ' ' || uidl.ptr[i] > '~')
			return false;
	return str_to_u32(uid, ret_uid) && uidl.len > 0 && uidl.len <= UIDL_MAX;
}

/* The next pairs, at most BATCH. */
static enum err
read_pairs(struct admin *admin, struct pairs *pairs, MetadataSetUidlsRequest *request)
{
	char line[LINE_MAX_BYTES];

	request->n_uid = 0;
	while (request->n_uid < BATCH && fgets(line, sizeof(line), pairs->in) != NULL) {
		pairs->line++;
		if (str_trim(str_c(line)).len == 0)
			continue;
		if (!parse_pair(str_c(line), &admin->arena, &request->uid[request->n_uid], &request->uidl[request->n_uid]))
			return admin_explain(admin, ERR_INVALID, "%s:%zu: a UID and a unique-id of 1 to %d visible characters are expected",
			    pairs->name, pairs->line, UIDL_MAX);
		request->n_uid++;
	}
	request->n_uidl = request->n_uid;
	return ERR_OK;
}

static enum err
set_all(struct admin *admin, const struct admin_line *line, struct pairs *pairs)
{
	const char *email = line->values[ADMIN_OPT_EMAIL], *mailbox = line->values[ADMIN_OPT_MAILBOX];
	MetadataSetUidlsRequest request = METADATA_SET_UIDLS_REQUEST__INIT;
	struct str name = mailbox != NULL ? str_c(mailbox) : STR("INBOX");

	request.address = (ProtobufCBinaryData){ strlen(email), (uint8_t *)email };
	request.mailbox = (ProtobufCBinaryData){ name.len, (uint8_t *)name.ptr };
	request.uid = ARENA_ARRAY(&admin->arena, uint32_t, BATCH);
	request.uidl = ARENA_ARRAY(&admin->arena, ProtobufCBinaryData, BATCH);
	do {
		enum err err;

		TRY(read_pairs(admin, pairs, &request));
		if (request.n_uid == 0)
			break;
		err = metadata_set_uidls(&admin->call, &request, NULL);
		if (err == ERR_NONEXISTENT)
			return admin_explain(admin, err, "a UID before %s:%zu is no message's", pairs->name, pairs->line + 1);
		if (err == ERR_EXISTS)
			return admin_explain(admin, err, "a unique-id before %s:%zu is another message's", pairs->name, pairs->line + 1);
		TRY(err);
		pairs->total += request.n_uid;
	} while (request.n_uid == BATCH);
	printf("%zu unique-ids set\n", pairs->total);
	return ERR_OK;
}

static enum err
import_run(struct admin *admin, const struct admin_line *line)
{
	struct pairs pairs = { .in = stdin, .name = "standard input" };
	const char *file = line->values[ADMIN_OPT_FILE];
	enum err err;

	if (file != NULL) {
		pairs = (struct pairs){ .in = fopen(file, "re"), .name = file };
		if (pairs.in == NULL)
			return admin_explain(admin, ERR_INVALID, "%s: %s", file, strerror(errno));
	}
	err = set_all(admin, line, &pairs);
	if (file != NULL)
		fclose(pairs.in);
	return err;
}

const struct admin_command admin_uidl[] = {
	{ "uidl import",    "Give messages the POP3 unique-ids that they had elsewhere: lines of UID and unique-id",
	    ADMIN_OPT(EMAIL) | ADMIN_OPT(MAILBOX) | ADMIN_OPT(FILE), ADMIN_OPT(EMAIL), { ADMIN_OPT_EMAIL }, admin_connect, import_run },
	{ NULL, NULL, 0, 0, { ADMIN_OPT_NONE }, NULL, NULL },
};
