/* reject: the sender is told, at the end of DATA where that can carry the reason, else by a notice.     RFC 5429 s. 2.2 */
#include "services/sieve/compose.h"

/* RFC 3798 s. 3, RFC 5429 s. 2.2.1: a notice in three parts: for people, for programs, and what it was about. */
static enum err
compose_notice(struct sieve_run *run, struct str reason, struct buffer *out)
{
	const struct sieve_input *input = sieve_input(run);
	struct str boundary = sieve_message_id(run), id;

	boundary = str_sub(boundary, 1, str_index(boundary, '@') - 1);
	TRY(sieve_first_text(run, STR("Message-ID"), &id));
	sieve_add_address_field(out, "From", input->address.len > 0 ? input->address : input->recipient);
	sieve_add_address_field(out, "To", input->sender);
	sieve_add_field(out, "Subject", STR("Your message was refused"));
	TRY(sieve_add_reply_fields(run, out));
	buffer_printf(out, "MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=disposition-notification;\r\n boundary=\"%.*s\"\r\n\r\n--%.*s\r\n",
	    STR_ARG(boundary), STR_ARG(boundary));
	sieve_add_text_part(out, arena_printf(sieve_arena(run),
	    "The message was refused by the recipient's mail filtering program.\r\nThe reason given was as follows:\r\n\r\n%.*s", STR_ARG(reason)));
	buffer_printf(out, "--%.*s\r\nContent-Type: message/disposition-notification\r\n\r\n", STR_ARG(boundary));
	buffer_printf(out, "Reporting-UA: %.*s; Sora\r\nFinal-Recipient: rfc822;%.*s\r\n", STR_ARG(input->hostname), STR_ARG(input->recipient));
	if (id.len > 0)
		sieve_add_field(out, "Original-Message-ID", id);
	buffer_printf(out, "Disposition: automatic-action/MDN-sent-automatically; deleted\r\n\r\n--%.*s\r\nContent-Type: text/rfc822-headers\r\n",
	    STR_ARG(boundary));
	if (!sieve_is_ascii(sieve_header(run)))
		buffer_add(out, STR("Content-Transfer-Encoding: 8bit\r\n"));
	buffer_add(out, STR("\r\n"));
	buffer_add(out, str_trim(sieve_header(run)));
	buffer_printf(out, "\r\n\r\n--%.*s--\r\n", STR_ARG(boundary));
	return ERR_OK;
}

/* Nobody is told of what a null sender sent (RFC 5429 s. 2.2.1): it is just not delivered. */
static enum err
send_notice(struct sieve_run *run, const struct sieve_node *node, struct str reason)
{
	struct sieve_action action = sieve_action_new(run, node, sieve_input(run)->sender.len > 0 ? SIEVE_SEND : SIEVE_DISCARD);
	struct str edited = sieve_header(run);
	struct buffer out = { 0 };
	enum err err = ERR_OK;

	if (action.kind == SIEVE_SEND) {
		action.send = SIEVE_SEND_REJECT;
		action.address = sieve_input(run)->sender;
		/* The sender knows the message as it was: RFC 5293 s. 7. */
		TRY(sieve_set_header(run, sieve_input(run)->header));
		err = compose_notice(run, reason, &out);
		action.message = arena_copy(sieve_arena(run), buffer_str(&out));
		buffer_clear(&out);
	}
	TRY(err);
	TRY(sieve_set_header(run, edited));
	TRY(sieve_spend_bytes(run, action.message.len));
	return sieve_do(run, node, &action);
}

static enum err
reject_run(struct sieve_run *run, const struct sieve_node *node)
{
	struct sieve_action action = sieve_action_new(run, node, SIEVE_REFUSE);

	TRY(sieve_expand(run, node->arguments[0].strings, &action.text));
	/* RFC 5429 s. 2.2: its exact text counts, and a reply of LMTP is ASCII. */
	if (!sieve_is_ascii(action.text))
		return send_notice(run, node, action.text);
	action.text = sieve_lines(sieve_arena(run), action.text);
	return sieve_do(run, node, &action);
}

static const struct sieve_command COMMANDS[] = { { .name = "reject", .parameters = { { SIEVE_STRING, "reason" } }, .run = reject_run }, { 0 } };

const struct sieve_extension sieve_ext_reject = { .name = "reject", .commands = COMMANDS };
