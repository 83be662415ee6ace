"""Modseqs, as PostgreSQL has them along the way: IMAP does not show them yet. Whoever synchronises by them may miss nothing."""
import collections, subprocess, time

from outages.clients import Wrong

from .clients import Client

EVERY_S = 0.5
MAILBOXES = """SELECT s.account, s.mailbox, encode(a.address, 'escape'), encode(m.name, 'escape') FROM mailbox_state s
    JOIN mailboxes m USING (account, mailbox) JOIN addresses a USING (account)"""
NUMBERS = """SELECT account, mailbox, 0, modseq, uidnext FROM mailbox_state UNION ALL SELECT account, mailbox, uid, modseq, flags FROM entries"""

Look = collections.namedtuple("Look", "begin end states entries")  # {mailbox: (modseq, uidnext)}, {(mailbox, uid): (modseq, flags)}


class Modseqs(Client):
    """Looks at all mailboxes again and again, whatever replicas change them."""

    frontend = "PostgreSQL"

    def __init__(self, world, stage):
        super().__init__(world, "modseqs")
        self.stage, self.last, self.names, self.count, self.raised = stage, None, {}, 0, 0

    def once(self):
        try:
            self.compare(self.look())
        except subprocess.CalledProcessError:  # it is down
            pass
        self.over.wait(EVERY_S)

    def rows(self, sql):
        return self.stage.postgres.query(sql, self.stage.database, is_quiet=True)

    def look(self):
        if not self.names:
            self.names = {(user, name): (account, mailbox) for account, mailbox, user, name in self.rows(MAILBOXES)}
        begin, states, entries = time.time(), {}, {}
        for account, mailbox, uid, modseq, other in self.rows(NUMBERS):
            if uid == "0":
                states[account, mailbox] = (int(modseq), int(other))
            else:
                entries[(account, mailbox), int(uid)] = (int(modseq), int(other))
        return Look(begin, time.time(), states, entries)

    def compare(self, now):
        last, self.last = self.last, now
        if not last:
            return
        self.count += 1
        for mailbox, (modseq, uidnext) in last.states.items():
            if now.states[mailbox][0] < modseq or now.states[mailbox][1] < uidnext:
                raise Wrong(f"mailbox {mailbox}: HIGHESTMODSEQ and UIDNEXT went from {modseq, uidnext} to {now.states[mailbox]}")
        for (mailbox, uid), entry in now.entries.items():
            before = last.entries.get((mailbox, uid))
            if entry != before and not last.states[mailbox][0] < entry[0] <= now.states[mailbox][0]:
                raise Wrong(f"UID {uid} of mailbox {mailbox}: (MODSEQ, flags) went from {before} to {entry}, when HIGHESTMODSEQ was "
                            f"{last.states[mailbox][0]}, then {now.states[mailbox][0]}")
        self.compare_stored(last, now)

    def compare_stored(self, last, now):
        """Whose STORE of other flags was told OK has a higher one."""
        for stored in self.world.stored_during(last.end, now.begin):
            at = (self.names[stored.user, stored.mailbox], stored.uid)
            if at in last.entries and at in now.entries:
                self.raised += 1
                if now.entries[at][0] <= last.entries[at][0]:
                    raise Wrong(f"STORE of UID {stored.uid} of {stored.mailbox} of {stored.user} was OK, and left MODSEQ at {now.entries[at][0]}")
