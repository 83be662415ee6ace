"""A client's side of SCRAM (RFC 5802, RFC 7677), and logins by it to each frontend."""
import base64, contextlib, hashlib, hmac, os, re, socket, subprocess

HASHES = {"SCRAM-SHA-1": "sha1", "SCRAM-SHA-256": "sha256"}
LABEL = "EXPORTER-Channel-Binding"


class Scram:
    """One exchange. `header` is the gs2-header, `binding` the channel's data with -PLUS."""

    def __init__(self, mechanism, user, password="secret", header="n,,", binding=b""):
        self.hash, self.password = HASHES[mechanism.removesuffix("-PLUS")], password.encode()
        self.header, self.binding = header, binding
        self.nonce = base64.b64encode(os.urandom(15)).decode()
        self.bare = f"n={user.replace('=', '=3D').replace(',', '=2C')},r={self.nonce}"

    def first(self):
        return (self.header + self.bare).encode()

    def mac(self, key, text):
        return hmac.new(key, text.encode(), self.hash).digest()

    def final(self, server_first):
        words = dict(word.split("=", 1) for word in server_first.decode().split(","))
        assert words["r"].startswith(self.nonce) and len(words["r"]) > len(self.nonce) + 16 and int(words["i"]) >= 4096, words
        unproved = f"c={base64.b64encode(self.header.encode() + self.binding).decode()},r={words['r']}"
        message = f"{self.bare},{server_first.decode()},{unproved}"
        salted = hashlib.pbkdf2_hmac(self.hash, self.password, base64.b64decode(words["s"]), int(words["i"]))
        key = self.mac(salted, "Client Key")
        signature = self.mac(hashlib.new(self.hash, key).digest(), message)
        self.expected = b"v=" + base64.b64encode(self.mac(self.mac(salted, "Server Key"), message))
        proof = bytes(a ^ b for a, b in zip(key, signature))
        return f"{unproved},p={base64.b64encode(proof).decode()}".encode()


class Plain:
    """A connection, of which lines are read."""

    def __init__(self, address, before=b""):
        self.socket = socket.create_connection(address, timeout=60)
        self.file = self.socket.makefile("rb")
        self.send(before)

    def send(self, data):
        self.socket.sendall(data)

    def line(self):
        return self.file.readline()

    def close(self):
        self.file.close()
        self.socket.close()


class Bound:
    """The same over TLS 1.3 by openssl's client, which tells the channel's data. What it says besides stands between the lines."""

    def __init__(self, address, starttls=None):
        host, port = address
        self.process = subprocess.Popen(["openssl", "s_client", "-connect", f"{host}:{port}", "-tls1_3", "-nocommands", "-ign_eof",
                                         "-keymatexport", LABEL, "-keymatexportlen", "32", *(["-starttls", starttls] if starttls else [])],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        while not (found := re.match(rb"\s*Keying material: (\w+)", line := self.line())):
            assert line, "closed within the handshake"
        self.binding = bytes.fromhex(found[1].decode())

    def send(self, data):
        with contextlib.suppress(BrokenPipeError):      # what comes next says whether that was right
            self.process.stdin.write(data)
            self.process.stdin.flush()

    def line(self):
        return self.process.stdout.readline()

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()


def encoded(data):
    return base64.b64encode(data).decode()


class Frontend:
    """What a protocol makes of an exchange. REFUSED is how the answer to one that has failed begins."""

    def until(self, connection, pattern):
        """The next line that matches; None when the server has closed."""
        while line := connection.line():
            if found := re.match(pattern, line):
                return found
        return None

    def step(self, connection, command):
        """Send, and give (challenge, None), or (data with success, "OK"), or (None, the refusal)."""
        connection.send(command.encode() + b"\r\n")
        found = self.until(connection, self.ANSWER)
        if found is None:
            return None, "closed"
        if found["challenge"] is not None:
            return base64.b64decode(found["challenge"]), None
        return (base64.b64decode(found["data"] or b""), "OK") if found["ok"] else (None, found[0].decode().strip())

    def log_in(self, connection, mechanism, scram, change=lambda final: final, initial=True):
        """"OK", or how it was refused. The server's signature is looked at."""
        if initial:
            challenge, end = self.step(connection, self.begin(mechanism, encoded(scram.first())))
        else:
            challenge, end = self.step(connection, self.begin(mechanism))
            assert (challenge, end) == (b"", None)
            challenge, end = self.step(connection, self.respond(encoded(scram.first())))
        if end:
            return end
        final, end = self.step(connection, self.respond(encoded(change(scram.final(challenge)))))
        if end is None:     # a protocol without a place for data beside its OK
            assert self.NAME != "managesieve" and final == scram.expected, final
            return self.step(connection, self.respond(""))[1]
        assert end != "OK" or (self.NAME == "managesieve" and final == scram.expected), (final, end)
        return end


class Imap(Frontend):
    NAME, STARTTLS, REFUSED = "imap", None, "a NO [AUTHENTICATIONFAILED] "
    ANSWER = rb"\+ (?P<challenge>[\w+/=]*)\r?\n|(?P<ok>a OK)(?P<data>)|a (NO|BAD).*"

    def begin(self, mechanism, initial=None):
        return f"a AUTHENTICATE {mechanism}" + (f" {initial}" if initial else "")

    def respond(self, text):
        return text

    def is_in(self, connection):
        connection.send(b"b SELECT INBOX\r\n")
        return self.until(connection, rb"b (OK|BAD)")[1] == b"OK"


class Pop3(Frontend):
    NAME, STARTTLS, REFUSED = "pop3", None, "-ERR [AUTH] "
    ANSWER = rb"\+ (?P<challenge>[\w+/=]*)\r?\n|(?P<ok>\+OK \d+ messages)(?P<data>)|-ERR.*"

    def begin(self, mechanism, initial=None):
        return f"AUTH {mechanism}" + (f" {initial}" if initial else "")

    def respond(self, text):
        return text

    def is_in(self, connection):
        connection.send(b"STAT\r\n")
        return self.until(connection, rb"(\+OK \d|-ERR)")[1].startswith(b"+OK")


class ManageSieve(Frontend):
    NAME, STARTTLS, REFUSED = "managesieve", "sieve", "NO "
    ANSWER = rb'"(?P<challenge>[\w+/=]*)"\r?\n|(?P<ok>OK) \(SASL "(?P<data>[\w+/=]*)"\) "logged in"|(NO|BYE).*'

    def begin(self, mechanism, initial=None):
        return f'AUTHENTICATE "{mechanism}"' + (f' "{initial}"' if initial else "")

    def respond(self, text):
        return f'"{text}"'

    def is_in(self, connection):
        connection.send(b'LISTSCRIPTS\r\n')
        return self.until(connection, rb"(OK|NO)\b")[1] == b"OK"


FRONTENDS = [Imap(), Pop3(), ManageSieve()]


def plain(stack, frontend, replica=0):
    """A connection without TLS, from this host."""
    addresses = getattr(stack, frontend.NAME)
    return greeted(frontend, Plain(addresses[replica % len(addresses)]))


def bound(stack, frontend, replica=0):
    addresses = stack.managesieve if frontend.STARTTLS else getattr(stack, frontend.NAME + "s")
    connection = Bound(addresses[replica % len(addresses)], frontend.STARTTLS)
    return greeted(frontend, connection)


def greeted(frontend, connection):
    assert frontend.until(connection, rb"\* OK|\+OK|OK"), "no greeting"
    return connection
