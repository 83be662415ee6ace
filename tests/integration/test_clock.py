"""A clock that is an hour ahead: one line says so, and what to do; its process is passed over or does nothing, and all others go on."""
import contextlib, glob

from harness.check import Skip, only, said
from harness.mail import bodies, delivery_code, imap, message, ok
from harness.processes import wait_for

LIBRARY = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
# Only what the clock on the wall says: what is waited for takes its usual time, and files have the times of the disk's machine.
AHEAD = {"FAKETIME": "+1h", "FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1"}
TODO = "run an NTP client such as chrony"


def start_again(process, env):
    assert process.stop() == 0
    process.env = env
    process.start()


@contextlib.contextmanager
def an_hour_ahead(stack, name):
    """That process, with another clock."""
    if not LIBRARY:
        raise Skip("no libfaketime here")
    process = stack.processes[name]
    usual = process.env
    start_again(process, {**usual, **AHEAD, "LD_PRELOAD": LIBRARY[0], "ASAN_OPTIONS": usual["ASAN_OPTIONS"] + ":verify_asan_link_order=0"})
    try:
        yield process
    finally:
        start_again(process, usual)


def everything_goes_on(stack, user, replica):
    """A delivery, a change and a look at the mails, through that replica of the frontends."""
    assert delivery_code(stack, user, message(), replica) == 250
    client = imap(stack, user, replica=replica, select="INBOX")
    ok(client.append("INBOX", None, None, message("appended")))
    ok(client.store("1", "+FLAGS", r"(\Flagged)"))
    mails = len(bodies(client))
    client.logout()
    return mails


@only("split")
def test_a_metadata_replica_is_passed_over(stack):
    """Also for accounts that are at home there, as some of these are."""
    with an_hour_ahead(stack, "metadata-1") as process:
        for user in [stack.account() for _ in range(8)]:
            assert [everything_goes_on(stack, user, replica) for replica in range(2)] == [2, 4]
        said(process, "event=bus.clock", "clocks differ: it is ", TODO)


@only("split")
def test_a_blob_replica_stores_nothing(stack):
    user = stack.account()
    with an_hour_ahead(stack, "blob-1") as process:
        for turn in range(10):
            assert everything_goes_on(stack, user, turn) == 2 * turn + 2
        said(process, "event=blob.clock", "ahead_ms=-3", TODO)
        if stack.s3:
            said(process, "event=blob.store", "the store's clock and ours are too far apart", TODO)


@only("split")
def test_frontends_read_and_change_nothing(stack):
    """A temporary failure, with which the MTA goes to the next one."""
    user = stack.account()
    assert everything_goes_on(stack, user, 0) == 2
    with an_hour_ahead(stack, "lmtp-1"), an_hour_ahead(stack, "imap-1"):
        for _ in range(5):
            assert delivery_code(stack, user, message(), 0) == 451
            client = imap(stack, user, replica=0, select="INBOX")
            status, data = client.store("1", "-FLAGS", r"(\Flagged)")
            assert status == "NO" and b"UNAVAILABLE" in data[0], (status, data)
            assert len(bodies(client)) == 2
            client.logout()
        assert everything_goes_on(stack, user, 1) == 4
        for name in ("metadata-1", "metadata-2"):
            said(stack.processes[name], "event=bus.clock", "clocks differ: it is ", TODO)


@only("split")
def test_a_worker_removes_nothing(stack):
    """Its first look at the store comes within 10 seconds."""
    with an_hour_ahead(stack, "worker-1") as process:
        wait_for("a look at the clocks", lambda: process.logged("job=sweep err=CLOCK"))
        said(process, "event=worker.clock", "clock=database ahead_ms=-3", TODO)
        assert everything_goes_on(stack, stack.account(), 0) == 2
