"""An MTA that delivers one mail to several recipients, and says in one word what came of it for each."""
import contextlib, smtplib

from outages.wire import PATIENCE_S, losses, word


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
