"""Clients of IMAP, POP3 and ManageSieve, and an MTA, that say in one word what came of each command."""
import base64, contextlib, poplib, re, select, smtplib, socket, time

PATIENCE_S = 60  # what a mail program has


class Gone(Exception):
    """No answer: "refused", "closed", "BYE", or "none in 60 s"."""


def gone(wrong):
    if isinstance(wrong, TimeoutError):
        return Gone(f"none in {PATIENCE_S} s")
    return Gone("refused" if isinstance(wrong, ConnectionRefusedError) else "closed")


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
    with losses():
        try:
            with contextlib.closing(smtplib.LMTP(*address, local_hostname="mta.test", timeout=PATIENCE_S)) as client:
                client.ehlo_or_helo_if_needed()
                for step in (lambda: client.mail(sender), lambda: client.rcpt(user), lambda: client.data(mail)):
                    code, text = step()
                    if code != 250:
                        break
        except smtplib.SMTPResponseException as refused:
            code, text = refused.smtp_code, refused.smtp_error
    return word(code, text)


def word(code, text):
    """Of an MTA's answer."""
    return "250" if code == 250 else f"{code} {text.decode().split()[0]}"


class Pop3:
    """A session that is logged in. What is refused is a poplib.error_proto, `refusal` its word."""

    def __init__(self, address, user):
        with losses():
            self.client = poplib.POP3(*address, timeout=PATIENCE_S)
            self.client.user(user)
            self.client.pass_("secret")

    def stat(self):
        """(mails, their bytes)"""
        with losses():
            return self.client.stat()

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

    def reset(self):
        with losses():
            self.client.rset()

    def quit(self):
        with losses():
            self.client.quit()

    def close(self):
        self.client.close()


def refusal(wrong):
    """"-ERR [SYS/TEMP]", .."""
    return re.match(r"-ERR(?: \[\S+\])?", wrong.args[0].decode())[0]


class ManageSieve:
    """One connection. Answers are ([literals], "OK" or "NO (CODE)", what was answered before it)."""

    def __init__(self, address):
        with losses():
            self.socket = socket.create_connection(address, timeout=PATIENCE_S)
            self.file = self.socket.makefile("rb")
        self.answer()

    def close(self):
        self.file.close()
        self.socket.close()

    def response(self):
        """One: (its first line, its literals)."""
        literals = []
        with losses():
            line = first = self.file.readline()
            while literal := re.search(rb"\{(\d+)\}\r\n$", line):
                literals.append(self.file.read(int(literal[1])))
                line = self.file.readline()
        if not line.endswith(b"\r\n") or first.startswith(b"BYE"):
            raise Gone("BYE" if line.endswith(b"\r\n") else "closed")
        return first, literals

    def answer(self):
        literals, lines = [], []
        while not (found := re.match(rb"(OK|NO)\b(?: \(([^)\s]+))?", (response := self.response())[0])):
            lines.append(response[0])
            literals += response[1]
        status, code = found.groups()
        return literals, status.decode() if status == b"OK" or not code else f"{status.decode()} ({code.decode()})", lines

    def command(self, text, *literals):
        with losses():
            self.socket.sendall(text.encode() + b"".join(b" {%d+}\r\n" % len(literal) + literal for literal in literals) + b"\r\n")
        return self.answer()


def editor(address, user):
    """(a connection that is logged in, "OK"), or (None, what it was told)."""
    client = ManageSieve(address)
    answer = client.command('AUTHENTICATE "PLAIN" "%s"' % base64.b64encode(f"\0{user}\0secret".encode()).decode())[1]
    if answer != "OK":
        client.close()
        return None, answer
    return client, "OK"
