"""Deliveries: a reply for each recipient, one copy for each account, the same bytes, and what happens when a reply is lost."""
import contextlib, json, re, resource, signal, smtplib, socket, time

from harness.check import Skip, long, only
from harness.mail import deliver, imap, lmtp, message, ok
from harness.processes import HOST, free_port, wait_for
from harness.proxy import PROXY_V2


def inbox(stack, user, replica=0):
    """What lies in INBOX, oldest first."""
    client = imap(stack, user, replica=replica)
    try:
        count = int(ok(client.select("INBOX"))[0])
        return [item[1] for item in ok(client.fetch("1:*", "(BODY.PEEK[])")) if isinstance(item, tuple)] if count else []
    finally:
        client.logout()


def received(mail, name):
    """As a relay would have written it: the top Received names the mail, so that a repetition is known again."""
    return b"Received: from a.example by mta.test with ESMTP id " + name + b";\r\n Sat, 21 Nov 2026 10:00:00 +0100\r\n" + mail


class Raw:
    """LMTP by hand."""

    def __init__(self, stack, replica=0, address=None, before=b""):
        self.socket = socket.create_connection(address or stack.lmtp[replica % len(stack.lmtp)], timeout=60)
        self.socket.sendall(before)
        self.file = self.socket.makefile("rb")
        self.reply()

    def reply(self):
        """(code, last line) of one reply."""
        while (line := self.file.readline())[3:4] == b"-":
            pass
        return int(line[:3] or 0), line.decode(errors="replace").rstrip()

    def command(self, line):
        self.socket.sendall(line.encode() + b"\r\n")
        return self.reply()

    def begin(self, recipients, sender="a@example.org"):
        """Up to the 354."""
        assert self.command("LHLO mta.test")[0] == 250
        assert self.command(f"MAIL FROM:<{sender}>")[0] == 250
        for recipient in recipients:
            code, line = self.command(f"RCPT TO:<{recipient}>")
            assert code == 250, line
        code, line = self.command("DATA")
        assert code == 354, line
        return self

    def finish(self, data, count):
        """Send the mail and its end; a code for each recipient."""
        self.socket.sendall(data + b".\r\n")
        return [self.reply()[0] for _ in range(count)]


@only("split")
def test_the_client_is_whom_a_trusted_proxy_names(stack):
    """By a PROXY header, without which nobody comes in from there. What the proxy's own network may, its client may not."""
    user, listen = stack.account(), free_port()
    with stack.beside("lmtp-proxied", "sora-lmtp", {
            **stack.bus("lmtp"), "lmtp.listen": [f"{HOST}:{listen}"], "net.proxy_from": ["127.0.0.0/8"]}) as process:
        with socket.create_connection((HOST, listen), timeout=60) as bare:
            bare.sendall(b"LHLO mta.test\r\nMAIL FROM:<>\r\n")
            with contextlib.suppress(ConnectionResetError):
                assert bare.recv(100) == b""
        raw = Raw(stack, address=(HOST, listen), before=PROXY_V2)
        assert raw.command("XCLIENT ADDR=198.51.100.7")[0] == 550
        assert raw.begin([user]).finish(message("proxied"), 1) == [250]
        assert raw.command("QUIT")[0] == 221
        with open(process.log) as log:
            wait_for("its end in the log", lambda: re.search(r"event=net\.closed .*peer=192\.0\.2\.1 ", log.read()) or log.seek(0))
    assert b"Received: from mta.test ([192.0.2.1])" in inbox(stack, user)[0], inbox(stack, user)


def test_every_recipient_has_a_reply_and_every_account_one_copy(stack):
    """Two addresses of one account: two replies, one copy."""
    one, two, full = stack.account(), stack.account(), stack.account("--quota", "1K")
    stack.admin("add-address", one, f"alias-{one}")
    raw = Raw(stack)
    assert raw.command("LHLO mta.test")[0] == 250
    recipients = [one, two, f"nobody-{one}", f"Alias-{one}".upper(), full, one.replace("@", "+detail@")]
    raw.socket.sendall(b"MAIL FROM:<a@example.org>\r\n" + b"".join(b"RCPT TO:<%s>\r\n" % r.encode() for r in recipients) + b"DATA\r\n")
    codes = [raw.reply()[0] for _ in range(len(recipients) + 2)]
    assert codes == [250, 250, 250, 550, 250, 250, 250, 354], codes
    assert raw.finish(message("for many", "x" * 70 + "\r\n" + "y\r\n" * 1000), 5) == [250, 250, 250, 552, 250]
    assert [len(inbox(stack, user)) for user in (one, two, full)] == [1, 1, 0]
    assert raw.command("NOOP")[0] == 250


def test_a_full_account_is_refused_at_rcpt_when_the_size_is_told(stack):
    user = stack.account("--quota", "10K")
    raw = Raw(stack)
    assert raw.command("LHLO mta.test")[0] == 250
    assert raw.command("MAIL FROM:<a@example.org> SIZE=20000")[0] == 250
    code, line = raw.command(f"RCPT TO:<{user}>")
    assert code == 552 and "5.2.2" in line, line


def test_trace_fields_come_first_and_the_rest_is_what_was_sent(stack):
    """RFC 5321 s. 4.4. Bytes out are the bytes in, dots, bare CR and LF and 8-bit bytes too."""
    user = stack.account()
    sent = b"Subject: odd\r\n\r\n.\r\n..\r\nbare\nline\rends\r\n\xff\xfe\r\n.x\r\n\r\n"
    raw = Raw(stack).begin([user], sender="")
    assert raw.finish(re.sub(rb"(\A|\r\n)\.", rb"\1..", sent), 1) == [250]
    raw.begin([user], sender='"odd name"@example.org')
    assert raw.finish(sent.replace(b"\r\n.", b"\r\n.."), 1) == [250]
    first, second = inbox(stack, user)
    assert first.endswith(sent) and second.endswith(sent), (first, second)
    prefix = first[:-len(sent)].decode()
    pattern = (rf"Return-Path: <>\r\nDelivered-To: {re.escape(user)}\r\nReceived: from mta.test \(\[127.0.0.1\]\)\r\n\tby sora.test with LMTP "
               rf"id [0-9a-f]{{16}}\r\n\tfor <{re.escape(user)}>;\r\n\t\w{{3}}, \d+ \w{{3}} \d{{4}} [\d:]+ \+0000\r\n")
    assert re.fullmatch(pattern, prefix), prefix
    assert second.startswith(b'Return-Path: <"odd name"@example.org>\r\n'), second


def test_recipients_do_not_learn_of_each_other(stack):
    one, two = stack.account(), stack.account()
    deliver(stack, [one, two], message("secret"))
    for user, other in ((one, two), (two, one)):
        (mail,) = inbox(stack, user)
        assert other.encode() not in mail and b"\tfor <" not in mail, mail


def test_the_trace_of_a_delivery_is_in_the_mail_and_in_the_log(stack):
    user = stack.account()
    raw = Raw(stack).begin([user])
    raw.socket.sendall(message("traced") + b".\r\n")
    code, line = raw.reply()
    trace = line.rsplit(" ", 1)[1]
    assert code == 250 and re.fullmatch("[0-9a-f]{16}", trace), line
    assert b" id " + trace.encode() in inbox(stack, user)[0]
    logs = "".join(open(p.log, errors="replace").read() for p in stack.processes.values())
    (delivered,) = [one for one in logs.splitlines() if "lmtp.delivered" in one and trace in one]
    assert user in delivered, delivered


def test_a_lost_reply_and_a_retry_elsewhere_leave_one_copy(stack):
    """The connection is cut after the end of the mail; the MTA sends it again, through another process."""
    user = stack.account()
    for number in range(5):
        mail = received(message(f"number {number}"), b"Q%d" % number)
        raw = Raw(stack, number).begin([user])
        raw.socket.sendall(mail + b".\r\n")
        raw.file.close()
        raw.socket.close()
        if number % 2:
            wait_for("the first copy", lambda number=number: len(inbox(stack, user)) == number + 1)
        assert deliver(stack, [user], mail, sender="a@example.org", replica=number + 1) == {}
    wait_for("all of them", lambda: len(inbox(stack, user)) >= 5)
    time.sleep(0.5)
    subjects = [re.search(rb"Subject: (.*)\r\n", mail)[1] for mail in inbox(stack, user)]
    assert sorted(subjects) == [b"number %d" % number for number in range(5)], subjects


def test_what_can_not_be_known_again_is_delivered_again(stack):
    """Without an id in Received, or from another sender, it is another mail; its Message-ID says nothing."""
    user = stack.account()
    for _ in range(2):
        deliver(stack, [user], message("the same", Message_ID="<1@example.org>"))
    mail = received(message("also", Message_ID="<1@example.org>"), b"R1")
    deliver(stack, [user], mail, sender="a@example.org")
    deliver(stack, [user], mail, sender="b@example.org")
    assert len(inbox(stack, user)) == 4


def test_a_connection_cut_within_the_mail_delivers_nothing(stack):
    user = stack.account()
    raw = Raw(stack).begin([user])
    raw.socket.sendall(message("half", "x\r\n" * 200000)[:300000])
    raw.file.close()
    raw.socket.close()
    deliver(stack, [user], message("whole"))
    (mail,) = inbox(stack, user)
    assert b"Subject: whole" in mail


def test_silent_mails_hold_no_thread(stack):
    """More sessions than threads stop within their mail: others are served, and each of these goes on when its client does."""
    user = stack.account()
    silent = [Raw(stack).begin([user]) for _ in range(80)]
    for raw in silent:
        raw.socket.sendall(b"Subject: slow\r\n\r\nfirst ")
    time.sleep(0.5)
    begin = time.monotonic()
    assert Raw(stack).begin([user]).finish(message("quick"), 1) == [250]
    assert time.monotonic() - begin < 10
    assert silent[0].finish(b"second\r\n", 1) == [250] and silent[-1].finish(b"second\r\n", 1) == [250]
    mails = inbox(stack, user)
    assert len(mails) == 3 and mails[2].endswith(b"first second\r\n"), len(mails)


@long
def test_postgresql_stops_within_a_mail(stack):
    """The recipients are known, the mail is under way: 451, and later one copy."""
    user = stack.account()
    mail = received(message("slow", "x\r\n" * 100000), b"S1")
    raw = Raw(stack).begin([user])
    raw.socket.sendall(mail[:200000])
    stack.postgres.signal(signal.SIGSTOP)
    try:
        begin = time.monotonic()
        codes = raw.finish(mail[200000:], 1)
        assert codes == [451], codes
        assert time.monotonic() - begin < 60
    finally:
        stack.postgres.signal(signal.SIGCONT)

    def arrives():
        try:
            return deliver(stack, [user], mail, sender="a@example.org", replica=1) == {}
        except smtplib.SMTPException:
            return False
    wait_for("the retry", arrives, 60)
    time.sleep(1)
    assert len(inbox(stack, user)) == 1


def test_bodies_that_can_not_be_written_are_deferred(stack):
    """The store opens no file: 451 for each recipient, and it goes on when it can."""
    if stack.s3:
        raise Skip("the store is no directory in this combination")
    one, two = stack.account(), stack.account()
    processes = [p for name, p in stack.processes.items() if name.startswith(("sora", "blob"))]
    raw = Raw(stack)
    raw.begin([one, two])
    before = [resource.prlimit(p.process.pid, resource.RLIMIT_NOFILE, (3, resource.prlimit(p.process.pid, resource.RLIMIT_NOFILE)[1]))
              for p in processes]
    try:
        codes = raw.finish(message("no room"), 2)
    finally:
        for process, limits in zip(processes, before):
            resource.prlimit(process.process.pid, resource.RLIMIT_NOFILE, limits)
    assert codes == [451, 451], codes
    assert raw.begin([one, two]).finish(message("room"), 2) == [250, 250]
    assert [len(inbox(stack, user)) for user in (one, two)] == [1, 1]


def test_a_mail_that_grows_too_large_is_refused_and_the_session_goes_on(stack):
    """No SIZE was told; 552 comes after the end of the mail."""
    user = stack.account()
    client = lmtp(stack)
    client.ehlo()
    limit = int(client.esmtp_features["size"])
    raw = Raw(stack).begin([user])
    block = (b"x" * 998 + b"\r\n") * 1000
    raw.socket.sendall(b"Subject: large\r\n\r\n")
    for _ in range(limit // len(block) + 1):
        raw.socket.sendall(block)
    codes = raw.finish(b"", 1)
    assert codes == [552], codes
    assert raw.begin([user]).finish(message("small"), 1) == [250]
    assert len(inbox(stack, user)) == 1


def test_1000_recipients_in_one_pipelined_transaction(stack):
    """More than one call's worth of each kind; one more than the limit is 452."""
    users = [stack.account() for _ in range(3)]
    recipients = [users[i % 3].replace("@", f"+{i}@") for i in range(1000)] + [users[0]]
    raw = Raw(stack)
    assert raw.command("LHLO mta.test")[0] == 250
    raw.socket.sendall(b"MAIL FROM:<a@example.org>\r\n" + b"".join(b"RCPT TO:<%s>\r\n" % r.encode() for r in recipients) + b"DATA\r\n")
    codes = [raw.reply()[0] for _ in range(1003)]
    assert codes == [250] * 1001 + [452, 354], [code for code in codes if code != 250]
    assert raw.finish(message("to all"), 1000) == [250] * 1000
    assert [len(inbox(stack, user)) for user in users] == [1, 1, 1]


def test_a_hundred_relays_are_a_loop(stack):
    user = stack.account()
    relays = b"Received: from a.example by b.example; Sat, 21 Nov 2026 10:00:00 +0100\r\n"
    assert Raw(stack).begin([user]).finish(relays * 100 + message("many"), 1) == [250]
    assert Raw(stack).begin([user]).finish(relays * 101 + message("too many"), 1) == [554]
    assert len(inbox(stack, user)) == 1


def test_a_disabled_account_takes_no_mail_until_it_is_enabled(stack):
    user = stack.account()
    stack.admin("update-account", user, "--disable")
    refused = deliver(stack, [user], message("no"))
    assert refused[user][0] == 550, refused
    stack.admin("update-account", user, "--enable")
    assert deliver(stack, [user], message("yes")) == {}
    stack.admin("delete-account", user)
    assert deliver(stack, [user], message("no"))[user][0] == 550
    stack.admin("restore-account", user)
    assert deliver(stack, [user], message("yes")) == {}
    assert len(inbox(stack, user)) == 2


@only("split")
def test_a_draining_lmtp_finishes_its_mail(stack):
    user = stack.account()
    raw = Raw(stack).begin([user])
    idle = Raw(stack)
    raw.socket.sendall(b"Subject: late\r\n\r\n")
    process = stack.processes["lmtp-1"]
    process.signal(signal.SIGTERM)
    try:
        assert idle.reply()[0] == 421
        assert raw.finish(b"text\r\n", 1) == [250]
        assert process.process.wait(30) == 0
    finally:
        stack.start_again("lmtp-1")
    assert len(inbox(stack, user)) == 1
