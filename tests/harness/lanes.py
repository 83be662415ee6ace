"""Tests that go on beside each other, each lane a process with a PostgreSQL, an S3 and stacks of its own: much of a test's time is waiting."""
import contextlib, multiprocessing, os, traceback

from . import check, processes, stack as stacks

fork = multiprocessing.get_context("fork")


class Share:
    """Work of one kind, which lanes take piece by piece. `begin(lane)`, a context manager, gives what the pieces need, once a lane takes one."""

    def __init__(self, begin, pieces):
        self.begin, self.pieces, self.taken = begin, list(pieces), fork.Value("i", 0)

    def take(self):
        with self.taken.get_lock():
            at = self.taken.value
            self.taken.value = min(at + 1, len(self.pieces))
        return self.pieces[at] if at < len(self.pieces) else None

    def work(self, lane):
        piece = self.take()
        if piece is None:
            return
        with self.begin(lane) as place:
            while piece is not None:
                piece(lane.results, place)
                piece = self.take()


class Lane:
    """Takes of one share after the other, from its own on; so the last one is done by all together."""

    def __init__(self, number, count, directory):
        self.number, self.directory, self.results = number, f"{directory}/{number}", check.Results()
        size = len(processes.ports) // count
        processes.ports = processes.ports[number * size:(number + 1) * size - 1]

    def run(self, shares):
        os.makedirs(self.directory)
        with contextlib.ExitStack() as ends:
            self.postgres = stacks.Postgres(self.directory + "/pg").start()
            ends.callback(self.postgres.stop)
            self.s3 = stacks.S3(self.directory + "/s3").start("sora-test")
            ends.callback(self.s3.stop)
            for share in shares[self.number % len(shares):] + shares[:self.number % len(shares)]:
                share.work(self)


def run_lane(number, count, directory, shares, told):
    lane = Lane(number, count, directory)
    try:
        lane.run(shares)
    except BaseException:
        lane.results.fail(f"lane {number}", traceback.format_exc())
    told.send(lane.results)


def run(results, shares, directory):
    """One lane more than there are cores, four at most, do all `shares`; `results` has theirs then."""
    count = min(os.cpu_count() + 1, 4, max((len(share.pieces) for share in shares), default=0))
    lanes = []
    for number in range(count):
        hears, told = fork.Pipe(duplex=False)
        process = fork.Process(target=run_lane, args=(number, count, directory, shares, told))
        process.start()
        told.close()
        lanes.append((process, hears))
    for number, (process, hears) in enumerate(lanes):
        try:
            results.add(hears.recv())
        except EOFError:
            results.fail(f"lane {number}", "it ended without a word")
        process.join()
