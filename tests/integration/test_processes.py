"""What every process has: options, checks, probes, metrics, signals."""
import imaplib, os, re, shutil, signal, subprocess, tempfile, urllib.request

from harness.check import only
from harness.mail import deliver, imap, message, ok
from harness.processes import HOST, wait_for
from harness.stack import Stack, self_signed

PROGRAMS = ("sora", "sora-imap", "sora-pop3", "sora-managesieve", "sora-lmtp", "sora-metadata", "sora-blob", "sora-sieve", "sora-worker")


def test_every_program_explains_itself(stack):
    for program in (*PROGRAMS, "sora-admin"):
        assert "Usage" in stack.run(program, "--help").stdout, program
        assert program in stack.run(program, "--version").stdout
        wrong = stack.run(program, "--no-such-option", check=False)
        assert wrong.returncode == 2 and "--help" in wrong.stderr, (program, wrong)


def test_the_example_is_what_the_program_prints_and_passes_its_check(stack):
    top = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    with open(f"{top}/sora.yaml.example") as example:
        assert stack.run("sora", "--print-example").stdout == example.read(), "make sora.yaml.example anew: build/sora --print-example"


def test_check_finds_what_is_wrong(stack):
    bad = stack.config("bad-key", **{"database.hots": "x"})
    done = stack.run("sora-metadata", "--check", "--config", bad, check=False)
    assert done.returncode == 1 and "unknown key" in done.stderr, done
    unreachable = stack.config("bad-db", **{"database.port": 1})
    done = stack.run("sora-metadata", "--check", "--config", unreachable, check=False)
    assert done.returncode == 1 and done.stderr, done
    good = stack.run("sora-metadata", "--check", "--config", stack.admin_config, check=False)
    assert good.returncode == 0, good


def test_probes_and_metrics_answer(stack):
    user = stack.account()
    deliver(stack, [user], message())
    imap(stack, user).logout()
    for name, port in stack.ops.items():
        for path in ("livez", "readyz", "metrics"):
            with urllib.request.urlopen(f"http://{HOST}:{port}/{path}", timeout=10) as answer:
                text = answer.read().decode()
        assert "# TYPE sora_bus_served_total counter" in text, name


@only("split")
def test_readyz_does_not_depend_on_postgresql(stack):
    stack.postgres.stop()
    try:
        for name, port in stack.ops.items():
            with urllib.request.urlopen(f"http://{HOST}:{port}/readyz", timeout=10) as answer:
                assert answer.status == 200, name
    finally:
        stack.postgres.start()
    user = None

    def works():
        nonlocal user
        try:
            user = user or stack.account()
            ok(imap(stack, user).select("INBOX"))
            return True
        except Exception:
            return False
    wait_for("everything works again", works, 60)


def test_check_finds_a_certificate_that_can_not_be_read(stack):
    for name in ("/no/such/file.pem", "/dev/null"):
        done = stack.run("sora-lmtp", "--check", "--config", stack.config("bad-tls", **{"tls.certificate": name}), check=False)
        assert done.returncode == 1 and name in done.stdout + done.stderr, done


@only("all")
def test_an_empty_database_that_comes_later_is_brought_up(stack):
    """PostgreSQL is away at the start; when it comes, the all-in-one migrates it and works. With `user`, as that user."""
    directory = tempfile.mkdtemp(dir="/tmp")
    os.chmod(directory, 0o755)
    settings = {"user": "nobody"} if os.geteuid() == 0 else {}
    late = Stack("all", directory + "/late", stack.build, stack.postgres, None, settings)
    self_signed(late.directory)
    stack.postgres.query(f"CREATE DATABASE {late.database} TEMPLATE template0")
    stack.postgres.stop()
    late.add_all()
    try:
        late.processes["sora"].start()
        if settings:
            status = open(f"/proc/{late.processes['sora'].process.pid}/status").read()
            assert re.search(r"Uid:(\s+(?!0)\d+){4}\n", status), status
    finally:
        stack.postgres.start()
    made = []

    def works():
        try:
            made.append(late.account())
            imap(late, made[-1]).logout()
        except (AssertionError, imaplib.IMAP4.error):
            return False
        return True
    wait_for("an account", works, 60)
    assert not deliver(late, [made[-1]], message())
    assert ok(imap(late, made[-1]).select("INBOX")) == [b"1"]
    assert late.stop() == []
    shutil.rmtree(directory)


@only("split")
def test_sigterm_drains(stack):
    """A parked session is told BYE, the process ends with 0, new sessions go to the other replica."""
    user = stack.account()
    client = imap(stack, user)
    stack.processes["imap-1"].signal(signal.SIGTERM)
    client.sock.settimeout(30)
    assert client.readline().startswith(b"* BYE")
    assert stack.processes["imap-1"].process.wait(30) == 0
    ok(imap(stack, user, replica=1).noop())
    stack.start_again("imap-1")
    ok(imap(stack, user).noop())


@only("split")
def test_sighup_reads_certificates_again(stack):
    def serial():
        out = subprocess.run(f"echo | openssl s_client -connect {HOST}:{stack.imaps[0][1]} 2>/dev/null | openssl x509 -noout -serial",
                             shell=True, stdout=subprocess.PIPE).stdout
        return out
    before = serial()
    self_signed(stack.directory)
    stack.processes["imap-1"].signal(signal.SIGHUP)
    wait_for("a new certificate", lambda: serial() not in (before, b""))
