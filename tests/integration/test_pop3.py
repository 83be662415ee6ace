"""POP3: the programs that speak nothing else, cut connections, other sessions on the same mailbox."""
import glob, mailbox, os, poplib, random, re, socket, ssl, tempfile, threading, time

from harness.check import needs, only
from harness.mail import deliver, imap, mails, message, ok, without_trace
from harness.processes import HOST, free_port, wait_for

from .test_clients import append_all, digest, maildir, run


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

    thread = threading.Thread(target=beside)
    thread.start()
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
        thread.join()
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


PROXY_V2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes([192, 0, 2, 1, 127, 0, 0, 1, 0, 1, 0, 110])


@only("split")
def test_proxies_that_are_trusted_say_who_the_client_is(stack):
    """By a PROXY header the one, by XCLIENT the other behind it, which then is the client, and no proxy."""
    name, listen, ops = "pop3-proxied", free_port(), free_port()
    stack.ops[name] = ops
    stack.add(name, "sora-pop3", stack.config(name, **{
        **stack.bus("pop3"), "pop3.listen": [f"{HOST}:{listen}"], "pop3.tls_listen": [], "ops.listen": [f"{HOST}:{ops}"],
        "pop3.plain_login": False, "net.proxy_from": ["127.0.0.0/8"], "pop3.xclient_from": ["192.0.2.0/24"]}))
    process, user = stack.processes[name].start(), stack.account()
    try:
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
    finally:
        assert process.stop() == 0
        del stack.ops[name]
    with open(process.log) as log:
        assert re.search(r"event=net\.closed .*peer=198\.51\.100\.7 ", log.read())


# -- the programs that people use

@only("all")
@needs("fetchmail")
def test_fetchmail_keeps_and_then_takes_1000(stack):
    user, sent = filled(stack, 1000, 41)
    host, port = stack.pop3[0]
    with tempfile.TemporaryDirectory() as home:
        os.chmod(home, 0o700)
        with open(f"{home}/mda", "w") as mda:
            mda.write(f"#!/bin/sh\ncat >>{home}/box && printf '\\0\\n' >>{home}/box\n")
        os.chmod(f"{home}/mda", 0o755)
        with open(f"{home}/rc", "w") as rc:
            rc.write(f'poll {host} protocol pop3 port {port} uidl user "{user}" password "secret" mda "{home}/mda" sslproto "" nokeep\n')
        os.chmod(f"{home}/rc", 0o600)
        env = {"HOME": home, "FETCHMAILHOME": home}
        run(["fetchmail", "-f", f"{home}/rc", "--keep", "-s"], env=env)
        assert left(stack, user) == 1000
        run(["fetchmail", "-f", f"{home}/rc", "--keep", "-s"], env=env, codes=(1,))     # all seen by their unique-ids
        run(["fetchmail", "-f", f"{home}/rc", "--all", "-s"], env=env)
        with open(f"{home}/box", "rb") as box:
            got = box.read().split(b"\0\n")[:-1]
    assert len(got) == 2000 and left(stack, user) == 0


@needs("curl")
def test_curl_lists_and_reads(stack):
    user, sent = filled(stack, 3, 42)
    host, port = stack.pop3[0]
    url = f"pop3://{host}:{port}/"
    assert run(["curl", "-s", "-u", f"{user}:secret", url]).split()[::2] == [b"1", b"2", b"3"]
    assert run(["curl", "-s", "-u", f"{user}:secret", url + "2"]) == sent[1]
    assert run(["curl", "-s", "-u", f"{user}:secret", "-X", "DELE 1", "-l", url + "1"], codes=(0, 8, 56)) is not None


@only("all")
@needs("getmail")
def test_getmail_takes_all(stack):
    user, sent = filled(stack, 20, 43)
    host, port = stack.pop3[0]
    with tempfile.TemporaryDirectory() as home:
        with open(f"{home}/mda", "w") as mda:
            mda.write(f"#!/bin/sh\ncat >$(mktemp {home}/mail-XXXXXX)\n")
        os.chmod(f"{home}/mda", 0o755)
        with open(f"{home}/getmailrc", "w") as rc:
            rc.write(f"[retriever]\ntype = SimplePOP3Retriever\nserver = {host}\nport = {port}\nusername = {user}\npassword = secret\n"
                     f"[destination]\ntype = MDA_external\npath = {home}/mda\nallow_root_commands = true\n"
                     "[options]\ndelete = true\nverbose = 0\ndelivered_to = false\nreceived = false\n")
        # It asks the DNS for this host's name, for each mail.
        run(["getmail", f"--getmaildir={home}", f"--rcfile={home}/getmailrc"], stdin=b"",
            env={"HOME": home, "RES_OPTIONS": "timeout:1 attempts:1"})
        got = [open(path, "rb").read() for path in glob.glob(f"{home}/mail-*")]
        # It writes mails anew, with the bytes of its own library: each is there, once.
        names = [sorted(re.search(rb"(?im)^Message-ID: *(\S+)", mail)[1] for mail in some) for some in (got, sent)]
        assert names[0] == names[1], len(got)
    assert left(stack, user) == 0


@only("all")
@needs("mpop")
def test_mpop_takes_1000_with_pipelining(stack):
    user, sent = filled(stack, 1000, 44)
    host, port = stack.pop3[0]
    with tempfile.TemporaryDirectory() as home:
        for name in ("cur", "new", "tmp"):
            os.makedirs(f"{home}/mail/{name}")
        with open(f"{home}/rc", "w") as rc:
            rc.write(f"account default\nhost {host}\nport {port}\nuser {user}\npassword secret\nauth plain\ntls off\npipelining on\n"
                     f"uidls_file {home}/uidls\nkeep off\nreceived_header off\ndelivery maildir {home}/mail\n")
        os.chmod(f"{home}/rc", 0o600)
        run(["mpop", "-q", "-C", f"{home}/rc"], env={"HOME": home})
        assert maildir(f"{home}/mail") == sorted(digest(mail) for mail in sent)
    assert left(stack, user) == 0


@needs("mutt", "script")
def test_mutt_reads_a_maildrop(stack):
    user = stack.account()
    deliver(stack, [user], message("for mutt by pop", "Read me by POP3.\r\n"))
    host, port = stack.pop3[0]
    with tempfile.TemporaryDirectory() as home:
        with open(f"{home}/rc", "w") as rc:
            rc.write(f'set ssl_starttls=no ssl_force_tls=no pop_user="{user}" pop_pass="secret" quit=yes delete=no copy=no pop_delete=no\n'
                     f"set confirmcreate=no confirmappend=no mbox_type=mbox wait_key=no mark_old=no folder={home} record=\"\"\n"
                     f'push "<first-entry><copy-message><kill-line>{home}/out<enter><exit>"\n')
        run(["script", "-qec", f"stty rows 24 cols 80; mutt -n -F {home}/rc -f pop://{host}:{port}/", "/dev/null"],
            env={"HOME": home, "TERM": "xterm"}, timeout=60)
        with open(f"{home}/out", "rb") as out:
            assert b"Read me by POP3." in out.read()


INC = "/usr/bin/mh/inc"


@only("all")
@needs(INC)
def test_inc_of_nmh_takes_all(stack):
    user, sent = filled(stack, 100, 45)
    host, port = stack.pop3[0]
    with tempfile.TemporaryDirectory() as home:
        os.makedirs(f"{home}/Mail/inbox")
        with open(f"{home}/.mh_profile", "w") as profile:
            profile.write(f"Path: Mail\ncredentials: file:{home}/netrc\n")
        with open(f"{home}/netrc", "w") as netrc:
            netrc.write(f"machine {host} login {user} password secret\n")
        os.chmod(f"{home}/netrc", 0o600)
        run([INC, "-host", host, "-port", str(port), "-user", user, "-truncate"], env={"HOME": home, "USER": "x"})
        got = sorted(digest(open(path, "rb").read()) for path in glob.glob(f"{home}/Mail/inbox/[0-9]*"))
        assert got == sorted(digest(mail) for mail in sent)
    assert left(stack, user) == 0
