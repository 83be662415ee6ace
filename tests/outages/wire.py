"""An IMAP client and an MTA that say in one word what came of each command."""
import re, select, smtplib, socket, time

PATIENCE_S = 60  # what a mail program has


class Gone(Exception):
    """No answer: "refused", "closed", "BYE", or "none in 60 s"."""


def gone(wrong):
    if isinstance(wrong, TimeoutError):
        return Gone(f"none in {PATIENCE_S} s")
    return Gone("refused" if isinstance(wrong, ConnectionRefusedError) else "closed")


class Imap:
    """One connection. Answers are ([untagged responses, with their literals], "OK" or "NO [CODE]", the tagged line)."""

    def __init__(self, address):
        self.bytes, self.number = b"", 0
        try:
            self.socket = socket.create_connection(address, timeout=PATIENCE_S)
        except OSError as wrong:
            raise gone(wrong)
        self.response(time.monotonic() + PATIENCE_S)

    def close(self):
        self.socket.close()

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError as wrong:
            raise gone(wrong)

    def more(self, deadline):
        try:
            if not select.select([self.socket], [], [], max(0, deadline - time.monotonic()))[0]:
                raise TimeoutError
            data = self.socket.recv(65536)
        except OSError as wrong:
            raise gone(wrong)
        if not data:
            raise Gone("closed")
        self.bytes += data

    def response(self, deadline):
        """One response."""
        at = 0
        while True:
            while (end := self.bytes.find(b"\r\n", at)) < 0:
                self.more(deadline)
            literal = re.search(rb"\{(\d+)\}$", self.bytes[at:end])
            if not literal:
                break
            at = end + 2 + int(literal[1])
            while len(self.bytes) < at:
                self.more(deadline)
        response, self.bytes = self.bytes[:end], self.bytes[end + 2:]
        if response.startswith(b"* BYE"):
            raise Gone("BYE")
        return response

    def has_response(self, seconds):
        return b"\r\n" in self.bytes or bool(select.select([self.socket], [], [], seconds)[0])

    def command(self, text, literal=b""):
        self.number += 1
        tag = b"c%d " % self.number
        deadline = time.monotonic() + PATIENCE_S
        self.send(tag + text.encode() + (b" {%d+}\r\n" % len(literal) + literal if literal else b"") + b"\r\n")
        untagged = []
        while not (line := self.response(deadline)).startswith(tag):
            untagged.append(line)
        status, code = re.match(rb"c\d+ (\w+)(?: \[(\S+?)[ \]])?", line).groups()
        answer = status.decode() if status == b"OK" or not code else f"{status.decode()} [{code.decode()}]"
        return untagged, answer, line


def opened(address, user, mailbox=None):
    """(a connection that is logged in and has the mailbox open, "OK"), or (None, what it was told)."""
    client = Imap(address)
    for text in [f"LOGIN {user} secret"] + [f"SELECT {mailbox}"] * bool(mailbox):
        answer = client.command(text)[1]
        if answer != "OK":
            client.close()
            return None, answer
    return client, "OK"


def hand_over(address, user, mail, sender="sender@example.org"):
    """As an MTA does: "250", "451 4.3.0", .. ; raises Gone."""
    client = None
    try:
        client = smtplib.LMTP(*address, local_hostname="mta.test", timeout=PATIENCE_S)
        client.ehlo_or_helo_if_needed()
        for step in (lambda: client.mail(sender), lambda: client.rcpt(user), lambda: client.data(mail)):
            code, text = step()
            if code != 250:
                break
    except smtplib.SMTPResponseException as refused:
        code, text = refused.smtp_code, refused.smtp_error
    except smtplib.SMTPServerDisconnected as wrong:
        raise gone(TimeoutError() if "timed out" in str(wrong) else wrong)
    except OSError as wrong:
        raise gone(wrong)
    finally:
        if client:
            client.close()
    return "250" if code == 250 else f"{code} {text.decode().split()[0]}"
