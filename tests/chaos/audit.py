"""What is there, asked of PostgreSQL and S3 themselves: the sums of what is counted, the journal played again, a body for each row and a row for each body."""
import collections, os, re

from outages.clients import Wrong

from . import s3

# Each finds what should not be.
QUERIES = {
    "a mailbox's counts are those of its entries": """
        SELECT s.account, s.mailbox, s.messages, s.unseen, s.deleted, s.bytes, count(e.uid), coalesce(sum(e.size), 0) FROM mailbox_state s
        LEFT JOIN entries e USING (account, mailbox) GROUP BY s.account, s.mailbox
        HAVING (s.messages, s.unseen, s.deleted, s.bytes) <> (count(e.uid), count(e.uid) FILTER (WHERE e.flags & 1 = 0),
            count(e.uid) FILTER (WHERE e.flags & 8 <> 0), coalesce(sum(e.size), 0))""",
    "an account's usage is that of its entries": """
        SELECT u.account, u.messages, u.bytes, count(e.uid), coalesce(sum(e.size), 0) FROM usage u LEFT JOIN entries e USING (account)
        GROUP BY u.account HAVING (u.messages, u.bytes) <> (count(e.uid), coalesce(sum(e.size), 0))""",
    "no account is over its quota": "SELECT account, bytes, limit_bytes FROM usage WHERE limit_bytes > 0 AND bytes > limit_bytes",
    "UIDs and modseqs are behind what will be given next": """
        SELECT e.account, e.mailbox, e.uid, e.modseq, s.uidnext, s.modseq FROM entries e JOIN mailbox_state s USING (account, mailbox)
        WHERE e.uid >= s.uidnext OR e.modseq > s.modseq""",
    "each entry has its mailbox and its message": """
        SELECT e.account, e.mailbox, e.uid FROM entries e LEFT JOIN messages m USING (account, message)
        LEFT JOIN mailbox_state s USING (account, mailbox) WHERE m.size IS DISTINCT FROM e.size OR s.uidnext IS NULL""",
    "each message is in a mailbox, or waits for its purge": """
        SELECT account, message FROM messages m WHERE NOT EXISTS (SELECT FROM entries e WHERE (e.account, e.message) = (m.account, m.message))
        AND NOT EXISTS (SELECT FROM purge p WHERE (p.account, p.message) = (m.account, m.message))""",
}
OBJECT = "encode(substring(blob FROM 2 FOR 16), 'hex')"
Entry = collections.namedtuple("Entry", "flags modseq")


def numbers(text):
    return [int(word) for word in re.findall(r"\d+", text)]


class Journal:
    """The changes of one mailbox, played again."""

    def __init__(self, name):
        self.name, self.modseq, self.uidnext, self.entries, self.ever = name, None, 1, {}, set()

    def wrong(self, why):
        raise Wrong(f"the journal of mailbox {self.name}: {why}")

    def play(self, modseq, uidnext, is_new, uids, flags, vanished):
        if self.modseq is not None and modseq != self.modseq + 1:
            self.wrong(f"modseq {modseq} after {self.modseq}")
        if uidnext < self.uidnext:
            self.wrong(f"UIDNEXT goes from {self.uidnext} to {uidnext}")
        for uid, bits in zip(uids, flags, strict=True):
            if is_new and not self.uidnext <= uid < uidnext:
                self.wrong(f"modseq {modseq} gives UID {uid}, between {self.uidnext} and {uidnext}")
            if not is_new and uid not in self.entries:
                self.wrong(f"modseq {modseq} changes UID {uid}, which is not there")
            self.entries[uid] = Entry(bits, modseq)
            self.ever.add(uid)
        for first, last in zip(vanished[::2], vanished[1::2]):
            for uid in range(first, last + 1):
                if self.entries.pop(uid, None) is None:
                    self.wrong(f"modseq {modseq} takes UID {uid} away, which is not there")
        self.modseq, self.uidnext = modseq, uidnext


class Audit:
    def __init__(self, stage):
        self.stage = stage

    def check_order(self):
        """Who changes a mailbox waits for its lock: nobody's statement fails as another has taken its number first, or waits for it in a ring."""
        for name, process in self.stage.processes.items():
            if name.startswith("metadata"):
                with open(process.log, errors="replace") as log:
                    found = [line for line in log if re.search(r'event=pg\.(again|transaction) .*sqlstate="?(23|40)', line)]
                if found:
                    raise Wrong(f"{name}: {len(found)} transactions got in each other's way: {found[0]}")

    def rows(self, sql):
        return self.stage.postgres.query(sql, self.stage.database)

    def check_sums(self):
        for what, sql in QUERIES.items():
            rows = self.rows(sql)
            if rows:
                raise Wrong(f"not so: {what}: {len(rows)} rows, {rows[:5]}")

    def journals(self):
        """{(account, mailbox): its journal}; what they come to is what is there."""
        journals = {}
        for account, mailbox, modseq, uidnext, is_new, uids, flags, vanished in self.rows(
                "SELECT account, mailbox, modseq, uidnext, is_new, uids, flags, vanished FROM changes ORDER BY account, mailbox, modseq"):
            journal = journals.setdefault((account, mailbox), Journal((account, mailbox)))
            journal.play(int(modseq), int(uidnext), is_new == "t", numbers(uids), numbers(flags), numbers(vanished))
        there = collections.defaultdict(dict)
        for account, mailbox, uid, flags, modseq in self.rows("SELECT account, mailbox, uid, flags, modseq FROM entries"):
            there[account, mailbox][int(uid)] = Entry(int(flags), int(modseq))
        for name, journal in journals.items():
            if journal.entries != there.pop(name, {}):
                raise Wrong(f"mailbox {name} is not what its journal comes to")
        if any(there.values()):
            raise Wrong(f"mailboxes without a journal: {list(there)}")
        return journals

    def check_uids(self, users, seen):
        """`seen`: (user, mailbox name, uid) that a client was told of; there was such a message."""
        journals = self.journals()
        names = {(account, bytes.fromhex(name[2:]).decode()): (account, mailbox) for account, mailbox, name in
                 self.rows("SELECT account, mailbox, name FROM mailboxes")}
        accounts = {bytes.fromhex(address[2:]).decode(): account for account, address in self.rows("SELECT account, address FROM addresses")}
        for user, mailbox, uid in seen:
            journal = journals.get(names[accounts[user], mailbox])
            if not journal or uid not in journal.ever:
                raise Wrong(f"{user} was told of UID {uid} of {mailbox}, which never was")

    def usage(self, user):
        """(mails, their bytes), as its quota has them"""
        [[messages, bytes_]] = self.rows(f"SELECT messages, bytes FROM usage JOIN addresses USING (account) WHERE address = '{user}'")
        return int(messages), int(bytes_)

    # -- bodies

    def listed(self):
        """Names of the objects in the store."""
        return {os.path.basename(key) for key in s3.keys(self.stage.s3.endpoint, "sora-test", f"{self.stage.database}/")}

    def wanted(self):
        return {name for name, in self.rows(f"SELECT DISTINCT {OBJECT} FROM messages UNION SELECT {OBJECT} FROM outbox")}

    def check_bodies(self):
        """No row is without its object."""
        wanted = self.wanted()
        missing = wanted - self.listed()
        if missing and missing & self.wanted():
            raise Wrong(f"{len(missing)} objects are not there that messages refer to: {list(missing)[:3]}")

    def is_swept(self):
        """Every object has a row."""
        return self.listed() <= self.wanted()
