/* The FETCH items of RFC 3501. */
#include "libcommon/mail/date.h"
#include "services/imap/fetch.h"
#include "services/imap/wire.h"

static enum err
print_flags(struct imap_fetch *fetch, const struct imap_fetch_item *item)
{
	(void)item;
	buffer_add(fetch->out, STR("FLAGS ("));
	imap_view_print_flags(fetch->view, fetch->view->told, fetch->row, fetch->chunk, fetch->out);
	buffer_add_byte(fetch->out, ')');
	return ERR_OK;
}

static enum err
print_uid(struct imap_fetch *fetch, const struct imap_fetch_item *item)
{
	(void)item;
	buffer_printf(fetch->out, "UID %u", fetch->row->uid);
	return ERR_OK;
}

static enum err
print_size(struct imap_fetch *fetch, const struct imap_fetch_item *item)
{
	(void)item;
	buffer_printf(fetch->out, "RFC822.SIZE %llu", (unsigned long long)fetch->row->size);
	return ERR_OK;
}

static enum err
print_date(struct imap_fetch *fetch, const struct imap_fetch_item *item)
{
	char text[MAIL_DATE_SIZE];

	(void)item;
	buffer_printf(fetch->out, "INTERNALDATE \"%.*s\"", STR_ARG(mail_date_print_imap(imap_row_date(fetch->row), text)));
	return ERR_OK;
}

/* A column that is kept ready to send. An empty one was damaged: no such thing is ever stored. */
static enum err
print_column(struct imap_fetch *fetch, const struct imap_fetch_item *item, ProtobufCBinaryData column)
{
	if (column.len == 0)
		return ERR_CORRUPT;
	buffer_add(fetch->out, str_c(item->row->name));
	buffer_add_byte(fetch->out, ' ');
	buffer_add(fetch->out, wire_str(column));
	return ERR_OK;
}

static enum err
print_envelope(struct imap_fetch *fetch, const struct imap_fetch_item *item)
{
	return print_column(fetch, item, fetch->wide->mail->envelope);
}

static enum err
print_bodystructure(struct imap_fetch *fetch, const struct imap_fetch_item *item)
{
	return print_column(fetch, item, fetch->wide->mail->bodystructure);
}

/* BODY is two things: the structure without extension data, and, with a section, that section. */
static enum err
parse_body(struct imap_cursor *cur, struct imap_fetch_item *item)
{
	if (!cur_is(cur, '['))
		return ERR_OK;
	item->sets_seen = true;
	return imap_section_parse(cur, item);
}

static enum err
print_body(struct imap_fetch *fetch, const struct imap_fetch_item *item)
{
	if (item->section)
		return imap_section_print(fetch, item);
	return print_column(fetch, item, fetch->wide->mail->body);
}

static enum err
parse_rfc822(struct imap_cursor *cur, struct imap_fetch_item *item)
{
	item->sets_seen = true;
	item->section = imap_section_named(cur->arena, "RFC822", MAIL_SECTION_ALL);
	return ERR_OK;
}

static enum err
parse_rfc822_header(struct imap_cursor *cur, struct imap_fetch_item *item)
{
	item->section = imap_section_named(cur->arena, "RFC822.HEADER", MAIL_SECTION_HEADER);
	return ERR_OK;
}

static enum err
parse_rfc822_text(struct imap_cursor *cur, struct imap_fetch_item *item)
{
	item->sets_seen = true;
	item->section = imap_section_named(cur->arena, "RFC822.TEXT", MAIL_SECTION_TEXT);
	return ERR_OK;
}

const struct imap_fetch_row imap_fetch_core[] = {
	/* name            needs                     parse                print */
	{ "FLAGS",         0,                        NULL,                print_flags },
	{ "UID",           0,                        NULL,                print_uid },
	{ "RFC822.SIZE",   0,                        NULL,                print_size },
	{ "INTERNALDATE",  0,                        NULL,                print_date },
	{ "ENVELOPE",      IMAP_NEEDS_ENVELOPE,      NULL,                print_envelope },
	{ "BODYSTRUCTURE", IMAP_NEEDS_BODYSTRUCTURE, NULL,                print_bodystructure },
	{ "BODY",          IMAP_NEEDS_BODY,          parse_body,          print_body },
	{ "BODY.PEEK",     IMAP_NEEDS_PARTS,         imap_section_parse,  imap_section_print },
	{ "RFC822",        IMAP_NEEDS_PARTS,         parse_rfc822,        imap_section_print },
	{ "RFC822.HEADER", IMAP_NEEDS_PARTS,         parse_rfc822_header, imap_section_print },
	{ "RFC822.TEXT",   IMAP_NEEDS_PARTS,         parse_rfc822_text,   imap_section_print },
	{ 0 },
};
