/* The entities that a mail_parser has open, for structure.c, which sees the lines.                       RFC 2045 s. 2.4 */
#ifndef SORA_MAIL_ENTITY_H
#define SORA_MAIL_ENTITY_H

#include "libcommon/mail/structure.h"

static inline struct mail_open *
mail_entity_innermost(struct mail_parser *p)
{
	return &p->open[p->depth - 1];
}

/* A new part, with an envelope if it is a message; NULL when the limits allow none. */
struct mail_part *mail_entity_new(struct mail_parser *p, bool is_message);
/* Begin `part`, whose header starts at `offset`, inside the innermost open entity. */
void mail_entity_open(struct mail_parser *p, struct mail_part *part, uint64_t offset);
/* A line of the innermost entity's header: `line` is what was kept of its `len` bytes, `text` the same without the line end. */
void mail_entity_header_line(struct mail_parser *p, struct str line, struct str text, uint64_t len);
/* The header of the innermost entity ends before `offset`, where its body begins; a message inside begins there too. */
void mail_entity_end_header(struct mail_parser *p, uint64_t offset);
/* The innermost open entity ends at `end`; `lines` line ends came before that. */
void mail_entity_close(struct mail_parser *p, uint64_t end, uint64_t lines);

#endif
