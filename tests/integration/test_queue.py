"""Mail on its way out: it reaches the smarthost as it is, at least once, or its sender is told."""
import email, json, random

from harness.check import only
from harness.mail import deliver, message
from harness.processes import wait_for
from harness.smtp_sink import CUT, HANG, Sink
from harness.stack import Stack

PREFIX = b"Delivered-To: me@sora.test\r\nReceived: from a by b; Sat, 21 Nov 2026 10:00:00 +0100\r\n"


def number(stack, sql):
    return int(stack.postgres.query(sql, stack.database)[0][0])


def hex_of(text):
    return "'\\x" + (text if isinstance(text, bytes) else text.encode()).hex() + "'"


def send(stack, user, recipients, body=None, sender="sender@example.org", kind="redirect", message_id="<one@example.org>"):
    """Queue a mail as a delivery does: its body is one that LMTP stored. The bytes that are to arrive."""
    body = body or message("a redirect", "Hello.\r\n", **{"Message-ID": message_id})
    assert deliver(stack, [user], body) == {}
    columns = ", ".join(f"({hex_of(recipient)}::bytea, {hex_of(recipient.rpartition('@')[2])}::bytea)" for recipient in recipients)
    stack.postgres.query(
        f"INSERT INTO outbox (account, kind, sender, recipient, domain, message_id, blob, blob_size, prefix) "
        f"SELECT account, '{kind}', {hex_of(sender)}, r.recipient, r.domain, {hex_of(message_id)}, blob, blob_size, {hex_of(PREFIX)} "
        f"FROM (SELECT m.* FROM messages m JOIN addresses a USING (account) WHERE a.folded = {hex_of(user)} ORDER BY message DESC LIMIT 1) m, "
        f"(VALUES {columns}) r(recipient, domain)", stack.database)
    return PREFIX + body


def queued(stack, *filters):
    return [json.loads(line) for line in stack.admin("queue", "list", "--json", *filters).stdout.splitlines()]


def is_empty(stack, user):
    return not queued(stack, "--email", user)


def test_what_is_queued_reaches_the_smarthost_byte_for_byte(stack):
    user = stack.account()
    r = random.Random(5)
    dots = "".join(r.choice([".", "..", "a", "", ". ", "x" * 900]) + "\r\n" for _ in range(400))
    bodies = [message("dots", dots + ".\r\n"), message("8-bit", "Gr\u00fc\u00dfe\r\n"), message("large", ("z" * 76 + "\r\n") * 20000),
              message("nothing", "")]
    with Sink(stack.smarthost_port) as sink:
        want = {}
        for i, body in enumerate(bodies):
            want[f"r{i}@example.com"] = send(stack, user, [f"r{i}@example.com"], body)
        for mail in sink.wait(len(bodies)):
            assert len(mail.recipients) == 1 and mail.sender == "sender@example.org"
            assert mail.data == want[mail.recipients[0]], mail.recipients
            assert "BODY=8BITMIME" in mail.parameters, mail.parameters
            assert f"SIZE={len(mail.data)}" in mail.parameters, mail.parameters
            assert mail.helo == "sora.test"
        wait_for("an empty queue", lambda: is_empty(stack, user))
        assert len(sink.mails) == len(bodies)
    assert stack.metric("worker", "sora_queue_sent_total") >= len(bodies)


def test_what_is_put_off_is_tried_again_and_what_is_refused_is_told_its_sender(stack):
    user = stack.account()
    tries = []

    def judge(_, argument):
        if "later" in argument and len(tries) < 2:
            tries.append(argument)
            return "450 4.2.1 greylisted"
        return "550-5.1.1 there is\r\n550 5.1.1 nobody here" if "nobody" in argument else None

    with Sink(stack.smarthost_port) as sink:
        sink.answer["RCPT"] = judge
        sent = send(stack, user, ["later@example.com", "nobody@example.com"], sender="author@example.org")
        sink.wait(1, of=lambda mail: mail.recipients == ["later@example.com"])
        assert len(tries) == 2
        bounce = sink.wait(1, of=lambda mail: mail.recipients == ["author@example.org"])[0]
        wait_for("an empty queue", lambda: is_empty(stack, user))
    assert bounce.sender == "", "a bounce's return path is null"
    report = email.message_from_bytes(bounce.data)
    assert report.get_content_type() == "multipart/report" and report.get_param("report-type") == "delivery-status"
    assert report["Auto-Submitted"] == "auto-replied" and report["In-Reply-To"] == "<one@example.org>" and report["Message-ID"]
    people, status, header = report.get_payload()
    assert "nobody@example.com" in people.get_payload() and "550 5.1.1 there is 5.1.1 nobody here" in people.get_payload()
    assert status.get_content_type() == "message/delivery-status"
    of_message, of_recipient = status.get_payload()
    assert of_message["Reporting-MTA"] == "dns; sora.test"
    assert of_recipient["Final-Recipient"] == "rfc822; nobody@example.com" and of_recipient["Action"] == "failed"
    assert of_recipient["Status"] == "5.1.1" and of_recipient["Diagnostic-Code"].startswith("smtp; 550 5.1.1")
    assert header.get_content_type() == "text/rfc822-headers"
    assert sent.split(b"\r\n\r\n")[0] in bounce.data and b"Hello." not in bounce.data


def test_a_bounce_is_never_bounced(stack):
    user = stack.account()
    with Sink(stack.smarthost_port) as sink:
        sink.answer["RCPT"] = lambda *_: "550 5.1.1 nobody"
        send(stack, user, ["a@example.com"], sender="author@example.org")
        send(stack, user, ["b@example.com"], sender="", kind="vacation")
        wait_for("an empty queue", lambda: is_empty(stack, user))
        assert sink.mails == []


def test_what_could_not_be_sent_for_long_is_given_up_by_time(stack):
    user = stack.account()
    with Sink(stack.smarthost_port) as sink:
        sink.answer["RCPT"] = lambda _, argument: "450 4.2.2 full" if "old" in argument or "young" in argument else None
        send(stack, user, ["old@example.com", "young@example.com"], sender="author@example.org")
        stack.postgres.query("UPDATE outbox SET created_ms = created_ms - 6 * 86400000::bigint WHERE recipient = 'old@example.com'", stack.database)
        bounce = sink.wait(1)[0]
        assert bounce.recipients == ["author@example.org"] and b"Status: 5.4.7" in bounce.data and b"450 4.2.2 full" in bounce.data
        wait_for("the young one alone", lambda: [item["to"] for item in queued(stack, "--email", user)] == ["young@example.com"])
        stack.admin("queue", "drop", "--email", user)


def test_without_a_smarthost_mail_waits_and_no_attempt_is_counted(stack):
    user = stack.account()
    send(stack, user, ["a@example.com"])
    wait_for("an attempt", lambda: queued(stack, "--email", user)[0]["reply"] != "")
    assert queued(stack, "--email", user)[0]["attempts"] == 0
    with Sink(stack.smarthost_port) as sink:
        stack.admin("queue", "retry", "--email", user)
        assert sink.wait(1)[0].recipients == ["a@example.com"]


def test_what_was_taken_unheard_comes_again_with_its_message_id(stack):
    user = stack.account()
    cuts = []

    def cut_once(*_):
        cuts.append(1)
        return CUT if len(cuts) < 3 else None

    with Sink(stack.smarthost_port) as sink:
        sink.answer["AFTER"] = cut_once
        want = send(stack, user, ["a@example.com"])
        for mail in sink.wait(3):
            assert mail.data == want and mail.field("Message-ID") == "<one@example.org>"
        wait_for("an empty queue", lambda: is_empty(stack, user))
        assert len(sink.mails) == 3


def test_a_server_that_knows_no_ehlo_is_told_helo(stack):
    """RFC 5321 s. 3.2. What its refusal lists is no offer; one that refuses both can not be used."""
    user, commands = stack.account(), []
    with Sink(stack.smarthost_port) as sink:
        sink.answer["EHLO"] = lambda *_: commands.append("EHLO") or "502-5.5.1 what?\r\n502-SIZE\r\n502 8BITMIME"
        sink.answer["HELO"] = lambda *_: commands.append("HELO") or ("550 5.7.1 who?" if commands.count("HELO") == 1 else None)
        want = send(stack, user, ["a@example.com"])
        mail = sink.wait(1)[0]
        wait_for("an empty queue", lambda: is_empty(stack, user))
    assert mail.data == want and mail.parameters == [] and mail.helo == "sora.test" and commands[:4] == ["EHLO", "HELO"] * 2


def test_a_server_that_takes_no_8_bit_or_no_utf8_gets_none(stack):
    user = stack.account()
    with Sink(stack.smarthost_port, offers=()) as sink:
        plain = send(stack, user, ["plain@example.com"], sender="")
        send(stack, user, ["eight@example.com"], message("8-bit", "Gr\u00fc\u00dfe\r\n"), sender="eight@example.org")
        send(stack, user, ["gr\u00fc\u00dfe@example.com"], sender="utf8@example.org")
        found = {mail.recipients[0]: mail for mail in sink.wait(3)}
        assert found["plain@example.com"].data == plain and found["plain@example.com"].parameters == []
        assert b"Status: 5.6.3" in found["eight@example.org"].data
        assert b"Final-Recipient: utf-8; gr\\x{FC}\\x{DF}e@example.com\r\n" in found["utf8@example.org"].data
        wait_for("an empty queue", lambda: is_empty(stack, user))


def test_utf8_goes_where_it_is_offered(stack):
    user = stack.account()
    with Sink(stack.smarthost_port) as sink:
        want = send(stack, user, ["gr\u00fc\u00dfe@example.com"], message("Gr\u00fc\u00dfe", "Hello.\r\n"))
        mail = sink.wait(1)[0]
        assert mail.data == want and "SMTPUTF8" in mail.parameters and mail.recipients == ["gr\u00fc\u00dfe@example.com"]


def test_the_operator_looks_after_the_queue(stack):
    user = stack.account()
    send(stack, user, ["a@example.com", "b@example.com"], kind="vacation", sender="")
    send(stack, user, ["c@example.com"])
    first, second, third = queued(stack, "--email", user)
    assert first["kind"] == "vacation" and first["from"] == "" and first["to"] == "a@example.com" and first["account"] == user
    assert [item["to"] for item in queued(stack, "--email", user, "--kind", "redirect")] == ["c@example.com"]
    shown = stack.admin("queue", "show", str(third["item"])).stdout
    assert "c@example.com" in shown and "<one@example.org>" in shown
    assert "being sent" in stack.admin("queue", "list").stderr
    assert stack.admin("queue", "drop", str(first["item"])).stdout == "1 dropped\n"
    for verb, code in (("show", 3), ("retry", 3), ("drop", 3)):
        assert stack.admin("queue", verb, str(first["item"]), check=False).returncode == code, verb
    assert stack.admin("queue", "drop", check=False).returncode == 2
    assert stack.admin("queue", "drop", "abc", check=False).returncode == 2
    assert stack.admin("queue", "list", "--state", "lost", check=False).returncode == 2
    assert stack.admin("queue", "list", "--email", "nobody@sora.test", check=False).returncode == 3
    stack.admin("queue", "drop", "--email", user)
    assert is_empty(stack, user)


def leased_until(stack):
    return number(stack, "SELECT due_ms FROM outbox WHERE token <> 0")


@only("split")
def test_who_is_killed_while_he_sends_leaves_it_to_another(stack):
    user = stack.account()
    hangs = []

    def hang_once(*_):
        hangs.append(1)
        return HANG if len(hangs) == 1 else None

    with Sink(stack.smarthost_port) as sink:
        sink.answer["END"] = hang_once
        want = send(stack, user, ["a@example.com"])
        wait_for("a worker that waits", lambda: hangs)
        item = queued(stack, "--email", user)[0]
        assert item["state"] == "sending" and item["owner"].startswith("sora.test/")
        killed = next(name for name, process in stack.processes.items() if name.startswith("worker") and
                      item["owner"].endswith(f"/{process.process.pid}"))
        first = leased_until(stack)
        wait_for("another lease", lambda: leased_until(stack) > first)
        assert leased_until(stack) <= number(stack, "SELECT now_ms()") + 60000
        stack.kill(killed)
        # It would last for most of a minute; here it ends now.
        stack.postgres.query("UPDATE outbox SET due_ms = now_ms() WHERE token <> 0", stack.database)
        assert sink.wait(1)[0].data == want
        wait_for("an empty queue", lambda: is_empty(stack, user))
        stack.start_again(killed)


@only("split")
def test_who_ends_gives_back_what_he_has(stack):
    user = stack.account()
    hangs = []

    def hang_once(*_):
        hangs.append(1)
        return HANG if len(hangs) == 1 else None

    with Sink(stack.smarthost_port) as sink:
        sink.answer["RCPT"] = hang_once
        want = send(stack, user, ["a@example.com"])
        wait_for("a worker that waits", lambda: hangs)
        owner = queued(stack, "--email", user)[0]["owner"]
        ending = next(name for name, process in stack.processes.items() if name.startswith("worker") and
                      owner.endswith(f"/{process.process.pid}"))
        assert stack.processes[ending].stop() == 0
        assert sink.wait(1, seconds=20)[0].data == want
        stack.start_again(ending)


def end_leases(stack):
    """Those of the killed would last for a minute."""
    stack.postgres.query("UPDATE outbox SET due_ms = now_ms() WHERE due_ms > now_ms()", stack.database)


@only("split")
def test_all_arrive_at_least_once_whoever_is_killed(stack):
    user, r = stack.account(), random.Random(3)
    recipients = [f"r{i}@d{i % 7}.example" for i in range(30)]
    with Sink(stack.smarthost_port) as sink:
        for stage in ("RCPT", "END", "AFTER"):
            sink.answer[stage] = lambda *_: CUT if r.random() < 0.1 else None
        want = send(stack, user, recipients)
        for i in range(4):
            before = len(sink.mails)
            wait_for("a few more", lambda: len(sink.mails) > before + 1 or is_empty(stack, user))
            stack.kill(f"worker-{i % 2 + 1}")
            sink.stop()
            stack.postgres.query(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = current_user AND datname = '{stack.database}'")
            sink.start()
            stack.start_again(f"worker-{i % 2 + 1}")
            end_leases(stack)
        sink.answer.clear()
        wait_for("an empty queue", lambda: end_leases(stack) or is_empty(stack, user), 60)
    assert {mail.recipients[0] for mail in sink.mails} == set(recipients)
    assert all(mail.data == want and mail.sender == "sender@example.org" for mail in sink.mails)


@only("all")
def test_tls_a_password_and_an_answer_in_time_or_nothing(stack):
    own = Stack("all", f"{stack.directory}/smarthost", stack.build, stack.postgres, None, settings={
        "smarthost.host": "localhost", "smarthost.tls": "starttls", "smarthost.ca": f"{stack.directory}/smarthost/cert.pem",
        "smarthost.user": "sora", "smarthost.password": "secret", "smarthost.timeout": "2s"})
    try:
        own.start()
        certificate = {"certificate": f"{own.directory}/cert.pem", "key": f"{own.directory}/key.pem"}
        user = own.account()
        for mechanisms in ("PLAIN LOGIN", "LOGIN"):
            with Sink(own.smarthost_port, users={"sora": "secret"}, mechanisms=mechanisms, **certificate) as sink:
                want = send(own, user, ["a@example.com"])
                own.admin("queue", "retry", "--all")
                mail = sink.wait(1)[0]
                assert mail.data == want and mail.has_tls and mail.user == "sora"
                wait_for("an empty queue", lambda: is_empty(own, user))
        strange = {"certificate": f"{stack.directory}/cert.pem", "key": f"{stack.directory}/key.pem"}
        silent = Sink(own.smarthost_port, **certificate)
        silent.answer["EHLO"] = lambda *_: HANG
        for said, sink in (("offer STARTTLS", Sink(own.smarthost_port)), ("no reply in time", silent), ("certificate", Sink(own.smarthost_port, **strange)),
                           ("535 5.7.8 wrong", Sink(own.smarthost_port, users={"sora": "other"}, **certificate))):
            with sink:
                send(own, user, ["b@example.com"])
                own.admin("queue", "retry", "--all")
                wait_for(said, lambda: any(said in item["reply"] for item in queued(own)), 60)
                assert sink.mails == [] and all(item["attempts"] == 0 for item in queued(own)), "nobody's mail is to blame"
                own.admin("queue", "drop", "--all")
    finally:
        wrong = own.stop()
    assert wrong == [], wrong
