"""What a client knows from the untagged responses alone is what is there: clients that believe every line, many commands at once."""
import random, re, socket

from harness.mail import imap, mails, ok
from harness.processes import wait_for
from harness.threads import Threads

FLAGS = (r"\Seen", r"\Flagged", r"\Answered", r"\Draft", "red", "green", "blue")


class Believer:
    """An IMAP client that keeps its own picture of the mailbox: sequence numbers, UIDs and flags, as it was told."""

    def __init__(self, stack, user, replica):
        self.socket = socket.create_connection(stack.imap[replica % len(stack.imap)], timeout=30)
        self.file = self.socket.makefile("rb")
        self.messages, self.keywords, self.tags, self.log = [], set(), 0, []
        self.line()
        self.run(f"LOGIN {user} secret")
        self.run("SELECT INBOX")
        self.run("FETCH 1:* (UID FLAGS)")

    def line(self):
        line = self.file.readline().decode("latin-1").rstrip("\r\n")
        assert line, ("closed", self.log[-12:])
        self.log.append(line)
        return line

    def send(self, text):
        self.log.append("> " + text)
        self.socket.sendall(text.encode() + b"\r\n")

    def run(self, command, literal=None):
        """The status and text of the tagged answer; everything before it is believed."""
        self.tags += 1
        tag = f"t{self.tags}"
        self.send(f"{tag} {command}" + ("" if literal is None else f" {{{len(literal)}+}}\r\n{literal}"))
        may_expunge = not command.startswith(("FETCH", "STORE", "SEARCH"))
        while not (line := self.line()).startswith(tag + " "):
            if line.startswith("+"):
                self.send("DONE")
            else:
                self.believe(line, may_expunge)
        return line[len(tag) + 1:]

    def believe(self, line, may_expunge):
        why = (line, self.log[-12:])
        if m := re.match(r"\* (\d+) EXISTS", line):
            assert int(m[1]) >= len(self.messages), why
            self.messages += [{"uid": None, "flags": None} for _ in range(int(m[1]) - len(self.messages))]
        elif m := re.match(r"\* (\d+) EXPUNGE", line):
            assert may_expunge and 1 <= int(m[1]) <= len(self.messages), why
            del self.messages[int(m[1]) - 1]
        elif m := re.match(r"\* FLAGS \((.*)\)", line):
            self.keywords = set(m[1].split())
        elif m := re.match(r"\* (\d+) FETCH \((.*)\)$", line):
            assert 1 <= int(m[1]) <= len(self.messages), why
            self.fetched(self.messages[int(m[1]) - 1], m[2], why)

    def fetched(self, message, items, why):
        if m := re.search(r"UID (\d+)", items):
            assert message["uid"] in (None, int(m[1])), why
            message["uid"] = int(m[1])
        if m := re.search(r"FLAGS \((.*?)\)", items):
            message["flags"] = set(m[1].split()) - {r"\Recent"}
            assert message["flags"] <= self.keywords, why

    def store(self, r):
        """A STORE of any form; after .SILENT the picture is changed as asked."""
        first, last = sorted(r.randint(1, len(self.messages)) for _ in range(2))
        mode, flags, silent = r.choice(("+", "-", "")), set(r.sample(FLAGS, r.randint(1, 2))), r.random() < 0.5
        chosen = self.messages[first - 1:last]
        numbers = f"{first}:{last}"
        if r.random() < 0.3 and all(m["uid"] for m in chosen):
            numbers = "UID " + ",".join(str(m["uid"]) for m in chosen)
        command = f"STORE {numbers}" if numbers[0] != "U" else f"UID STORE {numbers[4:]}"
        known = [(m, m["flags"]) for m in chosen]
        answer = self.run(f"{command} {mode}FLAGS{'.SILENT' if silent else ''} ({' '.join(flags)})")
        for message, before in known if silent and answer.startswith("OK") else ():
            if before is not None and message["flags"] is before:
                message["flags"] = before | flags if mode == "+" else before - flags if mode == "-" else set(flags)

    def anything(self, r):
        """One command by chance."""
        n, what = len(self.messages), r.random()
        if what < 0.1 or n < 4:
            self.run("APPEND INBOX (red)" if r.random() < 0.3 else "APPEND INBOX", "Subject: x\r\n\r\nx\r\n")
        elif what < 0.5:
            self.store(r)
        elif what < 0.6:
            self.run(f"STORE {r.randint(1, n)} +FLAGS (\\Deleted)")
            self.run("EXPUNGE")
        elif what < 0.65:
            self.run(f"COPY {r.randint(1, n)} INBOX")
        elif what < 0.7:
            self.run(f"MOVE {r.randint(1, n)} {r.choice(('Archive', 'INBOX'))}")
        elif what < 0.8:
            self.run(f"FETCH {r.randint(1, n)}:* (FLAGS)")
        elif what < 0.85:
            self.run("SEARCH UNSEEN")
        elif what < 0.9:
            self.run("UID FETCH 1:* (UID)")
        else:
            self.run(r.choice(("NOOP", "IDLE", "CHECK")))

    def agrees(self, truth):
        """After a look, is the picture the truth? Flags that were never told, of new messages, do not count."""
        self.run("NOOP")
        if len(self.messages) != len(truth):
            return False
        if any(m["uid"] is None for m in self.messages):
            self.run("FETCH 1:* (UID)")
        return all(m["uid"] == uid and m["flags"] in (None, flags) for m, (uid, flags) in zip(self.messages, truth))


def truth_of(stack, user):
    fresh = Believer(stack, user, 1)
    return [(m["uid"], m["flags"]) for m in fresh.messages]


def play(client, seed):
    r = random.Random(seed)
    for _ in range(80):
        client.anything(r)


def test_pictures_of_three_sessions_agree_after_everything_at_once(stack):
    user = stack.account()
    client = imap(stack, user)
    for mail in mails(12, 5):
        ok(client.append("INBOX", None, None, mail))
    clients = [Believer(stack, user, i) for i in range(3)]
    Threads(play, [(c, seed) for seed, c in enumerate(clients)]).join()
    truth = truth_of(stack, user)
    for c in clients:
        try:
            wait_for("the truth", lambda: c.agrees(truth), 8)
        except TimeoutError:
            wrong = [(m, t) for m, t in zip(c.messages, truth) if m["uid"] != t[0] or m["flags"] not in (None, t[1])]
            uid = wrong[0][1][0] if wrong else None
            raise AssertionError((len(c.messages), len(truth), wrong[:3], [line for line in c.log if f"UID {uid} " in line][-8:])) from None
