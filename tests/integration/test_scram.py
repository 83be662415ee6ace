"""SCRAM at every frontend: by a client of the tests' own that can also do wrong, and by the programs that people use."""
import contextlib, os, re, subprocess, tempfile

from harness.check import needs, only
from harness.mail import deliver, message
from harness.processes import HOST, free_port
from harness.scram import FRONTENDS, HASHES, Plain, Scram, bound, encoded, greeted, plain

HEADER = "p=tls-exporter,,"


def each():
    return ((frontend, mechanism, number) for number, (frontend, mechanism) in
            enumerate((f, m) for f in FRONTENDS for m in HASHES))


def test_who_proves_it_is_let_in(stack):
    """RFC 5802, RFC 7677; RFC 3501 s. 6.2.2, RFC 4959, RFC 5034 s. 4, RFC 5804 s. 2.1: with and without an initial response."""
    user = stack.account()
    for frontend, mechanism, number in each():
        for initial in (True, False):
            with contextlib.closing(plain(stack, frontend, number)) as connection:
                end = frontend.log_in(connection, mechanism, Scram(mechanism, user), initial=initial)
                assert end == "OK" and frontend.is_in(connection), (frontend.NAME, mechanism, initial, end)


def test_names_are_escaped_and_prepared(stack):
    """RFC 5802 s. 5.1: "=3D" in a name, an authorization identity that is one's own, a soft hyphen that SASLprep drops."""
    user = "a=" + stack.account()
    stack.admin("create-account", user, "--password", "secret")
    for frontend in FRONTENDS:
        with contextlib.closing(plain(stack, frontend)) as connection:
            scram = Scram("SCRAM-SHA-256", user.replace("a=", "a\u00ad="), header=f"n,a={user.replace('=', '=3D')},")
            assert frontend.log_in(connection, "SCRAM-SHA-256", scram) == "OK", frontend.NAME
        with contextlib.closing(plain(stack, frontend)) as connection:
            scram = Scram("SCRAM-SHA-256", user, header=f"n,a={stack.account()},")
            assert re.match(r"a NO \[AUTHORIZATIONFAILED\]|-ERR \[AUTH\]|NO ", frontend.log_in(connection, "SCRAM-SHA-256", scram)), frontend.NAME


def flipped(final, at):
    """One character of it changed to another that may stand there."""
    return final[:at] + (b"A" if final[at:at + 1] != b"A" else b"B") + final[at + 1:]


def test_what_is_not_so_is_refused(stack):
    """A wrong password, name, proof, nonce or channel, "m", and what is no message; each by the protocol's own failure, and nobody is in."""
    user = stack.account()
    wrongs = {
        "password": (Scram("SCRAM-SHA-256", user, "wrong"), lambda final: final),
        "user": (Scram("SCRAM-SHA-256", "nobody@sora.test"), lambda final: final),
        "proof": (Scram("SCRAM-SHA-256", user), lambda final: flipped(final, final.index(b"p=") + 5)),
        "nonce": (Scram("SCRAM-SHA-256", user), lambda final: flipped(final, final.index(b"r=") + 30)),
        "channel": (Scram("SCRAM-SHA-256", user, binding=b"x"), lambda final: final),
        "header": (Scram("SCRAM-SHA-256", user), lambda final: final.replace(b"c=" + encoded(b"n,,").encode(), b"c=" + encoded(b"y,,").encode())),
        "extension": (Scram("SCRAM-SHA-256", user), lambda final: final.replace(b",p=", b",m=x,p=")),
        "end": (Scram("SCRAM-SHA-256", user), lambda final: final + b",x=y"),
        "length": (Scram("SCRAM-SHA-256", user), lambda final: final.replace(b",p=", b",x=" + b"x" * 4000 + b",p=")),
        "flag": (Scram("SCRAM-SHA-256", user, header=HEADER), lambda final: final),
    }
    for frontend in FRONTENDS:
        for name, (scram, change) in wrongs.items():
            with contextlib.closing(plain(stack, frontend)) as connection:
                end = frontend.log_in(connection, "SCRAM-SHA-256", scram, change)
                assert end.startswith(frontend.REFUSED), (frontend.NAME, name, end)
                assert not frontend.is_in(connection), (frontend.NAME, name)


def test_a_proof_is_good_once(stack):
    """Who has heard it can say it again: to the next connection it proves nothing."""
    user, heard = stack.account(), []
    for frontend in FRONTENDS:
        with contextlib.closing(plain(stack, frontend)) as connection:
            scram = Scram("SCRAM-SHA-256", user)
            assert frontend.log_in(connection, "SCRAM-SHA-256", scram, lambda final: heard.append(final) or final) == "OK"
        with contextlib.closing(plain(stack, frontend)) as connection:
            assert frontend.log_in(connection, "SCRAM-SHA-256", scram, lambda final: heard[-1]).startswith(frontend.REFUSED), frontend.NAME
            assert not frontend.is_in(connection)


def test_a_connection_can_be_bound(stack):
    """RFC 5802 s. 6, RFC 9266: -PLUS over TLS, with this connection's data and no other's; "y" where -PLUS is offered is no good."""
    user = stack.account()
    for frontend, mechanism, number in each():
        plus = f"{mechanism}-PLUS"
        with contextlib.closing(bound(stack, frontend, number)) as connection:
            end = frontend.log_in(connection, plus, Scram(plus, user, header=HEADER, binding=connection.binding))
            assert end == "OK" and frontend.is_in(connection), (frontend.NAME, plus, end)
    for frontend in FRONTENDS:
        with contextlib.closing(bound(stack, frontend)) as other, contextlib.closing(bound(stack, frontend)) as connection:
            scram = Scram("SCRAM-SHA-256-PLUS", user, header=HEADER, binding=other.binding)
            end = frontend.log_in(connection, "SCRAM-SHA-256-PLUS", scram)
            assert end.startswith((frontend.REFUSED, "BYE ")), (frontend.NAME, end)
            # RFC 9266 s. 4.1: the channel was used, another login needs another.
            connection.send(frontend.begin("PLAIN", encoded(f"\0{user}\0secret".encode())).encode() + b"\r\n")
            assert frontend.until(connection, frontend.ANSWER) is None, f"{frontend.NAME}: the connection should be closed"
        with contextlib.closing(bound(stack, frontend)) as connection:
            end = frontend.log_in(connection, "SCRAM-SHA-256", Scram("SCRAM-SHA-256", user, header="y,,"))
            assert end.startswith(frontend.REFUSED), (frontend.NAME, end)
            assert frontend.log_in(connection, "SCRAM-SHA-256", Scram("SCRAM-SHA-256", user)) == "OK", frontend.NAME
        with contextlib.closing(plain(stack, frontend)) as connection:
            scram = Scram("SCRAM-SHA-256-PLUS", user, header=HEADER)
            assert frontend.step(connection, frontend.begin("SCRAM-SHA-256-PLUS", encoded(scram.first())))[1].startswith(frontend.REFUSED[:4])
            assert frontend.log_in(connection, "SCRAM-SHA-256", Scram("SCRAM-SHA-256", user, header="y,,")) == "OK", frontend.NAME


def test_a_channel_is_used_once(stack):
    """RFC 9266 s. 4.1: after UNAUTHENTICATE, too."""
    user, frontend = stack.account(), FRONTENDS[2]
    with contextlib.closing(bound(stack, frontend)) as connection:
        assert frontend.log_in(connection, "SCRAM-SHA-256-PLUS", Scram("SCRAM-SHA-256-PLUS", user, header=HEADER, binding=connection.binding)) == "OK"
        connection.send(b"UNAUTHENTICATE\r\n")
        assert frontend.until(connection, rb"OK")
        end = frontend.log_in(connection, "SCRAM-SHA-256-PLUS", Scram("SCRAM-SHA-256-PLUS", user, header=HEADER, binding=connection.binding))
        assert end.startswith("BYE "), end


def test_a_changed_password_is_changed_here_too(stack):
    user = stack.account()
    stack.admin("update-account", user, "--password", "another")
    for frontend in FRONTENDS:
        with contextlib.closing(plain(stack, frontend)) as connection:
            assert frontend.log_in(connection, "SCRAM-SHA-256", Scram("SCRAM-SHA-256", user)).startswith(frontend.REFUSED), frontend.NAME
            assert frontend.log_in(connection, "SCRAM-SHA-256", Scram("SCRAM-SHA-256", user, "another")) == "OK", frontend.NAME


def test_failures_are_counted_like_those_of_passwords(stack):
    """By the metric; and after three of them the connection ends."""
    user = stack.account()
    for frontend in FRONTENDS:
        before = stack.metric(frontend.NAME, "sora_logins_failed_total")
        with contextlib.closing(plain(stack, frontend)) as connection:
            for _ in range(2):
                assert frontend.log_in(connection, "SCRAM-SHA-1", Scram("SCRAM-SHA-1", user, "wrong")).startswith(frontend.REFUSED)
            assert frontend.log_in(connection, "SCRAM-SHA-1", Scram("SCRAM-SHA-1", user, "wrong")).startswith((frontend.REFUSED, "BYE "))
            while line := connection.line():
                assert line.startswith(b"* BYE "), line
        assert stack.metric(frontend.NAME, "sora_logins_failed_total") == before + 3, frontend.NAME


PROXY_V2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes([192, 0, 2, 1, 127, 0, 0, 1, 0, 1, 0, 110])


@only("split")
def test_without_tls_it_is_there_where_passwords_are_not(stack):
    """RFC 5804 s. 1.7, 5: who comes from elsewhere to a server without TLS can log in by it, and its password is not taken in the clear."""
    user = stack.account()
    for frontend in FRONTENDS:
        name, listen = frontend.NAME, free_port()
        settings = {**stack.bus(name), f"{name}.listen": [f"{HOST}:{listen}"], f"{name}.plain_login": False, "net.proxy_from": ["127.0.0.0/8"],
                    "tls.certificate": "", "tls.key": ""} | ({} if name == "managesieve" else {f"{name}.tls_listen": []})
        with stack.beside(f"{name}-open", f"sora-{name}", settings):
            with contextlib.closing(greeted(frontend, Plain((HOST, listen), PROXY_V2))) as connection:
                refusal = frontend.step(connection, frontend.begin("PLAIN", encoded(f"\0{user}\0secret".encode())))[1]
                assert re.match(r"a NO \[PRIVACYREQUIRED\]|-ERR \[SYS/PERM\] not without TLS|NO \(ENCRYPT-NEEDED\)", refusal), refusal
                assert frontend.log_in(connection, "SCRAM-SHA-256", Scram("SCRAM-SHA-256", user)) == "OK", name


# -- the programs that people use

def run(argv, home):
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=60,
                          env={**os.environ, "HOME": home, "TERM": "xterm"})
    assert done.returncode == 0, done.stdout
    return done.stdout


def write(path, text):
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, 0o600)


@needs("mpop")
def test_mpop(stack):
    """GNU SASL and GnuTLS; with -PLUS it binds to the channel by tls-exporter."""
    user = stack.account()
    deliver(stack, [user], message("for mpop", "Take me.\r\n"))
    for number, mechanism in enumerate(("scram-sha-1", "scram-sha-256", "scram-sha-1-plus", "scram-sha-256-plus")):
        with tempfile.TemporaryDirectory() as home:
            is_plus = mechanism.endswith("plus")
            host, port = (stack.pop3s if is_plus else stack.pop3)[0]
            os.makedirs(f"{home}/mail/new")
            os.makedirs(f"{home}/mail/cur")
            os.makedirs(f"{home}/mail/tmp")
            tls = "tls on\ntls_starttls off\ntls_certcheck off\n" if is_plus else "tls off\n"
            write(f"{home}/rc", f"account default\nhost {host}\nport {port}\nuser {user}\npassword secret\nauth {mechanism}\n{tls}"
                                f"keep on\nuidls_file {home}/uidls\ndelivery maildir {home}/mail\n")
            said = run(["mpop", "--debug", "-C", f"{home}/rc"], home)
            assert f"AUTH {mechanism.upper()}" in said, said
            assert len(os.listdir(f"{home}/mail/new")) == 1, said


@needs("mbsync")
def test_mbsync(stack):
    """Cyrus SASL."""
    user = stack.account()
    deliver(stack, [user], message("for mbsync", "Take me.\r\n"))
    for mechanism in HASHES:
        with tempfile.TemporaryDirectory() as home:
            host, port = stack.imap[0]
            version = subprocess.run(["mbsync", "--version"], stdout=subprocess.PIPE, text=True).stdout
            no_tls = "TLSType" if tuple(map(int, re.search(r"(\d+)\.(\d+)", version).groups())) >= (1, 5) else "SSLType"
            write(f"{home}/rc", f"IMAPAccount a\nHost {host}\nPort {port}\nUser {user}\nPass secret\n{no_tls} None\nAuthMechs {mechanism}\n\n"
                                f"IMAPStore far\nAccount a\n\nMaildirStore near\nPath {home}/mail/\nInbox {home}/mail/INBOX\nSubFolders Verbatim\n\n"
                                "Channel c\nFar :far:\nNear :near:\nCreate Near\n")
            os.makedirs(f"{home}/mail")
            said = run(["mbsync", "-D", "-c", f"{home}/rc", "c"], home)
            assert f"AUTHENTICATE {mechanism}" in said, said
            assert len(os.listdir(f"{home}/mail/INBOX/new")) == 1, said
