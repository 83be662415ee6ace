"""Protocol tests as text (tests/transcripts/PROTOCOL/NAME.txt), strict in order.

    # comments, RFC section first
    needs: IDLE                        skipped unless the server offers it
    login: no                          connections begin unauthenticated (default: logged in)
    tls: yes                           connections begin with TLS
    mails: Sent three.mbox             append the mails of tests/transcripts/mails/three.mbox to a mailbox (made if need be)
    selected: INBOX two-messages.mbox  the same, and every connection begins with SELECT of it
    1C: a NOOP                         connection 1 sends the line (and CRLF); `\\r`, `\\0`, `\\xHH` in it are bytes
    1S: a OK $text                     connection 1 receives exactly this line
    1S: ...                            any number of lines, up to the one that the next `1S:` matches
    1S! * FLAGS                        (in `...`) a line that starts so must not have come
    1T:                                from here on connection 1 speaks TLS
    1E:                                the server closes connection 1

$name matches anything, binds once and must match after; $text and $any match anything each time; ${name} the same in the middle of a
word. Bound from the start: $user, $password, $user2 (a second account).
"""
import os, re, socket, ssl, mailbox

from .mail import imap, ok

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Mismatch(AssertionError):
    pass


class Connection:
    def __init__(self, address, tls):
        self.socket = socket.create_connection(address, timeout=20)
        self.pending = b""
        if tls:
            self.starttls()

    def starttls(self):
        context = ssl._create_unverified_context()
        self.socket = context.wrap_socket(self.socket, server_hostname="sora.test")

    def send(self, data):
        self.socket.sendall(data)

    def line(self):
        """The next line without its CRLF; None when the server has closed."""
        while b"\r\n" not in self.pending:
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                if self.pending:
                    raise Mismatch(f"closed within the line {self.pending!r}")
                return None
            self.pending += data
        line, _, self.pending = self.pending.partition(b"\r\n")
        return line.decode("latin-1")


def unescape(text):
    return re.sub(r"\\(r|n|0|\\|x[0-9a-fA-F]{2})",
                  lambda m: {"r": "\r", "n": "\n", "0": "\0", "\\": "\\"}.get(m[1]) or chr(int(m[1][1:], 16)), text)


class Transcript:
    def __init__(self, path):
        self.path, self.settings, self.mails, self.steps = path, {}, [], []
        self.selected = None
        self.protocol = os.path.basename(os.path.dirname(path))
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                self.read(number, line.rstrip("\n"))

    def read(self, number, line):
        step = re.fullmatch(r"(\d)([CSTE])([:!]) ?(.*)", line)
        setting = re.fullmatch(r"(\w+): (.*)", line)
        if not line or line.startswith("#"):
            return
        if step:
            self.steps.append((number, step[1], step[2] + ("!" if step[3] == "!" else ""), step[4]))
        elif setting and setting[1] in ("mails", "selected"):
            box, _, file = setting[2].partition(" ")
            self.mails.append((box, file))
            if setting[1] == "selected":
                self.selected = box
        elif setting and setting[1] in ("needs", "login", "tls"):
            self.settings[setting[1]] = setting[2]
        else:
            raise ValueError(f"{self.path}:{number}: not a step: {line}")

    # -- running

    def prepare(self, stack):
        self.bound = {"user": stack.account(), "user2": stack.account(), "password": "secret"}
        self.connections = {}
        if not self.mails:
            return
        client = imap(stack, self.bound["user"])
        for box, file in self.mails:
            if box.upper() != "INBOX":
                client.create(box)
            for mail in mailbox.mbox(f"{TOP}/transcripts/mails/{file}", create=False) if file else ():
                data = re.sub(rb"\r?\n", b"\r\n", mail.as_bytes())
                ok(client.append(box, None, '"21-Nov-2026 10:00:00 +0100"', data))
        if self.selected:           # so that nothing is \Recent to the connections of the test
            ok(client.select(self.selected))
        client.logout()

    def open(self, stack, number):
        tls = self.settings.get("tls") == "yes"
        replicas = {"imap": stack.imaps if tls else stack.imap, "lmtp": stack.lmtp}[self.protocol]
        c = self.connections[number] = Connection(replicas[(int(number) - 1) % len(replicas)], tls)
        if self.protocol != "imap" or self.settings.get("login") == "no":
            return c
        c.line()
        commands = [f'LOGIN {self.bound["user"]} {self.bound["password"]}'] + ([f"SELECT {self.selected}"] if self.selected else [])
        for command in commands:
            c.send(f"setup {command}\r\n".encode())
            while not (line := c.line() or "closed").startswith(("setup ", "closed")):
                pass
            if not line.startswith("setup OK"):
                raise Mismatch(f"{command}: {line}")
        return c

    def expand(self, text):
        return re.sub(r"\$\{?(\w+)\}?", lambda m: self.bound.get(m[1], m[0]), text)

    def match(self, pattern, line):
        """Bind what the pattern binds when it matches."""
        names, regex, at = [], "", 0
        for m in re.finditer(r"\$\{(\w+)\}|\$(\w+)", pattern):
            name = m[1] or m[2]
            regex += re.escape(pattern[at:m.start()])
            at = m.end()
            if name in ("text", "any"):
                regex += ".*"
            elif name in self.bound:
                regex += re.escape(self.bound[name])
            elif name in names:
                regex += f"(?P={name})"
            else:
                names.append(name)
                regex += f"(?P<{name}>.+?)"
        found = re.fullmatch(regex + re.escape(pattern[at:]), line)
        if found:
            self.bound.update(found.groupdict())
        return found is not None

    def run(self, stack):
        """None, or why it was skipped. Mismatch says where it went wrong."""
        self.prepare(stack)
        if "needs" in self.settings:
            client = imap(stack, self.bound["user"])
            missing = set(self.settings["needs"].split()) - set(ok(client.capability())[0].decode().split())
            client.logout()
            if missing:
                return f"not offered: {' '.join(missing)}"
        try:
            self.play(stack)
        finally:
            for c in self.connections.values():
                c.socket.close()
        return None

    def play(self, stack):
        skipping, forbidden = {}, {}
        for number, who, what, text in self.steps:
            c = self.connections.get(who) or self.open(stack, who)
            where = f"{os.path.relpath(self.path, TOP)}:{number}: {who}"
            try:
                if what == "C":
                    c.send(unescape(self.expand(text)).encode("latin-1", "replace") + b"\r\n")
                elif what == "T":
                    c.starttls()
                elif what == "S!":
                    forbidden.setdefault(who, []).append(text)
                elif what == "E":
                    if (line := c.line()) is not None:
                        raise Mismatch(f"the connection should be closed, but there is: {line}")
                elif text == "...":
                    skipping[who] = True
                else:
                    self.receive(c, unescape(text), skipping.pop(who, False), forbidden.pop(who, []))
            except Mismatch as wrong:
                raise Mismatch(f"{where}: {wrong}") from None
            except TimeoutError:
                raise Mismatch(f"{where}: nothing came; expected: {self.expand(text)}") from None

    def receive(self, c, pattern, skip, forbidden):
        seen = []
        while True:
            line = c.line()
            if line is None:
                raise Mismatch(f"closed; expected: {self.expand(pattern)}\n" + "\n".join(seen))
            seen.append(line)
            if self.match(pattern, line):
                return
            if any(line.startswith(f) for f in forbidden):
                raise Mismatch(f"must not come: {line}")
            if not skip:
                raise Mismatch(f"\n  expected: {self.expand(pattern)}\n  received: {line}")
