/* What commands print: for people, aligned and with units; for programs, JSON. */
#ifndef SORA_ADMIN_OUTPUT_H
#define SORA_ADMIN_OUTPUT_H

#include <jansson.h>

#include "admin/options.h"
#include "proto/metadata.pb-c.h"

/* One account in a line, "created a@example.org (account 123)". */
void admin_print_line(const MetadataAccount *account, const char *verb, struct buffer *out);
/* Everything about an account, a line each. */
void admin_print_details(const MetadataAccount *account, struct buffer *out);
/* One account as an object, in one line. */
void admin_print_json(const MetadataAccount *account, struct buffer *out);

/* Any object, which is given up, in one line. */
void admin_print_object(json_t *object, struct buffer *out);

/* A table, in pages: the first begins with the heads of the columns; none is narrower than the one before. */
struct admin_table {
	size_t width;
	bool has_begun;
};
void admin_print_table(struct admin_table *table, MetadataAccount *const *accounts, size_t count, struct buffer *out);

/* "2026-11-26T17:00:00Z", in `text`; "-" for what is no time */
enum { ADMIN_TIME_SIZE = 32 };
const char *admin_print_time(int64_t ms, char text[static ADMIN_TIME_SIZE]);

/* Bytes as a string of JSON; null when they are not UTF-8. */
json_t *admin_json_text(ProtobufCBinaryData data);

/* To standard output; `out` is cleared. */
void admin_flush(struct buffer *out);

/* "1.5 GiB", "312 bytes" */
void admin_print_size(uint64_t bytes, struct buffer *out);

/* To standard output: one account, or a page of the list, as the line asks for it. `verb` NULL: every detail. */
void admin_show(const struct admin_line *line, const MetadataAccount *account, const char *verb);
void admin_show_list(const struct admin_line *line, struct admin_table *table, MetadataAccount *const *accounts, size_t count);

#endif
