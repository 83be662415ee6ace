/*
 * The common header fields: those whose raw bytes are kept with a message's row, so that
 * FETCH BODY[HEADER.FIELDS (..)] and SEARCH HEADER need not read the blob.
 */
#ifndef SORA_MAIL_FIELDS_H
#define SORA_MAIL_FIELDS_H

#include "libcommon/core/str.h"

/*
 * Does mail_derived.fields of a row of parser version `version` have every field `name` (any case) of the blob's header, unless
 * is_fields_cut? Then filtering it (mail_header_filter) gives the same bytes as filtering the whole header. Fields of the row's
 * prefix are not in it.
 */
bool mail_fields_covers(struct str name, uint32_t version);
/* The same for all of `names`. */
bool mail_fields_cover_all(const struct str *names, size_t count, uint32_t version);

#endif
