/* One framed command to a request. */
#include "services/imap/command.h"

/* Tag and name; an unknown name is no error of syntax, run says what it is. */
static enum err
parse_head(struct imap_cursor *cur, struct imap_request *request)
{
	size_t start = cur->at;
	struct str tag;

	TRY(cur_chars(cur, IMAP_TAG_CHAR, "expected a tag", &tag));
	if (!cur_is(cur, ' ')) {
		cur->at = start;
		return cur_fail(cur, "expected a tag and a space");
	}
	request->tag = tag;
	TRY(cur_space(cur));
	TRY(cur_chars(cur, IMAP_ATOM_CHAR, "expected a command", &request->name));
	if (str_equal_nocase(request->name, STR("UID"))) {
		TRY(cur_space(cur));
		TRY(cur_chars(cur, IMAP_ATOM_CHAR, "expected a command", &request->name));
		request->is_uid = true;
	}
	request->row = imap_command_find(request->name, request->is_uid);
	return ERR_OK;
}

static enum err
parse_args(struct imap_cursor *cur, struct imap_request *request)
{
	if (!request->row)
		return cur_fail(cur, "unknown command");
	if (request->row->parse)
		TRY(request->row->parse(cur, &request->args));
	if (request->has_message)
		return cur_is(cur, '{') ? ERR_OK : cur_fail(cur, "expected the message");
	return cur_end(cur);
}

enum err
imap_parse(struct str line, const struct imap_framer *framer, struct arena *arena, struct imap_request *ret_request,
    struct imap_syntax *reterr_syntax)
{
	struct imap_cursor cur = { .in = line, .arena = arena, .request = ret_request, .error = reterr_syntax };

	*ret_request = (struct imap_request){
		.has_message = framer->has_message,
		.message_size = framer->literal,
		.is_sync = framer->is_sync,
	};
	if (str_index(line, '\0') != line.len) {
		enum err err = parse_head(&cur, ret_request);

		(void)err; /* only for the tag */
		cur.at = str_index(line, '\0');
		return cur_fail(&cur, "NUL is not allowed");
	}
	TRY(parse_head(&cur, ret_request));
	cur.is_uid = ret_request->is_uid;
	return parse_args(&cur, ret_request);
}
