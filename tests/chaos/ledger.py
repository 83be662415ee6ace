"""What clients were told, and what must be there for it."""
import collections, threading

from outages.clients import Wrong

# `flags`: a frozenset; `uid` None: whatever it got.
Copy = collections.namedtuple("Copy", "mailbox uid number flags")
# One of the alternatives is there, each a list of copies; never both, never a part.
Doubt = collections.namedtuple("Doubt", "what alternatives")


class Facts:
    """Which mail has a UID, and which UIDVALIDITY a mailbox, as anybody was ever told: always the same one."""

    def __init__(self):
        self.lock, self.numbers, self.validities = threading.Lock(), {}, {}

    def note(self, user, mailbox, uid, number):
        with self.lock:
            before = self.numbers.setdefault((user, mailbox, uid), number)
        if before != number:
            raise Wrong(f"{user}: UID {uid} of {mailbox} was mail {before}, and is mail {number}")

    def note_validity(self, user, mailbox, validity):
        with self.lock:
            before = self.validities.setdefault((user, mailbox), int(validity))
        if before != int(validity):
            raise Wrong(f"{user}: UIDVALIDITY of {mailbox} was {before}, and is {int(validity)}")


class Account:
    """What must be in one account. Whoever adds to it is the only one to change what it adds."""

    def __init__(self, user, has_quota=False):
        self.user, self.has_quota, self.lock = user, has_quota, threading.Lock()
        self.delivered = {}      # {number: "250"; "552 ..", or None: no last word}
        self.contested = set()   # numbers: each is somewhere, once
        self.taken = set()       # of the delivered ones: whoever looks after them has seen them

    def deliver(self, number, answer):
        with self.lock:
            self.delivered[number] = answer

    def outcomes(self, number):
        """What a delivery may have come to: copies, for each way."""
        yield [Copy("INBOX", None, number, frozenset())]

    def take(self, number):
        """False: seen before."""
        with self.lock:
            is_new = number not in self.taken
            self.taken.add(number)
        return is_new


class Settlement:
    """What is there, minus what must be: nothing may be left, and nothing be missing."""

    def __init__(self, user, copies):
        self.user = user
        self.left = {(copy.mailbox, copy.uid): copy for copy in copies}

    def find(self, copy, left):
        if copy.uid is not None:
            found = left.get((copy.mailbox, copy.uid))
            return found if found == copy else None
        return next((c for c in left.values() if c.number == copy.number and (copy.mailbox in (None, c.mailbox)) and
                     copy.flags in (None, c.flags)), None)

    def claim(self, copies):
        """All of them, or none: False."""
        left = dict(self.left)
        for copy in copies:
            found = self.find(copy, left)
            if not found:
                return False
            del left[(found.mailbox, found.uid)]
        self.left = left
        return True

    def must(self, what, copies):
        for copy in copies:
            if not self.claim([copy]):
                there = [c for c in self.left.values() if c.number == copy.number]
                raise Wrong(f"{self.user}: {what}: {copy} is not there, but {there}")

    def either(self, doubt):
        if not any(self.claim(copies) for copies in sorted(doubt.alternatives, key=len, reverse=True)):
            numbers = {copy.number for copies in doubt.alternatives for copy in copies}
            there = [c for c in self.left.values() if c.number in numbers]
            raise Wrong(f"{self.user}: {doubt.what}: nothing of {doubt.alternatives} is there, but {there}")

    def end(self):
        if self.left:
            raise Wrong(f"{self.user}: {len(self.left)} that nobody left there: {list(self.left.values())[:5]}")


def settle(account, clients, copies):
    """Compare an account with what its clients were told."""
    settlement = Settlement(account.user, copies)
    for client in clients:
        settlement.must(f"{client.name} was told", client.copies)
    for client in clients:
        for doubt in client.doubts:
            settlement.either(doubt)
    settlement.must("moved by many", [Copy(None, None, number, None) for number in account.contested])
    for number, answer in account.delivered.items():
        if number not in account.taken and answer in ("250", None):
            settlement.either(Doubt(f"delivery of {number} was told {answer}", [*account.outcomes(number), *([] if answer else [[]])]))
    settlement.end()
