"""Protocol tests as text (tests/transcripts/PROTOCOL/NAME.txt), strict in order.

    # comments, RFC section first
    needs: IDLE                        skipped unless the server offers it
    login: no                          connections begin unauthenticated (default: logged in as $user; LMTP has no login)
    tls: yes                           connections begin with TLS
    imap: 3                            in a transcript of LMTP or POP3, connection 3 speaks IMAP; `lmtp: 2`, `pop3: 2` likewise
    mails: Sent three.mbox             append the mails of tests/transcripts/mails/three.mbox to a mailbox (made if need be)
    selected: INBOX two-messages.mbox  the same, and every connection begins with SELECT of it
    1C: a NOOP                         connection 1 sends the line (and CRLF); `\\r`, `\\n`, `\\0`, `\\xHH` in it are bytes,
                                       ${x*9000} is 9000 times x, ${base64:\\0$user\\0x} is what SASL sends
    1C- a NO                           the same without CRLF
    1R: a NOOP                         the same, again and again until the answer has what the next `1S:` says: events need a moment
    1S: a OK $text                     connection 1 receives exactly this line
    1S: ...                            any number of lines, up to the one that the next `1S:` matches
    1S! * FLAGS                        (in `...`) a line that starts so must not have come
    1S* * LIST () "/" a                lines that follow each other with `1S*` come in any order
    1T:                                from here on connection 1 speaks TLS
    1E:                                the server closes connection 1

$name matches anything, binds once and must match after; $text matches one character or more each time, $any also none; ${name} the same
in the middle of a word, ${NO|BAD} one or the other, $$ a dollar. Bound from the start: $user, $local (its part before
the @), $password, $user2 (a second account).

A response with literals is one, over several lines. Where a standard leaves an order free, none is asked for: items of FETCH and STATUS,
flags, attributes of LIST. A mailbox name may be quoted or not, a body quoted or a literal, an empty one "". Of CAPABILITY the words named
must be there, and those behind a `!` not.

In a mailbox file, the line that begins a mail has the address, INTERNALDATE (as +0100) and, perhaps, flags:
    From alice@example.org Mon Nov 16 09:00:00 2026 \\Seen project
"""
import base64, datetime, mailbox, os, re, socket, ssl, time

from . import responses
from .mail import imap, ok

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
REPEAT_SECONDS = 10
PROTOCOLS = ("imap", "pop3", "managesieve", "lmtp")


class Mismatch(AssertionError):
    pass


class Connection:
    def __init__(self, protocol, address, tls):
        self.protocol = protocol
        self.socket = socket.create_connection(address, timeout=20)
        self.pending = b""
        if tls:
            self.starttls()

    def starttls(self):
        context = ssl._create_unverified_context()
        self.socket = context.wrap_socket(self.socket, server_hostname="sora.test")

    def send(self, data):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass            # what comes next says whether that was right

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

    def response(self, with_literals):
        """The next line, together with the literals that it announces."""
        text = self.line()
        while text is not None and with_literals and responses.is_open(text):
            if (more := self.line()) is None:
                raise Mismatch(f"closed within {text!r}")
            text += "\r\n" + more
        return text


def unescape(text):
    text = re.sub(r"\$\{(.)\*(\d+)\}", lambda m: m[1] * int(m[2]), text)
    return re.sub(r"\\(r|n|0|\\|x[0-9a-fA-F]{2})",
                  lambda m: {"r": "\r", "n": "\n", "0": "\0", "\\": "\\"}.get(m[1]) or chr(int(m[1][1:], 16)), text)


def mails_of(file):
    """(flags, INTERNALDATE, bytes) of each mail."""
    box = mailbox.mbox(f"{TOP}/transcripts/mails/{file}", create=False)
    for key in box.keys():
        start, _, mail = box.get_bytes(key, from_=True).partition(b"\n")
        words = start.decode().split()
        date = datetime.datetime.strptime(" ".join(words[2:7]), "%a %b %d %H:%M:%S %Y")
        yield (f"({' '.join(words[7:])})", date.strftime('"%d-%b-%Y %H:%M:%S +0100"'), re.sub(rb"\r?\n", b"\r\n", mail))


class Step:
    def __init__(self, number, who, what, text):
        self.number, self.who, self.what, self.text = number, who, what, text
        self.choices = [self]      # of lines in any order


class Transcript:
    def __init__(self, path):
        self.path, self.settings, self.mails, self.steps = path, {}, [], []
        self.selected = None
        self.protocol = os.path.basename(os.path.dirname(path))
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                self.read(number, line.rstrip("\n"))

    def read(self, number, line):
        step = re.fullmatch(r"(\d)(C[:-]|S[:!*]|[TER]:) ?(.*)", line)
        setting = re.fullmatch(r"(\w+): (.*)", line)
        if not line or line.startswith("#"):
            return
        if step:
            self.add(Step(number, step[1], step[2].rstrip(":"), step[3]))
        elif setting and setting[1] in ("mails", "selected"):
            box, _, file = setting[2].partition(" ")
            self.mails.append((box, file))
            if setting[1] == "selected":
                self.selected = box
        elif setting and setting[1] in ("needs", "login", "tls", *PROTOCOLS):
            self.settings[setting[1]] = setting[2]
        else:
            raise ValueError(f"{self.path}:{number}: not a step: {line}")

    def add(self, step):
        last = self.steps[-1] if self.steps else None
        if step.what[0] == "S":
            step.text = unescape(step.text)
            if last and last.who == step.who and last.what[0] == "S" and responses.is_open(last.choices[-1].text):
                last.choices[-1].text += "\r\n" + step.text
                return
            if last and last.who == step.who and last.what == step.what == "S*":
                last.choices.append(step)
                return
        self.steps.append(step)

    # -- running

    def prepare(self, stack):
        self.bound = {"user": stack.account(), "password": "secret"}
        if any("user2" in step.text for step in self.steps):
            self.bound["user2"] = stack.account()
        self.bound["local"] = self.bound["user"].partition("@")[0]
        self.connections = {}
        if not self.mails:
            return
        client = imap(stack, self.bound["user"])
        for box, file in self.mails:
            if box.upper() != "INBOX":
                client.create(box)
            for flags, date, data in mails_of(file) if file else ():
                ok(client.append(box, flags, date, data))
        if self.selected:           # so that nothing is \Recent to the connections of the test
            ok(client.select(self.selected))
        client.logout()

    def open(self, stack, number):
        tls = self.settings.get("tls") == "yes"
        protocol = next((p for p in PROTOCOLS if self.settings.get(p) == number), self.protocol)
        replicas = {"imap": stack.imaps if tls else stack.imap, "pop3": stack.pop3s if tls else stack.pop3,
                    "managesieve": stack.managesieve, "lmtp": stack.lmtp}[protocol]
        c = self.connections[number] = Connection(protocol, replicas[(int(number) - 1) % len(replicas)], tls)
        if protocol == "lmtp" or self.settings.get("login") == "no":
            return c
        {"imap": self.log_in_imap, "pop3": self.log_in_pop3, "managesieve": self.log_in_managesieve}[protocol](c)
        return c

    def log_in_managesieve(self, c):
        self.match_line(c, "OK")
        c.send(self.bytes_of('AUTHENTICATE "PLAIN" "${base64:\\0$user\\0$password}"') + b"\r\n")
        self.match_line(c, "OK")

    def match_line(self, c, start):
        """Lines, up to one that starts so."""
        while not (line := c.line() or "closed").startswith(start):
            if line.startswith(("NO", "BYE", "closed")):
                raise Mismatch(f"before the first step: {line}")

    def log_in_pop3(self, c):
        for command in ("", f'USER {self.bound["user"]}', f'PASS {self.bound["password"]}'):
            if command:
                c.send(f"{command}\r\n".encode())
            if not (line := c.line() or "closed").startswith("+OK"):
                raise Mismatch(f"{command}: {line}")

    def log_in_imap(self, c):
        c.line()
        commands = [f'LOGIN {self.bound["user"]} {self.bound["password"]}'] + ([f"SELECT {self.selected}"] if self.selected else [])
        for command in commands:
            c.send(f"setup {command}\r\n".encode())
            while not (line := c.line() or "closed").startswith(("setup ", "closed")):
                pass
            if not line.startswith("setup OK"):
                raise Mismatch(f"{command}: {line}")

    def expand(self, text):
        return re.sub(r"\$\$|\$\{(\w+)\}|\$(\w+)", lambda m: "$" if m[0] == "$$" else self.bound.get(m[1] or m[2], m[0]), text)

    def bytes_of(self, text):
        text = re.sub(r"\$\{base64:(.*?)\}", lambda m: base64.b64encode(unescape(m[1]).encode()).decode(), self.expand(text))
        return unescape(text).encode("latin-1", "replace")

    def regex(self, pattern):
        names, regex, at = [], "", 0
        for m in re.finditer(r"\$\$|\$\{([^{}]*\|[^{}]*)\}|\$\{(\w+)\}|\$(\w+)", pattern):
            name = m[2] or m[3]
            regex += re.escape(pattern[at:m.start()])
            at = m.end()
            if m[0] == "$$":
                regex += r"\$"
            elif m[1]:
                regex += f"(?:{'|'.join(re.escape(choice) for choice in m[1].split('|'))})"
            elif name in ("text", "any"):
                regex += ".+" if name == "text" else ".*"
            elif name in self.bound:
                regex += re.escape(self.bound[name])
            elif name in names:
                regex += f"(?P={name})"
            else:
                names.append(name)
                regex += f"(?P<{name}>.+?)"
        return regex + re.escape(pattern[at:])

    def match(self, pattern, line):
        """Bind what the pattern binds when it matches."""
        if (wanted := responses.capabilities(pattern)) and (have := responses.capabilities(line)):
            return all((w[1:] not in have) if w.startswith("!") else w in have for w in wanted if w[0] != "$")
        found = re.fullmatch(self.regex(pattern), line, re.S) or \
            re.fullmatch(self.regex(responses.canonical(pattern)), responses.canonical(line), re.S)
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
        self.skipping, self.forbidden, self.repeated = {}, {}, {}
        for step in self.steps:
            where = f"{os.path.relpath(self.path, TOP)}:{step.number}: {step.who}"
            try:
                self.step(step, self.connections.get(step.who) or self.open(stack, step.who))
            except Mismatch as wrong:
                raise Mismatch(f"{where}: {wrong}") from None
            except TimeoutError:
                raise Mismatch(f"{where}: nothing came; expected: {self.expand(step.text)}") from None

    def step(self, step, c):
        if step.what in ("C", "C-"):
            c.send(self.bytes_of(step.text) + (b"\r\n" if step.what == "C" else b""))
        elif step.what == "R":
            self.repeated[step.who] = self.bytes_of(step.text) + b"\r\n"
            c.send(self.repeated[step.who])
        elif step.what == "T":
            c.starttls()
        elif step.what == "S!":
            self.forbidden.setdefault(step.who, []).append(step.text)
        elif step.what == "E":
            if (line := c.line()) is not None:
                raise Mismatch(f"the connection should be closed, but there is: {line}")
        elif step.text == "...":
            self.skipping[step.who] = True
        else:
            self.receive(c, step)

    def receive(self, c, step):
        """All the lines of the step, which may come in any order if they are many."""
        left = list(step.choices)
        skip, forbidden = self.skipping.pop(step.who, False), self.forbidden.pop(step.who, [])
        repeated, until = self.repeated.pop(step.who, None), time.monotonic() + REPEAT_SECONDS
        seen = []
        while left:
            line = c.response(any(responses.is_literal(choice.text) or '""' in choice.text for choice in left))
            if line is None:
                raise Mismatch(f"closed; expected: {self.expand(left[0].text)}\n" + "\n".join(seen))
            seen.append(line)
            if found := next((choice for choice in left if self.match(choice.text, line)), None):
                left.remove(found)
            elif any(re.match(self.regex(f), line) for f in forbidden):
                raise Mismatch(f"must not come: {line}")
            elif repeated and line.encode("latin-1").startswith(repeated.split()[0] + b" OK") and time.monotonic() < until:
                time.sleep(0.02)
                c.send(repeated)
            elif not skip:
                expected = "\n            or: ".join(self.expand(choice.text) for choice in left)
                raise Mismatch(f"\n  expected: {expected}\n  received: {line}")
            elif c.protocol == "imap" and re.match(r"\w+ (OK|NO|BAD) ", line) and re.match(r"\w+ ", left[0].text) \
                    and line.split()[0] == left[0].text.split()[0]:
                raise Mismatch(f"\n  expected: {self.expand(left[0].text)}\n  received: {line}")
