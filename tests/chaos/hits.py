"""Which faults met calls under way, by the clients' own account and by what the services logged."""
import bisect, collections, datetime, re

from outages.clients import is_good

SERVED = re.compile(r"^time=(\S+) level=debug event=bus.served .*?(?:trace=(\w+) )?method=(\w+) .*elapsed_us=(\d+)", re.M)
RETRY = re.compile(r"^time=(\S+) level=debug event=bus.retry .*method=\w+\.(\w+) replica=\S*:(\d+)", re.M)
STORE = re.compile(r"^time=(\S+) level=warn event=blob.s3 ", re.M)
JOB = re.compile(r"event=worker.job .*?trace=(\w+)")
WAITING = ("Watch", "Ping")  # always under way
WORKERS = ("Purge", "Referenced", "DueDeletions", "DeletionsDone", "Relocate", "Delete", "List", "Compact")
NOTICED_S = 1.5  # until a lost connection is noticed
LONGEST_S = 60   # that a call takes

Served = collections.namedtuple("Served", "process begin end trace method")


def seconds(text):
    return datetime.datetime.fromisoformat(text).timestamp()


class Times:
    """Things that have a time, found by it."""

    def __init__(self, things, time_of):
        self.things = sorted(things, key=time_of)
        self.times = [time_of(thing) for thing in self.things]

    def within(self, first, last):
        return self.things[bisect.bisect_left(self.times, first):bisect.bisect_right(self.times, last)]


class Logs:
    def __init__(self, stage, calls):
        served, retries, store, self.jobs = [], [], [], {}
        self.ports = {process: stage.urls[process.split("-")[0]][int(process[-1]) - 1].rpartition(":")[2]
                      for process in stage.processes if process.split("-")[0] in stage.urls}
        for name, process in stage.processes.items():
            with open(process.log, errors="replace") as log:
                self.read(name, log.read(), served, retries, store)
        self.calls = Times(calls, lambda call: call.end)
        self.served = Times(served, lambda call: call.end)
        self.retries = Times(retries, lambda retry: retry[0])
        self.store = Times(store, float)

    def read(self, name, text, served, retries, store):
        for at, trace, method, elapsed in SERVED.findall(text):
            if method not in WAITING:
                end = seconds(at)
                served.append(Served(name, end - int(elapsed) / 1e6, end, trace, method))
        retries += [(seconds(at), port) for at, method, port in RETRY.findall(text) if method not in WAITING]
        store += [seconds(at) for at in STORE.findall(text)]
        self.jobs[name] = set(JOB.findall(text))

    def served_during(self, fault, kind):
        """Calls that a service had under way all the while, and answered."""
        return [s for s in self.served.within(fault.struck, fault.begin + LONGEST_S) if s.process.startswith(kind) and s.begin < fault.begin]

    def met_at_frontend(self, fault):
        """What a client had asked for, and was not answered any more; or later, or by one that was on its way out."""
        calls = self.calls.within(fault.begin, fault.begin + LONGEST_S)
        return sum(c.process == fault.target and c.begin < fault.begin and (fault.how != "killed" or not is_good(c.answer)) for c in calls)

    def met(self, fault):
        """How many calls were under way."""
        kind = fault.target.split("-")[0]
        if kind in ("imap", "pop3", "lmtp"):
            return self.met_at_frontend(fault)
        if kind == "worker":
            others = set().union(*(traces for name, traces in self.jobs.items() if name != fault.target))
            return sum(s.method in WORKERS and s.trace not in others for s in self.served.within(fault.begin, fault.begin + LONGEST_S)
                       if s.begin < fault.begin)
        if kind in ("metadata", "blob"):
            lost = sum(port == self.ports[fault.target] for _, port in self.retries.within(fault.begin, fault.begin + NOTICED_S))
            return lost + len(self.served_during(fault, fault.target))
        if kind == "S3":
            return len(self.store.within(fault.begin, fault.begin + NOTICED_S)) + len(self.served_during(fault, "blob"))
        if kind.startswith("PostgreSQL"):
            return len(self.served_during(fault, "metadata"))
        return 0  # nobody asks it anything here


def table(faults, stage, calls):
    """[(what, how, how many, how many that met calls, how many calls)]"""
    logs, rows = Logs(stage, calls), collections.defaultdict(list)
    for fault in faults:
        rows[re.sub(r"-\d$", "", fault.target), fault.how].append(logs.met(fault))
    return [(what, how, len(met), sum(m > 0 for m in met), sum(met)) for (what, how), met in sorted(rows.items())]
