"""Threads of a test: what goes wrong in one goes wrong in the test."""
import concurrent.futures


class Threads:
    """`work(*arguments)` for each of `many`, each in a thread of its own."""

    def __init__(self, work, many):
        pool = concurrent.futures.ThreadPoolExecutor(len(many))
        self.futures = [pool.submit(work, *arguments) for arguments in many]
        pool.shutdown(wait=False)

    def join(self, seconds=None):
        """None is longer at work than that, and none has ended by an exception: the first of them is raised here."""
        for future in self.futures:
            future.result(seconds)
