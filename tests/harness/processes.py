"""Processes of the tests: started, waited for, stopped, killed; and free ports below the ephemeral range."""
import os, random, signal, socket, subprocess, time, urllib.request

HOST = "127.0.0.1"
ports = range(20000, 32000)
taken = set()


def is_free(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("", port))
        except OSError:
            return False
    return True


def free_port(many=1):
    """
    A port below 32768 that nobody listens on, or the first of `many` side by side; never given twice. A range of the kernel's own would be
    taken by some client.
    """
    while True:
        first = random.choice(ports)
        group = range(first, first + many)
        if taken.isdisjoint(group) and all(map(is_free, group)):
            taken.update(group)
            return first


def wait_for(what, condition, seconds=30):
    """Poll until `condition()` is true; the harness's only wait, for what no event tells."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds} s")
        time.sleep(0.02)


class Process:
    """One program, its log beside it; may be killed and started again."""

    def __init__(self, name, argv, log, env=None, ready=None):
        self.name, self.argv, self.log, self.ready = name, argv, log, ready
        self.env = {**os.environ, **(env or {})}
        self.process, self.log_begin = None, 0

    def start(self, wait=True):
        with open(self.log, "ab") as log:
            self.log_begin = log.tell()
            self.process = subprocess.Popen(self.argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=self.env)
        if wait and self.ready:
            wait_for(f"{self.name} ready", self.is_ready)
        return self

    def is_ready(self):
        if self.process.poll() is not None:
            with open(self.log, errors="replace") as log:
                raise RuntimeError(f"{self.name} ended with {self.process.returncode}:\n{log.read()[-3000:]}")
        try:
            with urllib.request.urlopen(self.ready, timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def logged(self, words):
        """The lines of its log, since it was started, that have these words."""
        with open(self.log, "rb") as log:
            log.seek(self.log_begin)
            return [line for line in log.read().decode(errors="replace").splitlines() if words in line]

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def signal(self, sig):
        self.process.send_signal(sig)

    def kill(self):
        if self.alive():
            self.process.kill()
            self.process.wait()

    def stop(self, seconds=30):
        """SIGTERM, and the exit code; killed when it takes longer."""
        if not self.alive():
            return self.process.returncode if self.process else 0
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return -signal.SIGKILL

    def rss_kib(self):
        """Resident memory now, and the most that it ever was."""
        values = {}
        with open(f"/proc/{self.process.pid}/status") as status:
            for line in status:
                key, _, value = line.partition(":")
                values[key] = value.split()
        return int(values["VmRSS"][0]), int(values["VmHWM"][0])

    def threads(self):
        return len(os.listdir(f"/proc/{self.process.pid}/task"))
