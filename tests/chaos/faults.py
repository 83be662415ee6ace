"""What happens meanwhile: any process, PostgreSQL and S3 are killed, stopped and restarted, at times that a seed chooses, when they have something to do."""
import collections, contextlib, os, random, signal, subprocess, threading, time

from harness.processes import HOST, wait_for
from outages.clients import Wrong

from .hits import FRONTENDS, Tally

PACE_S = 0.7           # from one to the next, on average
STOP_S = (0.2, 3)
AWAY_S = (0, 1)        # until what was killed is started again
TOGETHER = 2
AIM_S = 2              # that one waits for something to do
GATHER_S = (0.03, 0.12)  # that calls come in and wait, before the blow
RARE_S = (0.3, 0.8)      # the same, for what is asked now and then

# Of so many: as a share of those that met calls under way. What met none counts a little, too, so that nothing is tried for ever.
WAYS = {"killed": 1.7, "stopped": 1, "restarted": 1}
MISSED = 0.3
FIRST = (("PostgreSQL", "killed"), ("S3", "killed"))  # so that no run is without them
WITHIN = 2             # of the fewest, the seed chooses

# `begin`: before the blow, `struck`: after it; `seen`: what was seen to be under way.
Fault = collections.namedtuple("Fault", "target how begin struck end seen")


def wait_at_most(seconds, condition):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.002)


class Process:
    """One of the stack's own, which others ask."""

    def __init__(self, faults, name):
        self.faults, self.stage, self.name, self.kind = faults, faults.stage, name, name.split("-")[0]
        self.lock = self.name  # of those with the same one, one thing happens at a time

    def aim(self):
        """Whatever takes time before the blow: calls are waiting for it."""
        self.signal(signal.SIGSTOP)
        time.sleep(self.faults.random.uniform(*(RARE_S if self.kind == "sieve" else GATHER_S)))

    def seen(self):
        """What it is seen to be at, when it is no call that is logged."""
        return 0

    def signal(self, sig):
        self.stage.processes[self.name].signal(sig)

    def kill(self):
        self.stage.kill(self.name)

    def start(self):
        self.stage.start_again(self.name)

    def end(self):
        code = self.stage.processes[self.name].stop()
        if code != 0:
            raise Wrong(f"{self.name} ended with {code}: see {self.stage.processes[self.name].log}")

    def is_well(self):
        return self.stage.processes[self.name].alive()


class Frontend(Process):
    def aim(self):
        """A client has asked it for something."""
        wait_at_most(AIM_S, lambda: any(client.asked == self.name for client in self.faults.clients))


class Worker(Process):
    def aim(self):
        """A mail is on its way to the smarthost."""
        wait_at_most(AIM_S, self.seen)

    def seen(self):
        return self.faults.smarthosts[self.name].under_way()


class PostgreSQL(Process):
    def __init__(self, faults, server, name="PostgreSQL"):
        super().__init__(faults, name)
        self.server, self.lock = server, server

    def signal(self, sig):
        self.server.signal(sig)

    def kill(self):
        self.server.signal(signal.SIGKILL)

    def start(self):
        self.server.start()

    def end(self):
        self.signal(signal.SIGCONT)
        self.server.stop()

    def is_well(self):
        return True


class Backend(PostgreSQL):
    """One of PostgreSQL's own processes: when it dies, all of it recovers by itself; when it is told to end, its client connects again."""

    def __init__(self, faults, server):
        super().__init__(faults, server, "PostgreSQL's backend")
        self.pid = None

    def aim(self):
        """At one that has something to do; at none while it recovers, which it begins a moment after it said that it is up."""
        sql = f"SELECT pid FROM pg_stat_activity WHERE datname = '{self.stage.database}' ORDER BY state = 'active' DESC LIMIT 3"
        try:
            self.pid = self.faults.random.choice([int(pid) for pid, in self.server.query(sql, is_quiet=True)])
        except (subprocess.CalledProcessError, IndexError):
            self.pid = None
        super().aim()

    def signal(self, sig):
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, sig)

    def kill(self):
        self.signal(signal.SIGKILL)

    def end(self):
        self.signal(signal.SIGTERM)
        self.signal(signal.SIGCONT)

    def start(self):
        """It does so itself."""
        wait_for("PostgreSQL recovered", self.is_up, 60)

    def is_up(self):
        return subprocess.run(["/usr/lib/postgresql/17/bin/pg_isready", "-q", "-h", HOST, "-p", str(self.server.port)]).returncode == 0


class S3(PostgreSQL):
    def start(self):
        self.server.start_gateway()

    def end(self):
        self.server.signal(signal.SIGTERM)
        self.server.signal(signal.SIGCONT)


class Faults:
    """One after the other, some at the same time; `done` are those that are over."""

    def __init__(self, stage, seed, clients, smarthosts):
        self.stage, self.clients, self.smarthosts, self.random = stage, clients, smarthosts, random.Random(f"{seed} faults")
        self.targets = [self.target(name) for name in stage.processes]
        self.targets += [PostgreSQL(self, stage.postgres), Backend(self, stage.postgres), S3(self, stage.s3, "S3")]
        self.lock, self.busy, self.done, self.wrong = threading.Lock(), set(), [], None
        self.begun, self.tally = collections.Counter(), Tally(stage, clients, {target.kind for target in self.targets})

    def target(self, name):
        kind = name.split("-")[0]
        return (Frontend if kind in FRONTENDS else Worker if kind == "worker" else Process)(self, name)

    def share(self, kind, how):
        """What there has been of it."""
        return (self.begun[kind, how] - (1 - MISSED) * self.tally.missed(kind, how)) / WAYS[how]

    def turn(self, kind, how):
        """Whose is the lowest is next."""
        is_first = (kind, how) in FIRST and not self.begun[kind, how]
        return not is_first, self.share(kind, how) + self.random.uniform(0, WITHIN)

    def choose(self):
        """(target, how), of those that are well: what there has been little of."""
        with self.lock:
            free = [(target, how) for target in self.targets if target.lock not in self.busy for how in WAYS]
            self.random.shuffle(free)
            target, how = min(free, key=lambda one: self.turn(one[0].kind, one[1]))
            self.busy.add(target.lock)
            self.begun[target.kind, how] += 1
        return target, how

    def begin(self):
        target, how = self.choose()
        seconds = self.random.uniform(*(STOP_S if how == "stopped" else AWAY_S))
        thread = threading.Thread(target=self.happen, args=(target, how, seconds))
        thread.start()
        return thread

    def happen(self, target, how, seconds):
        strike, mend = {
            "killed": (target.kill, target.start),
            "stopped": (lambda: target.signal(signal.SIGSTOP), lambda: target.signal(signal.SIGCONT)),
            "restarted": (target.end, target.start)}[how]
        begin, struck, seen = time.time(), time.time(), 0
        try:
            target.aim()
            begin, seen = time.time(), target.seen()
            strike()
            struck = time.time()
            time.sleep(seconds)
            mend()
        except Exception as wrong:
            self.wrong = self.wrong or Wrong(f"{target.name} {how}: {wrong!r}")
        with self.lock:
            self.busy.remove(target.lock)
            self.done.append(Fault(target.name, how, begin, struck, time.time(), seen))

    def check(self):
        if self.wrong:
            raise self.wrong
        with self.lock:
            for target in self.targets:
                if target.lock not in self.busy and not target.is_well():
                    raise Wrong(f"{target.name} ended by itself: see {self.stage.processes[target.name].log}")

    def kills(self):
        return sum(fault.how == "killed" for fault in self.done)

    def run(self, is_over):
        threads = []
        while not is_over():
            threads = [thread for thread in threads if thread.is_alive()]
            if len(threads) < TOGETHER:
                threads.append(self.begin())
            self.tally.look(self.done)
            time.sleep(self.random.uniform(0, 2 * PACE_S))
            self.check()
        for thread in threads:
            thread.join()
        self.check()
