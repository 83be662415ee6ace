"""What the tests do as mail clients: IMAP and LMTP by Python's own libraries, and mails to send."""
import imaplib, random, smtplib, email.message, email.policy

from harness.processes import wait_for


def imap(stack, user, password="secret", replica=0, select=None):
    """A logged-in imaplib connection."""
    client = imaplib.IMAP4(*stack.imap[replica % len(stack.imap)], timeout=60)
    client.login(user, password)
    if select:
        ok(client.select(select))
    return client


def ok(answer):
    status, data = answer
    assert status == "OK", answer
    return data


def await_mails(client, count):
    """NOOP until the selected mailbox has so many: what another connection did is an event, which needs a moment."""
    wait_for(f"{count} mails", lambda: ok(client.noop()) and int(client.untagged_responses["EXISTS"][-1]) == count)


def lmtp(stack, replica=0, timeout=60):
    return smtplib.LMTP(*stack.lmtp[replica % len(stack.lmtp)], local_hostname="mta.test", timeout=timeout)


def deliver(stack, recipients, body, sender="sender@example.org", replica=0):
    """Deliver `body` to the list; {recipient: (code, text)} of those that were refused."""
    client = lmtp(stack, replica)
    try:
        return client.sendmail(sender, recipients, body, mail_options=["BODY=8BITMIME"])
    except smtplib.SMTPRecipientsRefused as refused:
        return refused.recipients
    finally:
        client.close()


def delivery_code(stack, user, body, replica=0):
    """What one recipient of one attempt is told."""
    try:
        refused = deliver(stack, [user], body, replica=replica)
    except smtplib.SMTPResponseException as answer:
        return answer.smtp_code
    return refused[user][0] if refused else 250


def message(subject="hello", body="Hello.\r\n", sender="sender@example.org", to="user@sora.test", **headers):
    """A small mail, CRLF line ends."""
    text = f"From: {sender}\r\nTo: {to}\r\nSubject: {subject}\r\nDate: Sat, 21 Nov 2026 10:00:00 +0100\r\n"
    for name, value in headers.items():
        text += f"{name.replace('_', '-')}: {value}\r\n"
    return (text + "\r\n" + body).encode()


def mails(count, seed=1):
    """`count` different mails: plain, 8-bit, multipart, some attachments of up to 200 KB. The same for the same seed."""
    r = random.Random(seed)
    for i in range(count):
        m = email.message.EmailMessage(policy=email.policy.SMTP)
        m["From"], m["To"], m["Subject"] = f"Sender {i} <s{i}@example.org>", "user@sora.test", f"mail number {i} \u00fc {r.random()}"
        m["Message-ID"] = f"<{i}.{r.randrange(10**9)}@example.org>"
        m["Date"] = f"Sat, 21 Nov 2026 10:{i // 60 % 60:02}:{i % 60:02} +0100"
        m.set_content("".join(r.choice("abcdef \n") for _ in range(r.randrange(20, 3000))) + "\n")
        if i % 3 == 0:
            m.add_alternative("<p>" + "x" * r.randrange(1000) + "</p>\n", subtype="html")
        if i % 7 == 0:
            m.add_attachment(r.randbytes(r.randrange(200000)), maintype="application", subtype="octet-stream", filename=f"a{i}.bin")
        yield m.as_bytes()


def bodies(client, first="1", last="*"):
    """{uid: bytes} of the selected mailbox."""
    data = ok(client.uid("FETCH", f"{first}:{last}", "(UID BODY.PEEK[])"))
    found = {}
    for item in data:
        if isinstance(item, tuple):
            found[int(item[0].split(b"UID ")[1].split()[0])] = item[1]
    return found


def without_trace(body):
    """A delivered mail without the fields that delivery put before it."""
    head, mark, rest = body.partition(b"From: ")
    return mark + rest
