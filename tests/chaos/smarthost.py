"""Where redirected mails go, one for each worker, so that it is seen which worker has a mail on its way."""
import random, threading, time

from harness.smtp_sink import Sink

TAKES_S = (0.05, 0.2)


class Smarthost(Sink):
    def __init__(self):
        super().__init__()
        self.lock, self.begun = threading.Lock(), {}
        self.answer = {"MAIL": self.begin, "END": self.linger, "AFTER": self.end}

    def begin(self, session, _):
        with self.lock:
            self.begun[session.request] = time.time()

    def linger(self, *_):
        time.sleep(random.uniform(*TAKES_S))

    def end(self, session, _):
        with self.lock:
            self.begun.pop(session.request, None)

    def under_way(self):
        """Mails that are being sent."""
        with self.lock:
            self.begun = {connection: begin for connection, begin in self.begun.items() if connection in self.sessions}
            return len(self.begun)
