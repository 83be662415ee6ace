"""The clients of the matrix: each does one operation again and again, notes what came of it, and can say what must be there afterwards."""
import collections, contextlib, poplib, re, threading, time

from harness.mail import message

from .wire import Gone, Pop3, editor, hand_over, opened, refusal

PACE_S = 0.1
TELL_S = 10  # after everything is well, an idling client has been told of every mail
Attempt = collections.namedtuple("Attempt", "begin end answer")

# What INBOX of each account begins with: small ones, and one of several chunks.
BODIES = [message(f"kept {i}", f"Body {i}.\r\n" * (30 if i else 40000)) for i in range(8)]


class Wrong(AssertionError):
    """A promise was broken."""


def is_good(answer):
    return answer in ("OK", "250")


def fields(pattern, responses):
    """The groups of those responses that match."""
    return [found.groups() for line in responses if (found := re.match(pattern, line, re.S))]


class Client(threading.Thread):
    """`place`: addresses ("imap", "lmtp", ..), the account's name ("user") and the script of its mails ("script"). Ends when `over` is set."""

    frontend = "imap"            # that it is connected to
    selected = target = "INBOX"  # where it works, and where what it makes arrives
    may_be_cut = False           # an answer whose end has become impossible

    def __init__(self, place):
        super().__init__(daemon=True)
        self.place, self.over, self.attempts, self.wrong = place, threading.Event(), [], None
        self.session, self.number, self.told = None, 0, []

    # -- one operation after the other

    def prepare(self):
        """Before the first."""

    def once(self):
        """Do it; what was answered."""
        raise NotImplementedError

    def open(self):
        """(a session, "OK"), or (None, what it was told)"""
        return opened(self.place["imap"], self.place["user"], self.selected)

    def in_session(self):
        if not self.session:
            self.session, answer = self.open()
            if not self.session:
                return answer
        return self.once()

    def attempt(self):
        begin = time.monotonic()
        self.number += 1
        try:
            answer = self.in_session()
        except Gone as why:
            answer = str(why)
            self.leave()
        self.attempts.append(Attempt(begin, time.monotonic(), answer))
        self.told.append((self.number, answer))

    def leave(self):
        if self.session:
            self.session.close()
            self.session = None

    def run(self):
        try:
            self.prepare()
            while not self.over.is_set():
                self.attempt()
                self.over.wait(PACE_S)
        except Exception as wrong:
            self.wrong = wrong
        finally:
            self.finish()
            self.leave()

    def finish(self):
        """After the last."""

    # -- afterwards

    def check(self, reader):
        """Is what was told OK there, and nothing else? `reader`: a fresh session."""

    def first_new_uid(self, mailbox):
        session, answer = opened(self.place["imap"], self.place["user"])
        assert session, answer
        state = session.command(f"STATUS {mailbox} (UIDNEXT)")[0]
        session.close()
        return int(re.search(rb"UIDNEXT (\d+)", state[0])[1])

    @staticmethod
    def mails(reader, mailbox, first):
        """[(uid, flags, bytes)] from that UID on."""
        reader.command(f"SELECT {mailbox}")
        lines, answer, _ = reader.command(f"UID FETCH {first}:* (UID FLAGS BODY.PEEK[])")
        if answer != "OK":
            raise Wrong(f"cannot look after it: {answer}")
        found = fields(rb"\* \d+ FETCH \(UID (\d+) FLAGS \(([^)]*)\) BODY\[\] \{\d+\}\r\n(.*)\)$", lines)
        return [(int(uid), set(flags.split()) - {rb"\Recent"}, body) for uid, flags, body in found if int(uid) >= first]

    def new_mails(self, reader):
        """{uid: bytes} since prepare."""
        return {uid: body for uid, _, body in self.mails(reader, self.target, self.uid)}


class Login(Client):
    """Connect, LOGIN, SELECT."""

    def in_session(self):
        self.session, answer = opened(self.place["imap"], self.place["user"], "INBOX")
        self.leave()
        return answer


class Delivery(Client):
    """As an MTA: the same mail again until it is 250."""

    frontend = "lmtp"
    targets = ("INBOX",)

    def prepare(self):
        self.first, self.mail = {mailbox: self.first_new_uid(mailbox) for mailbox in self.targets}, 1

    def lies(self, mail):
        """(mailbox, flags)"""
        return "INBOX", set()

    def bytes_of(self, mail):
        received = f"Received: from a.example by mta.test with ESMTP id {self.first['INBOX']}.{mail};\r\n Sat, 21 Nov 2026 10:00:00 +0100\r\n"
        return received.encode() + message(f"new {mail}", f"Body of {mail}.\r\n" * 50)

    def in_session(self):
        answer = hand_over(self.place["lmtp"], self.place["user"], self.bytes_of(self.mail))
        self.mail += is_good(answer)
        return answer

    def check(self, reader):
        there = collections.defaultdict(list)
        for mailbox, first in self.first.items():
            for _, flags, body in self.mails(reader, mailbox, first):
                there[body[body.index(b"Received: from a.example"):]].append((mailbox, flags))
        for mail in range(1, self.mail + 1):
            copies = there.pop(self.bytes_of(mail), [])
            if copies != [self.lies(mail)] and (copies or mail < self.mail):
                raise Wrong(f"mail {mail} is in {copies}")
        if there:
            raise Wrong(f"not what was sent: {next(iter(there))[:300]}")


class Filtered(Delivery):
    """To somebody whose script files every other mail."""

    targets = ("INBOX", "Archive")
    SCRIPT = 'require ["fileinto", "imap4flags"]; if header :matches "subject" ["*1", "*3", "*5", "*7", "*9"] { fileinto :flags "\\\\Flagged" "Archive"; }'

    def prepare(self):
        super().prepare()
        activate(self.place, self.place["script"])

    def lies(self, mail):
        return ("Archive", {rb"\Flagged"}) if mail % 2 else super().lies(mail)


class Append(Client):
    def prepare(self):
        self.uid, self.uids = self.first_new_uid(self.target), {}

    def bytes_of(self, number):
        return message(f"draft {number}", f"Draft {number}.\r\n" * 50)

    def once(self):
        _, answer, line = self.session.command("APPEND INBOX", self.bytes_of(self.number))
        if is_good(answer):
            self.uids[self.number] = int(re.search(rb"APPENDUID \d+ (\d+)", line)[1])
        return answer

    def check(self, reader):
        there = self.new_mails(reader)
        for number, answer in self.told:
            copies = [uid for uid, body in there.items() if body == self.bytes_of(number)]
            if len(copies) > 1 or (is_good(answer) and copies != [self.uids[number]]):
                raise Wrong(f"APPEND {number} was told {answer} {self.uids.get(number)}, and has UIDs {copies}")
            for uid in copies:
                del there[uid]
        if there:
            raise Wrong(f"not what was appended: {list(there.items())[0]}")


class FetchFlags(Client):
    def once(self):
        lines, answer, _ = self.session.command("UID FETCH 1:* (FLAGS)")
        found = fields(rb"\* \d+ FETCH \(.*FLAGS \(", lines)
        if is_good(answer) and len(found) != len(BODIES):
            raise Wrong(f"OK, with flags of {len(found)} mails instead of {len(BODIES)}: {lines}")
        return answer


class FetchEnvelope(Client):
    def once(self):
        lines, answer, _ = self.session.command("FETCH 1:* (ENVELOPE)")
        found = [int(subject) for subject, in fields(rb'\* \d+ FETCH \(.*ENVELOPE \("[^"]*" "kept (\d+)"', lines)]
        if is_good(answer) and found != list(range(len(BODIES))):
            raise Wrong(f"OK, with {lines}")
        return answer


class FetchBody(Client):
    may_be_cut = True

    def once(self):
        number = self.number % len(BODIES)
        lines, answer, _ = self.session.command(f"FETCH {number + 1} (BODY.PEEK[])")
        found = [body for body, in fields(rb"\* \d+ FETCH \(.*BODY\[\] \{\d+\}\r\n(.*)\)$", lines)]
        if any(not body.endswith(BODIES[number]) for body in found) or (is_good(answer) and len(found) != 1):
            raise Wrong(f"{answer}, with {[len(body) for body in found]} bytes that are not the mail's")
        return answer


class Store(Client):
    """All the flags of one mail after the other, always others."""

    NAMES = (rb"\Seen", rb"\Flagged", rb"\Answered", rb"\Draft")

    def flags_of(self, number):
        return {name for bit, name in enumerate(self.NAMES) if number // len(BODIES) + 1 & 1 << bit}

    @staticmethod
    def shown(lines):
        """{number of the mail: its flags}, as last said."""
        return {int(at): set(flags.split()) - {rb"\Recent"} for at, flags in fields(rb"\* (\d+) FETCH \(.*FLAGS \(([^)]*)\)", lines)}

    def prepare(self):
        self.session, _ = opened(self.place["imap"], self.place["user"], "INBOX")
        self.session.command("STORE 1:* FLAGS ()")

    def once(self):
        mail = self.number % len(BODIES) + 1
        lines, answer, _ = self.session.command(f"STORE {mail} FLAGS ({b' '.join(self.flags_of(self.number)).decode()})")
        if is_good(answer) and self.shown(lines).get(mail) != self.flags_of(self.number):
            raise Wrong(f"OK, with {lines}")
        return answer

    def check(self, reader):
        """Those of the last OK, or of one after it that failed."""
        reader.command("SELECT INBOX")
        there = self.shown(reader.command("FETCH 1:* (FLAGS)")[0])
        for mail, flags in there.items():
            may_be = [set()]
            for number, answer in self.told:
                if number % len(BODIES) + 1 == mail:
                    may_be = [] if is_good(answer) else may_be
                    may_be = [*may_be, self.flags_of(number)]
            if flags not in may_be:
                raise Wrong(f"mail {mail} has {flags}, and was told {may_be}")


class Copy(Client):
    target = "Archive"

    def prepare(self):
        self.uid, self.uids = self.first_new_uid(self.target), {}

    def source_of(self, number):
        return number % (len(BODIES) - 1) + 1  # but for the long one

    def once(self):
        _, answer, line = self.session.command(f"COPY {self.source_of(self.number) + 1} Archive")
        if is_good(answer):
            self.uids[int(re.search(rb"COPYUID \d+ \d+ (\d+)", line)[1])] = self.source_of(self.number)
        return answer

    def check(self, reader):
        there = self.new_mails(reader)
        for uid, source in self.uids.items():
            if not there.pop(uid, b"").endswith(BODIES[source]):
                raise Wrong(f"a COPY that was told UID {uid} is not there")
        failed = collections.Counter(self.source_of(number) for number, answer in self.told if not is_good(answer))
        for uid, body in there.items():
            source = next((i for i, kept in enumerate(BODIES) if body.endswith(kept)), None)
            failed[source] -= 1
            if failed[source] < 0:
                raise Wrong(f"a copy that nobody made has UID {uid}")


class Idle(Client):
    """Idles, while an MTA of its own delivers; an attempt is from the 250 of a mail until the client is told of it."""

    def prepare(self):
        self.exists = self.base = 0
        self.feed = Delivery({**self.place, "lmtp": self.place["lmtp_of_idle"]})
        self.listen()
        self.base = self.exists
        self.feed.start()

    def listen(self):
        self.session, answer = opened(self.place["imap"], self.place["user"])
        if not self.session:
            return answer
        lines, answer, _ = self.session.command("SELECT INBOX")
        self.note(lines)
        self.session.send(b"idle IDLE\r\n")
        return answer

    def note(self, lines):
        for count, in fields(rb"\* (\d+) EXISTS$", lines):
            self.exists = int(count)

    def deliveries(self):
        return [mail for mail in list(self.feed.attempts) if is_good(mail.answer)]

    def attempt(self):
        begin = time.monotonic()
        try:
            answer = "OK" if self.session else self.listen()
            while self.session and self.session.has_response(0.2) and not self.over.is_set():
                self.note([self.session.response(time.monotonic() + 5)])
                self.tell()
        except Gone as why:
            answer = str(why)
            self.leave()
        if not is_good(answer):
            self.attempts.append(Attempt(begin, time.monotonic(), answer))
        self.tell()

    def tell(self):
        """Mails that the client knows of by now."""
        now = time.monotonic()
        for mail in self.deliveries()[sum(is_good(a.answer) for a in self.attempts):self.exists - self.base]:
            self.attempts.append(Attempt(mail.end, max(now, mail.end), "OK"))

    def untold(self):
        return len(self.deliveries()) - sum(is_good(a.answer) for a in self.attempts)

    def finish(self):
        self.feed.over.set()
        self.feed.join()
        self.over.clear()
        end = time.monotonic() + TELL_S
        while self.untold() > 0 and time.monotonic() < end:
            self.attempt()

    def check(self, reader):
        if self.feed.wrong:
            raise self.feed.wrong
        if self.untold() > 0:
            raise Wrong(f"never told of {self.untold()} mails")
        self.feed.check(reader)


class Maildrop(Client):
    """Reads one mail after the other by POP3, marks it as deleted, and thinks better of it: by RSET, or by leaving without QUIT."""

    frontend = "pop3"
    may_be_cut = True

    def in_session(self):
        try:
            with contextlib.closing(Pop3(self.place["pop3"], self.place["user"])) as session:
                self.visit(session)
        except poplib.error_proto as refused:
            return refusal(refused)
        return "OK"

    def visit(self, session):
        number = self.number % len(BODIES)
        count, size = session.stat()
        if count != len(BODIES) or size <= sum(map(len, BODIES)):
            raise Wrong(f"STAT says {count} mails, {size} bytes")
        body = session.mail(number + 1)
        if not body.endswith(BODIES[number]):
            raise Wrong(f"RETR has {len(body)} bytes that are not the mail's")
        session.delete(number + 1)
        if self.number % 2:
            session.reset()
            session.quit()

    def check(self, reader):
        bodies = [body for _, _, body in self.mails(reader, "INBOX", 1)]
        if len(bodies) != len(BODIES) or not all(body.endswith(kept) for body, kept in zip(bodies, BODIES)):
            raise Wrong(f"{len(bodies)} mails are left of {len(BODIES)}")


def activate(place, script):
    """It is what sorts the account's mails."""
    session, answer = editor(place["managesieve"], place["user"])
    assert session, answer
    for text, *literals in (('PUTSCRIPT "sorts"', script.encode()), ('SETACTIVE "sorts"',)):
        assert session.command(text, *literals)[1] == "OK", text
    session.close()


class PutScript(Client):
    """One of several scripts after the other, always others."""

    frontend = "managesieve"
    NAMES = 8

    def open(self):
        return editor(self.place["managesieve"], self.place["user"])

    @staticmethod
    def script_of(number):
        return b'# %d\r\nrequire "fileinto"; fileinto "Archive";\r\n' % number

    def prepare(self):
        self.session, _ = self.open()
        for number in range(self.NAMES):
            self.session.command(f'PUTSCRIPT "script {number}"', self.script_of(0))

    def once(self):
        return self.session.command(f'PUTSCRIPT "script {self.number % self.NAMES}"', self.script_of(self.number))[1]

    def check(self, reader):
        """That of the last OK, or of one after it that failed."""
        session, answer = self.open()
        assert session, answer
        for name in range(self.NAMES):
            may_be = [self.script_of(0)]
            for number, answer in self.told:
                if number % self.NAMES == name:
                    may_be = [*([] if is_good(answer) else may_be), self.script_of(number)]
            script, answer, _ = session.command(f'GETSCRIPT "script {name}"')
            if len(script) != 1 or script[0] not in may_be:
                raise Wrong(f"script {name} is {script}, {answer}, and was told {may_be}")
        session.close()


class GetScript(PutScript):
    """Connect, AUTHENTICATE, GETSCRIPT, each time."""

    def in_session(self):
        self.session, answer = self.open()
        if self.session:
            answer = self.once()
            self.leave()
        return answer

    def once(self):
        script, answer, _ = self.session.command(f'GETSCRIPT "script {self.number % self.NAMES}"')
        if is_good(answer) and script != [self.script_of(0)]:
            raise Wrong(f"OK, with {script}")
        return answer

    def check(self, reader):
        """It changed nothing."""


# What the client does, in the words of the table.
OPERATIONS = {
    "login": Login,
    "APPEND": Append,
    "FETCH of flags": FetchFlags,
    "FETCH of ENVELOPE": FetchEnvelope,
    "FETCH of a body": FetchBody,
    "STORE": Store,
    "COPY": Copy,
    "IDLE": Idle,
    "delivery": Delivery,
    "delivery, with a script": Filtered,
    "POP3: login, STAT, RETR": Maildrop,
    "PUTSCRIPT": PutScript,
    "login, GETSCRIPT": GetScript,
}
