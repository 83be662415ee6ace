#include "tests/libcommon/mail/derived.h"

#include <criterion/criterion.h>

void
derived_make(struct derived *d, struct str bytes, size_t first, size_t piece)
{
	*d = (struct derived){ 0 };
	mail_parser_init(&d->parser);
	mail_parser_feed(&d->parser, str_sub(bytes, 0, first));
	for (size_t at = first; at < bytes.len; at += piece == 0 ? bytes.len : piece)
		mail_parser_feed(&d->parser, str_sub(bytes, at, piece == 0 ? SIZE_MAX : piece));
	d->message = mail_parser_finish(&d->parser);
	mail_derive(d->message, &d->arena, &d->row);
}

void
derived_clear(struct derived *d)
{
	mail_parser_clear(&d->parser);
	arena_clear(&d->arena);
}

static void
check_same(const struct mail_derived *a, const struct mail_derived *b, struct str bytes, size_t split)
{
	cr_assert(str_equal(a->envelope, b->envelope) && str_equal(a->bodystructure, b->bodystructure) &&
	        str_equal(a->parts, b->parts) && str_equal(a->fields, b->fields) && a->size == b->size &&
	        a->is_fields_cut == b->is_fields_cut,
	    "split at %zu of\n%.*s\n%.*s\n%.*s", split, STR_ARG(bytes), STR_ARG(a->bodystructure), STR_ARG(b->bodystructure));
}

void
derived_check_splits(struct str bytes)
{
	struct derived whole, split;

	derived_make(&whole, bytes, 0, 0);
	for (size_t at = 0; at <= bytes.len; at++) {
		derived_make(&split, bytes, at, 0);
		check_same(&whole.row, &split.row, bytes, at);
		derived_clear(&split);
	}
	derived_make(&split, bytes, 0, 1);
	check_same(&whole.row, &split.row, bytes, 1);
	derived_clear(&split);
	derived_clear(&whole);
}
