"""What happens meanwhile: any process, PostgreSQL and S3 are killed, stopped and restarted, at times that a seed chooses."""
import collections, contextlib, os, random, signal, subprocess, threading, time

from harness.processes import HOST, wait_for
from outages.clients import Wrong

PACE_S = 1.0           # from one to the next, on average
STOP_S = (0.2, 4)
AWAY_S = (0, 1)        # until what was killed is started again
TOGETHER = 2

# `begin`: before the signal, `struck`: after it.
Fault = collections.namedtuple("Fault", "target how begin struck end")


class Process:
    """One of the stack's own."""

    def __init__(self, stage, name):
        self.stage, self.name = stage, name

    def aim(self):
        """Whatever takes time before the blow."""

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


class PostgreSQL:
    name = "PostgreSQL"

    def __init__(self, stage):
        self.server = stage.postgres

    def aim(self):
        """It is all of it."""

    def signal(self, sig):
        self.server.signal(sig)

    def kill(self):
        self.server.signal(signal.SIGKILL)

    def start(self):
        self.server.start()

    def end(self):
        self.server.stop()

    def is_well(self):
        return True


class Backend(PostgreSQL):
    """One of PostgreSQL's own processes: all of it recovers by itself."""

    name = "PostgreSQL's backend"

    def __init__(self, stage, chooser):
        super().__init__(stage)
        self.stage, self.chooser, self.pids = stage, chooser, []

    def aim(self):
        """At those that have something to do; at none while it recovers, which it begins a moment after it said that it is up."""
        sql = f"SELECT pid FROM pg_stat_activity WHERE datname = '{self.stage.database}' ORDER BY state = 'active' DESC LIMIT 3"
        try:
            self.pids = [int(pid) for pid, in self.server.query(sql)]
        except subprocess.CalledProcessError:
            self.pids = []

    def kill(self):
        if self.pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.chooser.choice(self.pids), signal.SIGKILL)

    def start(self):
        """It does so itself."""
        wait_for("PostgreSQL recovered", self.is_up, 60)

    def is_up(self):
        return subprocess.run(["/usr/lib/postgresql/17/bin/pg_isready", "-q", "-h", HOST, "-p", str(self.server.port)]).returncode == 0


class S3(PostgreSQL):
    name = "S3"

    def __init__(self, stage):
        self.server = stage.s3

    def start(self):
        self.server.start_gateway()

    def end(self):
        self.server.signal(signal.SIGTERM)


class Faults:
    """One after the other, some at the same time; `done` are those that are over."""

    def __init__(self, stage, seed):
        self.stage, self.random = stage, random.Random(f"{seed} faults")
        processes = [Process(stage, name) for name in stage.processes]
        servers = [PostgreSQL(stage), Backend(stage, self.random), S3(stage)]
        self.targets = processes + 2 * servers
        self.lock, self.busy, self.done, self.wrong = threading.Lock(), {}, [], None

    def choose(self):
        """(target, how), of those that are well; a server is one thing."""
        how = self.random.choices(("killed", "stopped", "restarted"), (3, 1, 1))[0]
        with self.lock:
            free = [t for t in self.targets if t.name.split("'")[0] not in self.busy and (how == "killed" or type(t) is not Backend)]
            target = self.random.choice(free)
            self.busy[target.name.split("'")[0]] = target
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
        begin = struck = time.time()
        try:
            target.aim()
            begin = time.time()
            strike()
            struck = time.time()
            time.sleep(seconds)
            mend()
        except Exception as wrong:
            self.wrong = self.wrong or Wrong(f"{target.name} {how}: {wrong!r}")
        with self.lock:
            del self.busy[target.name.split("'")[0]]
            self.done.append(Fault(target.name, how, begin, struck, time.time()))

    def check(self):
        if self.wrong:
            raise self.wrong
        with self.lock:
            for target in self.targets:
                if target.name not in self.busy and not target.is_well():
                    raise Wrong(f"{target.name} ended by itself: see {self.stage.processes[target.name].log}")

    def kills(self):
        return sum(fault.how == "killed" for fault in self.done)

    def run(self, is_over):
        threads = []
        while not is_over():
            threads = [thread for thread in threads if thread.is_alive()]
            if len(threads) < TOGETHER:
                threads.append(self.begin())
            time.sleep(self.random.uniform(0, 2 * PACE_S))
            self.check()
        for thread in threads:
            thread.join()
        self.check()
