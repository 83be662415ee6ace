/*
 * The few elements that we look for in S3's answers. Pure.
 *
 * S3's XML is flat, made by machines, and we ask for six elements by name: a scan for `<Name>` up to `</Name>` finds them, where a parser
 * of all XML would bring entities that expand, encodings and a tree of up to 1,000 keys. Text is bounded by the answer's limit.
 */
#ifndef SORA_BLOB_S3_XML_H
#define SORA_BLOB_S3_XML_H

#include "libcommon/core/arena.h"

/* The content of the next `<name>` in *rest, which is moved behind it. False: there is no further one. */
bool xml_next(struct str *rest, const char *name, struct str *ret);
/* Text of the first `<name>` in `xml`, its entities (&amp; &lt; &gt; &quot; &apos; &#N; below 128) replaced, in `arena`; empty: none. */
struct str xml_text(struct arena *arena, struct str xml, const char *name);

/* "2009-10-12T17:50:30.000Z" as milliseconds since 1970. False: it is none. */
bool xml_time(struct str text, int64_t *ret_ms);

#endif
