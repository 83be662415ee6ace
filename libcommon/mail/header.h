/*
 * Header blocks: their fields, filters over them, encoded words and encoded parameters.    RFC 5322 s. 2.2, RFC 2047, RFC 2231
 *
 * Lines end in CRLF or LF. A field's name is what stands before the first colon, spaces before the colon not counted;
 * lines that belong to no field (no colon, a blank or control character in the name, or folded at the very beginning) are passed
 * over. The first empty line ends a block.
 */
#ifndef SORA_MAIL_HEADER_H
#define SORA_MAIL_HEADER_H

#include "libcommon/core/arena.h"
#include "libcommon/core/buffer.h"
#include "libcommon/mail/structure.h"

struct mail_field {
	struct str name;
	struct str value; /* between the colon and the last line end, still folded */
	struct str raw;   /* all of it, with its last line end */
};

/*
 * The next field of `*rest`, which moves behind it: `while (mail_header_next(&rest, &field))`. Everything is a view of *rest.
 * False at the empty line or at the end; *rest is then what follows the empty line.
 */
bool mail_header_next(struct str *rest, struct mail_field *ret_field);

/* The value of the first field `name` (any case), still folded; false when there is none. */
bool mail_header_find(struct str header, struct str name, struct str *ret_value);

/*
 * Append to `out` the raw fields of `header` whose name is among `names` (any case), or with `is_not` those whose name is
 * not: HEADER.FIELDS and HEADER.FIELDS.NOT of RFC 3501 s. 6.4.5, but without the empty line; mail_header_end appends that.
 * A message is filtered in pieces: its prefix, then its header or the common fields, then the end.
 */
void mail_header_filter(struct str header, const struct str *names, size_t count, bool is_not, struct buffer *out);
/* The empty line that ends a filtered header. */
void mail_header_end(struct buffer *out);

/* The value in one line: line ends taken out, blanks at both ends too, NUL left out, stray CR and LF made spaces. */
struct str mail_unfold(struct str value, struct arena *arena);
/* The same, appended to `out`. */
void mail_unfold_into(struct str value, struct buffer *out);

/*
 * The value as people read it, in UTF-8: unfolded, encoded words decoded (RFC 2047; also where they may not stand, such as in
 * quotes; the blank between two of them is dropped, and characters split over two are joined). An encoded word in an unknown
 * charset stays as it is. Raw 8-bit bytes that are no UTF-8 are read as Latin-1. Always well-formed UTF-8, without NUL or line
 * ends, at most MAIL_CHARSET_GROWTH times as long as `value`.
 */
struct str mail_decode_words(struct str value, struct arena *arena);
/*
 * For those who compare: append `text`, which is unfolded, its encoded words decoded in the same way, all other bytes as they are. An encoded
 * NUL is a NUL.
 */
void mail_decode_words_into(struct str text, struct buffer *out);

/*
 * The parameter `name` (any case) in UTF-8: joined from its continuations and decoded (RFC 2231 s. 3, 4), or with encoded words
 * decoded, as many write them. False when there is none.
 */
bool mail_param_decode(const struct mail_param *params, size_t count, struct str name, struct arena *arena, struct str *ret_value);
/* The file name of a part: Content-Disposition's "filename", else Content-Type's "name". False when there is none. */
bool mail_part_filename(const struct mail_part *part, struct arena *arena, struct str *ret_name);

#endif
