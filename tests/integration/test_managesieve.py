"""ManageSieve: the editors that people use, what the administrator does to the same scripts, and what happens when a service is away."""
import base64, json, re, signal, socket, subprocess, tempfile

from harness.check import needs, only
from harness.processes import HOST, free_port, wait_for
from harness.proxy import PROXY_V2

SCRIPT = 'require "fileinto";\r\n# Caf\u00e9\r\nif header :contains "subject" "news" {\r\n\tfileinto "News";\r\n}\r\n'


class Editor:
    """A client that shows the lines."""

    def __init__(self, address, user=None, password="secret", before=b""):
        self.socket = socket.create_connection(address, timeout=60)
        self.socket.sendall(before)
        self.file = self.socket.makefile("rb")
        self.greeting = self.answer()
        if user:
            self.ask('AUTHENTICATE "PLAIN" "%s"' % base64.b64encode(f"\0{user}\0{password}".encode()).decode())

    def answer(self):
        """Everything up to OK, NO or BYE, with literals; closed is an empty answer."""
        text, line = b"", self.file.readline()
        while line:
            text += line
            literal = re.search(rb"\{(\d+)\}\r\n$", line)
            if literal:
                text += self.file.read(int(literal[1]))
            elif re.match(rb"(OK|NO|BYE)\b", line) or re.search(rb"\n(OK|NO|BYE)\b[^\n]*\n$", b"\n" + text):
                break
            line = self.file.readline()
        return text.decode()

    def tell(self, command, *literals):
        data = command.encode()
        for literal in literals:
            literal = literal.encode() if isinstance(literal, str) else literal
            data += b" {%d+}\r\n" % len(literal) + literal
        self.socket.sendall(data + b"\r\n")
        return self.answer()

    def ask(self, command, *literals):
        answer = self.tell(command, *literals)
        assert answer.splitlines()[-1].startswith("OK"), answer
        return answer


def editor(stack, user, replica=0):
    return Editor(stack.managesieve[replica % len(stack.managesieve)], user)


# -- the programs that people use

@needs("sieve-connect")
def test_sieve_connect(stack):
    user, (host, port) = stack.account(), stack.managesieve[0]

    def run(*args, code=0):
        done = subprocess.run(["sieve-connect", "--server", host, "--port", str(port), "--user", user, "--passwordfd", "0", "--notlsverify", *args],
                              input="secret\n", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
        assert done.returncode == code, f"{args}: {done.returncode}\n{done.stdout}"
        return done.stdout

    with tempfile.TemporaryDirectory() as home:
        with open(f"{home}/mine.sieve", "w", newline="") as file:
            file.write(SCRIPT)
        with open(f"{home}/wrong.sieve", "w") as file:
            file.write("nonsense;\n")
        run("--localsieve", f"{home}/mine.sieve", "--remotesieve", "mine", "--upload")
        assert run("--list").splitlines() == ['"mine"']
        run("--remotesieve", "mine", "--activate")
        assert run("--list").splitlines() == ['"mine" ACTIVE']
        run("--remotesieve", "mine", "--localsieve", f"{home}/back", "--download")
        with open(f"{home}/back", newline="") as file:
            assert file.read().splitlines() == SCRIPT.splitlines()
        run("--localsieve", f"{home}/wrong.sieve", "--remotesieve", "wrong", "--upload", code=1)
        run("--deactivate")
        run("--remotesieve", "mine", "--delete")
        assert "mine" not in run("--list")


def test_sievelib(stack):
    from sievelib.managesieve import Client

    user, (host, port) = stack.account(), stack.managesieve[-1]
    client = Client(host, port)
    assert client.connect(user, "secret", starttls=False, authmech="PLAIN")
    assert "fileinto" in client.get_sieve_capabilities() and client.get_implementation() == "Sora"
    assert client.listscripts() in ((None, []), ("", []))
    assert client.havespace("mine", len(SCRIPT)) and not client.havespace("mine", 10_000_000)
    assert client.putscript("mine", SCRIPT) and client.getscript("mine").splitlines() == SCRIPT.splitlines()
    assert client.checkscript("keep;")
    assert not client.putscript("wrong", "nonsense;") and b"line 1, column 1" in client.errmsg, client.errmsg
    assert client.setactive("mine") and client.renamescript("mine", "yours")
    assert client.listscripts() == ("yours", [])
    assert not client.deletescript("yours")
    assert client.setactive("") and client.deletescript("yours")
    client.logout()


# -- what the administrator does is what the user sees

def test_the_administrator_has_the_same_scripts(stack):
    user = stack.account()
    client = editor(stack, user)
    client.ask('PUTSCRIPT "mine"', SCRIPT)
    client.ask('SETACTIVE "mine"')
    assert stack.admin("sieve", "get", user, "mine").stdout == SCRIPT.replace("\r\n", "\n"), "as text"
    listed = json.loads(stack.admin("--json", "sieve", "list", user).stdout)
    assert (listed["name"], listed["active"], listed["size"]) == ("mine", True, len(SCRIPT.encode()))
    with tempfile.NamedTemporaryFile("w", suffix=".sieve") as file:
        file.write("keep;\nnonsense;\n")
        file.flush()
        done = stack.admin("sieve", "put", user, "theirs", file.name, check=False)
        assert done.returncode == 1 and f"{file.name}:2:1: " in done.stderr, done
        file.seek(0)
        file.write("keep;\nstop;    \n")
        file.flush()
        stack.admin("sieve", "put", user, "theirs", file.name, "--activate")
    assert client.ask("LISTSCRIPTS") == '"mine"\r\n"theirs" ACTIVE\r\nOK\r\n'
    for args, code in ((("delete", user, "theirs"), 1), (("delete", user, "none"), 3), (("get", user, "none"), 3),
                       (("activate", user, "none"), 3), (("rename", user, "mine", "theirs"), 4), (("list", "nobody@sora.test"), 3),
                       (("put", user, "x", "/nonexistent"), 2), (("put", user, "a\tb", "/dev/null"), 2), (("list",), 2),
                       (("list", user, "--before", "--after"), 2)):
        assert stack.admin("sieve", *args, check=False).returncode == code, args
    stack.admin("sieve", "rename", user, "mine", "old")
    stack.admin("sieve", "activate", user, "")
    stack.admin("sieve", "delete", user, "theirs")
    assert client.ask("LISTSCRIPTS") == '"old"\r\nOK\r\n'


def test_what_runs_before_and_after_is_the_administrators(stack):
    user = stack.account()
    client = editor(stack, user)
    stack.admin("sieve", "put", user, "guard", "--before", "--activate", stdin="keep;\n")
    stack.admin("sieve", "put", user, "tidy", "--after", stdin="keep;\n")
    stack.admin("sieve", "put", "--global", f"shared {user}", stdin="stop;\n")
    assert client.ask("LISTSCRIPTS") == "OK\r\n"
    assert client.tell('GETSCRIPT "guard"').startswith("NO (NONEXISTENT)")
    assert stack.admin("sieve", "list", user, "--before").stdout.split()[0] == "active"
    assert stack.admin("sieve", "list", user, "--after").stdout.split()[0] == "-"
    assert f"shared {user}" in stack.admin("sieve", "list", "--global").stdout
    assert stack.admin("sieve", "get", "--global", f"shared {user}").stdout == "stop;\n"
    assert stack.admin("sieve", "activate", "--global", f"shared {user}", check=False).returncode == 2
    stack.admin("sieve", "delete", "--global", f"shared {user}")


def test_the_log_of_what_went_wrong_is_a_script_that_is_valid(stack):
    user = stack.account()
    client = editor(stack, user)
    assert stack.admin("sieve", "log", user).stdout == ""
    stack.postgres.query(f"SELECT sieve_note(account, false, 0, 'mine', 7, 'too many redirects') FROM addresses, generate_series(1, 3)"
                         f" WHERE address = '{user}'", stack.database)
    assert client.ask("LISTSCRIPTS") == '"sieve-log"\r\nOK\r\n'
    log = re.sub(r"^\{\d+\}\r\n|\r\nOK\r\n$", "", client.ask('GETSCRIPT "sieve-log"'))
    assert 'your script "mine", line 7 (3 times since' in log and "too many redirects" in log, log
    client.ask("CHECKSCRIPT", log)
    for command in ('SETACTIVE "sieve-log"', 'RENAMESCRIPT "sieve-log" "x"', 'PUTSCRIPT "sieve-log" "keep;"'):
        assert client.tell(command).startswith("NO "), command
    entry = json.loads(stack.admin("--json", "sieve", "log", user).stdout)
    assert (entry["script"], entry["line"], entry["times"], entry["kind"]) == ("mine", 7, 3, "own")
    assert "3 times  own mine:7: too many redirects" in stack.admin("sieve", "log", user).stdout
    client.ask('DELETESCRIPT "sieve-log"')
    assert client.ask("LISTSCRIPTS") == "OK\r\n"


# -- limits

def test_the_number_and_the_size_of_scripts_have_an_end(stack):
    user = stack.account()
    client = editor(stack, user)
    stack.postgres.query(f"""INSERT INTO scripts (account, name, is_active, source, changed_ms)
        SELECT account, ('s' || g)::bytea, false, 'keep;', 1 FROM addresses, generate_series(1, 99) g WHERE address = '{user}'""", stack.database)
    client.ask('PUTSCRIPT "last"', "keep;")
    assert client.tell('HAVESPACE "more" 5').startswith("NO (QUOTA/MAXSCRIPTS)")
    assert client.tell('PUTSCRIPT "more"', "keep;").startswith("NO (QUOTA/MAXSCRIPTS)")
    client.ask('PUTSCRIPT "last"', "stop;")
    big = "#" * 65536
    stack.postgres.query(f"UPDATE scripts SET source = decode(repeat('23', 65536), 'hex') FROM addresses WHERE address = '{user}'"
                         f" AND scripts.account = addresses.account AND name <= 's22'", stack.database)
    assert client.tell('PUTSCRIPT "last"', big).startswith("NO (QUOTA)"), "all together have a limit"
    assert client.tell('HAVESPACE "last" 65536').startswith("NO (QUOTA)")
    assert client.tell('PUTSCRIPT "last"', big + "#").startswith("NO (QUOTA/MAXSIZE)")
    client.ask("CHECKSCRIPT", big)


def test_another_session_sees_the_change_at_once(stack):
    user = stack.account()
    one, two = editor(stack, user, 0), editor(stack, user, 1)
    for i in range(20):
        one.ask(f'PUTSCRIPT "s{i}"', f"# {i}\r\nkeep;")
        one.ask(f'SETACTIVE "s{i}"')
        assert f'"s{i}" ACTIVE' in two.ask("LISTSCRIPTS")
        assert f"# {i}\r\n" in two.ask(f'GETSCRIPT "s{i}"')


# -- what can be away

@only("split")
def test_without_the_sieve_service_nothing_is_stored_and_one_may_try_later(stack):
    user = stack.account()
    client = editor(stack, user)
    client.ask('PUTSCRIPT "mine"', SCRIPT)
    for i in (1, 2):
        stack.kill(f"sieve-{i}")
    try:
        assert client.tell('PUTSCRIPT "mine"', "keep;").startswith("NO (TRYLATER)")
        assert client.tell("CHECKSCRIPT", "keep;").startswith("NO (TRYLATER)")
        assert "fileinto" in client.ask('GETSCRIPT "mine"')
        client.ask('SETACTIVE "mine"')
        assert "fileinto" in editor(stack, user).greeting, "what it could do is remembered"
    finally:
        for i in (1, 2):
            stack.start_again(f"sieve-{i}")
    wait_for("scripts are checked again", lambda: client.tell('PUTSCRIPT "mine"', "keep;").startswith("OK"))


@only("split")
def test_without_tls_passwords_are_not_taken_from_elsewhere(stack):
    """RFC 5804 s. 1.7, 5: who comes through a proxy is not on this host: SCRAM is for him, PLAIN is not. And all are told when the server ends."""
    listen = free_port()
    settings = {**stack.bus("managesieve"), "managesieve.listen": [f"{HOST}:{listen}"], "managesieve.plain_login": False,
                "net.proxy_from": ["127.0.0.0/8"]}
    with stack.beside("managesieve-proxied", "sora-managesieve", settings) as process:
        client = Editor((HOST, listen), before=PROXY_V2)
        assert '"SASL" "SCRAM-SHA-256 SCRAM-SHA-1"\r\n' in client.greeting and '"STARTTLS"\r\n' in client.greeting, client.greeting
        assert client.tell('AUTHENTICATE "PLAIN" "AGEAYg=="').startswith("NO (ENCRYPT-NEEDED)")
        process.signal(signal.SIGTERM)
        assert client.answer().startswith("BYE (TRYLATER)") and client.answer() == ""


@only("split")
def test_who_logs_out_gives_back_his_place(stack):
    """RFC 5804 s. 2.14.1: the connection is nobody's then, and counts for whoever logs in next."""
    user, other, listen = stack.account(), stack.account(), free_port()
    with stack.beside("managesieve-one", "sora-managesieve", {
            **stack.bus("managesieve"), "managesieve.listen": [f"{HOST}:{listen}"], "net.per_user": 1}):
        first, second = Editor((HOST, listen), user), Editor((HOST, listen))
        plain = {name: base64.b64encode(f"\0{name}\0secret".encode()).decode() for name in (user, other)}
        assert second.tell(f'AUTHENTICATE "PLAIN" "{plain[user]}"').startswith("NO")
        first.ask("UNAUTHENTICATE")
        second.ask(f'AUTHENTICATE "PLAIN" "{plain[user]}"')
        assert first.tell(f'AUTHENTICATE "PLAIN" "{plain[user]}"').startswith("NO")
        first.ask(f'AUTHENTICATE "PLAIN" "{plain[other]}"')


@only("all")
def test_a_changed_password_ends_the_session(stack):
    user = stack.account()
    client = editor(stack, user)
    client.ask("LISTSCRIPTS")
    stack.admin("update-account", user, "--password", "another")
    assert client.tell("LISTSCRIPTS").startswith("BYE ") and client.answer() == ""
