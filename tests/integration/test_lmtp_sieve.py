"""What scripts decide is done: all of it, once, for each recipient by itself; and what goes wrong loses nothing."""
import re, signal, smtplib, subprocess

from harness.check import long, only
from harness.mail import deliver, imap, message, ok
from harness.processes import wait_for
from harness.smtp_sink import Sink
from integration.test_drain import own_stack
from integration.test_lmtp_delivery import Raw, inbox, received
from integration.test_managesieve import Editor


def put(stack, user, script, name="main"):
    stack.admin("sieve", "put", user, name, "--activate", stdin=script)


def scripted(stack, script, *args):
    user = stack.account(*args)
    put(stack, user, script)
    return user


def mailbox(stack, user, name):
    """(flags, bytes) of what lies there; None: there is no such mailbox."""
    client = imap(stack, user)
    try:
        status, data = client.select(f'"{name}"')
        if status != "OK":
            return None
        items = ok(client.fetch("1:*", "(FLAGS BODY.PEEK[])")) if int(data[0]) else []
        return [(set(re.search(rb"FLAGS \(([^)]*)\)", item[0] + after)[1].split()) - {rb"\Recent"}, item[1])
                for item, after in zip(items[::2], items[1::2])]
    finally:
        client.logout()


def to(user):
    return lambda mail: user in mail.recipients


def test_every_copy_and_redirect_is_done(stack):
    """RFC 5228 s. 2.10.2, 4.1, 4.2; RFC 5232. What is not there becomes INBOX; an explicit keep beside others stays."""
    user = scripted(stack, r'''require ["fileinto", "copy", "imap4flags", "mailbox"];
        addflag ["\\Seen", "$work"]; fileinto :copy :create "Lists/sora"; fileinto :flags "\\Flagged" "Archive";
        redirect :copy "one@example.net"; redirect "two@example.net"; keep;''')
    mail = message("many", Message_ID="<many@example.org>")
    with Sink(stack.smarthost_port) as sink:
        assert deliver(stack, [user], mail, sender="s@example.org") == {}
        sent = sink.wait(2, of=lambda mail: mail.recipients[0] in ("one@example.net", "two@example.net"))
    assert [flags for flags, _ in mailbox(stack, user, "Lists/sora")] == [{rb"\Seen", b"$work"}]
    assert [flags for flags, _ in mailbox(stack, user, "Archive")] == [{rb"\Flagged"}]
    assert [flags for flags, _ in mailbox(stack, user, "INBOX")] == [{rb"\Seen", b"$work"}]
    for one in sent:
        assert one.sender == "s@example.org" and one.data.endswith(mail), one.data
        assert one.data.startswith(f"Delivered-To: {user}\r\nReceived: from mta.test ".encode()) and b"Return-Path:" not in one.data
    user = scripted(stack, 'require "fileinto"; fileinto "Nowhere";')
    deliver(stack, [user], mail)
    assert len(inbox(stack, user)) == 1


def test_a_bounce_is_redirected_from_nobody(stack):
    """RFC 5228 s. 4.2: an empty envelope sender stays empty."""
    user = scripted(stack, 'redirect "bounces@example.net";')
    with Sink(stack.smarthost_port) as sink:
        assert deliver(stack, [user], message("bounce"), sender="") == {}
        (sent,) = sink.wait(1, of=to("bounces@example.net"))
        assert sent.sender == ""
    assert inbox(stack, user) == []


def test_every_recipient_has_its_own_result(stack):
    """Lesson 36. RFC 2033 s. 4.2, RFC 5429 s. 2.1.1: a reply each, in order; a reason of several lines is one reply."""
    refuses = scripted(stack, 'require "ereject"; ereject "No.\r\nReally not.\r\n";')
    keeps = scripted(stack, "keep;")
    plain, discards = stack.account(), scripted(stack, "discard;")
    raw = Raw(stack).begin([keeps, refuses, plain, discards, refuses])
    raw.socket.sendall(message("for many") + b".\r\n")
    lines = [raw.file.readline().decode().rstrip() for _ in range(7)]
    assert [line[:10] for line in lines] == ["250 2.0.0 ", "550-5.7.1 ", "550 5.7.1 ", "250 2.0.0 ", "250 2.0.0 ", "550-5.7.1 ", "550 5.7.1 "], lines
    assert lines[1:3] == ["550-5.7.1 No.", "550 5.7.1 Really not."], lines
    assert [len(inbox(stack, user)) for user in (keeps, refuses, plain, discards)] == [1, 0, 1, 0]


def test_the_worst_action_decides(stack):
    """Lesson 37: what can not be filed is not redirected either, and the sender hears of it."""
    user = scripted(stack, 'require "copy"; redirect :copy "kept@example.net";', "--quota", "1K")
    with Sink(stack.smarthost_port) as sink:
        assert deliver(stack, [user], message("large", "x" * 70 + "\r\n" * 2000))[user][0] == 552
        assert deliver(stack, [user], message("small")) == {}
        (sent,) = sink.wait(1, of=to("kept@example.net"))
        assert sent.field("Subject") == "small"


def test_a_vacation_reply_is_sent_once(stack):
    """Lesson 38. RFC 5230 s. 4.2, RFC 3834: from nobody, and not twice to the same person, whoever of two at a time is first."""
    user = scripted(stack, 'require "vacation"; vacation :days 7 "I am away.";')
    with Sink(stack.smarthost_port) as sink:
        for number in range(3):
            assert deliver(stack, [user], message(f"mail {number}", to=user), sender="friend@example.org", replica=number) == {}
        assert deliver(stack, [user], message("other", to=user, sender="other@example.org"), sender="other@example.org") == {}
        sink.wait(1, of=to("other@example.org"))
        (reply,) = sink.wait(1, of=to("friend@example.org"))
        assert reply.sender == "" and reply.field("Auto-Submitted").startswith("auto-replied") and b"I am away." in reply.data
    assert len(inbox(stack, user)) == 4


def test_a_duplicate_is_seen(stack):
    """RFC 7352 s. 3: by Message-ID, across transactions."""
    user = scripted(stack, 'require ["duplicate", "fileinto", "mailbox"]; if duplicate { fileinto :create "Again"; }')
    for number in range(3):
        deliver(stack, [user], message(f"try {number}", Message_ID="<same@example.org>"), replica=number)
    assert len(inbox(stack, user)) == 1 and len(mailbox(stack, user, "Again")) == 2


def test_a_changed_header_is_stored_as_it_is_told(stack):
    """Lesson 39. RFC 5293: bytes, size and structure are those of the changed mail; the body is untouched, also of a large one."""
    user = scripted(stack, '''require ["editheader", "copy"]; addheader "X-Sorted" "yes"; deleteheader "Subject"; redirect :copy "r@example.net";''')
    body = "line\r\n.\r\n" + "x" * 300 + "\r\n"
    with Sink(stack.smarthost_port) as sink:
        for text in (body, body * 2000):
            mail = message("secret", text)
            assert deliver(stack, [user], mail) == {}
        sent = sink.wait(2, of=to("r@example.net"))
    rest = [mail.partition(b"\r\n\r\n") for mail in inbox(stack, user)]
    assert [end for _, _, end in rest] == [body.encode(), body.encode() * 2000]
    for head, _, _ in rest:
        assert head.startswith(b"X-Sorted: yes\r\nReturn-Path: ") and b"Subject" not in head, head
    assert sorted(len(one.data.partition(b"\r\n\r\n")[2]) for one in sent) == [len(body), len(body) * 2000]
    for one in sent:
        assert one.field("X-Sorted") == "yes" and one.field("Subject") is None and one.data.startswith(b"Delivered-To: ")
        assert one.data.count(b"Delivered-To:") == 1 and b"Return-Path:" not in one.data
    client = imap(stack, user, select="INBOX")
    sizes = [int(re.search(rb"RFC822.SIZE (\d+)", line)[1]) for line in ok(client.fetch("1:*", "RFC822.SIZE"))]
    client.logout()
    assert sizes == [len(mail) for mail in inbox(stack, user)]


def mailboxid(client, name):
    return re.search(rb"MAILBOXID \(([\w-]+)\)", ok(client.status(name, "(MAILBOXID)"))[0])[1].decode()


def test_a_script_files_by_mailboxid_whatever_the_mailbox_is_called(stack):
    """RFC 9042 s. 4, 4.1, 6: the id as IMAP tells it, in a script that ManageSieve takes; renamed mailboxes are found, deleted ones never again."""
    user = stack.account()
    client = imap(stack, user)
    ok(client.create("Lists"))
    there, junk = mailboxid(client, "Lists"), mailboxid(client, "Junk")
    editor = Editor(stack.managesieve[0], user)
    script = f'''require ["fileinto", "mailboxid", "mailbox", "copy", "vacation", "fcc"];
        if header :is "subject" "create" {{ fileinto :mailboxid "{there}" :create "Made"; }}
        else {{ fileinto :copy :mailboxid "{there}" "Lists"; }}
        if mailboxidexists ["{there}", "{junk}"] {{ fileinto :copy "Archive"; }}
        vacation :fcc "Sent" :mailboxid "{there}" "Away.";\r\n'''
    editor.ask('PUTSCRIPT "main"', script)
    editor.ask('SETACTIVE "main"')
    editor.socket.close()

    def check(subject, sender, expected):
        assert deliver(stack, [user], message(subject, to=user, sender=sender), sender=sender) == {}
        filed = {name: len(lying) for name in ("INBOX", "Lists", "Renamed", "Archive", "Made", "Sent") if (lying := mailbox(stack, user, name))}
        assert filed == expected, filed

    with Sink(stack.smarthost_port) as sink:
        check("first", "a@example.org", {"INBOX": 1, "Lists": 2, "Archive": 1})
        ok(client.rename("Lists", "Renamed"))
        ok(client.create("Lists"))
        assert mailboxid(client, "Renamed") == there != mailboxid(client, "Lists")
        check("second", "b@example.org", {"INBOX": 2, "Renamed": 4, "Archive": 2})
        check("create", "b@example.org", {"INBOX": 2, "Renamed": 5, "Archive": 3})
        ok(client.delete("Renamed"))
        check("third", "c@example.org", {"INBOX": 3, "Lists": 1, "Archive": 3, "Sent": 1})
        # S. 8: a mailbox that is made for want of the other has an id of its own.
        check("create", "c@example.org", {"INBOX": 3, "Lists": 1, "Archive": 3, "Sent": 1, "Made": 1})
        sink.wait(3)
    assert mailboxid(client, "Made") != there
    client.logout()


def test_an_id_means_nothing_in_another_account(stack):
    """RFC 9042 s. 4: only the user's own mailboxes are looked at: a script that was copied from another account goes by names."""
    other, user = stack.account(), stack.account()
    client = imap(stack, other)
    junk = mailboxid(client, "Junk")
    client.logout()
    put(stack, user, f'''require ["fileinto", "mailboxid", "copy"];
        fileinto :copy :mailboxid "{junk}" "Archive"; if not mailboxidexists "{junk}" {{ fileinto "Trash"; }}''')
    assert deliver(stack, [user], message("copied")) == {}
    assert [len(mailbox(stack, user, name)) for name in ("INBOX", "Junk", "Archive", "Trash")] == [0, 0, 1, 1]


def test_a_special_use_of_one_mailbox_is_asked_for_by_its_name(stack):
    """RFC 8579 s. 3: with a mailbox's name, whether that one has the special use; also when another has it, too, and comes first."""
    user = scripted(stack, r'''require ["fileinto", "special-use", "copy"];
        if specialuse_exists "Spam" "\\Junk" { fileinto :copy "Spam"; }
        if specialuse_exists "Junk" "\\Junk" { fileinto :copy "Junk"; }
        if specialuse_exists "Archive" "\\Junk" { fileinto :copy "Archive"; }
        if specialuse_exists "Spam" ["\\Junk", "\\Sent"] { fileinto :copy "Sent"; }''')
    client = imap(stack, user)
    ok(client.create("Spam"))
    client.logout()
    stack.postgres.query(f"UPDATE mailboxes SET attributes = 64 WHERE name = 'Spam' AND account = "
                         f"(SELECT account FROM addresses WHERE folded = '{user}')", stack.database)
    assert deliver(stack, [user], message("special")) == {}
    assert [len(mailbox(stack, user, name)) for name in ("INBOX", "Spam", "Junk", "Archive", "Sent")] == [1, 1, 1, 0, 0]


def test_of_a_long_body_the_first_2_mib_are_looked_at(stack):
    """What is further down is not found, and is there none the less."""
    user = scripted(stack, '''require ["body", "fileinto", "copy"];
        if body :contains "early" { fileinto :copy "Archive"; }
        if body :contains "late" { fileinto :copy "Junk"; }''')
    within = "early\r\n" + ("x" * 70 + "\r\n") * 29000 + "late\r\n"
    assert len(within) < 2 << 20 < len(within) + 72 * 200
    mail, longer = message("within", within), message("longer", within.replace("late", ("x" * 70 + "\r\n") * 200 + "late"))
    assert deliver(stack, [user], mail) == {}
    assert [len(mailbox(stack, user, name)) for name in ("INBOX", "Archive", "Junk")] == [1, 1, 1]
    assert deliver(stack, [user], longer) == {}
    assert [len(mailbox(stack, user, name)) for name in ("INBOX", "Archive", "Junk")] == [2, 2, 1]
    assert all(kept.endswith(b"late\r\n") for kept in inbox(stack, user)) and max(map(len, inbox(stack, user))) > len(longer)


def test_a_script_that_fails_keeps_the_mail_and_its_owner_is_told(stack):
    user = scripted(stack, 'require ["fileinto", "include"]; discard; include "missing";')
    assert deliver(stack, [user], message("precious")) == {}
    assert len(inbox(stack, user)) == 1
    log = stack.admin("sieve", "log", user).stdout
    assert "main:1" in log and "missing" in log, log


def test_details_decide_each_for_itself(stack):
    """RFC 5233. One account by three addresses is one delivery: the copies of all, one each; by another address later, again."""
    user = scripted(stack, '''require ["subaddress", "envelope", "fileinto", "mailbox", "variables"];
        if envelope :detail :matches "to" "*" { fileinto :create "Detail/${1}"; }''')
    mail = received(message("details"), b"D1")
    detail = [user.replace("@", f"+{name}@") for name in "abc"]
    assert deliver(stack, [detail[0], detail[1], user], mail, sender="a@example.org") == {}
    assert deliver(stack, [detail[0], detail[1], user], mail, sender="a@example.org", replica=1) == {}
    assert deliver(stack, [detail[2]], mail, sender="a@example.org") == {}
    assert [len(mailbox(stack, user, f"Detail/{name}")) for name in "abc"] == [1, 1, 1]
    assert len(inbox(stack, user)) == 1


def test_an_mta_that_missed_the_reply_doubles_no_action(stack):
    """Lesson 35: the same transaction again, through another process: copies, redirect and reply are there once."""
    user = scripted(stack, '''require ["copy", "fileinto", "vacation", "mailbox", "editheader"];
        addheader "X-Once" "1"; fileinto :copy :create "Copies"; redirect :copy "once@example.net"; vacation "Away.";''')
    mail = received(message("once", to=user, sender="pal@example.org", Message_ID="<once@example.org>"), b"O1")
    with Sink(stack.smarthost_port) as sink:
        for replica in range(3):
            assert deliver(stack, [user], mail, sender="pal@example.org", replica=replica) == {}
        last = received(message("last", to=user, sender="end@example.org"), b"O2")
        assert deliver(stack, [user], last, sender="end@example.org") == {}
        sink.wait(1, of=to("end@example.org"))
        sink.wait(2, of=to("once@example.net"))
        assert [mail.field("Message-ID") for mail in sink.mails if "once@example.net" in mail.recipients].count("<once@example.org>") == 1
        assert len(sink.wait(1, of=to("pal@example.org"))) == 1
    assert len(inbox(stack, user)) == 2 and len(mailbox(stack, user, "Copies")) == 2


def test_a_redirect_that_comes_back_is_a_loop(stack):
    """Lesson 66. RFC 5228 s. 4.2, RFC 5321 s. 6.3."""
    user = scripted(stack, 'redirect "elsewhere@example.net";')
    with Sink(stack.smarthost_port) as sink:
        assert deliver(stack, [user], message("round")) == {}
        (sent,) = sink.wait(1, of=to("elsewhere@example.net"))
    assert Raw(stack).begin([user]).finish(sent.data, 1) == [554]


def test_fifty_scripts_of_one_mail_decide_side_by_side(stack):
    users = [scripted(stack, f'require ["fileinto", "mailbox", "body"]; if body :contains "word" {{ fileinto :create "Box {i % 3}"; }}')
             for i in range(10)]
    recipients = [users[i % 10].replace("@", f"+{i}@") for i in range(50)]
    raw = Raw(stack).begin(recipients)
    assert raw.finish(message("all", "a word\r\n"), 50) == [250] * 50
    for i, user in enumerate(users):
        assert len(mailbox(stack, user, f"Box {i % 3}")) == 1 and inbox(stack, user) == []


@long
def test_what_busy_services_do_not_take_at_once_waits(stack):
    """Eight sessions at once, each with fifty scripts and as many mails that they make: more calls than services with one thread let wait."""
    with own_stack(stack, **{"blob.threads": 1, "sieve.threads": 1}) as own:
        users = [scripted(own, 'require ["editheader", "fileinto", "mailbox"]; addheader "X-Kept" "1"; fileinto :create "Kept";') for _ in range(10)]
        recipients = [user.replace("@", f"+{i}@") for user in users for i in range(5)]
        sessions = [Raw(own, i).begin(recipients) for i in range(8)]
        for i, raw in enumerate(sessions):
            raw.socket.sendall(message(f"mail {i}") + b".\r\n")
        for raw in sessions:
            replies = [raw.reply() for _ in recipients]
            assert [code for code, _ in replies] == [250] * 50, replies
        assert [len(mailbox(own, user, "Kept")) for user in users] == [40] * 10
        assert own.metric("blob", "sora_bus_refused_total") > 0 and own.metric("sieve", "sora_bus_refused_total") > 0


def test_scripts_see_whom_the_mta_has_the_mail_from(stack):
    """RFC 5183 s. 4.1: what XFORWARD told, for one mail alone; else the client of the connection."""
    user = scripted(stack, '''require ["environment", "fileinto", "mailbox"];
        if environment :is "remote-ip" "192.0.2.7" { fileinto :create "Told"; }
        elsif not environment :is "remote-ip" "127.0.0.1" { fileinto :create "Strange"; }''')
    raw = Raw(stack)
    assert raw.command("LHLO mta.test")[0] == 250
    for told in ("XFORWARD ADDR=192.0.2.7 NAME=client.example", "NOOP"):
        assert [raw.command(line)[0] for line in (told, "MAIL FROM:<a@example.org>", f"RCPT TO:<{user}>", "DATA")] == [250, 250, 250, 354]
        assert raw.finish(message("told"), 1) == [250]
    assert len(mailbox(stack, user, "Told")) == 1 and len(inbox(stack, user)) == 1 and mailbox(stack, user, "Strange") is None


def arrives(stack, recipients, mail, sender):
    try:
        return deliver(stack, recipients, mail, sender=sender) == {}
    except (smtplib.SMTPException, OSError):
        return False


@only("split")
def test_without_the_sieve_service_only_scripts_wait(stack):
    plain, user = stack.account(), scripted(stack, 'require ["fileinto", "mailbox"]; fileinto :create "Sorted";')
    mail = received(message("patient"), b"W1")
    for name in ("sieve-1", "sieve-2"):
        stack.kill(name)
    try:
        assert Raw(stack).begin([plain, user]).finish(mail, 2) == [250, 451]
    finally:
        for name in ("sieve-1", "sieve-2"):
            stack.start_again(name)
    wait_for("the next try", lambda: arrives(stack, [user], mail, "a@example.org"))
    assert len(mailbox(stack, user, "Sorted")) == 1 and inbox(stack, user) == [] and len(inbox(stack, plain)) == 1


@only("split")
def test_metadata_dies_between_decision_and_commit(stack):
    """The scripts have decided, the transaction waits for a lock: both services die, 451; the MTA's next try does everything once."""
    user = scripted(stack, '''require ["copy", "fileinto", "mailbox", "vacation"];
        fileinto :copy :create "Copies"; redirect :copy "crash@example.net"; vacation "Away.";''')
    mail = received(message("crash", to=user, sender="crash@example.org", Message_ID="<crash@example.org>"), b"C1")
    lock = subprocess.Popen(["/usr/lib/postgresql/17/bin/psql", "-XAtc", "SET client_connection_check_interval = 100; BEGIN; LOCK TABLE outbox IN EXCLUSIVE MODE; SELECT pg_sleep(60)"],
                            env=stack.postgres.env(stack.database), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    locks = "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE relation = 'outbox'::regclass " \
        f"AND datname = '{stack.database}' AND "
    held, blocked = locks + "granted AND mode = 'ExclusiveLock'", locks + "NOT granted AND mode = 'RowExclusiveLock'"
    wait_for("the lock", lambda: stack.postgres.query(held, stack.database) != [["0"]])
    raw = Raw(stack).begin([user], sender="crash@example.org")
    try:
        raw.socket.sendall(mail + b".\r\n")
        wait_for("the transaction at its lock", lambda: stack.postgres.query(blocked, stack.database) != [["0"]])
        for name in ("metadata-1", "metadata-2"):
            stack.kill(name)
        assert raw.reply()[0] == 451
    finally:
        lock.kill()
        for name in ("metadata-1", "metadata-2"):
            stack.start_again(name)
    with Sink(stack.smarthost_port) as sink:
        wait_for("the next try", lambda: arrives(stack, [user], mail, "crash@example.org"), 60)
        sink.wait(1, of=to("crash@example.net"))
        sink.wait(1, of=to("crash@example.org"))
        assert arrives(stack, [user], mail, "crash@example.org")
    assert len(inbox(stack, user)) == 1 and len(mailbox(stack, user, "Copies")) == 1
