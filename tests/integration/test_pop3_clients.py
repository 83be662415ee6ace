"""POP3 by the programs that people use: a maildrop is taken and kept, taken and removed, and taken while connections are cut at random places."""
import collections, contextlib, glob, hashlib, itertools, poplib, shutil, os, random, re, subprocess, tempfile

from harness.check import Skip, only
from harness.mail import lmtp, mails
from harness.processes import HOST
from harness.proxy import Proxies

from .test_pop3 import left, pop3, retrieve

MANY = int(os.environ.get("SORA_TEST_MAILS", "60"))     # `./dev test all` takes 1000
PATIENCE_S = 45 + MANY


def run(argv, home, env=None):
    """Its exit code is the program's own business: what counts is what it has, and what is left. Some ask the user when they are cut off."""
    with open(f"{home}/said", "ab") as said, contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, timeout=PATIENCE_S,
                       env={**os.environ, "HOME": home, "USER": "x", "TERM": "xterm", **(env or {})})


def keep(home, mail):
    with tempfile.NamedTemporaryFile(dir=home, prefix="got-", delete=False) as file:
        file.write(mail)


def write(path, text, mode=0o600):
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, mode)


def numbered(home):
    """A program for mail to be piped into, which gives each a file."""
    write(f"{home}/mda", f"#!/bin/sh\ncat >$(mktemp {home}/got-XXXXXXXX)\n", 0o755)


def poplib_takes(home, port, user, removes):
    client = pop3(Here(port), user)
    for number in range(1, client.stat()[0] + 1):
        keep(home, retrieve(client, number)[1])
        if removes:
            client.dele(number)
    client.quit()


def fetchmail_takes(home, port, user, removes):
    numbered(home)
    write(f"{home}/rc", f'set invisible\npoll {HOST} protocol pop3 port {port} uidl user "{user}" password "secret" mda "{home}/mda" sslproto "" '
                        f'no rewrite {"nokeep" if removes else "keep"} fetchall\n')
    run(["fetchmail", "-f", f"{home}/rc", "-N", "--nosyslog"], home, {"FETCHMAILHOME": home, "FETCHMAILUSER": "x"})


def getmail_takes(home, port, user, removes):
    numbered(home)
    write(f"{home}/getmailrc", f"[retriever]\ntype = SimplePOP3Retriever\nserver = {HOST}\nport = {port}\nusername = {user}\npassword = secret\n"
                               f"[destination]\ntype = MDA_external\npath = {home}/mda\nallow_root_commands = true\n"
                               f"[options]\ndelete = {str(removes).lower()}\nread_all = true\nverbose = 0\ndelivered_to = false\nreceived = false\n")
    # For each mail it asks the DNS for this host's name, which takes seconds where there is none. And its way to wait for who takes the mail
    # misses one that is done at once (6.19.07: the handler of the fork before runs, and knows no child).
    write(f"{home}/sitecustomize.py", "import os, socket\nfrom getmailcore.baseclasses import ForkingBase\n"
          "socket.getfqdn = lambda name='': 'localhost'\n"
          "ForkingBase._prepare_child = lambda self: None\n"
          "ForkingBase._wait_for_child = lambda self, pid: os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])\n")
    run(["getmail", f"--getmaildir={home}", f"--rcfile={home}/getmailrc"], home, {"PYTHONPATH": home})


def mpop_takes(home, port, user, removes):
    for name in ("cur", "new", "tmp"):
        os.makedirs(f"{home}/mail/{name}", exist_ok=True)
    write(f"{home}/rc", f"account default\nhost {HOST}\nport {port}\nuser {user}\npassword secret\nauth plain\ntls off\npipelining on\n"
                        f"uidls_file {home}/uidls\nkeep {'off' if removes else 'on'}\nreceived_header off\ndelivery maildir {home}/mail\n")
    run(["mpop", "-q", "-C", f"{home}/rc"], home)
    for path in glob.glob(f"{home}/mail/new/*"):
        os.rename(path, f"{home}/got-{os.path.basename(path)}")


def curl_takes(home, port, user, removes):
    """All by one connection; then those that are whole, and have only such before them, are removed by another."""
    url, sizes = f"pop3://{HOST}:{port}/", pop3(Here(port), user).list()[1]
    run(["curl", "-sS", "-u", f"{user}:secret", f"{url}[1-{len(sizes)}]", "-o", f"{home}/part-#1"], home)
    last = 0
    for number, line in enumerate(sizes, 1):
        part = f"{home}/part-{number}"
        if os.path.exists(part) and os.path.getsize(part) == int(line.split()[1]):
            os.rename(part, f"{home}/got-{random.random()}")
            last = number if last == number - 1 else last
    write(f"{home}/dele", "".join(f'{"next" if n > 1 else ""}\nuser = "{user}:secret"\nsilent\nlist-only\nrequest = "DELE {n}"\nurl = "{url}"\n'
                                  for n in range(1, last + 1)))
    if removes and last:
        run(["curl", "-K", f"{home}/dele"], home)


def mutt_takes(home, port, user, removes):
    write(f"{home}/rc", f'set ssl_starttls=no ssl_force_tls=no pop_user="{user}" pop_pass="secret" quit=yes delete=yes copy=no pop_delete=no\n'
                        f"set confirmcreate=no confirmappend=no mbox_type=mbox wait_key=no mark_old=no folder={home} record=\"\" pop_reconnect=no\n"
                        f'push "<tag-pattern>.<enter><tag-prefix><copy-message><kill-line>{home}/box<enter>'
                        f'{"<delete-pattern>.<enter><quit>" if removes else "<exit>"}"\n')
    run(["script", "-qec", f"stty rows 24 cols 80; mutt -n -F {home}/rc -f pop://{HOST}:{port}/", "/dev/null"], home)
    split_mbox(home)


def inc_takes(home, port, user, removes):
    os.makedirs(f"{home}/Mail/inbox", exist_ok=True)
    write(f"{home}/.mh_profile", f"Path: Mail\ncredentials: file:{home}/netrc\n")
    write(f"{home}/netrc", f"machine {HOST} login {user} password secret\n")
    run(["/usr/bin/mh/inc", "-host", HOST, "-port", str(port), "-user", user, "-truncate" if removes else "-notruncate"], home)
    for path in glob.glob(f"{home}/Mail/inbox/[0-9]*"):
        os.rename(path, f"{home}/got-{random.random()}")


class Here:
    """What pop3() wants of a stack."""

    def __init__(self, port):
        self.pop3 = [(HOST, port)]


def split_mbox(home):
    with open(f"{home}/box", "rb") as box:
        for mail in re.split(rb"(?m)^From \S+ .*\n", box.read())[1:]:
            keep(home, re.sub(rb"(?m)^>(>*From )", rb"\1", mail))
    os.remove(f"{home}/box")


def bytes_of(mail):
    return hashlib.sha256(mail.replace(b"\r\n", b"\n").rstrip(b"\n")).hexdigest()


def without_own_fields(mail):
    """mutt marks what it copies; an mbox has no place for the field that delivery put first."""
    head, mark, body = mail.replace(b"\r\n", b"\n").partition(b"\n\n")
    return bytes_of(re.sub(rb"(?m)^(Status|X-Status|Content-Length|Lines|Return-Path): .*\n", b"", head + b"\n") + mark + body)


def by_name(mail):
    """It writes mails anew, with the bytes of its own library."""
    return re.search(rb"(?im)^Message-ID:\s*(\S+)", mail)[1]


# name, program, how it takes the maildrop, by what its mails are known again; and how often it is cut off before it may come to its end.
# mutt's keys are pressed for it: it would remove what it could not copy, and waits for an answer when it is cut off.
Program = collections.namedtuple("Program", "name needs takes known cuts removes_when_cut", defaults=[6, True])
PROGRAMS = (
    Program("poplib", "python3", poplib_takes, bytes_of),
    Program("fetchmail", "fetchmail", fetchmail_takes, without_own_fields),
    Program("getmail", "getmail", getmail_takes, by_name),
    Program("mpop", "mpop", mpop_takes, bytes_of),
    Program("curl", "curl", curl_takes, bytes_of),
    Program("mutt", "mutt", mutt_takes, without_own_fields, 2, False),
    Program("inc", "/usr/bin/mh/inc", inc_takes, without_own_fields),
)


def fill(stack):
    user, client = stack.account(), lmtp(stack)
    for mail in mails(MANY, 41):
        assert client.sendmail("a@example.org", [user], mail, mail_options=["BODY=8BITMIME"]) == {}
    client.close()
    return user


def look(stack, user, known):
    """By unique-id: the mails of the maildrop, as they are; and its octets."""
    client = pop3(stack, user)
    uidls = [line.split()[1] for line in client.uidl()[1]]
    return {uidl: known(retrieve(client, number)[1]) for number, uidl in enumerate(uidls, 1)}, client.stat()[1]


def has(home, known):
    found = []
    for path in glob.glob(f"{home}/got-*"):
        with open(path, "rb") as file, contextlib.suppress(TypeError):          # a piece without a name
            found.append(known(file.read()))
    return found


def said(home):
    if not os.path.exists(f"{home}/said"):
        return ""
    with open(f"{home}/said", errors="replace") as file:
        return file.read()[-2000:]


def takes_all(stack, program):
    """Kept: each mail is there once, and stays. Removed, with cuts: each is whole with the client or still there, after every run."""
    if not shutil.which(program.needs):
        raise Skip(f"no {program.needs} here")
    user, choose, proxies = fill(stack), random.Random(program.name), Proxies()
    there, octets = look(stack, user, program.known)
    assert len(there) == len(set(there.values())) == MANY
    port = proxies.port("pop3", stack.pop3[0][1])
    try:
        with tempfile.TemporaryDirectory() as home:
            program.takes(home, port, user, False)
            got = has(home, program.known)
            assert sorted(got) == sorted(there.values()), (len(got), len(set(got) & set(there.values())), said(home))
            assert left(stack, user) == MANY
        with tempfile.TemporaryDirectory() as home:
            for n in itertools.count():
                proxies.set("pop3", *(["cut", choose.randrange(500, octets)] if n < program.cuts else ["pass"]))
                with contextlib.suppress(OSError, poplib.error_proto):
                    program.takes(home, port, user, program.removes_when_cut or n >= program.cuts)
                uidls = [line.split()[1] for line in pop3(stack, user).uidl()[1]]
                lost = set(there.values()) - set(has(home, program.known)) - {there[uidl] for uidl in uidls}
                assert not lost, f"run {n}: {len(lost)} mails are neither there nor whole with the client"
                if not uidls:
                    break
                assert n < program.cuts + 5, f"{len(uidls)} are not removed: {said(home)}"
    finally:
        proxies.stop()


def made_for(program):
    def test(stack):
        takes_all(stack, program)
    test.__name__ = f"test_{program.name}_keeps_and_removes_all_though_it_is_cut_off"
    return only("split")(test)


for each in PROGRAMS:
    globals()[f"test_{each.name}"] = made_for(each)
