"""Several sessions on one mailbox, over different replicas: what one does, the others hear of, once and in order."""
import re

from harness.mail import deliver, imap, mails, message, ok
from harness.processes import wait_for
from harness.threads import Threads


def untagged(client, command):
    """The lines before the tagged OK."""
    tag = client._new_tag()
    client.send(tag + b" " + command.encode() + b"\r\n")
    lines = []
    while not (line := client.readline()).startswith(tag):
        assert line, "closed"
        lines.append(line.decode("latin-1").rstrip("\r\n"))
    assert line.split()[1] == b"OK", line
    return lines


def test_flags_and_expunges_are_heard_by_the_other_session(stack):
    user = stack.account()
    a, b = imap(stack, user, replica=0), imap(stack, user, replica=1)
    for mail in mails(5, 3):
        ok(a.append("INBOX", None, None, mail))
    ok(a.select("INBOX")), ok(b.select("INBOX"))
    ok(a.store("2", "+FLAGS", r"(\Flagged project)"))
    heard = []
    wait_for("the flag", lambda: heard.extend(untagged(b, "NOOP")) or any("FETCH" in line for line in heard), 10)
    assert any(re.match(r"\* FLAGS \(.*project.*\)", line) for line in heard), heard
    assert any(line.startswith("* 2 FETCH") and r"\Flagged" in line and "project" in line for line in heard), heard
    ok(a.store("1,3", "+FLAGS.SILENT", r"(\Deleted)"))
    ok(a.expunge())
    heard = []
    wait_for("the expunges", lambda: heard.extend(untagged(b, "NOOP")) or sum("EXPUNGE" in line for line in heard) == 2, 10)
    held = 5
    for line in heard:
        if m := re.match(r"\* (\d+) EXPUNGE", line):
            assert 1 <= int(m[1]) <= held
            held -= 1
    assert ok(a.search(None, "ALL")) == ok(b.search(None, "ALL")) == [b"1 2 3"]
    assert untagged(a, "NOOP") == [] and untagged(b, "NOOP") == []


def test_a_poll_asks_the_database_nothing(stack):
    """A view knows whether anything has changed: NOOP makes no call, and STATUS, which has to, is counted."""
    user = stack.account()
    clients = [imap(stack, user, replica=n, select="INBOX") for n in range(4)]

    def served(command, times):
        before = stack.metric("metadata", "sora_bus_served_total")
        for _ in range(times):
            for client in clients:
                ok(command(client))
        return stack.metric("metadata", "sora_bus_served_total") - before

    assert served(lambda c: c.noop(), 100) < 40
    assert served(lambda c: c.status("Trash", "(MESSAGES)"), 25) >= 100


def test_two_sessions_storing_at_once_agree_in_the_end(stack):
    """Each sets and clears a flag of its own on all mails; both end with the same view, which is the database's: what each did last."""
    user = stack.account()
    a, b = imap(stack, user, replica=0), imap(stack, user, replica=1)
    for mail in mails(20, 4):
        ok(a.append("INBOX", None, None, mail))
    ok(a.select("INBOX")), ok(b.select("INBOX"))
    stores = [(i % 20 + 1, "+FLAGS" if i % 3 else "-FLAGS") for i in range(30)]

    def work(client, flag):
        for first, mode in stores:
            ok(client.store(f"{first}:*", mode, f"({flag})"))

    Threads(work, ((a, r"\Flagged"), (b, r"\Answered"))).join()
    last = {number: [mode for first, mode in stores if first <= number][-1] for number in range(1, 21)}
    want = {number: [rb"\Answered", rb"\Flagged"] if mode == "+FLAGS" else [] for number, mode in last.items()}

    def flags(client):
        return {int(line.split()[0]): sorted(x for x in re.search(rb"FLAGS \((.*?)\)", line)[1].split() if x != rb"\Recent")
                for line in ok(client.fetch("1:*", "(FLAGS)"))}
    wait_for("what each did last", lambda: flags(a) == flags(b) == flags(imap(stack, user, select="INBOX")) == want, 20)


def test_two_sessions_moving_the_same_mails_lose_and_double_none(stack):
    user = stack.account()
    a, b = imap(stack, user, replica=0), imap(stack, user, replica=1)
    for mail in mails(40, 5):
        ok(a.append("INBOX", None, None, mail))
    for box in ("X", "Y"):
        ok(a.create(box))
    ok(a.select("INBOX")), ok(b.select("INBOX"))
    uids = ok(a.uid("SEARCH", "ALL"))[0].split()
    Threads(lambda client, box: [client.uid("MOVE", uid.decode(), box) for uid in uids], ((a, "X"), (b, "Y"))).join()
    c = imap(stack, user)
    counts = [int(re.search(rb"MESSAGES (\d+)", ok(c.status(box, "(MESSAGES)"))[0])[1]) for box in ("INBOX", "X", "Y")]
    assert counts[0] == 0 and sum(counts) == 40, counts


def test_idle_hears_of_a_delivery_at_another_replica(stack):
    user = stack.account()
    client = imap(stack, user, select="INBOX", replica=1)
    client.send(b"i IDLE\r\n")
    assert client.readline().startswith(b"+")
    for n in range(1, 6):
        assert deliver(stack, [user], message(f"number {n}"), replica=n) == {}
        client.sock.settimeout(10)
        while (line := client.readline()) != b"* %d EXISTS\r\n" % n:
            assert line and not line.startswith(b"i "), line
    client.send(b"DONE\r\n")
    while not (line := client.readline()).startswith(b"i OK"):
        assert line


def test_a_changed_password_and_a_disabled_account_end_the_login(stack):
    user = stack.account()
    imap(stack, user).logout()
    stack.admin("update-account", "--email", user, "--password", "other")
    client = imap(stack, user, password="other")
    try:
        imap(stack, user)
    except client.error:
        pass
    else:
        raise AssertionError("the old password still works")
    stack.admin("update-account", "--email", user, "--disable")
    try:
        imap(stack, user, password="other")
    except client.error:
        pass
    else:
        raise AssertionError("a disabled account can log in")
    assert deliver(stack, [user], message())[user][0] // 100 == 5
    stack.admin("update-account", "--email", user, "--enable")
    imap(stack, user, password="other").logout()
    assert deliver(stack, [user], message()) == {}
