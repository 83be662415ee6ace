"""One outage after the other, with a client for each operation that goes on meanwhile."""
import collections, itertools, time

from harness.processes import wait_for

from .clients import OPERATIONS, Wrong, is_good
from .document import write
from .promises import PROMISES, is_well
from .stage import FAULTS, TARGETS, Stage

WARM = 3       # successes of each client before the outage
LOOK_S = 30    # that is looked at after it

# What came of one outage, which was looked at `until` all was well again: `clients` are hit by it; where another replica goes on, `others` use that
# one alone. By operation.
Run = collections.namedtuple("Run", "target fault begin end until clients others")

# For continuous integration: each fault and everything that can fail, once.
SHORT = (
    ("PostgreSQL", "killed", 2),
    ("S3", "refusing", 2),
    ("metadata, one of two", "stopped", 7),
    ("metadata, both", "refusing", 2),
    ("blob, one of two", "slow", 2),
    ("blob, both", "killed", 2),
    ("sieve, one of two", "killed", 1),
    ("sieve, both", "stopped", 1),
    ("worker, one of two", "killed", 1),
    ("imap, the client's", "refusing", 1),
    ("lmtp, the client's", "stopped", 2),
    ("pop3, the client's", "killed", 1),
    ("managesieve, the client's", "refusing", 1),
)


def by_title(rows, title):
    return next(row for row in rows if row.title == title)


def clients_at(places):
    return {name: kind(places[name]) for name, kind in OPERATIONS.items()}


class Matrix:
    def __init__(self, stage):
        self.stage, self.places = stage, stage.places()

    def outage(self, target, fault, seconds):
        """Let it happen, and look until all is well again."""
        clients = clients_at(self.places[0])
        others = clients_at(self.places[1]) if target.has_twin else {}
        everyone = [*clients.values(), *others.values()]
        for client in everyone:
            client.start()
        try:
            wait_for("clients at work", lambda: all(c.wrong or sum(is_good(a.answer) for a in c.attempts) >= WARM for c in everyone))
            begin = time.monotonic()
            try:
                fault.begin(self.stage, target)
                time.sleep(seconds)
            finally:
                fault.end(self.stage, target)
            end = time.monotonic()
            until = end
            while not all(c.wrong or is_well(c, end, until) for c in everyone) and until < end + LOOK_S:
                time.sleep(0.1)
                until = time.monotonic()
        finally:
            for client in everyone:
                client.over.set()
            for client in everyone:
                client.join()
        return Run(target, fault, begin, end, until, clients, others)

    def check(self, run):
        for promise in PROMISES:
            promise(self.stage, run)


def run(results, directory, build, postgres, s3, document):
    """All of it, a result for each; then the document."""
    stage, runs = Stage(directory + "/outages", build, postgres, s3), []
    try:
        matrix = Matrix(stage.start())
        for fault, target in itertools.product(FAULTS, TARGETS):
            def play():
                runs.append(matrix.outage(target, fault, fault.brief if target.is_brief else fault.seconds))
                matrix.check(runs[-1])
            results.run(f"outages/{target.title}/{fault.title}", play)
    finally:
        wrong = stage.stop()
    if wrong:
        results.fail("outages/end", "\n".join(wrong))
    write(document, runs)


def run_short(stack):
    """On a stage beside the stack's."""
    stage = Stage(stack.directory + "/outages", stack.build, stack.postgres, stack.s3)
    try:
        matrix = Matrix(stage.start())
        for target, fault, seconds in SHORT:
            try:
                matrix.check(matrix.outage(by_title(TARGETS, target), by_title(FAULTS, fault), seconds))
            except Wrong as wrong:
                raise Wrong(f"{target} {fault}: {wrong}")
    finally:
        wrong = stage.stop()
    assert not wrong, wrong
