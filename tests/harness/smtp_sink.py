"""An SMTP server that keeps what it is sent, and misbehaves as a test tells it to.

    with Sink(port) as sink:
        sink.answer["RCPT"] = lambda session, argument: "450 4.2.0 later"   # None: as usual; CUT: no answer, the connection ends; HANG: silence
        sink.wait(1)                                                        # mails taken; sink.mails[0].data are its bytes
"""
import base64, socket, socketserver, ssl, threading, time

from .processes import HOST, free_port

CUT, HANG = object(), object()


class Mail:
    """What one transaction brought: envelope, parameters of MAIL, bytes, and over what."""

    def __init__(self, session):
        self.sender, self.parameters, self.recipients = session.sender, session.parameters, list(session.recipients)
        self.data, self.has_tls, self.user, self.helo = session.data, session.has_tls, session.user, session.helo

    def field(self, name):
        """The first field of that name, unfolded."""
        head = self.data.split(b"\r\n\r\n", 1)[0].replace(b"\r\n\t", b" ").replace(b"\r\n ", b" ")
        for line in head.split(b"\r\n"):
            if line.lower().startswith(name.lower().encode() + b":"):
                return line.split(b":", 1)[1].strip().decode("utf-8", "replace")
        return None


class Session(socketserver.StreamRequestHandler):
    timeout = 120

    def setup(self):
        self.sink = self.server.sink
        self.has_tls, self.user, self.helo = False, None, None
        if self.sink.implicit:
            self.begin_tls()
        super().setup()
        self.sink.sessions.add(self.request)
        self.forget()

    def begin_tls(self):
        self.request = self.sink.tls.wrap_socket(self.request, server_side=True)
        self.has_tls = True

    def forget(self):
        self.sender, self.parameters, self.recipients, self.data = None, [], [], b""

    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def odd(self, stage, argument):
        """What the test wants in place of the usual; False: nothing."""
        answer = self.sink.answer.get(stage)
        answer = answer(self, argument) if answer else None
        if answer is HANG:
            self.sink.ended.wait()
        if answer in (CUT, HANG):
            raise ConnectionError
        if answer:
            self.say(answer)
        return bool(answer)

    def handle(self):
        try:
            if self.odd("", ""):
                return
            self.say("220 sink.test ESMTP")
            while line := self.rfile.readline():
                verb, _, argument = line.rstrip(b"\r\n").decode("utf-8", "replace").partition(" ")
                if verb.upper() == "QUIT":
                    self.say("221 2.0.0 bye")
                    return
                if not self.odd(verb.upper(), argument):
                    getattr(self, "do_" + verb.lower(), self.unknown)(argument)
        except (OSError, ssl.SSLError):
            pass
        finally:
            self.sink.sessions.discard(self.request)

    def unknown(self, _):
        self.say("502 5.5.1 what?")

    def do_ehlo(self, argument):
        self.helo = argument
        offers = [*self.sink.offers]
        if self.sink.tls and not self.has_tls:
            offers.append("STARTTLS")
        elif self.sink.users:
            offers.append("AUTH " + self.sink.mechanisms)
        for offer in ["sink.test", *offers][:-1] if offers else []:
            self.say("250-" + offer)
        self.say("250 " + (offers[-1] if offers else "sink.test"))

    def do_helo(self, argument):
        self.helo = argument
        self.say("250 sink.test")

    def do_starttls(self, _):
        self.say("220 2.0.0 go on")
        self.wfile.flush()
        self.begin_tls()
        self.rfile, self.wfile = self.request.makefile("rb"), self.request.makefile("wb", 0)

    def do_auth(self, argument):
        mechanism, _, initial = argument.partition(" ")
        if mechanism.upper() == "PLAIN":
            _, user, password = base64.b64decode(initial).decode().split("\0")
        else:
            self.say("334 " + base64.b64encode(b"Username:").decode())
            user = base64.b64decode(self.rfile.readline()).decode()
            self.say("334 " + base64.b64encode(b"Password:").decode())
            password = base64.b64decode(self.rfile.readline()).decode()
        if self.sink.users.get(user) == password:
            self.user = user
            self.say("235 2.7.0 welcome")
        else:
            self.say("535 5.7.8 wrong")

    def do_mail(self, argument):
        if self.sink.users and not self.user:
            self.say("530 5.7.0 who are you?")
            return
        self.forget()
        path, *self.parameters = argument[len("FROM:"):].split(" ")
        self.sender = path[1:-1]
        self.say("250 2.1.0 ok")

    def do_rcpt(self, argument):
        self.recipients.append(argument[len("TO:"):].split(" ")[0][1:-1])
        self.say("250 2.1.5 ok")

    def do_rset(self, _):
        self.forget()
        self.say("250 2.0.0 ok")

    def do_data(self, _):
        self.say("354 go on")
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            if not line.endswith(b"\n"):       # cut, perhaps amid a line
                raise ConnectionError
            assert line.endswith(b"\r\n") and b"\r" not in line[:-2], f"a bare CR or LF: {line!r}"
            lines.append(line[1:] if line.startswith(b".") else line)
        self.data = b"".join(lines)
        if not self.odd("END", ""):
            with self.sink.changed:
                self.sink.mails.append(Mail(self))
                self.sink.changed.notify_all()
            if not self.odd("AFTER", ""):
                self.say("250 2.0.0 taken")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address, daemon_threads, request_queue_size = True, True, 64


class Sink:
    def __init__(self, port=None, offers=("SIZE 200000000", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"), certificate=None, key=None,
                 implicit=False, users=None, mechanisms="PLAIN LOGIN"):
        self.port, self.offers, self.implicit, self.users, self.mechanisms = port or free_port(), offers, implicit, users or {}, mechanisms
        self.tls = None
        if certificate:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(certificate, key)
        self.answer, self.mails, self.sessions = {}, [], set()
        self.changed, self.ended = threading.Condition(), threading.Event()
        self.server = None

    def start(self):
        self.ended.clear()
        self.server = Server((HOST, self.port), Session)
        self.server.sink = self
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self):
        """As if it were killed: what goes on is cut."""
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()
        for connection in list(self.sessions):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    __enter__ = start

    def __exit__(self, *_):
        self.stop()

    def wait(self, count=1, seconds=90, of=lambda mail: True):
        """The mails that `of` likes, once there are `count`. A worker that has found no smarthost looks again after a minute at most."""
        end = time.monotonic() + seconds
        with self.changed:
            while len(found := [mail for mail in self.mails if of(mail)]) < count:
                if not self.changed.wait(end - time.monotonic()):
                    raise AssertionError(f"{len(found)} mails of {count} came in {seconds} s: {[mail.recipients for mail in self.mails]}")
        return found
