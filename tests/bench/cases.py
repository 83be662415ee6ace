"""What is measured, a row each: a client of build/bench, its arguments, and what its figures mean."""
import dataclasses, itertools, json, os, subprocess
from typing import Callable

import meters

PLAIN, HOT, POP3, ACCOUNTS = 60, 60, 61, 62     # so many accounts share the deliveries; these two have mailboxes of their own
SORA = ("sora-all-dir", "sora-split-dir", "sora-all-s3", "sora-split-s3")
numbers = itertools.count(1, 1000000)           # of the first mail of a run: no two mails of all runs are the same


def client(program, *args):
    """Run a program of build/bench; its line of JSON."""
    done = subprocess.run([f"{os.environ['BUILD']}/bench/{program}", *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=600)
    if done.returncode != 0:
        raise RuntimeError(f"{program} {' '.join(map(str, args))}: {done.stderr}")
    return json.loads(done.stdout)


def deliver(peer, sessions, mails, recipients=1, first=0, count=PLAIN):
    return client("lmtp", sessions, mails, recipients, first, count, next(numbers), *peer.ports["lmtp"])


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    unit: str               # "/s" of what is counted, or "ms" each
    load: Callable          # peer, scale -> a client's JSON
    peers: tuple = ()       # only these

    def run(self, peer, scale):
        """The client's figures, and milliseconds of CPU for each thing counted."""
        roots = [*peer.processes, *peer.servers]
        before = meters.cpu(roots)
        figures = self.load(peer, scale)
        return {**figures, "cpu_ms": 1000 * (meters.cpu(roots) - before) / figures["count"], "rate": figures["count"] / figures["seconds"]}


@dataclasses.dataclass(frozen=True)
class Group:
    name: str
    title: str
    peers: tuple
    fill: Callable          # peer, scale: before the first case
    cases: tuple


def lmtp(name, sessions, mails, recipients=1, first=0, count=PLAIN):
    return Case(name, "deliveries/s", lambda peer, scale: deliver(peer, sessions, mails // scale, recipients, first, count))


def pop3(name, what, times, unit):
    return Case(name, unit, lambda peer, scale: client("pop3", what, times // scale, f"bench{POP3}@sora.test", peer.ports["pop3"][0]))


def fill_maildrop(peer, scale):
    deliver(peer, 8, 10000 // scale, first=POP3, count=1)
    client("pop3", "uidl", 2, f"bench{POP3}@sora.test", peer.ports["pop3"][0])


GROUPS = {group.name: group for group in (
    Group("lmtp", "LMTP: mails of mixed size and MIME, 5 KB median, delivered durably", ("dovecot-maildir", *SORA),
          lambda peer, scale: deliver(peer, 8, 400), (
              lmtp("1 session", 1, 300),
              lmtp("8 sessions", 8, 1500),
              lmtp("32 sessions", 32, 2500),
              lmtp("32 sessions, one INBOX", 32, 2500, first=HOT, count=1),
              lmtp("8 sessions, 10 recipients", 8, 300, 10),
              lmtp("8 sessions, 50 recipients", 8, 100, 50),
          )),
    Group("pop3", "POP3: a maildrop of 10,000 mails", ("dovecot-maildir", *SORA), fill_maildrop, (
        pop3("login, QUIT", "login", 100, "ms"),
        pop3("login, STAT, QUIT", "stat", 100, "ms"),
        pop3("login, UIDL of all, QUIT", "uidl", 50, "ms"),
        pop3("RETR of 1,000, one by one", "retr", 1000, "mails/s"),
    )),
)}
