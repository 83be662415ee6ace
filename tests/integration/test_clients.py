"""The mail programs that people use, against the real thing: bytes and flags compared."""
import hashlib, mailbox, os, re, subprocess, tempfile

from harness.check import long, needs
from harness.mail import bodies, deliver, imap, lmtp, mails, message, ok, without_trace


def run(argv, stdin=None, env=None, timeout=150, codes=(0,)):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout, input=stdin, env={**os.environ, **(env or {})})
    assert done.returncode in codes, f"{' '.join(argv)}: {done.returncode}\n{done.stdout.decode(errors='replace')[-3000:]}"
    return done.stdout


def digest(data):
    """Of a mail as a Maildir keeps it: LF line ends, without what mbsync adds."""
    data = re.sub(rb"X-TUID: [^\n]*\n", b"", data.replace(b"\r\n", b"\n"))
    return hashlib.sha256(data).hexdigest()


def maildir(path):
    return sorted(digest(open(f"{path}/{d}/{f}", "rb").read()) for d in ("cur", "new") for f in os.listdir(f"{path}/{d}"))


def append_all(client, box, count, seed):
    sent = []
    for i, mail in enumerate(mails(count, seed)):
        ok(client.append(box, r"(\Seen)" if i % 2 else None, None, mail))
        sent.append(mail)
    return sent


@long
@needs("mbsync")
def test_mbsync_both_ways_with_1000_mails(stack):
    """500 mails down, 500 up; flags both ways; a second run finds nothing to do."""
    user = stack.account()
    client = imap(stack, user, replica=1)
    down = append_all(client, "INBOX", 500, 11)
    with tempfile.TemporaryDirectory() as home:
        host, port = stack.imap[0]
        with open(f"{home}/rc", "w") as rc:
            rc.write(f"IMAPAccount s\nHost {host}\nPort {port}\nUser {user}\nPass secret\nAuthMechs LOGIN\n{tls_off()}\n\nIMAPStore far\nAccount s\n\n"
                     f"MaildirStore near\nPath {home}/mail/\nInbox {home}/mail/INBOX\nSubFolders Verbatim\n\n"
                     f"Channel c\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nExpunge Both\nSyncState *\n")
        os.makedirs(f"{home}/mail")
        run(["mbsync", "-q", "-c", f"{home}/rc", "c"], env={"HOME": home})
        assert maildir(f"{home}/mail/INBOX") == sorted(digest(m) for m in down)
        box = mailbox.Maildir(f"{home}/mail/INBOX", create=False)
        seen = sum("S" in m.get_flags() for m in box)
        assert seen == 250, seen
        up = list(mails(500, 12))
        for i, mail in enumerate(up):
            m = mailbox.MaildirMessage(mail.replace(b"\r\n", b"\n"))
            if i % 5 == 0:
                m.set_flags("FS")
            box.add(m)
        run(["mbsync", "-q", "-c", f"{home}/rc", "c"], env={"HOME": home})
        ok(client.select("INBOX"))
        assert sorted(digest(m) for m in bodies(client).values()) == sorted(digest(m) for m in down + up)
        assert len(ok(client.search(None, "FLAGGED"))[0].split()) == 100
        ok(client.store("1:10", "+FLAGS.SILENT", r"(\Answered)"))
        ok(client.store("11:20", "+FLAGS.SILENT", r"(\Deleted)"))
        ok(client.expunge())
        run(["mbsync", "-q", "-c", f"{home}/rc", "c"], env={"HOME": home})
        box = mailbox.Maildir(f"{home}/mail/INBOX", create=False)
        assert len(box) == 990 and sum("R" in m.get_flags() for m in box) == 10
        before = maildir(f"{home}/mail/INBOX")
        run(["mbsync", "-q", "-c", f"{home}/rc", "c"], env={"HOME": home})
        assert maildir(f"{home}/mail/INBOX") == before
    client.logout()


def tls_off():
    """mbsync renamed the setting in 1.5."""
    version = re.search(rb"\d+\.(\d+)", run(["mbsync", "--version"]))
    return "TLSType None" if int(version[1]) >= 5 else "SSLType None"


@needs("offlineimap")
def test_offlineimap_fetches_every_folder(stack):
    user = stack.account()
    client = imap(stack, user)
    sent = append_all(client, "INBOX", 30, 13)
    ok(client.create("Work/Projects"))
    ok(client.append("Work/Projects", None, None, sent[3]))
    with tempfile.TemporaryDirectory() as home:
        host, port = stack.imap[0]
        with open(f"{home}/rc", "w") as rc:
            rc.write(f"[general]\naccounts = a\nui = quiet\nmetadata = {home}/meta\n[Account a]\nlocalrepository = l\nremoterepository = r\n"
                     f"[Repository l]\ntype = Maildir\nlocalfolders = {home}/mail\nsep = .\n"
                     f"[Repository r]\ntype = IMAP\nremotehost = {host}\nremoteport = {port}\nremoteuser = {user}\nremotepass = secret\n"
                     "ssl = no\nstarttls = no\n")
        run(["offlineimap", "-c", f"{home}/rc", "-o"], env={"HOME": home})
        got = [open(f"{home}/mail/INBOX/{d}/{f}", "rb").read() for d in ("cur", "new") for f in os.listdir(f"{home}/mail/INBOX/{d}")]
        strip = lambda m: digest(re.sub(rb"X-OfflineIMAP: [^\n]*\n", b"", m.replace(b"\r\n", b"\n")))  # noqa: E731
        assert len(got) == 30
        assert os.path.isdir(f"{home}/mail/Work.Projects"), os.listdir(f"{home}/mail")
        assert len(set(map(strip, got)) - set(map(strip, sent))) == 0
    client.logout()


@needs("mutt")
def test_mutt_reads_a_mailbox(stack):
    user = stack.account()
    deliver(stack, [user], message("for mutt", "Read me with mutt.\r\n"))
    host, port = stack.imap[0]
    with tempfile.TemporaryDirectory() as home:
        url = f"imap://{host}:{port}/INBOX"
        with open(f"{home}/rc", "w") as rc:
            rc.write(f'set ssl_starttls=no ssl_force_tls=no imap_user="{user}" imap_pass="secret" quit=yes delete=no copy=no\n'
                     f"set confirmcreate=no confirmappend=no mbox_type=mbox wait_key=no mark_old=no folder={home} record=\"\"\n"
                     f'push "<first-entry><copy-message><kill-line>{home}/out<enter><exit>"\n')
        run(["script", "-qec", f"stty rows 24 cols 80; mutt -n -F {home}/rc -f {url}", "/dev/null"], env={"HOME": home, "TERM": "xterm"}, timeout=60)
        assert b"Read me with mutt." in open(f"{home}/out", "rb").read()


@needs("curl")
def test_curl_lists_fetches_and_appends(stack):
    user = stack.account()
    sent = message("for curl", "One\r\n.\r\n..two\r\n")
    assert not deliver(stack, [user], sent)
    host, port = stack.imap[0]
    auth = ["curl", "-sS", "-u", f"{user}:secret"]
    url = f"imap://{host}:{port}/"
    assert b"INBOX" in run([*auth, url])
    got = run([*auth, url + "INBOX;MAILINDEX=1"])
    assert got.endswith(without_trace(sent)), got
    upload = message("by curl", "uploaded\r\n")
    with tempfile.NamedTemporaryFile() as file:
        file.write(upload)
        file.flush()
        run([*auth, "-T", file.name, url + "INBOX"])
    assert run([*auth, url + "INBOX;MAILINDEX=2"]) == upload
    host, port = stack.imaps[0]
    tls = ["--cacert", f"{stack.directory}/cert.pem", "--resolve", f"sora.test:{port}:{host}"]
    assert b"INBOX" in run([*auth, *tls, f"imaps://sora.test:{port}/"])
    host, port = stack.imap[0]
    tls = ["--cacert", f"{stack.directory}/cert.pem", "--ssl-reqd", "--resolve", f"sora.test:{port}:{host}"]
    assert b"INBOX" in run([*auth, *tls, f"imap://sora.test:{port}/"])


@needs("fetchmail")
def test_fetchmail_takes_and_removes(stack):
    user, target = stack.account(), stack.account()
    for i in range(3):
        deliver(stack, [user], message(f"fetch {i}"))
    host, port = stack.imap[0]
    lhost, lport = stack.lmtp[0]
    with tempfile.TemporaryDirectory() as home:
        rc = f"{home}/rc"
        with open(rc, "w") as out:
            out.write(f'poll {host} service {port} protocol imap user "{user}" password "secret" is "{target}" here\n'
                      f"  smtphost {lhost}/{lport} lmtp smtpname {target} sslproto ''\n")
        os.chmod(rc, 0o600)
        run(["fetchmail", "-f", rc, "--nosyslog", "-N", "-i", f"{home}/ids", "--pidfile", f"{home}/pid"],
            env={"HOME": home, "FETCHMAIL_DISABLE_CBC_IV_COUNTERMEASURE": "1", "FETCHMAILUSER": "root"}, codes=(0,))
    client = imap(stack, target, select="INBOX")
    assert len(ok(client.search(None, "ALL"))[0].split()) == 3
    client = imap(stack, user, select="INBOX")
    assert ok(client.search(None, "ALL")) == [b""]


@needs("swaks")
def test_swaks_delivers_by_lmtp(stack):
    user = stack.account()
    host, port = stack.lmtp[-1]
    out = run(["swaks", "--protocol", "LMTP", "--server", host, "--port", str(port), "--to", user, "--from", "a@example.org",
               "--header", "Subject: by swaks", "--body", "swaks was here"])
    assert b"250 2.0.0" in out, out
    client = imap(stack, user, select="INBOX")
    assert ok(client.search(None, "SUBJECT", "swaks")) == [b"1"]


@needs("smtp-source")
def test_smtp_source_delivers_500_in_parallel(stack):
    """Postfix's generator, 8 sessions: every mail is there, once."""
    user = stack.account()
    host, port = stack.lmtp[0]
    run(["smtp-source", "-L", "-s", "8", "-m", "500", "-l", "4000", "-f", "a@example.org", "-t", user, f"{host}:{port}"])
    client = imap(stack, user, select="INBOX", replica=1)
    assert len(ok(client.search(None, "ALL"))[0].split()) == 500
    assert ok(client.status("INBOX", "(MESSAGES UIDNEXT)")) is not None


def test_python_libraries_deliver_and_read_the_same_bytes(stack):
    """Many kinds of mail by smtplib.LMTP, read by imaplib: what was sent is what is there."""
    user = stack.account()
    sent = list(mails(60, 14))
    client = lmtp(stack)
    for mail in sent:
        assert client.sendmail("a@example.org", [user], mail, mail_options=["BODY=8BITMIME"]) == {}
    client.quit()
    reader = imap(stack, user, select="INBOX", replica=1)
    got = [body for _, body in sorted(bodies(reader).items())]
    assert len(got) == len(sent)
    for expected, body in zip(sent, got):
        assert body.endswith(expected), (expected[:300], body[:300])
    sizes = [int(re.search(rb"RFC822.SIZE (\d+)", line)[1]) for line in ok(reader.fetch("1:*", "(RFC822.SIZE)"))]
    assert sizes == [len(body) for body in got]
