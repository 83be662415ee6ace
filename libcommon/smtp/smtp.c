/* The conversation with a smarthost. */
#include "libcommon/smtp/smtp.h"

#include <stdlib.h>

#include "libcommon/core/clock.h"
#include "libcommon/core/mem.h"
#include "libcommon/crypto/encode.h"

enum { LINE_MAX_BYTES = 4096, REPLY_MAX_BYTES = 16384, READ_BYTES = 4096, OUT_BYTES = 64 * 1024 };

struct smtp {
	const struct smtp_options *options;
	struct net_dialled *net;
	struct smtp_offer offer;
	struct smtp_stuffer stuffer;
	struct buffer in, out;
	bool is_within_mail, is_broken;
};

/* ---- replies */

static enum err
read_line(struct smtp *smtp, int64_t deadline_ms, struct arena *arena, struct str *ret)
{
	for (;;) {
		struct str have = buffer_str(&smtp->in);
		size_t len = str_index(have, '\n'), got;
		char piece[READ_BYTES];

		if (len < have.len) {
			*ret = arena_copy(arena, str_sub(have, 0, len > 0 && have.ptr[len - 1] == '\r' ? len - 1 : len));
			buffer_consume(&smtp->in, len + 1);
			return ERR_OK;
		}
		if (have.len > LINE_MAX_BYTES)
			return ERR_SYNTAX;
		TRY(net_dialled_read(smtp->net, piece, sizeof(piece), deadline_ms, &got));
		buffer_add(&smtp->in, str_from(piece, got));
	}
}

/* "5.1.1" at the beginning of a reply's text, of the class of its code (RFC 2034 s. 4); else what the code alone says. */
static struct str
status_of(int code, struct str text, struct arena *arena)
{
	struct str status = str_sub(text, 0, str_index(text, ' ')), rest = status, part;
	uint32_t number, parts = 0;

	while (str_split(&rest, '.', &part) && part.len <= 3 && str_to_u32(part, &number))
		parts++;
	if (parts == 3 && rest.len == 0 && status.ptr[0] == '0' + code / 100)
		return arena_copy(arena, status);
	return arena_printf(arena, "%d.0.0", code / 100);
}

/* Text from the peer for logs and bounces: no controls, nothing but UTF-8. */
static struct str
clean(struct str text, struct arena *arena)
{
	struct str copy = arena_copy(arena, text);
	bool is_utf8 = str_is_utf8(copy);
	char *bytes = (char *)copy.ptr;

	for (size_t i = 0; i < copy.len; i++)
		if ((unsigned char)bytes[i] < ' ' || bytes[i] == 0x7f || (!is_utf8 && (unsigned char)bytes[i] >= 0x80))
			bytes[i] = '?';
	return copy;
}

static void
say(struct smtp_reply *reply, const char *status, struct str text)
{
	*reply = (struct smtp_reply){ .status = str_c(status), .text = text };
}

/* A whole reply. `offer` not NULL: its lines behind the first are what the server offers. */
static enum err
read_reply(struct smtp *smtp, int64_t timeout_ms, struct smtp_offer *offer, struct arena *arena, struct smtp_reply *ret)
{
	int64_t deadline_ms = clock_mono_ms() + timeout_ms;
	struct buffer text = { 0 };
	bool is_first = true, is_last = false;
	enum err err = ERR_OK;
	int code = 0;

	while (err == ERR_OK && !is_last) {
		struct str line, part = STR_NONE;

		err = read_line(smtp, deadline_ms, arena, &line);
		if (err == ERR_OK && (!smtp_reply_line(line, &code, &is_last, &part) || buffer_len(&text) > REPLY_MAX_BYTES))
			err = ERR_SYNTAX;
		if (offer && !is_first)
			smtp_offer_add(offer, part);
		buffer_printf(&text, "%s%.*s", is_first ? "" : " ", STR_ARG(part));
		is_first = false;
	}
	if (err == ERR_OK) {
		ret->code = code;
		ret->status = status_of(code, buffer_str(&text), arena);
		ret->text = clean(arena_printf(arena, "%d %.*s", code, STR_ARG(buffer_str(&text))), arena);
	} else {
		smtp->is_broken = true;
		say(ret, "4.4.2", err == ERR_CLOSED ? STR("the connection was closed") : err == ERR_DEADLINE ? STR("no reply in time")
		    : err == ERR_SYNTAX ? STR("what came is no reply of SMTP") : str_c(err_row(err)->text));
	}
	buffer_clear(&text);
	return err;
}

/* What a reply that is not the one hoped for means. */
static enum err
refusal(struct smtp *smtp, const struct smtp_reply *reply)
{
	/* The service goes away (RFC 5321 s. 3.8). */
	if (reply->code == 421 || reply->code < 400) {
		smtp->is_broken = true;
		return ERR_UNAVAILABLE;
	}
	return reply->code < 500 ? ERR_AGAIN : ERR_REFUSED;
}

static enum err
send_line(struct smtp *smtp, struct str line, struct smtp_reply *ret)
{
	enum err err = net_dialled_write(smtp->net, line, clock_mono_ms() + smtp->options->timeout_ms);

	if (err != ERR_OK) {
		smtp->is_broken = true;
		say(ret, "4.4.2", str_c(err_row(err)->text));
	}
	return err;
}

/* A command and its reply, which must be of the class of `want` (2 or 3). */
static enum err
command(struct smtp *smtp, int want, struct str line, struct smtp_offer *offer, struct arena *arena, struct smtp_reply *ret)
{
	TRY(send_line(smtp, line, ret));
	TRY(read_reply(smtp, smtp->options->timeout_ms, offer, arena, ret));
	return ret->code / 100 == want ? ERR_OK : refusal(smtp, ret);
}

/* ---- the beginning */

/* Before there is a mail, a refusal says nothing about one. */
static enum err
about_no_mail(enum err err)
{
	return err == ERR_AGAIN || err == ERR_REFUSED ? ERR_UNAVAILABLE : err;
}

/* RFC 5321 s. 3.2: who does not know EHLO knows HELO, and nothing of what could be offered. */
static enum err
hello(struct smtp *smtp, struct arena *arena, struct smtp_reply *ret)
{
	struct str helo = smtp->options->helo;
	enum err err;

	smtp->offer = (struct smtp_offer){ 0 };
	err = command(smtp, 2, arena_printf(arena, "EHLO %.*s\r\n", STR_ARG(helo)), &smtp->offer, arena, ret);
	if (err == ERR_REFUSED) {
		smtp->offer = (struct smtp_offer){ 0 };
		err = command(smtp, 2, arena_printf(arena, "HELO %.*s\r\n", STR_ARG(helo)), NULL, arena, ret);
	}
	return about_no_mail(err);
}

static enum err
begin_tls(struct smtp *smtp, struct arena *arena, struct smtp_reply *ret)
{
	struct str reason = STR_NONE;
	enum err err = net_dialled_tls(smtp->net, clock_mono_ms() + smtp->options->timeout_ms, arena, &reason);

	if (err != ERR_OK)
		say(ret, "4.7.5", reason);
	return err;
}

static enum err
starttls(struct smtp *smtp, struct arena *arena, struct smtp_reply *ret)
{
	if (!smtp->offer.starttls) {
		say(ret, "4.7.4", STR("the server does not offer STARTTLS"));
		return ERR_DENIED;
	}
	TRY(about_no_mail(command(smtp, 2, STR("STARTTLS\r\n"), NULL, arena, ret)));
	/* RFC 3207 s. 6: what came before the handshake does not count. */
	buffer_reset(&smtp->in);
	TRY(begin_tls(smtp, arena, ret));
	return hello(smtp, arena, ret);
}

/* RFC 4954; PLAIN (RFC 4616), or LOGIN, which only old servers offer alone. */
static enum err
authenticate(struct smtp *smtp, struct arena *arena, struct smtp_reply *ret)
{
	struct str user = smtp->options->user, password = smtp->options->password;
	struct str secret = arena_printf(arena, "%c%.*s%c%.*s", 0, STR_ARG(user), 0, STR_ARG(password));
	enum err err;

	if (smtp->offer.auth_plain) {
		err = command(smtp, 2, arena_printf(arena, "AUTH PLAIN %.*s\r\n", STR_ARG(base64_encode(arena, secret))), NULL, arena, ret);
	} else if (smtp->offer.auth_login) {
		err = command(smtp, 3, STR("AUTH LOGIN\r\n"), NULL, arena, ret);
		if (err == ERR_OK)
			err = command(smtp, 3, arena_printf(arena, "%.*s\r\n", STR_ARG(base64_encode(arena, user))), NULL, arena, ret);
		if (err == ERR_OK)
			err = command(smtp, 2, arena_printf(arena, "%.*s\r\n", STR_ARG(base64_encode(arena, password))), NULL, arena, ret);
	} else {
		say(ret, "4.7.0", STR("the server offers neither AUTH PLAIN nor LOGIN"));
		err = ERR_REFUSED;
	}
	return err == ERR_REFUSED ? ERR_DENIED : about_no_mail(err);
}

static enum err
begin(struct smtp *smtp, struct arena *arena, struct smtp_reply *ret)
{
	if (smtp->options->tls == SMTP_TLS_IMPLICIT)
		TRY(begin_tls(smtp, arena, ret));
	TRY(read_reply(smtp, smtp->options->timeout_ms, NULL, arena, ret));
	if (ret->code != 220)
		return ERR_UNAVAILABLE;
	TRY(hello(smtp, arena, ret));
	if (smtp->options->tls == SMTP_TLS_STARTTLS)
		TRY(starttls(smtp, arena, ret));
	return smtp->options->user.len > 0 ? authenticate(smtp, arena, ret) : ERR_OK;
}

enum err
smtp_open(const struct smtp_options *options, struct smtp **ret, struct arena *arena, struct smtp_reply *ret_reply)
{
	struct smtp *smtp = MEM_NEW(struct smtp);
	struct str reason = STR_NONE;
	enum err err;

	smtp->options = options;
	err = net_dial(&options->dial, &smtp->net, arena, &reason);
	if (err != ERR_OK)
		say(ret_reply, "4.4.1", reason);
	else
		err = begin(smtp, arena, ret_reply);
	if (err != ERR_OK) {
		smtp->is_broken = true;
		smtp_close(smtp);
		return err;
	}
	*ret = smtp;
	return ERR_OK;
}

const struct smtp_offer *
smtp_offer(const struct smtp *smtp)
{
	return &smtp->offer;
}

/* ---- a mail */

static bool
is_ascii(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] >= 0x80)
			return false;
	return true;
}

/* What the server cannot take is not sent changed: a signature would be broken. */
static enum err
check_offer(const struct smtp *smtp, const struct smtp_mail *mail, struct smtp_reply *ret)
{
	if (!smtp->offer.utf8 && (!is_ascii(mail->sender) || !is_ascii(mail->recipient))) {
		say(ret, "5.6.7", STR("the server does not take addresses beyond ASCII (it does not offer SMTPUTF8)"));
		return ERR_REFUSED;
	}
	if (!smtp->offer.eight_bit && mail->is_8bit) {
		say(ret, "5.6.3", STR("the mail has 8-bit characters, which the server does not take (it does not offer 8BITMIME)"));
		return ERR_REFUSED;
	}
	return ERR_OK;
}

static struct str
mail_line(const struct smtp *smtp, const struct smtp_mail *mail, struct arena *arena)
{
	bool is_utf8 = smtp->offer.utf8 && (mail->is_utf8 || !is_ascii(mail->sender) || !is_ascii(mail->recipient));
	struct str size = smtp->offer.size ? arena_printf(arena, " SIZE=%llu", (unsigned long long)mail->size) : STR_NONE;

	return arena_printf(arena, "MAIL FROM:<%.*s>%.*s%s%s\r\n", STR_ARG(mail->sender), STR_ARG(size),
	    mail->is_8bit || is_utf8 ? " BODY=8BITMIME" : "", is_utf8 ? " SMTPUTF8" : "");
}

enum err
smtp_mail(struct smtp *smtp, const struct smtp_mail *mail, struct arena *arena, struct smtp_reply *ret_reply)
{
	struct smtp_reply ignored;
	enum err err;

	TRY(check_offer(smtp, mail, ret_reply));
	err = command(smtp, 2, mail_line(smtp, mail, arena), NULL, arena, ret_reply);
	if (err == ERR_OK)
		err = command(smtp, 2, arena_printf(arena, "RCPT TO:<%.*s>\r\n", STR_ARG(mail->recipient)), NULL, arena, ret_reply);
	if (err == ERR_OK)
		err = command(smtp, 3, STR("DATA\r\n"), NULL, arena, ret_reply);
	if ((err == ERR_AGAIN || err == ERR_REFUSED) && command(smtp, 2, STR("RSET\r\n"), NULL, arena, &ignored) != ERR_OK)
		smtp->is_broken = true;
	if (err != ERR_OK)
		return err;
	smtp->is_within_mail = true;
	smtp->stuffer = (struct smtp_stuffer){ 0 };
	return ERR_OK;
}

static enum err
flush(struct smtp *smtp)
{
	struct smtp_reply ignored;
	enum err err = send_line(smtp, buffer_str(&smtp->out), &ignored);

	buffer_reset(&smtp->out);
	return err;
}

enum err
smtp_add(struct smtp *smtp, struct str bytes)
{
	while (bytes.len > 0) {
		struct str piece = str_sub(bytes, 0, OUT_BYTES);

		smtp_stuff(&smtp->stuffer, piece, &smtp->out);
		bytes = str_sub(bytes, piece.len, SIZE_MAX);
		if (buffer_len(&smtp->out) >= OUT_BYTES)
			TRY(flush(smtp));
	}
	return ERR_OK;
}

enum err
smtp_end(struct smtp *smtp, struct arena *arena, struct smtp_reply *ret_reply)
{
	smtp_stuff_end(&smtp->stuffer, &smtp->out);
	TRY(send_line(smtp, buffer_str(&smtp->out), ret_reply));
	buffer_reset(&smtp->out);
	TRY(read_reply(smtp, 2 * smtp->options->timeout_ms, NULL, arena, ret_reply));
	smtp->is_within_mail = false;
	return ret_reply->code / 100 == 2 ? ERR_OK : refusal(smtp, ret_reply);
}

void
smtp_close(struct smtp *smtp)
{
	if (!smtp)
		return;
	if (!smtp->is_broken && !smtp->is_within_mail)
		(void)net_dialled_write(smtp->net, STR("QUIT\r\n"), clock_mono_ms() + 1000);
	net_dialled_free(smtp->net);
	buffer_clear(&smtp->in);
	buffer_clear(&smtp->out);
	free(smtp);
}
