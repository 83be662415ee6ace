"""What it costs: idle sessions, large mails."""
import hashlib, random, re, socket, urllib.request

from harness.check import long, only
from harness.mail import imap, lmtp, message, ok
from harness.processes import HOST, wait_for


def pool(stack, name):
    """The threads of a process that run sessions, as it says itself."""
    with urllib.request.urlopen(f"http://{HOST}:{stack.ops[name]}/metrics", timeout=10) as answer:
        return int(re.search(rb"^sora_net_threads (\d+)", answer.read(), re.M)[1])


@only("split")
def test_2000_idle_sessions_add_no_thread(stack):
    """No thread that runs sessions; the few others of a process (resolvers, HTTP) come and go with the seconds."""
    user = stack.account()
    process = stack.processes["imap-1"]
    first = imap(stack, user)
    threads, running = process.threads(), pool(stack, "imap-1")
    sockets = []
    try:
        for _ in range(2000):
            s = socket.create_connection(stack.imap[0], timeout=20)
            sockets.append(s)
        for s in sockets:
            assert s.recv(1000).startswith(b"* OK")
        wait_for("no more threads than before", lambda: pool(stack, "imap-1") <= running and process.threads() <= threads + 2, 60)
        ok(first.noop())
    finally:
        for s in sockets:
            s.close()


def text(size):
    """Lines that do not compress to nothing, `size` bytes of them."""
    r = random.Random(5)
    block = b"".join(bytes(r.randrange(33, 126) for _ in range(76)) + b"\r\n" for _ in range(1000))
    return (block * (size // len(block) + 1))[:size - 2] + b"\r\n"


@long
def test_a_mail_of_100_mb_goes_in_and_out_in_bounded_memory(stack):
    """By LMTP and by APPEND, read whole and in parts: no process's memory grows by more than 24 MiB. Sanitizers keep what was freed, so
    there (SAN is not empty) the bytes are compared and the memory is not."""
    user = stack.account()
    imap(stack, user, select="INBOX").logout()
    before = {name: process.rss_kib()[0] for name, process in stack.processes.items()}
    body = text(100 * 1000 * 1000)
    mail = message("large", "") + body
    client = lmtp(stack, timeout=170)
    assert client.sendmail("a@example.org", [user], mail) == {}
    reader = imap(stack, user, select="INBOX", replica=1)
    reader.sock.settimeout(170)
    got = ok(reader.fetch("1", "(BODY.PEEK[])"))[0][1]
    assert got.endswith(mail) and len(got) - len(mail) < 4096
    part = ok(reader.fetch("1", "(BODY.PEEK[TEXT]<1000000.50000>)"))[0][1]
    assert part == body[1000000:1050000]
    ok(reader.append("INBOX", None, None, mail))
    ok(reader.noop())
    again = ok(reader.fetch("2", "(BODY.PEEK[])"))[0][1]
    assert hashlib.sha256(again).digest() == hashlib.sha256(mail).digest()
    reader.logout()
    grown = {name: process.rss_kib()[1] - before[name] for name, process in stack.processes.items()}
    print("     peak growth in KiB:", {name: kib for name, kib in grown.items() if kib > 1024}, flush=True)
    if not stack.sanitized:
        assert max(grown.values()) <= 24 * 1024, grown


def test_a_mail_over_the_limit_is_refused_clearly(stack):
    user = stack.account()
    client = lmtp(stack, timeout=170)
    client.ehlo_or_helo_if_needed()
    assert b"552 5.3.4" in b"%d %s" % client.docmd("MAIL FROM:<a@example.org> SIZE=999999999")
    reader = imap(stack, user)
    reader.send(b'a APPEND INBOX {999999999}\r\n')
    assert b"a NO [TOOBIG]" in reader.readline()
    ok(reader.noop())
