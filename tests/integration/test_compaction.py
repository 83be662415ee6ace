"""Many bodies in one object: what nobody wants goes, what is wanted is written anew, whoever dies meanwhile."""
import concurrent.futures, os, random

from harness.check import long
from harness.mail import bodies, deliver, imap, message, ok, without_trace
from harness.processes import wait_for
from harness.stack import Stack

MAILS, KEPT_OF = 240, 6
SETTINGS = {"worker.purge_every": "1s", "expunge.keep": "1s", "blob.keep": "3s", "worker.sweep_every": "1h"}
OBJECT = "substring(blob FROM 1 FOR 17)"


def stored(own):
    """{object: bytes} in the directory."""
    return {name: os.path.getsize(f"{place}/{name}") for place, _, names in os.walk(f"{own.directory}/blobs")
            if not place.endswith("/tmp") for name in names}


def number(own, sql):
    return int(own.postgres.query(sql, own.database)[0][0])


def deliver_at_once(own, user):
    """Small mails through many sessions, so that several wait at the same time."""
    r = random.Random(7)
    texts = [message(f"number {i}", "".join(r.choice("abcdefghijklmnop \n") for _ in range(900)).replace("\n", "\r\n") + "\r\n")
             for i in range(MAILS)]
    with concurrent.futures.ThreadPoolExecutor(24) as pool:
        for refused in pool.map(lambda numbered: deliver(own, [user], numbered[1], replica=numbered[0]), enumerate(texts)):
            assert refused == {}, refused
    return sorted(texts)


def expunge_most(own, user):
    """All but each KEPT_OF-th; the bodies of those that stay."""
    client = imap(own, user, select="INBOX")
    before = bodies(client)
    gone = [uid for place, uid in enumerate(sorted(before)) if place % KEPT_OF]
    ok(client.uid("STORE", ",".join(map(str, gone)), "+FLAGS.SILENT", "(\\Deleted)"))
    ok(client.expunge())
    return {uid: body for uid, body in before.items() if uid not in gone}


def kill_in_the_middle(own, names):
    """Each while bodies wait to go: it is not there for the rest of what it had begun."""
    for name in names:
        wait_for("something to do", lambda: number(own, "SELECT count(*) FROM deletions") > 0, 30)
        own.kill(name)
        own.start_again(name)


def is_settled(own):
    """Nothing is looked at any more, and no body is without a message."""
    return number(own, f"SELECT count(*) FROM deletions WHERE look_ms IS NOT NULL") == 0 and number(
        own, "SELECT count(*) FROM purge") == 0


@long
def test_what_is_mostly_dead_is_written_anew_though_worker_and_blob_are_killed(stack):
    own = Stack(stack.layout, f"{stack.directory}/compaction", stack.build, stack.postgres, stack.s3, settings=SETTINGS)
    try:
        own.start()
        user = own.account()
        texts = deliver_at_once(own, user)
        objects = number(own, f"SELECT count(DISTINCT {OBJECT}) FROM messages")
        size = sum(stored(own).values())
        assert sorted(map(without_trace, bodies(imap(own, user, select="INBOX")).values())) == texts
        assert objects < MAILS, f"{objects} objects of {MAILS} mails: no two waited at the same time"
        kept = expunge_most(own, user)
        kill_in_the_middle(own, ["sora"] * 3 if own.layout == "all" else ["worker-1", "blob-1", "worker-2", "blob-2"])
        wait_for("nothing more to do", lambda: is_settled(own), 90)
        assert bodies(imap(own, user, select="INBOX")) == kept
        assert number(own, f"SELECT count(DISTINCT {OBJECT}) FROM messages") < objects
        if not own.s3:
            names = {row[0] for row in own.postgres.query(f"SELECT DISTINCT encode(substring(blob FROM 2 FOR 16), 'hex') FROM messages",
                                                          own.database)}
            assert names <= set(stored(own)), "an object with wanted bodies has gone"
            assert sum(stored(own).values()) < size / 2, f"{sum(stored(own).values())} bytes of {size}"
    finally:
        wrong = own.stop()
    assert not wrong, wrong
