"""A primary and its standby: what clients were told, and what is there, when one PostgreSQL takes the other's place."""
import contextlib, imaplib, re, shutil, signal, subprocess, threading, time

from harness.check import only
from harness.mail import bodies, deliver, imap, message, ok, without_trace
from harness.processes import HOST, wait_for
from harness.stack import TOP, Postgres, Stack
from harness.threads import Threads
from integration.test_outages import received, tries
from integration.test_views import Believer, play, truth_of

SKIP = 10000    # UIDs that a mailbox's first change on a new timeline leaves out


class Standby(Postgres):
    """A streaming standby; the last part of its directory is its name for synchronous_standby_names."""

    def __init__(self, directory, primary):
        super().__init__(directory)
        self.primary = primary

    def start(self):
        subprocess.run([f"{TOP}/deploy/dev/start-postgres", self.directory, str(self.port), "--unsafe", "--standby-of",
                        self.primary.directory], check=True, stdout=subprocess.DEVNULL)
        self.password = self.primary.password
        return self


class Pair:
    """What a Stack needs of a PostgreSQL; `now` is the one that is asked."""

    def __init__(self, directory):
        self.directory = directory
        self.first = Postgres(f"{directory}/first").start()
        self.second = Standby(f"{directory}/second", self.first).start()
        self.now, self.port, self.password = self.first, self.first.port, self.first.password

    @property
    def hosts(self):
        return f"{HOST}:{self.first.port},{HOST}:{self.second.port}"

    def query(self, sql, database="postgres", user="sora"):
        return self.now.query(sql, database, user)

    def settings(self, server, **values):
        for name, value in values.items():
            server.query(f"ALTER SYSTEM SET {name} = '{value}'", user="postgres")
        server.query("SELECT pg_reload_conf()", user="postgres")

    def synchronous(self):
        self.settings(self.first, synchronous_standby_names="second")
        wait_for("a synchronous standby",
                 lambda: self.query("SELECT sync_state FROM pg_stat_replication", user="postgres") == [["sync"]])

    def promote(self):
        subprocess.run([f"{TOP}/deploy/dev/start-postgres", self.second.directory, "promote"], check=True)
        self.now = self.second

    def stop(self):
        with contextlib.suppress(OSError):
            self.first.signal(signal.SIGCONT)
        for server in (self.second, self.first):
            server.stop()


@contextlib.contextmanager
def split_on_a_pair(stack, name, **settings):
    """Two replicas of everything on a pair of its own; every process must end well."""
    directory = f"{stack.directory}/{name}"
    shutil.rmtree(directory, ignore_errors=True)
    pair = Pair(directory + "/pg")
    mine = Stack("split", directory + "/stack", stack.build, pair, None, {"database.host": pair.hosts, "database.timeout": "4s", **settings})
    try:
        mine.start()
        yield mine, pair
    finally:
        wrong = mine.stop()
        pair.stop()
    assert not wrong, "\n".join(wrong)


class Worker(threading.Thread):
    """Appends, flags and copies, and remembers what it was told OK: {uid: subject} of INBOX and Archive, and which were flagged."""

    def __init__(self, stack, user, number):
        super().__init__()
        self.stack, self.user, self.number = stack, user, number
        self.inbox, self.archive, self.flagged, self.told, self.wrong = {}, {}, set(), 0, None
        self.stopping = threading.Event()

    def run(self):
        try:
            self.client, count = imap(self.stack, self.user, select="INBOX", replica=self.number), 0
            while not self.stopping.is_set():
                count += 1
                self.one(f"append {self.number}-{count}")
        except Exception as wrong:      # told by the test, not by the thread
            self.wrong = wrong

    def one(self, subject):
        status, data = self.client.append("INBOX", None, None, message(subject))
        if status != "OK":
            return
        uid = int(re.search(rb"APPENDUID \d+ (\d+)", data[0])[1])
        assert self.inbox.setdefault(uid, subject) == subject, (uid, subject, self.inbox[uid])
        if self.client.uid("STORE", str(uid), "+FLAGS.SILENT", r"(\Flagged)")[0] == "OK":
            self.flagged.add(uid)
        self.client.untagged_responses.pop("COPYUID", None)
        if self.client.uid("COPY", str(uid), "Archive")[0] == "OK":
            there = int(self.client.response("COPYUID")[1][0].split()[2])
            assert self.archive.setdefault(there, subject) == subject, (there, subject)
        self.told += 1

    def end(self):
        self.stopping.set()
        self.join(120)
        assert not self.is_alive() and not self.wrong, self.wrong


class Deliverer(threading.Thread):
    """Delivers as an MTA does; what got 250."""

    def __init__(self, stack, user, number):
        super().__init__()
        self.stack, self.user, self.number, self.told, self.wrong = stack, user, number, {}, None
        self.stopping = threading.Event()

    def run(self):
        count = 0
        try:
            while not self.stopping.is_set():
                count += 1
                mail = received(message(f"mail {self.number}-{count}", f"Body {self.number} {count}.\r\n" * 20), self.number * 10000 + count)
                tries(self.stack, self.user, mail, self.number)
                self.told[f"mail {self.number}-{count}"] = mail
        except Exception as wrong:
            self.wrong = wrong

    end = Worker.end


def subject_of(body):
    return body.split(b"Subject: ")[1].split(b"\r\n")[0].decode()


def there(stack, user, mailbox="INBOX", replica=0):
    """{uid: (subject, bytes)}, over a fresh session."""
    client = imap(stack, user, select=mailbox, replica=replica)
    return {uid: (subject_of(body), body) for uid, body in bodies(client).items()}


def flagged(stack, user):
    client = imap(stack, user, select="INBOX")
    return {int(uid) for uid in ok(client.uid("SEARCH", "FLAGGED"))[0].split()}


def progress(threads, many=5, seconds=60):
    """Each has been told that many more."""
    before = [len(t.told) if isinstance(t.told, dict) else t.told for t in threads]
    wait_for("progress", lambda: all(t.wrong for t in threads) or all(
        (len(t.told) if isinstance(t.told, dict) else t.told) >= b + many for t, b in zip(threads, before)), seconds)


def sessions_at(server, stack):
    return int(server.query(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{stack.database}' AND application_name = 'sora-metadata'",
                            user="postgres")[0][0])


def well(stack, user, seconds=40):
    """Until a change goes through each replica of imap."""
    for replica in range(2):
        client = imap(stack, user, select="INBOX", replica=replica)
        wait_for("a change goes through", lambda: client.append("INBOX", None, None, message("well"))[0] == "OK", seconds)


def cut_off(pair):
    """The standby has everything up to now, and nothing from now on."""
    flushed = pair.query("SELECT pg_current_wal_flush_lsn()")[0][0]
    wait_for("the standby has it all", lambda: pair.second.query(
        f"SELECT pg_last_wal_receive_lsn() >= '{flushed}'", user="postgres") == [["t"]])
    pair.settings(pair.second, primary_conninfo="")
    wait_for("it does not listen any more", lambda: pair.query("SELECT count(*) FROM pg_stat_replication", user="postgres") == [["0"]])


@only("split")
def test_a_failover_to_a_synchronous_standby_loses_nothing(stack):
    """kill -9 of the primary under deliveries, APPENDs, STOREs, COPYs and open views; told and there are compared byte for byte."""
    with split_on_a_pair(stack, "sync") as (mine, pair):
        pair.synchronous()
        user, other = mine.account(), mine.account()
        for n in range(12):
            deliver(mine, [other], message(f"view {n}"))
        believers = [Believer(mine, other, i) for i in range(2)]
        players = Threads(play, [(c, seed) for seed, c in enumerate(believers)])
        threads = [Worker(mine, user, n) for n in range(2)] + [Deliverer(mine, user, n) for n in range(2)]
        for t in threads:
            t.start()
        progress(threads)
        before = max(there(mine, user))
        pair.first.signal(signal.SIGKILL)
        pair.promote()
        progress(threads)
        for t in threads:
            t.end()
        players.join(120)

        inbox, archive = there(mine, user), there(mine, user, "Archive", 1)
        for worker in threads[:2]:
            assert {uid: inbox.get(uid, ("gone",))[0] for uid in worker.inbox} == worker.inbox
            assert {uid: archive.get(uid, ("gone",))[0] for uid in worker.archive} == worker.archive
            assert worker.flagged <= flagged(mine, user)
        for deliverer in threads[2:]:
            for subject, mail in deliverer.told.items():
                copies = [body for s, body in inbox.values() if s == subject]
                assert [without_trace(c) for c in copies] == [without_trace(mail)], (subject, len(copies))
        assert max(inbox) > before + SKIP, (before, max(inbox))
        assert not [uid for uid in inbox if max(before, min(inbox)) + 400 < uid < before + SKIP - 400], "UIDs within the gap"
        truth = truth_of(mine, other)
        for c in believers:
            wait_for("the truth", lambda: c.agrees(truth), 15)


@only("split")
def test_what_an_asynchronous_standby_had_not_got_is_gone_cleanly(stack):
    """The standby falls behind, then takes over: open sessions see what was lost expunged, flags as they are, and no UID means another mail."""
    with split_on_a_pair(stack, "async") as (mine, pair):
        user = mine.account()
        for n in range(10):
            deliver(mine, [user], message(f"kept {n}"))
        kept = there(mine, user)
        views = [Believer(mine, user, i) for i in range(2)]
        cut_off(pair)
        for n in range(5):
            deliver(mine, [user], message(f"lost {n}"))
        views[0].run(r"STORE 1:3 +FLAGS (\Flagged)")
        lost = there(mine, user)
        for view in views:
            wait_for("it is seen", lambda: view.agrees(truth_of(mine, user)), 15)
        assert len(lost) == 15 and max(lost) == 15

        pair.first.signal(signal.SIGKILL)
        pair.promote()

        def is_gone():
            with contextlib.suppress(OSError, imaplib.IMAP4.error, AssertionError):
                return set(there(mine, user)) == set(kept)

        wait_for("what was lost is gone", is_gone, 40)
        truth = truth_of(mine, user)
        assert [uid for uid, _ in truth] == sorted(kept), truth
        assert not [flags for _, flags in truth if r"\Flagged" in flags]
        for view in views:
            wait_for("views agree", lambda: view.agrees(truth_of(mine, user)), 30)

        well(mine, user)
        now = there(mine, user)
        new = [uid for uid in now if now[uid][0] == "well"]
        assert min(new) >= 11 + SKIP, new
        assert {uid: body for uid, body in now.items() if uid in kept} == kept
        for view in views:
            wait_for("views agree", lambda: view.agrees(truth_of(mine, user)), 30)


@only("split")
def test_a_mail_whose_expunge_was_lost_ends_the_sessions_that_saw_it_go(stack):
    """No client can be told of a message in the middle of those it has: BYE, and the next SELECT shows it."""
    with split_on_a_pair(stack, "expunge") as (mine, pair):
        user = mine.account()
        for n in range(5):
            deliver(mine, [user], message(f"kept {n}"))
        cut_off(pair)
        view, other = Believer(mine, user, 0), Believer(mine, user, 1)
        view.run(r"STORE 2 +FLAGS (\Deleted)")
        view.run("EXPUNGE")
        wait_for("it is seen", lambda: other.agrees(truth_of(mine, user)), 15)
        pair.first.signal(signal.SIGKILL)
        pair.promote()
        wait_for("it is there again", lambda: [uid for uid, _ in truth_of(mine, user)] == [1, 2, 3, 4, 5], 40)
        for session in (view, other):
            def ends(session=session):
                try:
                    session.run("NOOP")
                except (AssertionError, OSError):
                    return "* BYE the database has lost changes" in "".join(session.log[-2:])
            wait_for("BYE", ends, 15)
        well(mine, user)


@only("split")
def test_a_stopped_primary_is_left_for_the_promoted_standby_and_not_gone_back_to(stack):
    """SIGSTOP, promote: well in bounded time, though no connection broke. Then the old one goes on, writable: nobody goes back, not even who starts."""
    with split_on_a_pair(stack, "zombie") as (mine, pair):
        pair.synchronous()
        user = mine.account()
        threads = [Deliverer(mine, user, n) for n in range(2)]
        for t in threads:
            t.start()
        progress(threads, 3)
        wait_for("each replica knows the old one", lambda: all(mine.metric(f"metadata-{n}", "sora_pg_reconnects_total") > 0 for n in (1, 2)))
        pair.first.signal(signal.SIGSTOP)
        pair.promote()
        begun = time.monotonic()
        progress(threads, 3)
        assert time.monotonic() - begun < 45

        def knows(name):
            with open(mine.processes[name].log, errors="replace") as log:
                return "event=pg.failover" in log.read()
        # Each looks for itself, every few seconds.
        wait_for("each replica knows of the failover", lambda: knows("metadata-1") and knows("metadata-2"))
        pair.first.signal(signal.SIGCONT)
        pair.settings(pair.first, synchronous_standby_names="")
        for name in ("metadata-1", "metadata-2"):
            mine.kill(name)
            mine.start_again(name)
        progress(threads, 3)
        for t in threads:
            t.end()
        inbox = there(mine, user)
        told = {**threads[0].told, **threads[1].told}
        assert sorted(s for s, _ in inbox.values()) == sorted(told), (len(inbox), len(told))
        zombies = pair.first.query(f"SELECT count(*) FROM entries WHERE account = (SELECT max(account) FROM accounts) AND uid > {SKIP}",
                                   mine.database, "postgres")
        assert zombies == [["0"]], zombies
        wait_for("nobody writes to the old one", lambda: sessions_at(pair.first, mine) <= 1)


@only("split")
def test_both_write_and_the_newer_one_counts(stack):
    """The standby is promoted while the primary lives: sessions with the old one end within seconds, and nothing is written to it again."""
    with split_on_a_pair(stack, "both") as (mine, pair):
        user = mine.account()
        deliver(mine, [user], message("kept"))
        view = Believer(mine, user, 0)
        wait_for("the standby has it", lambda: pair.second.query(
            "SELECT count(*) FROM entries", mine.database, "postgres") == [["1"]])
        pair.promote()
        wait_for("nobody is at the old one", lambda: sessions_at(pair.second, mine) > 0 and sessions_at(pair.first, mine) == 0, 30)
        threads = [Deliverer(mine, user, n) for n in range(2)]
        for t in threads:
            t.start()

        def connected():                # to the old one: whoever looks whether it is the primary
            return int(pair.first.query(f"SELECT sessions FROM pg_stat_database WHERE datname = '{mine.database}'", user="postgres")[0][0])

        looked = connected()
        wait_for("each replica has looked at the old one twice", lambda: connected() >= looked + 6)
        progress(threads, 10)
        for t in threads:
            t.end()
        inbox = there(mine, user)
        told = [*threads[0].told, *threads[1].told]
        assert sorted(s for s, _ in inbox.values()) == sorted(["kept", *told]) and max(inbox) > SKIP, (len(inbox), len(told))
        assert pair.first.query("SELECT count(*) FROM entries", mine.database, "postgres") == [["1"]], "the old one was written to"
        wait_for("the view agrees", lambda: view.agrees(truth_of(mine, user)), 15)


@only("split")
def test_check_names_each_host_that_does_not_serve(stack):
    """--check passes with the primary anywhere in the list, and says of a list of standbys and strangers what each answered."""
    with split_on_a_pair(stack, "check") as (mine, pair):
        def check(hosts):
            file = mine.config("check", **{"database.host": hosts, "metadata.listen": ["inproc://check"]})
            return mine.run("sora-metadata", "--config", file, "--check", check=False)

        first, second = f"{HOST}:{pair.first.port}", f"{HOST}:{pair.second.port}"
        assert check(f"{second},{first}").returncode == 0, check(f"{second},{first}").stderr
        done = check(f"{second},{HOST}:1")
        assert done.returncode == 1 and "read-only" in done.stdout + done.stderr and "Connection refused" in done.stdout + done.stderr, done


@only("split")
def test_a_commit_that_its_standby_never_confirmed_is_not_acknowledged(stack):
    """No synchronous standby: COMMITs hang, or are cancelled with a warning. No 250 for them; mail is read; sessions at the server are bounded."""
    with split_on_a_pair(stack, "missing", **{"database.connections": 4}) as (mine, pair):
        user = mine.account()
        deliver(mine, [user], message("before"))
        reader = imap(mine, user, select="INBOX")
        pair.settings(pair.first, synchronous_standby_names="nobody")
        threads = [Deliverer(mine, user, n) for n in range(2)]
        for t in threads:
            t.start()
        waiting = f"FROM pg_stat_activity WHERE datname = '{mine.database}' AND wait_event = 'SyncRep'"
        most = 0
        for _ in range(8):
            hung = []
            wait_for("a COMMIT that hangs",
                     lambda: hung.extend(pair.query(f"SELECT pid, xact_start {waiting} LIMIT 1", user="postgres")) or hung)
            pid, begun = hung[0]
            pair.query(f"SELECT pg_cancel_backend({pid})", user="postgres")
            wait_for("the COMMIT ends", lambda: pair.query(
                f"SELECT count(*) {waiting} AND pid = {pid} AND xact_start = '{begun}'", user="postgres") == [["0"]])
            most = max(most, sessions_at(pair.first, mine))
            ok(reader.fetch("1", "(UID FLAGS BODY.PEEK[])"))
        made = []
        operator = threading.Thread(target=lambda: made.append(
            mine.admin("create-account", "--email", "late@sora.test", "--password", "x", check=False).returncode))
        operator.start()
        while operator.is_alive():      # its own call asks again by its key, and finds the account that no standby has
            pair.query(f"SELECT pg_cancel_backend(pid) {waiting}", user="postgres")
            operator.join(0.2)
        assert made[0] != 0, "an account is confirmed that one server alone has"
        assert not any(t.told for t in threads), "a 250 for what one server alone has"
        assert most <= 2 * 4 + 2, most
        pair.settings(pair.first, synchronous_standby_names="")
        progress(threads, 3)
        for t in threads:
            t.end()
        subjects = sorted(s for s, _ in there(mine, user).values())
        assert subjects == sorted(["before", *threads[0].told, *threads[1].told]), subjects
