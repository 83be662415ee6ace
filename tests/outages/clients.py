"""The clients of the matrix: each does one operation again and again, notes what came of it, and can say what must be there afterwards."""
import collections, re, threading, time

from harness.mail import message

from .wire import Gone, Imap, hand_over, opened

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
    """`place`: addresses ("imap", "lmtp") and the account's name ("user"). Ends when `over` is set."""

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

    def in_session(self):
        if not self.session:
            self.session, answer = opened(self.place["imap"], self.place["user"], self.selected)
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

    def first_new_uid(self):
        session, answer = opened(self.place["imap"], self.place["user"])
        assert session, answer
        state = session.command(f"STATUS {self.target} (UIDNEXT)")[0]
        session.close()
        return int(re.search(rb"UIDNEXT (\d+)", state[0])[1])

    def new_mails(self, reader):
        """{uid: bytes} since prepare."""
        reader.command(f"SELECT {self.target}")
        lines, answer, _ = reader.command(f"UID FETCH {self.uid}:* (UID BODY.PEEK[])")
        if answer != "OK":
            raise Wrong(f"cannot look after it: {answer}")
        found = fields(rb"\* \d+ FETCH \(UID (\d+) BODY\[\] \{\d+\}\r\n(.*)\)$", lines)
        return {int(uid): body for uid, body in found if int(uid) >= self.uid}


class Login(Client):
    """Connect, LOGIN, SELECT."""

    def in_session(self):
        self.session, answer = opened(self.place["imap"], self.place["user"], "INBOX")
        self.leave()
        return answer


class Delivery(Client):
    """As an MTA: the same mail again until it is 250."""

    def prepare(self):
        self.uid, self.mail = self.first_new_uid(), 1

    def bytes_of(self, mail):
        received = f"Received: from a.example by mta.test with ESMTP id {self.uid}.{mail};\r\n Sat, 21 Nov 2026 10:00:00 +0100\r\n"
        return received.encode() + message(f"new {mail}", f"Body of {mail}.\r\n" * 50)

    def in_session(self):
        answer = hand_over(self.place["lmtp"], self.place["user"], self.bytes_of(self.mail))
        self.mail += is_good(answer)
        return answer

    def check(self, reader):
        there = [body[body.index(b"Received: from a.example"):] for body in self.new_mails(reader).values()]
        for mail in range(1, self.mail + 1):
            copies = there.count(self.bytes_of(mail))
            if copies > 1 or (copies == 0 and mail < self.mail):
                raise Wrong(f"mail {mail} is there {copies} times")
            there = [body for body in there if body != self.bytes_of(mail)]
        if there:
            raise Wrong(f"not what was sent: {there[0][:300]}")


class Append(Client):
    def prepare(self):
        self.uid, self.uids = self.first_new_uid(), {}

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
        self.uid, self.uids = self.first_new_uid(), {}

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
        self.uid = self.first_new_uid()
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


# What the client does, in the words of the table.
OPERATIONS = {
    "login": Login,
    "delivery": Delivery,
    "APPEND": Append,
    "FETCH of flags": FetchFlags,
    "FETCH of ENVELOPE": FetchEnvelope,
    "FETCH of a body": FetchBody,
    "STORE": Store,
    "COPY": Copy,
    "IDLE": Idle,
}
