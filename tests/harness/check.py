"""Results, and what a test function may declare about itself."""
import functools, shutil, signal, sys, time, traceback


class Skip(Exception):
    pass


class Late(BaseException):
    """The test's time is over. No Exception, and no OSError above all: those are what tests may live with, and go on."""


def needs(*programs):
    """Skip where one of the programs is not installed."""
    def wrap(test):
        @functools.wraps(test)
        def run(stack):
            for program in programs:
                if not shutil.which(program):
                    raise Skip(f"no {program} here")
            return test(stack)
        return run
    return wrap


def only(layout):
    """For one layout of the stack: "all" or "split"."""
    def wrap(test):
        test.layout = layout
        return test
    return wrap


def long(test):
    """For one of the combinations of layout and store, where everything is run: each would take its time, and show much the same."""
    test.is_long = True
    return test


def within(seconds):
    """What takes longer than others may."""
    def wrap(test):
        test.seconds = seconds
        return test
    return wrap


def said(process, words, *todo):
    """What is wrong is in its log, with what to do about it, and not again and again: such lines of each event are two at most."""
    lines = process.logged(words)
    events = [line.partition(" event=")[2].split()[0] for line in lines]
    assert events and all(events.count(event) <= 2 for event in events), f"{words}, {len(lines)} times: {lines[:5]}"
    assert all(part in line for line in lines for part in todo), (todo, lines)


class Results:
    def __init__(self):
        self.passed, self.failed, self.skipped, self.failures = 0, 0, 0, []

    def fail(self, name, why):
        self.failed += 1
        self.failures.append(name)
        print(f"FAIL {name}\n    " + why.strip().replace("\n", "\n    "), flush=True)

    def run(self, name, test, seconds=180):
        """Run `test()`: it passes, raises Skip, or fails by any other exception or by taking too long."""
        def late(*_):
            raise Late(f"not done after {seconds} s")

        begin = time.monotonic()
        signal.signal(signal.SIGALRM, late)
        signal.alarm(seconds)
        try:
            test()
        except Skip as why:
            self.skipped += 1
            print(f"skip {name}: {why}", flush=True)
        except (Exception, Late) as wrong:
            signal.alarm(0)
            brief = isinstance(wrong, AssertionError) and type(wrong) is not AssertionError
            self.fail(name, str(wrong) if brief else traceback.format_exc())
        else:
            self.passed += 1
            print(f"ok   {name} ({time.monotonic() - begin:.1f} s)", flush=True)
        finally:
            signal.alarm(0)

    def add(self, other):
        self.passed, self.failed, self.skipped = self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped
        self.failures += other.failures

    def summary(self):
        for name in self.failures:
            print(f"failed: {name}")
        print(f"{self.passed} passed, {self.failed} failed" + (f", {self.skipped} skipped" if self.skipped else ""))
        sys.stdout.flush()
        return 1 if self.failed or not self.passed else 0
