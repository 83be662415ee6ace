"""Keys that seal bodies are changed, and lost: what lacks its key is refused by name, and kept until the key is back."""
import concurrent.futures, itertools, json

from harness.check import long
from harness.mail import bodies, deliver, imap, message, ok, without_trace
from harness.processes import wait_for
from harness.stack import Stack

A, B = "a1" * 32, "b2" * 32
PURGING = {"worker.purge_every": "1s", "worker.sweep_every": "1s", "expunge.keep": "1s", "blob.keep": "2s", "blob.sweep_age": "2s"}
NAMES = {A: "52fe6094", B: "f14dfc87"}  # by the SHA-256 of the key, as the log has it


def blobs(own):
    return [process for name, process in own.processes.items() if name == "sora" or name.startswith("blob-")]


def restart_with(own, keys):
    """The first writes, all read."""
    for process in blobs(own):
        file = process.argv[-1]
        with open(file) as old:
            tree = json.load(old)
        tree["blob"]["seal_keys"] = keys
        with open(file, "w") as new:
            json.dump(tree, new)
        assert process.stop() == 0, process.log
        process.start()
    for process in own.processes.values():
        wait_for(f"{process.name} ready", process.is_ready)


def logged(processes, *words):
    """How many lines have all of these words."""
    lines = itertools.chain.from_iterable(open(process.log, errors="replace") for process in processes)
    return sum(all(word in line for word in words) for line in lines)


def deliver_some(own, user, subject):
    """Small ones at the same time, which share objects, and a long one; by their bodies."""
    texts = [message(f"{subject} {i}", f"number {i}\r\n" * 40) for i in range(60)] + [message(f"{subject} long", "0123456789\r\n" * 40000)]
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        for refused in pool.map(lambda numbered: deliver(own, [user], numbered[1], replica=numbered[0]), enumerate(texts)):
            assert refused == {}, refused
    return set(texts)


def readable(own, user):
    """The bodies that are given, each asked for alone; those that are not, are damaged to nobody's eyes."""
    client = imap(own, user, select="INBOX")
    given = set()
    for uid in ok(client.uid("SEARCH", "ALL"))[0].split():
        status, data = client.uid("FETCH", uid.decode(), "(BODY.PEEK[])")
        if status == "OK":
            given.add(without_trace(data[0][1]))
        else:
            assert b"[SERVERBUG]" in data[0] or b"[UNAVAILABLE]" in data[0], data
    return given


def mark_half(own, user):
    """Each second one of all is to be expunged; the bodies of those that stay."""
    client = imap(own, user, select="INBOX")
    before = bodies(client)
    gone = sorted(before)[::2]
    ok(client.uid("STORE", ",".join(map(str, gone)), "+FLAGS.SILENT", "(\\Deleted)"))
    return {without_trace(body) for uid, body in before.items() if uid not in gone}


def look_twice(own):
    """Purge and sweep have each begun and ended a run, and the purge has tried to read what it can not."""
    workers = [process for name, process in own.processes.items() if name == "sora" or name.startswith("worker-")]
    def runs(job):
        return logged(workers, "worker.job", job)
    sweeps, purges, tries = runs("sweep"), runs("purge"), logged(workers, "worker.object")
    wait_for("two sweeps", lambda: runs("sweep") >= sweeps + 2 * len(workers), 60)
    wait_for("two purges", lambda: runs("purge") >= purges + 2 * len(workers), 60)
    wait_for("a body that can not be written anew", lambda: logged(workers, "worker.object") > tries, 60)


@long
def test_what_lacks_its_key_is_refused_by_name_and_never_removed(stack):
    own = Stack(stack.layout, f"{stack.directory}/seal", stack.build, stack.postgres, stack.s3, settings=PURGING)
    try:
        own.start()
        user = own.account()
        restart_with(own, [A])
        old = deliver_some(own, user, "old")
        restart_with(own, [B, A])
        new = deliver_some(own, user, "new")
        assert readable(own, user) == old | new
        kept = mark_half(own, user)
        restart_with(own, [B])
        ok(imap(own, user, select="INBOX").expunge())
        look_twice(own)
        assert readable(own, user) == kept & new
        assert logged(blobs(own), "blob.get", NAMES[A]) > 0 and logged(blobs(own), "blob.get", NAMES[B]) == 0
        restart_with(own, [])
        plain = deliver_some(own, user, "plain")
        look_twice(own)
        assert readable(own, user) == plain
        assert logged(blobs(own), "blob.get", NAMES[B]) > 0
        restart_with(own, [B, A])
        assert readable(own, user) == kept | plain
        wait_for("nothing more to do", lambda: not own.postgres.query("SELECT FROM deletions WHERE look_ms IS NOT NULL", own.database), 60)
        assert readable(own, user) == kept | plain
    finally:
        wrong = own.stop()
    assert not wrong, wrong
