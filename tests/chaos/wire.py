"""An MTA that delivers one mail to several recipients, and a POP3 client; both say in one word what came of each step."""
import contextlib, poplib, smtplib

from outages.wire import PATIENCE_S, gone


@contextlib.contextmanager
def losses():
    """However a connection ends, it is Gone."""
    try:
        yield
    except smtplib.SMTPServerDisconnected as wrong:
        raise gone(TimeoutError() if "timed out" in str(wrong) else wrong)
    except poplib.error_proto as wrong:
        if "-ERR EOF" in str(wrong):
            raise gone(wrong)
        raise
    except OSError as wrong:
        raise gone(wrong)


def word(code, text):
    return "250" if code == 250 else f"{code} {text.decode().split()[0]}"


def hand_over_to_all(address, users, mail):
    """{user: "250", "552 5.2.2", ..}; raises Gone."""
    with losses(), contextlib.closing(smtplib.LMTP(*address, local_hostname="mta.test", timeout=PATIENCE_S)) as client:
        client.ehlo_or_helo_if_needed()
        code, text = client.mail("sender@example.org")
        if code != 250:
            return {user: word(code, text) for user in users}
        answers = {user: word(*client.rcpt(user)) for user in users}
        taken = [user for user in users if answers[user] == "250"]
        code, text = client.docmd("DATA") if taken else (0, b"")
        if code == 354:
            client.send(mail.replace(b"\r\n.", b"\r\n..") + b".\r\n")
            answers.update({user: word(*client.getreply()) for user in taken})
        else:
            answers.update({user: word(code, text) for user in taken})
        return answers


class Pop3:
    """A session that is logged in."""

    def __init__(self, address, user):
        with losses():
            self.client = poplib.POP3(*address, timeout=PATIENCE_S)
            self.client.user(user)
            self.client.pass_("secret")

    def uidls(self):
        """{unique-id: number in the maildrop}"""
        with losses():
            return {line.split()[1]: int(line.split()[0]) for line in self.client.uidl()[1]}

    def mail(self, number):
        with losses():
            return b"\r\n".join(self.client.retr(number)[1]) + b"\r\n"

    def delete(self, number):
        with losses():
            self.client.dele(number)

    def quit(self):
        with losses():
            self.client.quit()

    def close(self):
        self.client.close()
