"""PostgreSQL, S3 or a service taken away in the middle: a clear temporary failure, nothing lost, nothing doubled, well again by itself."""
import imaplib, signal, smtplib, threading, time

from harness.check import Skip, only, within
from harness.mail import bodies, deliver, imap, lmtp, message, ok
from harness.processes import wait_for
from harness.threads import Threads
from outages import matrix


def tries(stack, user, mail, replica=0):
    """Deliver as an MTA does: again, at the next replica, while it is told 4yz or the connection is lost. Every code that was seen."""
    codes = []
    end = time.monotonic() + 90
    while time.monotonic() < end:
        try:
            refused = deliver(stack, [user], mail, replica=replica + len(codes))
            codes.append(refused[user][0] if refused else 250)
        except smtplib.SMTPResponseException as answer:
            codes.append(answer.smtp_code)
        except (OSError, smtplib.SMTPException):
            codes.append(0)
        if codes[-1] == 250:
            return codes
        assert codes[-1] == 0 or 400 <= codes[-1] < 500, codes
        time.sleep(0.3)
    raise AssertionError(f"never delivered: {codes}")


def received(mail, number):
    """As a relay would have written it: the top Received names the mail, so that a repetition is known again."""
    return b"Received: from a.example by mta.test with ESMTP id Q%d;\r\n Sat, 21 Nov 2026 10:00:00 +0100\r\n" % number + mail


def count(stack, user):
    """Mails in INBOX, over any replica that answers."""
    for replica in range(4):
        try:
            client = imap(stack, user, select="INBOX", replica=replica)
            return len(ok(client.search(None, "ALL"))[0].split())
        except (OSError, imaplib.IMAP4.error):
            continue
    raise AssertionError("no replica answers")


def test_postgresql_is_gone_and_comes_back(stack):
    """Delivery is 4yz, a command is NO [UNAVAILABLE]; the session goes on when it is back."""
    user = stack.account()
    deliver(stack, [user], message("before"))
    client = imap(stack, user, select="INBOX")
    stack.postgres.stop()
    try:
        answer = lmtp(stack)
        code = 0
        try:
            answer.sendmail("a@example.org", [user], message("while"))
        except smtplib.SMTPRecipientsRefused as refused:
            code = refused.recipients[user][0]
        except smtplib.SMTPResponseException as refused:
            code = refused.smtp_code
        assert 400 <= code < 500, code
        status, data = client.store("1", "+FLAGS", r"(\Flagged)")
        assert status == "NO" and b"UNAVAILABLE" in data[0], (status, data)
    finally:
        stack.postgres.start()
    wait_for("well again", lambda: client.store("1", "+FLAGS", r"(\Flagged)")[0] == "OK", 60)
    tries(stack, user, message("after"))
    assert count(stack, user) == 2


def test_postgresql_is_killed_during_deliveries(stack):
    """kill -9 of all of PostgreSQL while 4 sessions deliver: what got 250 is there once."""
    user = stack.account()
    told = []

    def work(number):
        for i in range(15):
            tries(stack, user, received(message(f"mail {number}-{i}"), number * 100 + i), number)
            told.append((number, i))

    threads = Threads(work, [(n,) for n in range(4)])
    try:
        wait_for("some deliveries", lambda: len(told) > 8, 60)
        stack.postgres.signal(signal.SIGKILL)
        stack.postgres.start()
    finally:
        threads.join(120)
    assert len(told) == 60, len(told)
    client = imap(stack, user, select="INBOX")
    subjects = sorted(line.split(b"Subject: ")[1].split(b"\r\n")[0] for line in bodies(client).values())
    assert subjects == sorted(b"mail %d-%d" % one for one in told), (len(subjects), len(told))


def test_postgresql_is_stopped(stack):
    """SIGSTOP: nobody answers, no connection breaks. A delivery ends with 4yz in bounded time, then goes well."""
    user = stack.account()
    stack.postgres.signal(signal.SIGSTOP)
    begin = time.monotonic()
    try:
        client = lmtp(stack, timeout=90)
        code = 250
        try:
            client.sendmail("a@example.org", [user], message("stopped"))
        except smtplib.SMTPRecipientsRefused as refused:
            code = refused.recipients[user][0]
        except smtplib.SMTPResponseException as refused:
            code = refused.smtp_code
        assert 400 <= code < 500, code
        assert time.monotonic() - begin < 75
    finally:
        stack.postgres.signal(signal.SIGCONT)
    tries(stack, user, message("after"))
    wait_for("one or two mails", lambda: count(stack, user) >= 1, 30)


def test_s3_is_gone_and_comes_back(stack):
    if not stack.s3:
        raise Skip("no S3 in this combination")
    user = stack.account()
    deliver(stack, [user], message("before", "kept\r\n"))
    stack.s3.signal(signal.SIGSTOP)
    try:
        client = lmtp(stack, timeout=90)
        code = 250
        try:
            client.sendmail("a@example.org", [user], message("while"))
        except smtplib.SMTPDataError as refused:
            code = refused.smtp_code
        except smtplib.SMTPRecipientsRefused as refused:
            code = refused.recipients[user][0]
        assert 400 <= code < 500, code
        reader = imap(stack, user, select="INBOX")
        status, data = reader.fetch("1", "(BODY.PEEK[])")
        assert status == "NO" and b"UNAVAILABLE" in data[0], (status, data)
    finally:
        stack.s3.signal(signal.SIGCONT)
    tries(stack, user, message("after"))
    wait_for("readable again", lambda: imap(stack, user, select="INBOX").fetch("1", "(BODY.PEEK[])")[0] == "OK", 60)
    assert count(stack, user) in (2, 3)


@only("split")
def test_each_replica_is_killed_during_deliveries(stack):
    """One replica after the other dies by kill -9 while mails come in: what got 250 is there, once."""
    user = stack.account()
    told, stop = [], threading.Event()

    def work(number):
        i = 0
        while not stop.is_set():
            tries(stack, user, received(message(f"mail {number}-{i}"), number * 1000 + i), number + len(told))
            told.append(b"mail %d-%d" % (number, i))
            i += 1

    threads = Threads(work, [(n,) for n in range(3)])
    try:
        for name in ("metadata-1", "blob-2", "lmtp-1", "metadata-2", "blob-1", "lmtp-2"):
            before = len(told)
            stack.kill(name)
            try:
                wait_for(f"deliveries without {name}", lambda: len(told) > before + 3, 60)
            finally:
                stack.start_again(name)
    finally:
        stop.set()
        threads.join(120)
    client = imap(stack, user, select="INBOX")
    subjects = sorted(body.split(b"Subject: ")[1].split(b"\r\n")[0] for body in bodies(client).values())
    missing, twice = set(told) - set(subjects), len(subjects) - len(set(subjects))
    assert not missing and not twice, (missing, twice)


@only("split")
def test_a_stopped_replica_does_not_stop_a_session(stack):
    """SIGSTOP of one metadata replica, then of one blob replica: commands still end well, over the other one."""
    user = stack.account()
    deliver(stack, [user], message("hello"))
    for kind in ("metadata", "blob"):
        for replica in (f"{kind}-1", f"{kind}-2"):
            stack.processes[replica].signal(signal.SIGSTOP)
            try:
                client = imap(stack, user, select="INBOX")
                assert ok(client.fetch("1", "(BODY.PEEK[])"))[0] is not None
                ok(client.append("INBOX", None, None, message(f"while {replica} is stopped")))
            finally:
                stack.processes[replica].signal(signal.SIGCONT)
    assert count(stack, user) == 5


@only("split")
def test_idle_is_pushed_across_replicas_and_survives_the_loss_of_one(stack):
    """A session that idles on one imap process hears of deliveries, also after each metadata replica was killed in turn."""
    user = stack.account()
    client = imap(stack, user, select="INBOX")
    for number, name in enumerate(("", "metadata-1", "metadata-2"), 1):
        client.send(b"i%d IDLE\r\n" % number)
        assert client.readline().startswith(b"+")
        if name:
            stack.kill(name)
        tries(stack, user, message(f"number {number}"), replica=1)
        client.sock.settimeout(60)
        while (line := client.readline()) != b"* %d EXISTS\r\n" % number:
            assert line, "closed"
        client.send(b"DONE\r\n")
        while not client.readline().startswith(b"i%d OK" % number):
            pass
        if name:
            stack.start_again(name)


@only("split")
@within(400)
def test_each_outage_keeps_its_promises(stack):
    """A part of the matrix that `./dev test outages` runs in full: every fault, and everything that can fail, once."""
    if not stack.s3:
        raise Skip("no S3 in this combination")
    matrix.run_short(stack)
