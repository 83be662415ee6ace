"""What comes in wrong: junk, halves, a disk that is full, a database or bucket that is not there. Each is told clearly, and nothing else suffers."""
import contextlib, os, random, re, select, socket, ssl, subprocess, time

from harness.check import Skip, only, said
from harness.mail import await_mails, bodies, deliver, delivery_code, imap, message, without_trace
from harness.processes import HOST, free_port, wait_for
from harness.stack import Postgres, Stack, certificates

PROMPT_S = 5  # of a machine that has much else to do
WATCHED_S = 3  # in which a log that says it all the time would say it again
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
    port, process, r = int(stack.urls["metadata"][0].rpartition(":")[2]), stack.processes["metadata-1"], random.Random(7)
    before = len(process.logged("event=bus.tls.refused"))
    for kind in (b"\0SP\0\0\x30\0\0" + b"junk\r\n" * 100, b"\x16\x03\x01\xff\xff" + r.randbytes(500), b"\0" + junk(r)) * 7:
        with connected((HOST, port)) as connection:
            connection.sendall(kind)
            answers(connection)
    wait_for("a line in the log, now or a moment ago", lambda: process.logged("reason=\"not TLS\""), 30)
    assert len(process.logged("event=bus.tls.refused")) - before <= 2, process.logged("event=bus.tls.refused")
    assert "times=" in process.logged("reason=\"not TLS\"")[-1] and not process.logged("reason=other")
    said(process, "reason=\"not TLS\"", "its URL of this port begins with tls+tcp://")


@only("split")
def test_a_wrong_certificate_on_the_bus_is_said_with_what_to_do(stack):
    """One of another authority: whoever looks at it says so, and the other that it was refused."""
    strange, process = certificates(f"{stack.directory}/strange"), stack.processes["metadata-1"]
    own = {"bus.tls.certificate": f"{strange}/admin.pem", "bus.tls.key": f"{strange}/admin.key"}
    done = stack.run("sora-admin", "--config", stack.config("strange", **{**stack.bus("admin"), **own}), "list-accounts", check=False)
    assert done.returncode == 1 and re.fullmatch(r".*admin\.pem: is not signed by bus\.tls\.ca.*\n", done.stderr), done
    own["bus.tls.ca"] = f"{strange}/ca.pem"
    done = stack.run("sora-admin", "--config", stack.config("strange", **{**stack.bus("admin"), **own}), "list-accounts", check=False)
    lines = [line for line in done.stderr.splitlines() if "event=bus.tls.refused" in line]
    assert done.returncode == 5 and len(lines) == 1 and "deploy/certificates makes and renews them" in lines[0], done
    careless = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    careless.check_hostname, careless.verify_mode = False, ssl.CERT_NONE
    careless.load_cert_chain(own["bus.tls.certificate"], own["bus.tls.key"])
    for _ in range(5):
        with connected((HOST, int(stack.urls["metadata"][0].rpartition(":")[2]))) as connection, contextlib.suppress(OSError):
            careless.wrap_socket(connection).recv(1)
    for reason, todo in (("reason=\"by peer\"", "is ours over, or of another bus.tls.ca?"),
                         ("reason=certificate", "deploy/certificates makes and renews them")):
        wait_for("a line in the log, now or a moment ago", lambda: process.logged(reason), 30)
        said(process, reason, todo)


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
    """What --check says of a configuration. Its log has nothing to add, but that the certificate of the tests has two days."""
    done = stack.run(program, "--check", "--config", stack.config("bad", **{key.replace("__", "."): value for key, value in own.items()}), check=False)
    assert done.returncode == 1, done
    lines = done.stderr.splitlines()
    logged = [line for line in lines if line.startswith("time=")]
    assert len(logged) <= 1 and all("event=process.certificate_ends" in line for line in logged), lines
    return [line for line in lines if not line.startswith("time=")]


def expect_one_line(stack, rows):
    for program, what, todo, own in rows:
        lines = problem(stack, program, **own)
        assert len(lines) == 1 and re.fullmatch(f"{what}.*{todo}.*", lines[0]), (own, lines)


def test_a_configuration_that_can_not_work_is_said_in_one_line(stack):
    """The setting, what is wrong with it, and what to do."""
    rows = [
        ("sora-metadata", r"database: .* database \"no_such\" does not exist", "`createdb -O sora no_such` makes it", {"database__name": "no_such"}),
        ("sora-metadata", r"database: .* password authentication failed for user \"sora\"", "see database.user and database.password",
         {"database__password": "wrong"}),
        ("sora-metadata", r"database: .*127\.0\.0\.1.* port 1 failed: Connection refused", "see database.host, database.port", {"database__port": 1}),
        ("sora-metadata", r".*bad\.yaml:\d+: unknown key \"database\.hots\"", "sora.yaml.example has all", {"database__hots": "x"}),
        ("sora-metadata", r".*bad\.yaml:\d+: database\.connections: ", "a number from 1 to 1000 is expected, not \"many\"",
         {"database__connections": "many"}),
        ("sora-imap", r".*bad\.yaml:\d+: imap\.idle: ", "a time such as .* is expected, not \"soon\"", {"imap__idle": "soon"}),
        ("sora-imap", r".*bad\.yaml:\d+: imap\.plain_login: ", "true or false is expected, not \"perhaps\"", {"imap__plain_login": "perhaps"})]
    if not stack.s3:
        rows.append(("sora-blob", r"blob\.dir: /no/such: can not be opened: No such file or directory", "`sora-blob create-bucket` makes it",
                     {"blob__dir": "/no/such"}))
    expect_one_line(stack, rows)


def test_a_bucket_that_is_not_there_or_not_ours_is_said_in_one_line(stack):
    if not stack.s3:
        raise Skip("no S3 in this combination")
    expect_one_line(stack, [
        ("sora-blob", r"blob\.s3\.bucket: no-such: the bucket does not exist", "`sora-blob create-bucket` makes it", {"blob__s3__bucket": "no-such"}),
        ("sora-blob", r"blob\.s3\.bucket: sora-test: the keys are wrong, or may not use the bucket", "see blob.s3.access_key and blob.s3.secret_key",
         {"blob__s3__secret_key": "wrong"}),
        ("sora-blob", r"blob\.s3\.endpoint: http://127\.0\.0\.1:1: .*onnect.*", "is the store up, and this its address?",
         {"blob__s3__endpoint": f"http://{HOST}:1"})])


@only("split")
def test_a_database_that_is_not_there_at_the_start_is_said_and_waited_for(stack):
    """Once, with what is to be done next; when that is done it works."""
    name, url = f"{stack.database}_late", f"tls+tcp://{HOST}:{free_port()}"
    admin = stack.config("late-admin", **{**stack.bus("admin"), "bus.metadata": [url]})

    def answers_calls():
        return stack.run("sora-admin", "--config", admin, "list-accounts", check=False).returncode == 0

    with stack.beside("late", "sora-metadata", {**stack.bus("metadata"), "metadata.listen": [url], "database.name": name}) as process:
        assert not answers_calls()
        time.sleep(WATCHED_S)
        said(process, "does not exist", f"`createdb -O sora {name}` makes it")
        stack.postgres.query(f"CREATE DATABASE {name}")
        wait_for("a look at the database", lambda: process.logged("event=schema.old"))
        time.sleep(WATCHED_S)
        said(process, "event=schema.old", "run `sora-metadata migrate`")
        stack.run("sora-metadata", "--config", f"{stack.directory}/late.yaml", "migrate")
        wait_for("an answer", answers_calls)


@only("split")
def test_a_bucket_that_is_not_there_ends_the_start_with_what_to_do(stack):
    if not stack.s3:
        raise Skip("no S3 in this combination")
    settings = {**stack.bus("blob"), "blob.listen": [f"tls+tcp://{HOST}:{free_port()}"], "blob.s3.bucket": "late"}
    config = stack.config("early", **settings, **{"ops.listen": []})
    done = stack.run("sora-blob", "--config", config, check=False)
    lines = [line for line in done.stderr.splitlines() if " event=blob." in line]
    assert done.returncode == 1 and len(lines) == 1 and "`sora-blob create-bucket` makes it" in lines[0], done
    stack.run("sora-blob", "--config", config, "create-bucket")
    with stack.beside("late", "sora-blob", settings) as process:
        assert not process.logged("bucket")


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
            assert delivery_code(own, user, message("before")) == 250
            filler = fill(disk)
            assert [delivery_code(own, user, message("full", "x\r\n" * 5000)) for _ in range(10)] == [451] * 10
            client = imap(own, user, select="INBOX")
            status, data = client.append("INBOX", None, None, message("full", "x\r\n" * 5000))
            assert status == "NO" and b"UNAVAILABLE" in data[0], (status, data)
            assert len(bodies(client)) == 1
            said(own.processes["sora"], "No space left on device", f"directory={disk}/blobs ", "make some, or give blob.dir a larger disk")
            os.remove(filler)
            assert delivery_code(own, user, message("room", "x\r\n" * 5000)) == 250
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
            assert delivery_code(own, user, message("before")) == 250
            filler = fill(disk)
            codes = [delivery_code(own, user, message(f"full {i}")) for i in range(40)]
            told = codes.count(250)
            assert set(codes) <= {250, 451} and codes[-1] == 451, codes
            client = imap(own, user, select="INBOX")
            assert len(bodies(client)) == 1 + told
            said(own.processes["sora"], "No space left on device", f"host={HOST} ", "make room where its data directory is")
            os.remove(filler)
            wait_for("deliveries", lambda: delivery_code(own, user, message("room")) == 250, 60)
            await_mails(client, 2 + told)
            assert len(bodies(client)) == 2 + told
        finally:
            wrong = own.stop()
            postgres.stop()
        assert not wrong, wrong


@only("split")
def test_a_full_disk_of_the_read_cache_is_noticed_by_the_log_alone(stack):
    if not stack.s3:
        raise Skip("tried where there is S3")
    with small_disk(f"{stack.directory}/small-cache", "8m") as disk:
        own = Stack("all", f"{stack.directory}/full-cache", stack.build, stack.postgres, stack.s3,
                    {"blob.cache.dir": f"{disk}/cache", "blob.cache.size": "64M"})
        try:
            own.start()
            user = own.account()
            sent = [message(f"mail {i}", f"{i} {random.random()}\r\n" * 5000) for i in range(20)]
            assert delivery_code(own, user, sent[0]) == 250
            wait_for("a mail in the cache", lambda: os.listdir(f"{disk}/cache"))
            filler = fill(disk)
            assert [delivery_code(own, user, text) for text in sent[1:]] == [250] * 19
            for _ in range(2):
                client = imap(own, user, select="INBOX")
                assert [without_trace(body) for body in bodies(client).values()] == sent
            said(own.processes["sora"], "No space left on device", "event=blob.cache_off ", f"directory={disk}/cache ", "has room for blob.cache.size")
            os.remove(filler)
        finally:
            wrong = own.stop()
        assert not wrong, wrong
