"""Who goes on working meanwhile: MTAs, and users of IMAP and POP3 through any replica, each of whom knows what must be there for what he was told."""
import collections, poplib, random, re, threading, time

from outages.clients import Wrong, fields, is_good
from outages.wire import PATIENCE_S, Gone, Pop3, opened

from . import mails
from .ledger import Copy, Doubt
from .wire import hand_over_to_all

MAILBOXES = ("INBOX", "A", "B")
FLAGS = (r"\Seen", r"\Flagged", r"\Answered", r"\Draft", "$Chaos")
PASSING = re.compile(r"NO \[UNAVAILABLE\]|NO \(TRYLATER\)|4\d\d .*|refused|closed|BYE")
EXPUNGED = "NO [EXPUNGEISSUED]"  # of others' mails: all but those were shown (RFC 5530 s. 3)
RECIPIENTS = 3    # of one mail
AGAIN_S = 0.2     # until an MTA tries again
SESSION = 20      # operations, then another replica
COPIES = 40       # that one client looks after
HEADER = "BODY.PEEK[HEADER.FIELDS (SUBJECT)]"

# One operation: at which process, when (by the clock of the logs), what came of it.
Call = collections.namedtuple("Call", "process begin end answer")
# A STORE of other flags that was told OK.
Stored = collections.namedtuple("Stored", "user mailbox uid begin end")


def uid_set(copies):
    return ",".join(str(copy.uid) for copy in sorted(copies, key=lambda c: c.uid))


def numbers(text):
    """A set of IMAP, in its order."""
    for part in text.split(b","):
        first, _, last = part.partition(b":")
        yield from range(int(first), int(last or first) + 1)


class Client(threading.Thread):
    """`world`: addresses of all replicas, the facts, the pace."""

    frontend = "imap"

    def __init__(self, world, name, account=None):
        super().__init__(daemon=True, name=name)
        self.world, self.account, self.user = world, account, account and account.user
        self.random, self.over = random.Random(f"{world.seed} {name}"), threading.Event()
        self.calls, self.copies, self.doubts, self.wrong = [], [], [], None
        self.session, self.mailbox, self.replica, self.left = None, None, 0, 0
        self.asked = None  # the process, while it has not answered

    def run(self):
        try:
            while not self.over.is_set():
                self.once()
                self.over.wait(self.random.uniform(0, 2 * self.world.pace_s))
        except Exception as wrong:
            self.wrong = wrong
        self.leave()

    def once(self):
        """One operation."""

    def timed(self, action, is_idle=False):
        """Do it; its result, or why there is none. What is not passing is wrong."""
        process = None if is_idle else f"{self.frontend}-{self.replica + 1}"
        begin, result, answer, self.asked = time.time(), None, "OK", process
        try:
            result = action()
        except Gone as why:
            answer = str(why)
            self.leave()
        self.asked = None
        self.calls.append(Call(process, begin, time.time(), answer))
        return result, answer

    def passing(self, what, answer):
        if not is_good(answer) and not PASSING.fullmatch(answer):
            raise Wrong(f"{self.name}: {what}: {answer}")

    # -- a session, of IMAP if not of another kind

    def open(self, address, mailbox):
        return opened(address, self.user, mailbox)

    def leave(self):
        if self.session:
            self.session.close()
        self.session = None

    def enter(self, mailbox):
        """A session with it selected; False: not now."""
        if self.session and self.left > 0 and self.mailbox == mailbox:
            self.left -= 1
            return True
        self.leave()
        addresses = self.world.addresses[self.frontend]
        self.replica, self.left, self.mailbox = self.random.randrange(len(addresses)), SESSION, mailbox
        result, answer = self.timed(lambda: self.open(addresses[self.replica], mailbox))
        self.session, answer = result or (None, answer)
        self.passing("login", answer)
        return self.session is not None

    def ask(self, text, *literals):
        """(untagged, answer, tagged)"""
        result, answer = self.timed(lambda: self.session.command(text, *literals))
        lines, answer, line = result or ([], answer, b"")
        if self.calls[-1].answer == "OK":
            self.calls[-1] = self.calls[-1]._replace(answer=answer)
        return lines, answer, line

    def headers(self, mailbox, first):
        """[(uid, number)] of what has come there from that UID on and is not expunged; None: not now."""
        lines, answer, _ = self.ask(f"UID FETCH {first}:* (UID {HEADER})")
        if answer != EXPUNGED:
            self.passing("FETCH", answer)
            if not is_good(answer):
                return None
        found = [(int(uid), mails.number_of(head)) for uid, head in
                 fields(rb"\* \d+ FETCH \(UID (\d+) BODY\[[^\]]*\] (?:\{\d+\}\r\n)?(.*)\)$", lines)]
        for uid, number in found:
            self.world.facts.note(self.user, mailbox, uid, number)
        return [(uid, number) for uid, number in found if uid >= first]


class Mta(Client):
    """Delivers to some accounts, the same again at any replica until each has a last word."""

    frontend = "lmtp"

    def __init__(self, world, name, accounts):
        super().__init__(world, name)
        self.accounts, self.waiting = accounts, {}

    def once(self):
        self.number = mails.new(self.random.choice((mails.NOBODY, *mails.OWNERS, *mails.OWNERS, mails.DROP, mails.DROP)))
        self.waiting = {account.user: account for account in self.random.sample(self.accounts, self.random.randint(1, RECIPIENTS))}
        self.is_known = dict.fromkeys(self.waiting, True)
        for account in self.waiting.values():
            account.deliver(self.number, None)
        while self.waiting and not self.over.is_set():
            self.offer()
            if self.waiting:
                self.over.wait(AGAIN_S)

    def offer(self):
        self.replica = self.random.randrange(len(self.world.addresses["lmtp"]))
        address, text = self.world.addresses["lmtp"][self.replica], mails.text_of(self.number)
        answers, answer = self.timed(lambda: hand_over_to_all(address, list(self.waiting), text))
        self.passing("delivery", answer)
        for user, word in (answers or dict.fromkeys(self.waiting, answer)).items():
            if word == "250" or (word == "552 5.2.2" and self.waiting[user].has_quota):
                self.waiting.pop(user).deliver(self.number, word if word == "250" or self.is_known[user] else None)
            else:
                self.passing(f"delivery to {user}", word)
                self.is_known[user] = False

    def finish(self):
        """When all is up again: what has no last word gets one."""
        end = time.monotonic() + PATIENCE_S
        while self.waiting:
            if time.monotonic() > end:
                raise Wrong(f"{self.name}: nobody takes mail {self.number} to {list(self.waiting)}: {self.calls[-1].answer}")
            self.offer()
            if self.waiting:
                time.sleep(AGAIN_S)


class Owner(Client):
    """Changes its own mails, among those of others; what it was told of them is what must be there."""

    def __init__(self, world, name, account, kind):
        super().__init__(world, name, account)
        self.kind, self.frozen, self.next_uid = kind, set(), 1
        self.operations = (self.append, self.store, self.store, self.copy, self.move, self.expunge, self.read)

    def once(self):
        mailbox = self.mailbox if self.session and self.random.random() < 0.9 else self.random.choice(MAILBOXES)
        if not self.enter(mailbox):
            return
        if mailbox == "INBOX" and not self.look():
            return
        mine = [c for c in self.copies if c.mailbox == mailbox and c.number not in self.frozen]
        if mine:
            some = self.random.sample(mine, min(len(mine), self.random.randint(1, 3)))
            (self.expunge if len(self.copies) > COPIES else self.random.choice(self.operations))(some)
        else:
            self.append([])

    def look(self):
        """What was delivered to me?"""
        found = self.headers("INBOX", self.next_uid)
        for uid, number in found or []:
            self.next_uid = max(self.next_uid, uid + 1)
            if mails.kind_of(number) == self.kind and self.account.take(number):
                self.copies.append(Copy("INBOX", uid, number, frozenset()))
        return found is not None

    # -- operations on some of my mails in this mailbox

    def settle(self, what, answer, before, after):
        """It was done, or not, or nobody knows: then its mails are left alone. NO for another reason than an outage has no effect."""
        if is_good(answer):
            self.copies = [c for c in self.copies if c not in before] + after
        elif not (answer == "NO [OVERQUOTA]" and self.account.has_quota):
            self.passing(what, answer)
            self.copies = [c for c in self.copies if c not in before]
            self.doubts.append(Doubt(f"{self.name}: {what} ({answer})", [before, after]))
            self.frozen |= {c.number for c in before + after}

    def given(self, what, line, code, some, mailbox):
        """The copies that a COPYUID tells of."""
        found = re.search(code + rb" (\d+) (\S+) (\S+)\]", line)
        sources, targets = ([], []) if not found else (list(numbers(found[2])), list(numbers(found[3])))
        if sources != sorted(c.uid for c in some) or len(targets) != len(sources):
            raise Wrong(f"{self.name}: {what} of UIDs {sorted(c.uid for c in some)} was told {line}")
        self.world.facts.note_validity(self.user, mailbox, found[1])
        by_uid = {c.uid: c for c in some}
        made = [Copy(mailbox, uid, by_uid[source].number, by_uid[source].flags) for source, uid in zip(sources, targets)]
        for copy in made:
            self.world.facts.note(self.user, mailbox, copy.uid, copy.number)
        return made

    def append(self, _):
        mailbox, number = self.random.choice(MAILBOXES), mails.new(mails.APPENDED)
        self.account.take(number)
        flags = frozenset(self.random.sample(FLAGS, self.random.randint(0, 2)))
        lines, answer, line = self.ask(f"APPEND {mailbox} ({' '.join(flags)})", mails.text_of(number))
        validity, uid = map(int, re.search(rb"APPENDUID (\d+) (\d+)", line).groups()) if is_good(answer) else (None, None)
        if uid:
            self.world.facts.note_validity(self.user, mailbox, validity)
            self.world.facts.note(self.user, mailbox, uid, number)
        self.settle(f"APPEND {number}", answer, [], [Copy(mailbox, uid, number, flags)])

    def store(self, some):
        mode, flags = self.random.choice(("+", "-", "")), frozenset(self.random.sample(FLAGS, self.random.randint(1, 3)))
        after = [c._replace(flags={"+": c.flags | flags, "-": c.flags - flags, "": flags}[mode]) for c in some]
        lines, answer, _ = self.ask(f"UID STORE {uid_set(some)} {mode}FLAGS ({' '.join(flags)})")
        if is_good(answer):
            self.world.stored.extend(Stored(self.user, c.mailbox, c.uid, self.calls[-1].begin, self.calls[-1].end)
                                     for c in set(after) - set(some))
            shown = {int(uid): frozenset(text.decode().split()) - {r"\Recent"} for uid, text in
                     fields(rb"\* \d+ FETCH \(UID (\d+) FLAGS \(([^)]*)\)\)$", lines)}
            for copy in after:
                if shown.get(copy.uid) != copy.flags:
                    raise Wrong(f"{self.name}: STORE is OK, with {lines} for {after}")
        self.settle("STORE", answer, some, after)

    def copy(self, some):
        mailbox = self.random.choice(MAILBOXES)
        _, answer, line = self.ask(f"UID COPY {uid_set(some)} {mailbox}")
        made = (self.given("COPY", line, rb"COPYUID", some, mailbox) if is_good(answer) else
                [c._replace(mailbox=mailbox, uid=None) for c in some])
        self.settle("COPY", answer, [], made)

    def move(self, some):
        mailbox = self.random.choice([m for m in MAILBOXES if m != self.mailbox])
        lines, answer, line = self.ask(f"UID MOVE {uid_set(some)} {mailbox}")
        told = next((text for text in [*lines, line] if b"COPYUID" in text), b"")
        made = (self.given("MOVE", told, rb"COPYUID", some, mailbox) if is_good(answer) else
                [c._replace(mailbox=mailbox, uid=None) for c in some])
        self.settle("MOVE", answer, some, made)

    def expunge(self, some):
        after = [c._replace(flags=c.flags | {r"\Deleted"}) for c in some]
        _, answer, _ = self.ask(f"UID STORE {uid_set(some)} +FLAGS.SILENT (\\Deleted)")
        self.settle("STORE of \\Deleted", answer, some, after)
        if is_good(answer) and self.session:
            _, answer, _ = self.ask(f"UID EXPUNGE {uid_set(some)}")
            self.settle("EXPUNGE", answer, after, [])

    def read(self, some):
        copy = some[0]
        lines, answer, _ = self.ask(f"UID FETCH {copy.uid} (BODY.PEEK[])")
        self.passing("FETCH of a body", answer)
        found = [text[:int(size)] for size, text in fields(rb"\* \d+ FETCH \(.*?BODY\[\] \{(\d+)\}\r\n(.*)\)$", lines)]
        if is_good(answer) and not (len(found) == 1 and mails.is_whole(found[0], copy.number)):
            raise Wrong(f"{self.name}: {copy} is {[(len(text), text[:200], text[-100:]) for text in found]}, not of {len(mails.text_of(copy.number))} bytes")


class Mover(Client):
    """Takes mails from one mailbox to another that others move at the same time: each stays one mail."""

    def __init__(self, world, name, account):
        super().__init__(world, name, account)
        self.seen = {mailbox: {} for mailbox in MAILBOXES[1:]}
        self.next_uid = dict.fromkeys(self.seen, 1)

    def once(self):
        mailbox = self.mailbox if self.session and self.random.random() < 0.7 else self.random.choice(list(self.seen))
        target = next(m for m in self.seen if m != mailbox)
        if not self.enter(mailbox):
            return
        found = self.headers(mailbox, self.next_uid[mailbox])
        if found is None:
            return
        for uid, number in found:
            self.next_uid[mailbox] = max(self.next_uid[mailbox], uid + 1)
            if mails.kind_of(number) == mails.CONTESTED:
                self.seen[mailbox][uid] = number
        if self.seen[mailbox]:
            self.move(mailbox, target)

    def move(self, mailbox, target):
        here = self.seen[mailbox]
        uids = sorted(self.random.sample(sorted(here), min(len(here), 2)))
        lines, answer, line = self.ask(f"UID MOVE {','.join(map(str, uids))} {target}")
        self.passing("MOVE", answer)
        if not is_good(answer):
            return
        for validity, sources, targets in fields(rb".*COPYUID (\d+) (\S+) (\S+)\]", [*lines, line]):
            self.world.facts.note_validity(self.user, target, validity)
            for source, uid in zip(numbers(sources), numbers(targets)):
                self.world.facts.note(self.user, target, uid, here[source])
        for uid in uids:
            del here[uid]


class Observer(Client):
    """Has a mailbox open, idles, and keeps the picture that it is told of: it must be possible, and in the end be true."""

    def __init__(self, world, name, account, mailbox):
        super().__init__(world, name, account)
        self.watched, self.known, self.highest = mailbox, set(), 0
        self.uids, self.exists = [], 0  # of this session; `exists` counts those that are not learned yet, too

    def once(self):
        if not self.session or self.left == 0:
            self.uids, self.exists = [], 0
            if not self.enter(None):
                return
            lines, answer, _ = self.ask(f"SELECT {self.watched}")
            self.passing("SELECT", answer)
            if not is_good(answer):
                return self.leave()
            self.left = 10 * SESSION
            for validity, in fields(rb"\* OK \[UIDVALIDITY (\d+)\]", lines):
                self.world.facts.note_validity(self.user, self.watched, validity)
            self.note(lines)
        self.left -= 1
        self.hear()
        self.learn()

    def hear(self):
        if self.random.random() < 0.3:
            lines, answer, _ = self.ask("NOOP")
            self.passing("NOOP", answer)
        else:
            lines, _ = self.timed(self.idle, is_idle=True)
        self.note(lines or [])

    def idle(self):
        lines, end = [], time.monotonic() + 0.5
        self.session.send(b"i IDLE\r\n")
        while self.session.has_response(max(0, end - time.monotonic())):
            lines.append(self.session.response(time.monotonic() + PATIENCE_S))
        self.session.send(b"DONE\r\n")
        while not (line := self.session.response(time.monotonic() + PATIENCE_S)).startswith(b"i OK"):
            lines.append(line)
        return lines

    def note(self, lines):
        for number, what in fields(rb"\* (\d+) (EXISTS|EXPUNGE)$", lines):
            number = int(number)
            if what == b"EXISTS":
                if number < self.exists:
                    raise Wrong(f"{self.name}: EXISTS goes from {self.exists} to {number}")
                self.exists = number
            else:
                if not 0 < number <= self.exists:
                    raise Wrong(f"{self.name}: EXPUNGE of {number} of {self.exists}")
                self.exists -= 1
                del self.uids[number - 1:number]

    def learn(self):
        """The UIDs of what is new to this session: in order, and none that was passed over before."""
        first, exists = len(self.uids) + 1, self.exists
        if not self.session or exists < first:
            return
        lines, answer, _ = self.ask(f"FETCH {first}:* (UID)")
        self.passing("FETCH", answer)
        if not is_good(answer):
            return
        shown = {int(seq): int(uid) for seq, uid in fields(rb"\* (\d+) FETCH \(UID (\d+)\)$", lines)}
        for seq in range(first, exists + 1):
            if seq not in shown:
                raise Wrong(f"{self.name}: EXISTS says {exists}, FETCH has no {seq}: {lines}")
            self.add(shown[seq])
        self.note(lines)

    def add(self, uid):
        if self.uids and uid <= self.uids[-1]:
            raise Wrong(f"{self.name}: UID {uid} after {self.uids[-1]}")
        if uid <= self.highest and uid not in self.known:
            raise Wrong(f"{self.name}: UID {uid} was not there when {self.highest} was")
        self.uids.append(uid)
        self.known.add(uid)
        self.highest = max(self.highest, uid)

    def picture(self):
        """When all is quiet: {uid: flags} as this session sees it."""
        while not self.session:
            self.once()
        for _ in range(2):
            self.note(self.ask("NOOP")[0])
            self.learn()
        lines, answer, line = self.ask("FETCH 1:* (UID FLAGS)") if self.uids else ([], "OK", b"")
        if not is_good(answer):
            raise Wrong(f"{self.name}: {line} when all is well")
        return {int(uid): frozenset(flags.decode().split()) - {r"\Recent"} for uid, flags in
                fields(rb"\* \d+ FETCH \(UID (\d+) FLAGS \(([^)]*)\)\)$", lines)}


class Drop(Client):
    """Reads by POP3, and deletes those of its kind."""

    frontend = "pop3"

    def __init__(self, world, name, account):
        super().__init__(world, name, account)
        self.numbers, self.tried, self.gone = {}, set(), set()  # by unique-id; numbers whose deletion was asked for; and was told

    def once(self):
        self.replica = self.random.randrange(len(self.world.addresses["pop3"]))
        _, answer = self.timed(self.visit)
        self.passing("POP3", answer)

    def visit(self):
        session, leaving = None, []
        try:
            session = Pop3(self.world.addresses["pop3"][self.replica], self.user)
            drop = session.uidls()
            for uidl in [uidl for uidl in drop if uidl not in self.numbers][:5]:
                self.read(uidl, session, drop[uidl])
            for uidl in [uidl for uidl in drop if self.is_mine(uidl)][:3]:
                if self.account.take(self.numbers[uidl]):
                    leaving.append(self.numbers[uidl])
                    session.delete(drop[uidl])
            session.quit()
            self.gone.update(leaving)
        except Gone:
            self.doubt(leaving)
            raise
        except poplib.error_proto as wrong:
            self.doubt(leaving)
            if b"SYS/TEMP" not in wrong.args[0]:
                raise Wrong(f"{self.name}: {wrong}")
        finally:
            self.tried.update(leaving)
            if session:
                session.close()

    def is_mine(self, uidl):
        number = self.numbers.get(uidl, mails.NOBODY)
        if number in self.gone:
            raise Wrong(f"{self.name}: mail {number} was deleted, and is there")
        return mails.kind_of(number) == mails.DROP and number not in self.tried

    def read(self, uidl, session, place):
        try:
            data = session.mail(place)
        except poplib.error_proto as wrong:
            if b"another session has deleted" in wrong.args[0]:  # as others do with theirs
                return
            raise
        number = mails.number_of(data.partition(b"\r\n\r\n")[0])
        if number is None or not mails.is_whole(data, number):
            raise Wrong(f"{self.name}: {uidl} is {data[:300]}")
        self.numbers[uidl] = number

    def doubt(self, leaving):
        if leaving:
            self.doubts.append(Doubt(f"{self.name}: QUIT", [[Copy("INBOX", None, number, frozenset()) for number in leaving], []]))
