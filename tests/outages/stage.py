"""Where the outages happen: every service in two replicas, behind proxies; what can fail, and how."""
import collections, concurrent.futures, itertools, re, signal

from harness.mail import deliver
from harness.proxy import Proxies
from harness.stack import Stack

from .clients import BODIES, OPERATIONS, Filtered, activate
from .wire import editor, opened

SLOW = (0.1, 200_000)  # seconds that each direction is late, bytes a second
PROBES = 3
FRONTENDS = ("imap", "lmtp", "pop3", "managesieve")  # what the clients are connected to


class Behind:
    """A server of the run, as it is reached through a proxy."""

    def __init__(self, server, **changed):
        self.__dict__.update(server=server, **changed)

    def __getattr__(self, name):
        return getattr(self.server, name)


class Stage(Stack):
    """The proxies are named after what is behind them; a worker has its own, as nobody connects to it."""

    def __init__(self, directory, build, postgres, s3):
        self.proxies = Proxies()
        port = self.proxies.port("S3", s3.port)
        super().__init__("split", directory, build, postgres, Behind(s3, endpoint=s3.endpoint.replace(str(s3.port), str(port))))

    def through(self, name, url):
        return re.sub(r":(\d+)$", lambda port: f":{self.proxies.port(name, port[1])}", url)

    def config(self, name, **own):
        own["database.port"] = self.proxies.port("PostgreSQL", self.postgres.port)
        for kind in ("metadata", "blob", "sieve"):
            whose = f"{name}:" if name.startswith("worker") else ""
            own[f"bus.{kind}"] = [self.through(f"{whose}{kind}-{i}", url) for i, url in enumerate(own[f"bus.{kind}"], 1)]
        return super().config(name, **own)

    def start(self):
        super().start()
        for name in FRONTENDS:
            addresses = getattr(self, name)
            host, port = addresses[0]
            addresses[0] = (host, self.proxies.port(f"{name}-1", port))
        return self

    def stop(self):
        wrong = super().stop()
        self.proxies.stop()
        return wrong

    # -- who is asked for an account

    def home(self, kind, action):
        """The replica (0, 1) that was asked most."""
        before = [self.proxies.sent(f"{kind}-{i}") for i in (1, 2)]
        action()
        asked = [self.proxies.sent(f"{kind}-{i}") - old for i, old in zip((1, 2), before)]
        return asked.index(max(asked))

    def homes(self, user):
        """Of the account, and of its logins."""
        def log_in():
            for _ in range(PROBES):
                opened(self.imap[1], user)[0].close()

        client = opened(self.imap[1], user)[0]
        of_account = self.home("metadata", lambda: [client.command("STATUS INBOX (MESSAGES)") for _ in range(PROBES)])
        client.close()
        return of_account, self.home("metadata", log_in)

    def checks_at(self, user, replica):
        """Are the account's scripts checked there?"""
        client = editor(self.managesieve[1], user)[0]
        where = self.home("sieve", lambda: [client.command("CHECKSCRIPT", b"keep;") for _ in range(PROBES)])
        client.close()
        return where == replica

    def script_at(self, user, replica):
        """A script that is run there."""
        for number in itertools.count():
            script = f"{Filtered.SCRIPT} # {number}"
            activate({"managesieve": self.managesieve[1], "user": user}, script)
            if self.home("sieve", lambda: deliver(self, [user], BODIES[0], replica=1)) == replica:
                return script

    def accounts(self, count):
        """{replica: `count` accounts at home there, whose logins are too}, with mails in their INBOX."""
        found = {0: [], 1: []}
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            while min(map(len, found.values())) < count:
                for user in pool.map(lambda _: self.account(), range(count)):
                    of_account, of_login = self.homes(user)
                    if of_account == of_login and len(found[of_account]) < count:
                        found[of_account].append(user)
        for body in BODIES:
            refused = deliver(self, found[0] + found[1], body, replica=1)
            assert not refused, refused
        return found

    def places(self):
        """{replica: {operation: what its client needs}}; whatever its account asks for is at home there."""
        return {replica: self.places_at(replica, users) for replica, users in self.accounts(len(OPERATIONS) + 1).items()}

    def places_at(self, replica, users):
        put = next(user for user in users if self.checks_at(user, replica))
        users = iter([user for user in users if user != put])
        where = {name: getattr(self, name)[replica] for name in FRONTENDS}
        where.update(lmtp_of_idle=self.lmtp[1], script=self.script_at(next(users), replica))
        return {name: {**where, "user": put if name == "PUTSCRIPT" else next(users)} for name in OPERATIONS}


# ---- what can fail

class Target:
    """
    `processes`: names in the stack. `proxies`: those that stand before it. `is_brief`: what clients see of it is soon seen. `has_twin`: another
    replica goes on.
    """

    def __init__(self, title, processes, proxies=None, is_brief=False):
        self.title, self.processes, self.proxies, self.is_brief = title, processes, proxies or processes, is_brief
        self.has_twin = len(processes) == 1

    def is_of(self, service):
        return self.processes == [f"{service}-1"]

    def signal(self, stage, sig):
        for name in self.processes:
            stage.processes[name].signal(sig)

    def kill(self, stage):
        for name in self.processes:
            stage.kill(name)

    def start(self, stage):
        for name in self.processes:
            stage.start_again(name)

    def proxy(self, stage, mode, *numbers):
        for name in self.proxies:
            stage.proxies.set(name, mode, *numbers)


class Server(Target):
    """PostgreSQL or S3: not the stack's own."""

    def __init__(self, title, of, again):
        super().__init__(title, [], [title])
        self.of, self.again = of, again

    def signal(self, stage, sig):
        self.of(stage).signal(sig)

    def kill(self, stage):
        self.of(stage).signal(signal.SIGKILL)

    def start(self, stage):
        self.again(self.of(stage))


TARGETS = (
    Server("PostgreSQL", lambda stage: stage.postgres, lambda postgres: postgres.start()),
    Server("S3", lambda stage: stage.s3, lambda s3: s3.start_gateway()),
    Target("metadata, one of two", ["metadata-1"]),
    Target("metadata, both", ["metadata-1", "metadata-2"]),
    Target("blob, one of two", ["blob-1"]),
    Target("blob, both", ["blob-1", "blob-2"]),
    Target("sieve, one of two", ["sieve-1"], is_brief=True),
    Target("sieve, both", ["sieve-1", "sieve-2"], is_brief=True),
    Target("worker, one of two", ["worker-1"], [f"worker-1:{kind}-{i}" for kind in ("metadata", "blob") for i in (1, 2)], is_brief=True),
    *(Target(f"{name}, the client's", [f"{name}-1"], is_brief=True) for name in FRONTENDS),
)

# ---- how

# `seconds` that it lasts, `brief` ones for what is.
Fault = collections.namedtuple("Fault", "title text seconds brief begin end")

FAULTS = (
    Fault("killed", "`kill -9`, and started again after {}", 20, 8, lambda s, t: t.kill(s), lambda s, t: t.start(s)),
    Fault("stopped", "SIGSTOP, and SIGCONT after {}: connections stay, and nobody answers", 25, 25,
          lambda s, t: t.signal(s, signal.SIGSTOP), lambda s, t: t.signal(s, signal.SIGCONT)),
    Fault("refusing", "For {} connects are refused, and what was connected was reset; the process lives", 20, 8,
          lambda s, t: t.proxy(s, "refuse"), lambda s, t: t.proxy(s, "pass")),
    Fault("slow", f"For {{}} each direction is {SLOW[0] * 1000:.0f} ms late, and takes {SLOW[1] // 1000} KB a second for each connection", 8, 8,
          lambda s, t: t.proxy(s, "slow", *SLOW), lambda s, t: t.proxy(s, "pass")),
)
