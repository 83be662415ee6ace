"""What a client can make Sora hold, and for how long: the bounds that docs/limits.md names, where only a whole stack shows them."""
import glob, os, re, socket, subprocess, urllib.request

from harness.check import only
from harness.mail import deliver, message
from harness.processes import HOST

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# The command with n parts, the most that may be, and how they are written.
LISTS = (
    ("items of FETCH", "FETCH 1 (%s)", 64, lambda n: " ".join(["FLAGS"] * n)),
    ("fields of a header", "FETCH 1 BODY.PEEK[HEADER.FIELDS (%s)]", 200, lambda n: " ".join(["Subject"] * n)),
    ("numbers of a part", "FETCH 1 BODY.PEEK[%s]", 50, lambda n: ".".join(["1"] * n)),
    ("keywords of a STORE", "STORE 1 +FLAGS.SILENT (%s)", 64, lambda n: " ".join(f"$word{i}" for i in range(n))),
    ("items of STATUS", "STATUS INBOX (%s)", 32, lambda n: " ".join(["MESSAGES"] * n)),
    ("names of ENABLE", "ENABLE %s", 64, lambda n: " ".join(["CONDSTORE"] * n)),
    ("pairs of ID", "ID (%s)", 30, lambda n: " ".join(f'"k{i}" "v"' for i in range(n))),
    ("depth of SEARCH", "SEARCH %s", 49, lambda n: "(" * n + "ALL" + ")" * n),
)


class Line:
    """A connection that sends and reads lines."""

    def __init__(self, address):
        self.socket = socket.create_connection(address, timeout=60)
        self.file = self.socket.makefile("rb")

    def read(self):
        return self.file.readline().decode("latin-1")

    def ask(self, command):
        """The tagged answer."""
        self.socket.sendall(f"t {command}\r\n".encode())
        while (line := self.read()) and not line.startswith("t "):
            pass
        return line[2:]

    def close(self):
        self.file.close()
        self.socket.close()


def imap(stack, user, *commands):
    client = Line(stack.imap[0])
    client.read()
    for command in (f"LOGIN {user} secret", *commands):
        assert client.ask(command).startswith("OK"), command
    return client


def test_the_lists_in_a_command_have_an_end(stack):
    user = stack.account()
    assert deliver(stack, [user], message()) == {}
    client = imap(stack, user, "SELECT INBOX")
    for what, command, most, parts in LISTS:
        answer = client.ask(command % parts(most))
        assert answer.startswith("OK"), f"{most} {what}: {answer}"
        answer = client.ask(command % parts(most + 1))
        assert answer.startswith("BAD"), f"{most + 1} {what}: {answer}"
    client.close()


def test_a_session_of_nonsense_is_ended(stack):
    client = imap(stack, stack.account())
    answers = [client.ask("NONSENSE") for _ in range(50)]
    assert all(answer.startswith("BAD") for answer in answers[:49]), answers
    assert client.read().startswith("* BYE") and client.read() == "", "the 50th is the last"
    client.close()


def test_the_recipients_of_a_transaction_have_an_end(stack):
    user = stack.account()
    client = Line(stack.lmtp[0])
    client.read()
    client.socket.sendall(b"LHLO mta.test\r\nMAIL FROM:<>\r\n" + f"RCPT TO:<{user}>\r\n".encode() * 1001 + b"QUIT\r\n")
    codes = [line[:3] for line in client.file.read().decode().splitlines() if line[3:4] != "-"]
    assert codes == ["250", "250"] + ["250"] * 1000 + ["452", "221"], codes[-5:]
    client.close()


def get(address, path="/livez", timeout=60):
    with urllib.request.urlopen(f"http://{address[0]}:{address[1]}{path}", timeout=timeout) as answer:
        return answer.status


@only("split")
def test_who_holds_all_connections_for_metrics_is_cut(stack):
    """64 at once, each 10 s without a word; further ones wait for their turn."""
    address = (HOST, stack.ops["imap-1"])
    threads = stack.processes["imap-1"].threads()
    held = [socket.create_connection(address, timeout=60) for _ in range(64)]
    for one in held:
        one.sendall(b"GET /livez HTTP/1.1\r\n")
    assert get(address) == 200
    assert stack.processes["imap-1"].threads() <= threads + 1, "none has a thread of its own"
    for one in held:
        one.close()


@only("split")
def test_a_request_for_metrics_is_bounded(stack):
    address = (HOST, stack.ops["imap-1"])
    before = stack.processes["imap-1"].rss_kib()[0]
    for _ in range(8):
        with socket.create_connection(address, timeout=60) as one:
            try:
                one.sendall(b"GET /livez HTTP/1.1\r\n" + b"X: " + b"y" * (8 << 20) + b"\r\n\r\n")
                assert not re.match(rb"HTTP/1.1 200", one.recv(100))
            except (BrokenPipeError, ConnectionResetError):
                pass
    assert stack.processes["imap-1"].rss_kib()[0] < before + (16 << 10)
    assert get(address) == 200


def tests_of_c():
    """suite/name of every unit test."""
    for place, _, names in os.walk(f"{TOP}/tests"):
        for name in names:
            if name.endswith(".c"):
                with open(f"{place}/{name}") as source:
                    yield from ("/".join(found) for found in re.findall(r"^Test\((\w+), (\w+)", source.read(), re.M))


def known_tests():
    """Unit tests, transcripts, cases of Sieve, and tests of this directory."""
    known = set(tests_of_c())
    for place, _, names in os.walk(f"{TOP}/tests/transcripts"):
        known |= {f"{os.path.basename(place)}/{name[:-4]}" for name in names if name.endswith(".txt")}
    known |= {os.path.relpath(path, f"{TOP}/tests")[:-4] for path in glob.glob(f"{TOP}/tests/sieve/*/*.txt")}
    for name in os.listdir(f"{TOP}/tests/integration"):
        if name.startswith("test_") and name.endswith(".py"):
            with open(f"{TOP}/tests/integration/{name}") as source:
                known |= {f"{name[5:-3]}/{found}" for found in re.findall(r"^def test_(\w+)", source.read(), re.M)}
    return known


def rows_of(page):
    """The tables of a page, without their heads."""
    with open(f"{TOP}/docs/{page}.md") as text:
        rows = [line.rstrip("\n").strip("|").split("|") for line in text if line.startswith("| ") and not line.startswith("| what")]
    return [row for row in rows if set(row[0].strip()) != {"-"}]


@only("all")
def test_every_limit_that_is_documented_has_its_test(stack):
    """Each row of docs/limits.md names a test that is there."""
    rows, known = rows_of("limits"), known_tests()
    assert len(rows) > 50, len(rows)
    for row in rows:
        named = re.findall(r"`([^`]+)`", row[-1])
        assert named, f"no test: {row[0]}"
        assert not set(named) - known, f"{row[0]}: no such test: {set(named) - known}"


@only("all")
def test_every_interleaving_that_is_documented_has_its_test_and_its_mutant(stack):
    """Each row of docs/interleavings.md: the test is there, and the patch that takes its rule away, with its row in the table."""
    known, mutants = known_tests(), {name[:-6] for name in os.listdir(f"{TOP}/tests/mutants") if name.endswith(".patch")}
    with open(f"{TOP}/tests/mutants/table") as table:
        tried = {line.split("|")[0].strip() for line in table if "|" in line}
    rows = rows_of("interleavings")
    assert len(rows) > 20, len(rows)
    for row in rows:
        assert re.fullmatch(r" `([^`]+)` ", row[-1]) and row[-1].strip(" `") in mutants & tried, f"{row[0]}: no such mutant: {row[-1]}"
        tests = re.findall(r"`([^`]+)`", row[2]) if len(row) == 4 else []
        assert not set(tests) - known, f"{row[0]}: no such test: {set(tests) - known}"


@only("all")
def test_every_mutant_is_a_patch_of_this_tree(stack):
    """Without a run of them all, which takes its time: what they take away is still there to be taken away."""
    patches = glob.glob(f"{TOP}/tests/mutants/*.patch")
    assert len(patches) > 20, len(patches)
    for patch in patches:
        # No repository: where the tree is but a part of one, git leaves out what the patch changes, without a word.
        done = subprocess.run(["git", "apply", "--check", patch], cwd=TOP, env={**os.environ, "GIT_DIR": "/dev/null"},
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
