"""Clients at work, faults meanwhile; then what is there is compared with what was told."""
import collections, json, random, re, signal, time

from harness.processes import wait_for
from harness.stack import Stack
from outages.clients import Wrong, fields, is_good
from outages.wire import opened

from . import mails
from .audit import Audit
from .clients import MAILBOXES, Drop, Mover, Mta, Observer, Owner
from .editors import Editor
from .faults import FIRST, Faults
from .ledger import Account, Copy, Facts, settle
from .modseqs import Modseqs
from .smarthost import Smarthost
from .sorting import Sorted

ACCOUNTS, SORTED, EDITORS, CONTESTED, MTAS = 3, 2, 2, 12, 3
QUOTA = "3M"             # of one account, which is full now and then
SETTINGS = {"worker.purge_every": "50ms", "worker.sweep_every": "100ms", "expunge.keep": "5s", "blob.keep": "40s", "blob.sweep_age": "90s"}
AFTERWARDS = {**SETTINGS, "expunge.keep": "1s", "blob.keep": "1s", "blob.sweep_age": "10s"}  # compactions on a busy machine take longer than a second
BODIES = 100             # asked for at once
STORED = 10000           # STOREs that are remembered


def configure(file, settings):
    """Change what it says."""
    with open(file) as config:
        tree = json.load(config)
    for path, value in settings.items():
        section, key = path.split(".")
        tree[section][key] = value
    with open(file, "w") as config:
        json.dump(tree, config)


class World:
    """What clients have in common."""

    def __init__(self, stage, seed, pace_s):
        self.seed, self.pace_s, self.facts, self.stored = seed, pace_s, Facts(), collections.deque(maxlen=STORED)
        self.addresses = {frontend: getattr(stage, frontend) for frontend in ("imap", "pop3", "lmtp", "managesieve")}

    def stored_during(self, begin, end):
        """STOREs of other flags that were begun and told OK then."""
        return [stored for stored in list(self.stored) if begin < stored.begin and stored.end < end]


class Chaos:
    def __init__(self, directory, build, postgres, s3, seed, pace_s=0.05):
        self.smarthosts = {f"worker-{i}": Smarthost() for i in (1, 2)}
        self.stage = Stack("split", directory, build, postgres, s3, settings={**SETTINGS, "smarthost.port": self.smarthost_port})
        self.seed, self.pace_s, self.audit = seed, pace_s, Audit(self.stage)

    # -- before

    def smarthost_port(self, process):
        return self.smarthosts.get(process, self.smarthosts["worker-1"]).port

    def start(self):
        for smarthost in self.smarthosts.values():
            smarthost.start()
        self.stage.start()
        self.world = World(self.stage, self.seed, self.pace_s)
        self.accounts = [Account(self.stage.account(*(("--quota", QUOTA) if i == 0 else ())), i == 0) for i in range(ACCOUNTS)]
        for account in self.accounts:
            self.fill(account)
        self.users = {a.user: [*(Owner(self.world, f"owner {k} of {a.user}", a, k) for k in mails.OWNERS),
                               *(Mover(self.world, f"mover {i} of {a.user}", a) for i in range(2)),
                               *(Observer(self.world, f"observer of {mailbox} of {a.user}", a, mailbox) for mailbox in MAILBOXES[:2]),
                               Drop(self.world, f"maildrop of {a.user}", a)] for a in self.accounts}
        self.start_sorting()
        self.clients = [client for users in self.users.values() for client in users]
        self.mtas = [Mta(self.world, f"MTA {i}", self.accounts) for i in range(MTAS)]
        self.clients += self.mtas
        self.modseqs = Modseqs(self.world, self.stage)
        self.clients.append(self.modseqs)
        self.faults = Faults(self.stage, self.seed, self.clients, self.smarthosts)

    def start_sorting(self):
        """Accounts with scripts."""
        self.sorted = [Sorted(self.stage.account()) for _ in range(SORTED)]
        self.editors = [Editor(self.world, f"editor {i} of {a.user}", a, i, i == 0) for a in self.sorted for i in range(EDITORS)]
        for account in self.sorted:
            self.make_mailboxes(account)
            self.users[account.user] = [Observer(self.world, f"observer of A of {account.user}", account, "A")]
        for editor in self.editors:
            self.users[editor.user].append(editor)
            if editor.is_chief:
                editor.begin()
        self.accounts += self.sorted

    def make_mailboxes(self, account):
        session, _ = opened(self.stage.imap[0], account.user)
        for mailbox in MAILBOXES[1:]:
            session.command(f"CREATE {mailbox}")
        session.close()

    def fill(self, account):
        """Mailboxes, and what is moved by many."""
        self.make_mailboxes(account)
        session, _ = opened(self.stage.imap[0], account.user)
        for _ in range(CONTESTED):
            number = mails.new(mails.CONTESTED)
            _, answer, line = session.command("APPEND A", mails.text_of(number))
            assert is_good(answer), line
            account.contested.add(number)
        session.close()

    # -- meanwhile

    def run(self, is_over):
        for client in self.clients:
            client.start()
        try:
            self.faults.run(lambda: is_over() or any(client.wrong for client in self.clients))
        finally:
            for client in self.clients:
                client.over.set()
            for client in self.clients:
                client.join()
        for client in self.clients:
            if client.wrong:
                raise client.wrong

    def check_work(self):
        """It was not for nothing: everybody had something done, and something died."""
        for kind in {type(client) for client in self.clients} - {Modseqs}:
            if not any(is_good(call.answer) for client in self.clients if type(client) is kind for call in client.calls):
                raise Wrong(f"no {kind.__name__} was told OK")
        missing = [f"{kind} {how}" for kind, how in FIRST if not self.faults.begun[kind, how]]
        if missing or not self.modseqs.count:
            raise Wrong(f"not done: {missing}, modseqs were looked at {self.modseqs.count} times")

    # -- afterwards

    def restart(self, names, settings=None):
        """In an orderly way: what they have under way is finished, and what they are to be next is read."""
        processes = [self.stage.processes[name] for name in names]
        for process in processes:
            process.signal(signal.SIGTERM)
        for process in processes:
            code = process.stop()
            if code != 0:
                raise Wrong(f"{process.name} ended with {code}")
            if settings:
                configure(f"{self.stage.directory}/{process.name}.yaml", settings)
            process.start(wait=False)
        for process in processes:
            wait_for(f"{process.name} ready", process.is_ready)

    def named(self, *kinds):
        return [name for name in self.stage.processes if name.startswith(kinds)]

    def calm(self):
        """Nobody asks for anything any more, and nothing is under way."""
        self.restart(self.named("lmtp", "pop3", "managesieve", "sieve", "worker"))
        self.restart(self.named("metadata"))
        wait_for("an empty queue", self.is_queue_empty, 60)

    def is_queue_empty(self):
        """Leases of workers that were killed go on for minutes: here they end."""
        self.audit.rows("UPDATE outbox SET due_ms = now_ms() WHERE due_ms > now_ms()")
        return not self.audit.rows("SELECT item FROM outbox LIMIT 1")

    def check_redirected(self):
        sent = {account.elsewhere: collections.Counter() for account in self.sorted}
        for mail in [mail for smarthost in self.smarthosts.values() for mail in smarthost.mails]:
            head = mail.data.partition(b"\r\n\r\n")[0]
            number = mails.number_of(head)
            if number is None or len(mail.recipients) != 1 or not mails.is_whole(mail.data, number):
                raise Wrong(f"what went to {mail.recipients} is not the mail that it was: {mail.data[:300]}")
            sent[mail.recipients[0]][number] += 1
        for account in self.sorted:
            account.check_redirected(sent[account.elsewhere])

    def found(self, account):
        """Every mail of an account, read whole; its bytes are what its quota counts."""
        session, answer = opened(self.stage.imap[1], account.user)
        assert session, answer
        sizes = []
        for mailbox in MAILBOXES:
            lines, answer, line = session.command(f"SELECT {mailbox}")
            assert is_good(answer), line
            self.world.facts.note_validity(account.user, mailbox, fields(rb"\* OK \[UIDVALIDITY (\d+)\]", lines)[0][0])
            exists = max(int(n) for n, in fields(rb"\* (\d+) EXISTS", lines))
            for first in range(1, exists + 1, BODIES):
                last = min(first + BODIES - 1, exists)
                lines, answer, line = session.command(f"FETCH {first}:{last} (UID FLAGS RFC822.SIZE BODY.PEEK[])")
                found = fields(rb"\* \d+ FETCH \(UID (\d+) FLAGS \(([^)]*)\) RFC822\.SIZE (\d+) BODY\[\] \{\d+\}\r\n(.*)\)$", lines)
                if not is_good(answer) or len(found) != last - first + 1:
                    raise Wrong(f"{account.user}: FETCH of {first}:{last} of {mailbox} has {len(found)}: {line}")
                for uid, flags, size, data in found:
                    if int(size) != len(data):
                        raise Wrong(f"{account.user}: UID {int(uid)} of {mailbox} has RFC822.SIZE {int(size)}, and is of {len(data)} bytes")
                    sizes.append(int(size))
                    yield self.copy_of(account, mailbox, int(uid), flags, data)
        session.close()
        if self.audit.usage(account.user) != (len(sizes), sum(sizes)):
            raise Wrong(f"{account.user}: usage is {self.audit.usage(account.user)}, and there are {len(sizes)} mails of {sum(sizes)} bytes")

    def copy_of(self, account, mailbox, uid, flags, data):
        number = mails.number_of(data.partition(b"\r\n\r\n")[0])
        if number is None or not mails.is_whole(data, number):
            raise Wrong(f"{account.user}: UID {uid} of {mailbox} is not the mail that it was: {data[:300]}")
        self.world.facts.note(account.user, mailbox, uid, number)
        return Copy(mailbox, uid, number, frozenset(flags.decode().split()) - {r"\Recent"})

    def compare(self):
        for editor in self.editors:
            editor.check()
        self.check_redirected()
        for account in self.accounts:
            users, copies = self.users[account.user], list(self.found(account))
            for observer in [user for user in users if isinstance(user, Observer)]:
                there = {copy.uid: copy.flags for copy in copies if copy.mailbox == observer.watched}
                if observer.picture() != there:
                    raise Wrong(f"{observer.name} sees {observer.picture()}, and there is {there}")
            settle(account, users, copies)

    def sweep(self):
        """What nothing refers to goes, when its time has come, and nothing else."""
        self.audit.check_bodies()
        self.restart(self.named("metadata", "worker"), AFTERWARDS)
        wait_for("an object for each row, and a row for each object", self.audit.is_swept, 60)
        self.audit.check_bodies()

    def check(self):
        """All is up again, and clients have ended."""
        self.check_work()
        for mta in self.mtas:
            mta.finish()
        self.calm()
        self.audit.check_order()
        self.audit.check_sums()
        seen = {key for key in self.world.facts.numbers}
        for users in self.users.values():
            seen |= {(u.user, u.watched, uid) for u in users if isinstance(u, Observer) for uid in u.known}
        self.audit.check_uids([account.user for account in self.accounts], seen)
        self.sweep()
        self.compare()
        self.audit.check_sums()

    def stop(self):
        for client in self.clients:
            client.leave()
        wrong = self.stage.stop()
        for smarthost in self.smarthosts.values():
            smarthost.stop()
        return wrong

    # -- what happened

    def report(self):
        calls = [call for client in self.clients for call in client.calls]
        answers = collections.Counter(re.sub(r"^(4\d\d) .*", r"\1", call.answer) for call in calls)
        yield f"seed {self.seed}: {len(calls)} operations of {len(self.clients)} clients: " + ", ".join(
            f"{n} {answer}" for answer, n in answers.most_common())
        yield f"{len(self.world.facts.numbers)} UIDs told, {sum(len(c.doubts) for c in self.clients)} changes without an answer"
        yield f"{sum(len(smarthost.mails) for smarthost in self.smarthosts.values())} mails sent to the smarthosts"
        yield f"modseqs looked at {self.modseqs.count} times, with {self.modseqs.raised} STOREs between"
        rows = self.faults.tally.table(self.faults.done)
        for what, how, count, met, under_way in rows:
            if count > 0:
                yield f"{what:22} {how:10} {count:4} times, {met:4} of them met calls under way, {under_way:5} in all"
        yield f"each of {len(rows)} kinds of faults met calls under way at least {min(met for _, _, _, met, _ in rows)} times"


def run_short(stack, seconds):
    """On a stage beside the stack's, with a seed that is told when something is wrong."""
    seed = random.randrange(10 ** 6)
    chaos = Chaos(stack.directory + "/chaos", stack.build, stack.postgres, stack.s3, seed)
    try:
        chaos.start()
        end = time.monotonic() + seconds
        chaos.run(lambda: time.monotonic() > end)
        chaos.check()
    except Exception as wrong:
        raise Wrong(f"seed {seed}: {wrong}")
    finally:
        ended = chaos.stop()
        print("\n".join("     " + line for line in chaos.report()))
    assert not ended, ended


def run(results, directory, build, postgres, s3, kills=500, seconds=3600, seed=None):
    """Until so many were killed, or it takes too long; and what each kind of fault met."""
    chaos = Chaos(directory + "/chaos", build, postgres, s3, int(seed or random.randrange(10 ** 6)))

    def play():
        chaos.start()
        end = time.monotonic() + int(seconds)
        chaos.run(lambda: chaos.faults.kills() >= int(kills) or time.monotonic() > end)
        chaos.check()
    results.run(f"chaos/{kills} kills", play, int(seconds) + 600)
    ended = chaos.stop()
    print("\n".join(chaos.report()), flush=True)
    if ended:
        results.fail("chaos/end", "\n".join(ended))
