"""Which faults met calls under way, by the clients' own account and by what the services logged."""
import bisect, collections, datetime, itertools, re, time

from outages.clients import is_good

SERVED = re.compile(rb"^time=(\S+) level=debug event=bus.served .*?(?:trace=(\w+) )?method=(\w+) .*elapsed_us=(\d+)", re.M)
RETRY = re.compile(rb"^time=(\S+) level=debug event=bus.retry .*method=\w+\.(\w+) replica=\S*:(\d+)", re.M)
STORE = re.compile(rb"^time=(\S+) level=warn event=blob.s3 ", re.M)
JOB = re.compile(rb"event=worker.job .*?trace=(\w+)")
WAITING = ("Watch", "Ping")  # always under way
WORKERS = ("Purge", "Referenced", "DueDeletions", "DeletionsDone", "Relocate", "Delete", "List", "Compact")
FRONTENDS = ("imap", "pop3", "lmtp", "managesieve")
NOTICED_S = 1.5  # until a lost connection is noticed
LONGEST_S = 25   # that a call takes
RESUMED_S = 0.01  # what is received so soon after the process went on has waited for it
STUCK_S = 0.02  # what takes so long waits for a backend that hangs
EVERY_S = 10     # logs are read

Served = collections.namedtuple("Served", "process begin end trace method")


def seconds(text):
    return datetime.datetime.fromisoformat(text.decode()).timestamp()


class Times:
    """Things that have a time, found by it."""

    def __init__(self, things, time_of):
        self.things = sorted(things, key=time_of)
        self.times = [time_of(thing) for thing in self.things]

    def within(self, first, last):
        return self.things[bisect.bisect_left(self.times, first):bisect.bisect_right(self.times, last)]


class Logs:
    """What the services have logged, as it comes; what is long ago is forgotten."""

    def __init__(self, stage):
        self.stage, self.offsets, self.jobs = stage, collections.Counter(), collections.defaultdict(set)
        self.served, self.retries, self.store = [], [], []
        self.ports = {process: stage.urls[process.split("-")[0]][int(process[-1]) - 1].rpartition(":")[2].encode()
                      for process in stage.processes if process.split("-")[0] in stage.urls}

    def read(self, since):
        self.served = [s for s in self.served if s.end >= since]
        self.retries = [retry for retry in self.retries if retry[0] >= since]
        self.store = [at for at in self.store if at >= since]
        for name, process in self.stage.processes.items():
            with open(process.log, "rb") as log:
                log.seek(self.offsets[name])
                text = log.read()
            text = text[:text.rfind(b"\n") + 1]
            self.offsets[name] += len(text)
            self.add(name, text)

    def add(self, name, text):
        for at, trace, method, elapsed in SERVED.findall(text):
            if method.decode() not in WAITING:
                end = seconds(at)
                self.served.append(Served(name, end - int(elapsed) / 1e6, end, trace, method.decode()))
        self.retries += [(seconds(at), port) for at, method, port in RETRY.findall(text) if method.decode() not in WAITING]
        self.store += [seconds(at) for at in STORE.findall(text)]
        self.jobs[name].update(JOB.findall(text))


class Window:
    """What happened in the time of some faults."""

    def __init__(self, logs, calls):
        self.ports, self.jobs = logs.ports, logs.jobs
        self.calls = Times(calls, lambda call: call.end)
        self.served = Times(logs.served, lambda call: call.end)
        self.retries = Times(logs.retries, lambda retry: retry[0])
        self.store = Times(logs.store, float)

    def served_during(self, fault, kind):
        """Calls that a service had under way when it happened, and answered later; or, where that is an orderly end, before it was over."""
        first = fault.begin if fault.how == "restarted" else fault.struck
        return [s for s in self.served.within(first, fault.begin + LONGEST_S) if s.process.startswith(kind) and s.begin < fault.begin]

    def waited_for(self, fault):
        """Calls that had come to a process while it was stopped."""
        at = fault.end if fault.how == "stopped" else fault.begin
        return [s for s in self.served.within(at, at + LONGEST_S)
                if s.process == fault.target and at - RESUMED_S <= s.begin <= at + RESUMED_S] if fault.how != "killed" else []

    def met_at_service(self, fault):
        lost = sum(port == self.ports[fault.target] for _, port in self.retries.within(fault.begin, fault.begin + NOTICED_S))
        return lost + len({*self.served_during(fault, fault.target), *self.waited_for(fault)})

    def met_at_frontend(self, fault):
        """What a client had asked for, and was not answered any more; or later, or by one that was on its way out."""
        calls = self.calls.within(fault.begin, fault.begin + LONGEST_S)
        return sum(c.process == fault.target and c.begin < fault.begin and (fault.how != "killed" or not is_good(c.answer)) for c in calls)

    def met_at_backend(self, fault):
        """When it is killed, all of PostgreSQL recovers."""
        calls = self.served_during(fault, "metadata")
        return len(calls) if fault.how == "killed" else sum(s.end - s.begin >= STUCK_S for s in calls)

    def met_at_worker(self, fault):
        others = set().union(*(traces for name, traces in self.jobs.items() if name != fault.target))
        return fault.seen + sum(s.method in WORKERS and s.trace not in others
                                for s in self.served.within(fault.begin, fault.begin + LONGEST_S) if s.begin < fault.begin)

    def met(self, fault):
        """How many calls were under way."""
        kind = kind_of(fault)
        if kind in FRONTENDS:
            return self.met_at_frontend(fault)
        if kind == "worker":
            return self.met_at_worker(fault)
        if kind in ("metadata", "blob", "sieve"):
            return self.met_at_service(fault)
        if kind == "S3":
            return len(self.store.within(fault.begin, fault.begin + NOTICED_S)) + len(self.served_during(fault, "blob"))
        return self.met_at_backend(fault) if kind.endswith("backend") else len(self.served_during(fault, "metadata"))


def kind_of(fault):
    return re.sub(r"-\d$", "", fault.target)


class Tally:
    """The faults of each kind that have happened, and what they met."""

    def __init__(self, stage, clients, kinds):
        self.logs, self.clients, self.looked, self.judged = Logs(stage), clients, time.monotonic(), 0
        self.met = {(kind, how): [] for kind in sorted(kinds) for how in ("killed", "stopped", "restarted")}

    def missed(self, kind, how):
        """How many met no call, as far as is known."""
        return self.met[kind, how].count(0)

    def look(self, faults):
        """At those that are long enough ago, now and then."""
        if time.monotonic() > self.looked + EVERY_S:
            self.judge(list(itertools.takewhile(lambda fault: fault.begin < time.time() - LONGEST_S, faults[self.judged:])))
            self.looked = time.monotonic()

    def calls(self, since):
        for client in self.clients:
            for call in reversed(client.calls):
                if call.end < since:
                    break
                if call.process:
                    yield call

    def judge(self, faults):
        """The next ones, in their order."""
        since = min([fault.begin for fault in faults], default=time.time() - 3 * LONGEST_S)
        self.logs.read(since - LONGEST_S)
        window = Window(self.logs, self.calls(since))
        for fault in faults:
            self.met[kind_of(fault), fault.how].append(window.met(fault))
        self.judged += len(faults)

    def table(self, faults):
        """Of all `faults`: [(what, how, how many, how many that met calls, how many calls)]"""
        self.judge(faults[self.judged:])
        return [(kind, how, len(met), sum(calls > 0 for calls in met), sum(met)) for (kind, how), met in self.met.items()]
