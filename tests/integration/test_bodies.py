"""What becomes of bodies: those that nothing refers to go, and no others."""
import os, shutil, uuid

from harness.check import Skip
from harness.mail import bodies, deliver, imap, message, ok
from harness.processes import wait_for
from harness.stack import Stack


def objects(directory):
    return {name for place, _, names in os.walk(f"{directory}/blobs") if not place.endswith("/tmp") for name in names}


def orphan(directory):
    """An object that no message refers to: a copy under another id."""
    name = uuid.uuid4().hex
    source = next(f"{place}/{names[0]}" for place, _, names in os.walk(f"{directory}/blobs") if names)
    place = f"{directory}/blobs/{name[-2:]}/{name[-4:-2]}"
    os.makedirs(place, exist_ok=True)
    shutil.copyfile(source, f"{place}/{name}")
    return name


def test_objects_without_a_message_are_swept_and_expunged_ones_purged(stack):
    """With short times: an orphan goes, what a message has stays, and goes when the message was expunged and both keeps have passed."""
    if stack.s3:
        raise Skip("the objects are looked at in their directory")
    settings = {"blob.sweep_age": "2s", "worker.sweep_every": "1s", "worker.purge_every": "1s", "expunge.keep": "1s", "blob.keep": "2s"}
    own = Stack(stack.layout, f"{stack.directory}/sweep", stack.build, stack.postgres, settings=settings)
    try:
        own.start()
        one, two = own.account(), own.account()
        assert deliver(own, [one, two], message("shared")) == {}
        assert deliver(own, [one], message("alone")) == {}
        stored = objects(own.directory)
        assert len(stored) == 2, stored
        lost = orphan(own.directory)
        wait_for("the orphan is swept", lambda: lost not in objects(own.directory), 30)
        client = imap(own, one, select="INBOX")
        ok(client.store("1:*", "+FLAGS", "\\Deleted"))
        ok(client.expunge())
        wait_for("the body of nobody's mail is purged", lambda: len(objects(own.directory)) == 1, 60)
        assert len(bodies(imap(own, two, select="INBOX"))) == 1
        assert objects(own.directory) < stored
    finally:
        wrong = own.stop()
    assert not wrong, wrong


def test_a_body_that_is_missing_is_damage_and_no_expunge(stack):
    """NO [CORRUPTION] for that mail; the others are answered."""
    if stack.s3:
        raise Skip("the object is taken out of its directory")
    user = stack.account()
    before = objects(stack.directory)
    deliver(stack, [user], message("will be lost"))
    (lost,) = objects(stack.directory) - before
    deliver(stack, [user], message("stays"))
    for place, _, names in os.walk(f"{stack.directory}/blobs"):
        if lost in names:
            os.remove(f"{place}/{lost}")
    client = imap(stack, user, select="INBOX")
    status, data = client.fetch("1:2", "(BODY.PEEK[TEXT])")
    assert status == "NO" and b"[CORRUPTION]" in data[0], (status, data)
    assert client.fetch("2", "(BODY.PEEK[TEXT])")[0] == "OK"
