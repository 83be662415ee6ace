"""Replicas that are replaced one after the other under load: but for the goodbyes of frontends nobody notices."""
import contextlib, imaplib, itertools, signal, smtplib, threading, time

from harness.check import only
from harness.mail import bodies, imap, lmtp, message, ok
from harness.processes import wait_for
from harness.stack import Stack


@contextlib.contextmanager
def own_stack(stack, **settings):
    """A stack of this test alone, of the same layout and store; in the end its processes must have ended cleanly."""
    own = Stack(stack.layout, f"{stack.directory}/own", stack.build, stack.postgres, stack.s3, settings)
    own.start()
    try:
        yield own
    finally:
        wrong = own.stop()
    assert wrong == [], "\n".join(wrong)


class Load:
    """Threads that deliver and threads that use IMAP, each with one session after the other; what went wrong, and how much was done."""

    def __init__(self, stack, deliverers=3, readers=3):
        self.stack, self.wrong, self.told, self.goodbyes = stack, [], [], 0
        self.done = {"delivery": 0, "imap": 0}
        self.over = threading.Event()
        self.user = stack.account()
        self.readers = [stack.account() for _ in range(readers)]
        work = [(self.deliver, n) for n in range(deliverers)] + [(self.read, n) for n in range(readers)]
        self.threads = [threading.Thread(target=self.sessions, args=one) for one in work]
        for thread in self.threads:
            thread.start()

    def sessions(self, session, number):
        """A session ends by a goodbye, or at a replica that is not there; then comes another, at the next replica."""
        for attempt in itertools.count(number):
            if self.over.is_set():
                return
            try:
                session(number, attempt)
            except (smtplib.SMTPServerDisconnected, imaplib.IMAP4.abort, ConnectionError) as end:
                self.goodbyes += 1
                if isinstance(end, imaplib.IMAP4.abort) and "shutting down" not in str(end) and "EOF" not in str(end):
                    self.wrong.append(repr(end))
            except smtplib.SMTPResponseException as end:
                self.goodbyes += 1
                if end.smtp_code != 421:
                    self.wrong.append(repr(end))
            except Exception as end:
                self.wrong.append(repr(end))

    def deliver(self, number, attempt):
        client = lmtp(self.stack, attempt)
        while not self.over.is_set():
            subject = f"mail {number} {self.done['delivery']} {time.monotonic()}"
            try:
                client.sendmail("a@example.org", [self.user], message(subject))
            except smtplib.SMTPRecipientsRefused as refused:
                raise smtplib.SMTPResponseException(*refused.recipients[self.user])
            self.told.append(subject.encode())
            self.done["delivery"] += 1
        client.quit()

    def read(self, number, attempt):
        client = imap(self.stack, self.readers[number], replica=attempt, select="INBOX")
        while not self.over.is_set():
            ok(client.append("INBOX", r"(\Seen)", None, message(f"appended {number}", "x" * 300000)))
            ok(client.noop())
            count = int(ok(client.select("INBOX"))[0])
            assert len(ok(client.fetch(str(count), "(BODY.PEEK[])"))[0][1]) > 300000
            ok(client.store(str(count), "+FLAGS", r"(\Flagged)"))
            ok(client.copy(str(count), "Archive"))
            self.done["imap"] += 1
        client.logout()

    def await_progress(self, much=3):
        goal = {kind: done + much for kind, done in self.done.items()}
        wait_for("some work of each kind", lambda: self.wrong or all(self.done[kind] >= goal[kind] for kind in goal), 60)

    def end(self):
        self.over.set()
        for thread in self.threads:
            thread.join(60)


@only("split")
def test_every_process_is_replaced_under_load(stack):
    """No command fails, no delivery is deferred, and what got 250 is there once."""
    with own_stack(stack, **{"drain.linger": "2s"}) as own:
        load = Load(own)
        try:
            load.await_progress()
            for name in own.processes:
                own.processes[name].signal(signal.SIGTERM)
                assert own.processes[name].process.wait(60) == 0, name
                own.start_again(name)
                load.await_progress()
                assert load.wrong == [], (name, load.wrong)
        finally:
            load.end()
        assert load.wrong == [], load.wrong
        assert 4 <= load.goodbyes < 60, load.goodbyes
        found = [mail.split(b"Subject: ")[1].split(b"\r\n")[0] for mail in bodies(imap(own, load.user, select="INBOX")).values()]
        assert sorted(found) == sorted(load.told), (len(found), len(load.told))


@only("split")
def test_an_upload_goes_on_while_its_replica_drains(stack):
    """Mails of many chunks are half sent when each blob replica in turn is told to end: all of them are taken."""
    with own_stack(stack, **{"drain.linger": "5s"}) as own:
        user = own.account()
        half = b"x" * 998 + b"\r\n"
        for replica in ("blob-1", "blob-2"):
            clients = [lmtp(own, n) for n in range(8)]
            for client in clients:
                client.ehlo_or_helo_if_needed()
                client.mail("a@example.org")
                client.rcpt(user)
                assert client.docmd("DATA")[0] == 354
                client.send(message("half") + half * 600)
            wait_for("half of each to be stored", lambda: own.metric("blob", "sora_bus_served_total") >= 8 * 2)
            own.processes[replica].signal(signal.SIGTERM)
            wait_for("the drain", lambda: '"draining"' in own.admin("bus", "ping", "--json").stdout)
            for client in clients:
                client.send(half * 600 + b".\r\n")
            codes = [client.getreply() for client in clients]
            assert [code for code, _ in codes] == [250] * 8, codes
            assert own.processes[replica].process.wait(60) == 0
            own.start_again(replica)
        assert int(ok(imap(own, user).select("INBOX"))[0]) == 16
