"""What is measured, a row each: a client of build/bench, its arguments, and what its figures mean."""
import dataclasses, itertools, json, os, subprocess, time
from typing import Callable

import meters

# So many accounts share the deliveries; the others have mailboxes for one purpose each.
PLAIN, HOT, DROP, BIG, BODIES, EVENTS, ACCOUNTS = 50, 50, 51, 52, 53, 54, 55
MAILS = {DROP: 10000, BIG: 100000, BODIES: 5000, EVENTS: 500}   # before they are scaled
IDLE_S = 12  # of silence, before the memory of idle sessions is looked at: services give back every 10 s what is free
DIR = ("dovecot-maildir", "sora-all-dir", "sora-split-dir")
ALL = (*DIR, "sora-all-s3", "sora-split-s3")
numbers = itertools.count(1, 1000000)           # of the first mail of a run: no two mails of all runs are the same


def client(program, *args):
    """Run a program of build/bench; its line of JSON."""
    done = subprocess.run([f"{os.environ['BUILD']}/bench/{program}", *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=7200)
    if done.returncode != 0:
        raise RuntimeError(f"{program} {' '.join(map(str, args))}: {done.stderr}")
    return json.loads(done.stdout)


def deliver(peer, sessions, mails, recipients=1, first=0, count=PLAIN):
    return client("lmtp", sessions, mails, recipients, first, count, next(numbers), *peer.ports["lmtp"])


def address(account):
    return f"bench{account}@sora.test"


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    unit: str               # "ms" or "KiB" each, or what is counted, a second
    load: Callable          # peer, scale -> a client's JSON
    prepare: Callable = None # peer: before the first round

    def run(self, peer, scale):
        """The client's figures, and milliseconds of CPU for each thing counted."""
        roots = [*peer.processes, *peer.servers]
        before = meters.cpu(roots)
        figures = self.load(peer, scale)
        return {"rate": figures["count"] / figures["seconds"], **figures,
                "cpu_ms": 1000 * (meters.cpu(roots) - before) / figures["count"]}


@dataclasses.dataclass(frozen=True)
class Group:
    name: str
    title: str
    peers: tuple
    fill: Callable          # peer, scale: before the first case
    cases: tuple


def lmtp(name, sessions, mails, recipients=1, first=0, count=PLAIN, prepare=None):
    return Case(name, "deliveries/s", lambda peer, scale: deliver(peer, sessions, mails // scale, recipients, first, count), prepare)


def with_script(text):
    """Of each of the accounts that share the deliveries."""
    def prepare(peer):
        for account in range(PLAIN):
            peer.script(account, text)
    return prepare


# Forty-nine rules that do not match, one that does.
RULES = with_script('require ["fileinto", "mailbox", "imap4flags"];\n' + "".join(
    f'if anyof (header :contains "Subject" "offer {i} of the week", address :domain :is "From" "shop{i}.example.com") '
    f'{{ fileinto :create "Rules/{i}"; stop; }}\n' for i in range(49)) + 'if header :contains "X-Never" "at all" { discard; } else { keep; }\n')
# The mails are to bench@sora.test. Each of 997 senders is answered once; what is sent goes no further than the queue, or /bin/true.
VACATION = with_script('require "vacation";\nvacation :days 1 :addresses "bench@sora.test" "I am away.";\n')


def mails_of(account, scale):
    """Never fewer than are read."""
    return max(MAILS[account] // scale, 1000)


def reading(program, account, name, unit, what, times, *args):
    """Of a mailbox of which all is there: a server that leaves mails out would be fast."""
    def load(peer, scale):
        mails = mails_of(account, scale)
        figures = client(program, what, max(times // scale, 1), address(account), peer.ports[program][0], *args)
        if figures.get("mails", mails) != mails:
            raise RuntimeError(f"{peer.name}: {program} {what}: {address(account)} has {figures['mails']} mails, not {mails}")
        return figures
    return Case(name, unit, load)


def exists(peer, scale):
    return client("imap", "exists", 500 // scale, address(EVENTS), peer.ports["imap"][-1], peer.ports["lmtp"][0], next(numbers))


def filled(account, *warm):
    """Before the first case: its mails, and a look at them, for what a server writes down at the first."""
    def fill(peer, scale):
        deliver(peer, 32, mails_of(account, scale), first=account, count=1)
        client(*warm[:3], address(account), peer.ports[warm[0]][0])
    return fill


def fill_idle(peer, scale):
    deliver(peer, 8, 600)
    peer.idle_kib = meters.pss_kib(peer.processes)


def idle(kind, port):
    """What the server's processes have grown by since nobody was there, after a while of silence; the kernel's memory is not in it."""
    def load(peer, scale):
        count = 2000 // scale
        argv = [f"{os.environ['BUILD']}/bench/imap", "idle", str(count), address(0), str(peer.ports[port][0]), kind, str(PLAIN)]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as sessions:
            figures = json.loads(sessions.stdout.readline())
            time.sleep(IDLE_S)
            figures["kib"] = (meters.pss_kib(peer.processes) - peer.idle_kib) / count
            figures["rate"] = 1 / figures["kib"]
        return figures
    return Case(f"{kind}, logged in, INBOX selected, IDLE", "KiB", load)


GROUPS = {group.name: group for group in (
    Group("idle", "Memory (PSS) of each of 2,000 idle IMAP sessions", DIR, fill_idle, (
        idle("plain", "imap"),
        idle("tls", "imaps"),
    )),
    Group("lmtp", "LMTP: mails of mixed size and MIME, 5 KB median, delivered durably", ALL, lambda peer, scale: deliver(peer, 8, 400), (
        lmtp("1 session", 1, 300),
        lmtp("8 sessions", 8, 1500),
        lmtp("32 sessions", 32, 2500),
        lmtp("32 sessions, one INBOX", 32, 2500, first=HOT, count=1),
        lmtp("8 sessions, 10 recipients", 8, 300, 10),
        lmtp("8 sessions, 50 recipients", 8, 100, 50),
    )),
    Group("pop3", "POP3: a maildrop of 10,000 mails", ALL, filled(DROP, "pop3", "uidl", 2), (
        reading("pop3", DROP, "login, QUIT", "ms", "login", 100),
        reading("pop3", DROP, "login, STAT, QUIT", "ms", "stat", 100),
        reading("pop3", DROP, "login, UIDL of all, QUIT", "ms", "uidl", 50),
        reading("pop3", DROP, "RETR of 1,000, one by one", "mails/s", "retr", 1000),
    )),
    Group("imap", "IMAP: a mailbox of 100,000 mails", DIR, filled(BIG, "imap", "envelope", 1), (
        reading("imap", BIG, "login, LOGOUT", "ms", "login", 100),
        reading("imap", BIG, "SELECT", "ms", "select", 200),
        reading("imap", BIG, "FETCH 1:* (UID FLAGS RFC822.SIZE INTERNALDATE)", "ms", "flags", 5),
        reading("imap", BIG, "FETCH 1:* (ENVELOPE)", "ms", "envelope", 5),
    )),
    Group("bodies", "IMAP: bodies of 1,000 mails", ALL, filled(BODIES, "imap", "select", 1), (
        reading("imap", BODIES, "FETCH 1:1000 (BODY.PEEK[])", "mails/s", "bodies", 5, 1000),
        reading("imap", BODIES, "one FETCH a mail", "mails/s", "body", 1000),
    )),
    Group("events", "From the 250 of LMTP to EXISTS in IDLE, in another process where there is one", DIR,
          filled(EVENTS, "imap", "select", 1), (Case("EXISTS", "ms", exists),)),
    Group("sieve", "Sieve, beside Pigeonhole", ("dovecot-pigeonhole", "sora-all-dir", "sora-split-dir"), lambda peer, scale: deliver(peer, 8, 400), (
        lmtp("no script, 32 sessions", 32, 2500),
        lmtp("no script, 8 sessions, 50 recipients", 8, 100, 50),
        lmtp("50 rules, 32 sessions", 32, 2500, prepare=RULES),
        lmtp("50 rules, 8 sessions, 50 recipients", 8, 100, 50),
        lmtp("vacation, 32 sessions", 32, 2500, prepare=VACATION),
        lmtp("vacation, 8 sessions, 50 recipients", 8, 100, 50),
    )),
)}
