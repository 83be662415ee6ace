"""What comes in wrong: junk, halves, a disk that is full, a database or bucket that is not there. Each is told clearly, and nothing else suffers."""
import contextlib, os, random, re, select, smtplib, socket, subprocess, time

from harness.check import Skip, only
from harness.mail import await_mails, bodies, deliver, imap, message
from harness.processes import HOST, wait_for
from harness.stack import Postgres, Stack

PROMPT_S = 5  # of a machine that has much else to do
ANSWERS = {"imap": rb"(\* (OK|BAD|BYE)|\S+ BAD)\b.*", "pop3": rb"(\+OK|-ERR)\b.*", "lmtp": rb"[245]\d\d[ -].*"}


@contextlib.contextmanager
def connected(address):
    with socket.create_connection(address, timeout=60) as connection:
        yield connection


def addresses(stack):
    """Whatever listens: (kind, address)."""
    found = [(kind, where[0]) for kind, where in (("imap", stack.imap), ("imaps", stack.imaps), ("pop3", stack.pop3), ("pop3s", stack.pop3s),
                                                  ("lmtp", stack.lmtp))]
    found += [("ops", (HOST, port)) for port in stack.ops.values()]
    if stack.layout == "split":
        found += [("bus", (HOST, int(url.rpartition(":")[2]))) for urls in stack.urls.values() for url in urls]
    return found


def junk(r):
    """Bytes of every kind, with line ends in them."""
    return r.randbytes(2000) + b"\r\n" + bytes(r.choice(b"\0\r\n {}()\"*AZ09\xff") for _ in range(2000)) + b"\r\n"


def answers(connection):
    """What is said until it is closed, or nothing more comes."""
    said = b""
    with contextlib.suppress(ConnectionError):
        while select.select([connection], [], [], 0.3)[0] and (data := connection.recv(65536)):
            said += data
    return said


def works_promptly(stack, user):
    """Delivery, login and reading, through the same processes."""
    begin = time.monotonic()
    assert deliver(stack, [user], message()) == {}
    client = imap(stack, user, select="INBOX")
    assert bodies(client)
    client.logout()
    assert time.monotonic() - begin < PROMPT_S, f"{time.monotonic() - begin:.1f} s"


def test_junk_is_refused_and_disturbs_nobody(stack):
    """Binary junk to everything that listens: an answer of the protocol or none, and who behaves is served meanwhile."""
    user, r = stack.account(), random.Random(6)
    with contextlib.ExitStack() as stacked:
        opened = [(kind, stacked.enter_context(connected(address))) for kind, address in addresses(stack) for _ in range(3)]
        for _, connection in opened:
            with contextlib.suppress(ConnectionError):
                connection.sendall(junk(r))
        works_promptly(stack, user)
        for kind, connection in opened:
            lines = answers(connection).splitlines() if kind in ANSWERS else []
            strange = [line for line in lines if not re.fullmatch(ANSWERS[kind], line)]
            assert not strange, (kind, strange[:3])
            assert kind not in ANSWERS or len(lines) > 1, kind
    works_promptly(stack, user)


@only("split")
def test_junk_on_the_bus_is_said_once_with_its_reason(stack):
    """Not TLS at all, many times: one line says so, and counts the others."""
    port = int(stack.urls["metadata"][0].rpartition(":")[2])

    def lines():
        with open(stack.processes["metadata-1"].log, errors="replace") as log:
            return [line for line in log if "event=bus.tls.refused" in line]

    before = len(lines())
    for _ in range(20):
        with connected((HOST, port)) as connection:
            connection.sendall(b"\0SP\0\0\x30\0\0" + b"junk\r\n" * 100)
            answers(connection)
    wait_for("a line in the log, now or a moment ago", lambda: lines(), 30)
    assert len(lines()) - before <= 2, lines()
    assert "reason=" in lines()[-1] and "times=" in lines()[-1], lines()


def test_half_a_command_and_silence_holds_nobody_up(stack):
    """More of them than there are threads, in each protocol; that they are ended in time is net_limits/who_does_not_log_in_is_ended."""
    user = stack.account()
    halves = {"imap": b"a LOGIN {300}\r\nha", "pop3": b"USER ha", "lmtp": b"LHLO mta.test\r\nMAIL FROM:<ha", "imaps": b"\x16\x03\x01\x02",
              "pop3s": b"\x16\x03\x01\x02"}
    with contextlib.ExitStack() as stacked:
        for kind, address in addresses(stack):
            for _ in range(80 if kind in halves else 0):
                stacked.enter_context(connected(address)).sendall(halves[kind])
        works_promptly(stack, user)


# ---- what is not there

def problem(stack, program, **own):
    """What --check says of a configuration."""
    done = stack.run(program, "--check", "--config", stack.config("bad", **{key.replace("__", "."): value for key, value in own.items()}), check=False)
    assert done.returncode == 1, done
    return [line for line in done.stderr.splitlines() if not line.startswith("time=")]


def test_a_configuration_that_can_not_work_is_said_in_one_line(stack):
    """The setting, what is wrong with it, and what to do."""
    rows = [
        ("sora-metadata", r"database: .* database \"no_such\" does not exist", {"database__name": "no_such"}),
        ("sora-metadata", r"database: .* password authentication failed for user \"sora\"", {"database__password": "wrong"}),
        ("sora-metadata", r".*bad\.yaml:\d+: unknown key \"database\.hots\"", {"database__hots": "x"}),
        ("sora-metadata", r".*bad\.yaml:\d+: database\.connections: a number from 1 to 1000 is expected, not \"many\"",
         {"database__connections": "many"}),
        ("sora-imap", r".*bad\.yaml:\d+: imap\.idle: a time such as .* is expected, not \"soon\"", {"imap__idle": "soon"}),
        ("sora-imap", r".*bad\.yaml:\d+: imap\.plain_login: true or false is expected, not \"perhaps\"", {"imap__plain_login": "perhaps"})]
    if not stack.s3:
        rows.append(("sora-blob", r"blob\.dir: /no/such: can not be opened: No such file or directory", {"blob__dir": "/no/such"}))
    for program, pattern, own in rows:
        lines = problem(stack, program, **own)
        assert len(lines) == 1 and re.fullmatch(pattern, lines[0]), (own, lines)


def test_a_bucket_that_is_not_there_or_not_ours_is_said_in_one_line(stack):
    if not stack.s3:
        raise Skip("no S3 in this combination")
    for path, value, pattern in (
            ("bucket", "no-such", r"blob\.s3\.bucket: no-such: the bucket does not exist: `sora-blob create-bucket` makes it"),
            ("secret_key", "wrong", r"blob\.s3\.bucket: sora-test: the keys are wrong, or may not use the bucket"),
            ("endpoint", f"http://{HOST}:1", r"blob\.s3\.endpoint: http://127\.0\.0\.1:1: .*onnect.*")):
        lines = problem(with_s3(stack, path, value), "sora-blob")
        assert len(lines) == 1 and re.fullmatch(pattern, lines[0]), (path, lines)


def with_s3(stack, key, value):
    """The stack, with one setting of S3 changed in what it writes."""
    class Changed:
        run = stack.run

        @staticmethod
        def config(name, **own):
            file = stack.config(name, **own)
            with open(file) as before:
                text = before.read()
            with open(file, "w") as after:
                after.write(re.sub(rf'("s3": \{{[^}}]*"{key}": )"[^"]*"', rf'\1"{value}"', text))
            return file
    return Changed


# ---- a disk that is full

@contextlib.contextmanager
def small_disk(directory, size):
    os.makedirs(directory)
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", directory],
                                           stderr=subprocess.DEVNULL).returncode != 0:
        raise Skip("nothing can be mounted here")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "-l", directory], check=True)


def fill(directory):
    """Until there is no byte left; the name of what fills it."""
    with contextlib.suppress(OSError), open(f"{directory}/filler", "wb", buffering=0) as filler:
        while True:
            filler.write(bytes(65536))
    with contextlib.suppress(OSError), open(f"{directory}/filler", "ab", buffering=0) as filler:
        while True:
            filler.write(b"x")
    return f"{directory}/filler"


def delivery(stack, user, text):
    """The code of one attempt."""
    try:
        refused = deliver(stack, [user], text)
    except smtplib.SMTPResponseException as answer:
        return answer.smtp_code
    return refused[user][0] if refused else 250


def logged(stack, text):
    with open(stack.processes["sora"].log, errors="replace") as log:
        return [line for line in log if text in line]


@only("all")
def test_a_full_disk_of_bodies_defers_what_comes_and_leaves_what_is_there(stack):
    if stack.s3:
        raise Skip("the store is no directory in this combination")
    with small_disk(f"{stack.directory}/small", "8m") as disk:
        own = Stack("all", f"{stack.directory}/full", stack.build, stack.postgres, settings={"blob.dir": f"{disk}/blobs"})
        os.makedirs(f"{disk}/blobs")
        try:
            own.start()
            user = own.account()
            assert delivery(own, user, message("before")) == 250
            filler = fill(disk)
            assert delivery(own, user, message("full", "x\r\n" * 5000)) == 451
            client = imap(own, user, select="INBOX")
            status, data = client.append("INBOX", None, None, message("full", "x\r\n" * 5000))
            assert status == "NO" and b"UNAVAILABLE" in data[0], (status, data)
            assert len(bodies(client)) == 1
            assert logged(own, "No space left on device"), "the log does not say why"
            os.remove(filler)
            assert delivery(own, user, message("room", "x\r\n" * 5000)) == 250
            await_mails(client, 2)
            assert len(bodies(client)) == 2
        finally:
            wrong = own.stop()
        assert not wrong, wrong


@only("all")
def test_a_full_disk_of_postgresql_defers_what_comes_and_leaves_what_is_there(stack):
    if stack.s3:
        raise Skip("tried with the directory")
    with small_disk(f"{stack.directory}/small-pg", "200m") as disk:
        postgres = Postgres(f"{disk}/pg").start()
        own = Stack("all", f"{stack.directory}/full-pg", stack.build, postgres)
        try:
            own.start()
            user = own.account()
            assert delivery(own, user, message("before")) == 250
            filler = fill(disk)
            codes = [delivery(own, user, message(f"full {i}")) for i in range(40)]
            told = codes.count(250)
            assert set(codes) <= {250, 451} and codes[-1] == 451, codes
            client = imap(own, user, select="INBOX")
            assert len(bodies(client)) == 1 + told
            assert logged(own, "No space left on device"), "the log does not say why"
            os.remove(filler)
            wait_for("deliveries", lambda: delivery(own, user, message("room")) == 250, 60)
            await_mails(client, 2 + told)
            assert len(bodies(client)) == 2 + told
        finally:
            wrong = own.stop()
            postgres.stop()
        assert not wrong, wrong
