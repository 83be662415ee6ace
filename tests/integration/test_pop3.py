"""POP3: the programs that speak nothing else, cut connections, other sessions on the same mailbox."""
import poplib, random, re, socket, ssl, threading, time

from harness.check import long, only
from harness.mail import imap, ok
from harness.processes import HOST, free_port, wait_for
from harness.proxy import PROXY_V2
from harness.threads import Threads

from .test_clients import append_all


def pop3(stack, user, replica=0, password="secret"):
    client = poplib.POP3(*stack.pop3[replica % len(stack.pop3)], timeout=60)
    client.user(user)
    client.pass_(password)
    return client


def retrieve(client, number):
    """Exactly the bytes of a message, as they were before the dots."""
    client._putcmd(f"RETR {number}")
    first = client._getresp()
    data = b""
    while (line := client.file.readline()) != b".\r\n":
        assert line, "closed"
        data += line[1:] if line.startswith(b".") else line
    return first, data


def filled(stack, count, seed):
    user = stack.account()
    client = imap(stack, user)
    sent = append_all(client, "INBOX", count, seed)
    client.logout()
    return user, sent


def left(stack, user):
    client = imap(stack, user, select="INBOX")
    return len(ok(client.search(None, "ALL"))[0].split())


@long
def test_1000_mails_byte_for_byte_and_all_deleted(stack):
    user, sent = filled(stack, 1000, 31)
    client = pop3(stack, user, replica=1)
    count, octets = client.stat()
    assert (count, octets) == (1000, sum(map(len, sent)))
    sizes = [int(line.split()[1]) for line in client.list()[1]]
    assert sizes == [len(mail) for mail in sent]
    uidls = [line.split()[1] for line in client.uidl()[1]]
    assert len(set(uidls)) == 1000
    for number, mail in enumerate(sent, 1):
        first, data = retrieve(client, number)
        assert data == mail + b"\r\n" * (not mail.endswith(b"\r\n")), number
        assert first == b"+OK %d octets" % len(mail), first
        client.dele(number)
    client.quit()
    assert left(stack, user) == 0


def test_a_connection_that_is_cut_deletes_nothing(stack):
    """Cut at random places of a session that deletes: everything is still there, until one comes to its QUIT."""
    user, sent = filled(stack, 20, 32)
    choose = random.Random(32)
    for _ in range(15):
        client = pop3(stack, user, replica=choose.randrange(2))
        for number in range(1, choose.randrange(2, 20)):
            if choose.random() < 0.5:
                retrieve(client, number)
            client.dele(number)
        client.sock.sendall(choose.choice([b"", b"QUI", b"RETR 20\r\n", b"DELE 20\r\nQUIT"]))
        client.sock.shutdown(socket.SHUT_RDWR)
        client.close()
        assert left(stack, user) == 20
    client = pop3(stack, user)
    client.dele(3)
    client.quit()
    assert left(stack, user) == 19


def test_imap_sees_the_deletion_at_once(stack):
    user, _ = filled(stack, 3, 33)
    watching = imap(stack, user, replica=1, select="INBOX")
    watching.send(b"x IDLE\r\n")
    assert watching.readline().startswith(b"+")
    client = pop3(stack, user)
    client.dele(2)
    client.quit()
    watching.sock.settimeout(20)
    assert watching.readline() == b"* 2 EXPUNGE\r\n"
    watching.send(b"DONE\r\n")


def test_what_is_read_ahead_is_never_another_mail_and_not_kept_after_a_deletion(stack):
    user, sent = filled(stack, 8, 37)
    client, other = pop3(stack, user), imap(stack, user, replica=1, select="INBOX")
    got = [retrieve(client, number)[1] for number in (1, 2, 3)]     # by now 4 and those behind it are on their way
    ok(other.uid("STORE", "4,6", "+FLAGS.SILENT", r"(\Deleted)"))
    ok(other.expunge())

    def is_gone():
        try:
            retrieve(client, 4)
        except poplib.error_proto as error:
            return b"deleted" in error.args[0]
    wait_for("an expunged mail is refused", is_gone, 5)
    got += [retrieve(client, number)[1] for number in (5, 7, 8)]
    assert [data.rstrip() for data in got] == [sent[place].rstrip() for place in (0, 1, 2, 4, 6, 7)]


def test_uidls_of_another_server_are_kept(stack):
    """As after a migration: each message has the unique-id that clients know, and no other."""
    user, _ = filled(stack, 4, 34)
    done = stack.admin("uidl", "import", user, stdin="1 old-one\n3 ~!@#\n")
    assert done.stdout == "2 unique-ids set\n", done
    uidls = dict(line.split() for line in pop3(stack, user).uidl()[1])
    assert uidls[b"1"] == b"old-one" and uidls[b"3"] == b"~!@#" and re.fullmatch(rb"[0-9a-f]{16}", uidls[b"2"]), uidls
    client = pop3(stack, user, replica=1)
    client.dele(1)
    client.quit()
    assert pop3(stack, user).uidl(2) == b"+OK 2 ~!@#"
    assert stack.admin("uidl", "import", user, stdin="1 again\n", check=False).returncode == 3      # no message
    assert stack.admin("uidl", "import", user, stdin="2 ~!@#\n", check=False).returncode == 4       # another's
    made = pop3(stack, user).uidl(1).split()[-1].decode()                                           # of UIDVALIDITY and UID 2
    assert stack.admin("uidl", "import", user, stdin=f"4 {made}\n", check=False).returncode == 4
    assert stack.admin("uidl", "import", user, stdin=f"4 {made[:8]}000000ff\n", check=False).returncode == 4, "one that is to come"
    assert stack.admin("uidl", "import", user, stdin=f"2 {made}\n").stdout == "1 unique-ids set\n"
    assert stack.admin("uidl", "import", user, stdin="2 two words\n", check=False).returncode == 2
    assert stack.admin("uidl", "import", user, stdin=f"2 {'x' * 71}\n", check=False).returncode == 2
    assert stack.admin("uidl", "import", user, "--mailbox", "None", stdin="2 x\n", check=False).returncode == 3


def test_100000_mails_are_numbers_until_they_are_asked_for(stack):
    """Login, STAT and UIDL of a large maildrop; another user's session goes on meanwhile."""
    user, _ = filled(stack, 1, 35)
    stack.postgres.query(f"""
        CREATE TEMP TABLE box AS SELECT e.account, e.mailbox FROM entries e JOIN addresses a USING (account) WHERE a.address = '{user}';
        INSERT INTO entries SELECT e.account, 1 + g, e.message, e.modseq, e.size, e.date, e.saved_ms, e.mailbox, e.flags, e.keywords
            FROM entries e JOIN box USING (account, mailbox), generate_series(1, 99999) g;
        UPDATE mailbox_state s SET uidnext = 100001, messages = 100000, unseen = 100000, bytes = s.bytes * 100000 FROM box
            WHERE box.account = s.account AND box.mailbox = s.mailbox""", stack.database)
    other = imap(stack, stack.account(), select="INBOX")
    stop, waits = threading.Event(), []

    def beside():
        while not stop.is_set():
            begin = time.monotonic()
            ok(other.noop())
            waits.append(time.monotonic() - begin)

    threads = Threads(beside, [()])
    try:
        client = pop3(stack, user)
        assert client.stat()[0] == 100000
        uidls = client.uidl()[1]
        assert len(uidls) == len(set(line.split()[1] for line in uidls)) == 100000
        assert client.list(100000).split()[:2] == [b"+OK", b"100000"]
        client.dele(100000)
        client.quit()
    finally:
        stop.set()
        threads.join()
    assert max(waits) < 5, max(waits)
    assert pop3(stack, user).stat()[0] == 99999


@only("split")
def test_a_failure_at_quit_is_told_and_all_or_nothing_was_deleted(stack):
    user, _ = filled(stack, 3, 36)
    client = pop3(stack, user)
    client.dele(1)
    client.dele(2)
    stack.postgres.signal(19)
    try:
        client.sock.settimeout(60)
        client._putcmd("QUIT")
        answer = client.file.readline()
    finally:
        stack.postgres.signal(18)
    assert answer.startswith(b"-ERR [SYS/TEMP] 2 messages may still be there"), answer

    def is_settled():
        return left(stack, user) in (1, 3)
    wait_for("all or nothing", is_settled, 30)


def test_a_body_that_is_too_short_is_never_ended_as_if_it_were_whole(stack):
    user, _ = filled(stack, 1, 37)
    stack.postgres.query("UPDATE messages SET blob_size = blob_size + 100 WHERE account = "
                         f"(SELECT account FROM addresses WHERE address = '{user}')", stack.database)
    for command in ("RETR 1", "TOP 1 1000000"):
        client = pop3(stack, user)
        client._putcmd(command)
        data = client.file.read()
        assert data.startswith(b"+OK ") and not data.endswith(b"\r\n.\r\n"), (command, data[-80:])


def test_login_before_and_under_tls(stack):
    user, sent = filled(stack, 2, 37)
    context = ssl._create_unverified_context()
    one = poplib.POP3_SSL(*stack.pop3s[0], context=context, timeout=60)
    two = poplib.POP3(*stack.pop3[0], timeout=60)
    assert "STLS" in two.capa()
    two.stls(context)
    for client in (one, two):
        assert "STLS" not in client.capa()
        client.user(user)
        client.pass_("secret")
        assert client.stat()[0] == 2
        client.quit()


@only("split")
def test_proxies_that_are_trusted_say_who_the_client_is(stack):
    """By a PROXY header the one, by XCLIENT the other behind it, which then is the client, and no proxy."""
    listen, user = free_port(), stack.account()
    with stack.beside("pop3-proxied", "sora-pop3", {
            **stack.bus("pop3"), "pop3.listen": [f"{HOST}:{listen}"], "pop3.tls_listen": [], "pop3.plain_login": False,
            "net.proxy_from": ["127.0.0.0/8"], "pop3.xclient_from": ["192.0.2.0/24"]}) as process:
        with socket.create_connection((HOST, listen), timeout=60) as s:
            s.sendall(PROXY_V2)
            file = s.makefile("rb")
            assert file.readline() == b"+OK [XCLIENT] sora.test POP3 Sora\r\n"

            def ask(line):
                s.sendall(line + b"\r\n")
                return file.readline()

            assert ask(b"CAPA") == b"+OK capabilities follow\r\n"
            assert b"XCLIENT ADDR\r\n" in list(iter(file.readline, b".\r\n"))
            assert ask(b"XCLIENT ADDR=nobody").startswith(b"-ERR ")
            assert ask(b"XCLIENT ADDR=198.51.100.7 PORT=4711") == b"+OK hello, 198.51.100.7\r\n"
            assert ask(b"XCLIENT ADDR=192.0.2.1") == b"-ERR [SYS/PERM] permission denied\r\n"
            assert ask(b"USER " + user.encode()).startswith(b"-ERR [SYS/PERM] not without TLS"), "the password would be read on its way"
            assert ask(b"CAPA").startswith(b"+OK")
            assert not [line for line in iter(file.readline, b".\r\n") if line.startswith(b"XCLIENT")]
            assert ask(b"STLS").startswith(b"+OK")
            with ssl._create_unverified_context().wrap_socket(s, server_hostname="sora.test") as tls:
                file = tls.makefile("rb")
                for line in (f"USER {user}", "PASS secret", "QUIT"):
                    tls.sendall(f"{line}\r\n".encode())
                    assert file.readline().startswith(b"+OK"), line
    with open(process.log) as log:
        assert re.search(r"event=net\.closed .*peer=198\.51\.100\.7 ", log.read())
