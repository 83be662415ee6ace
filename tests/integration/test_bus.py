"""The bus as the operator sees it: which replicas there are, and how each of them is."""
import json, signal, threading

from harness.check import only
from harness.mail import imap
from harness.processes import wait_for


def ping(stack, code=0):
    """[(service, state)] of all replicas, and all that is said of them."""
    done = stack.admin("bus", "ping", "--json", check=False)
    assert done.returncode == code, done
    seen = [json.loads(line) for line in done.stdout.splitlines()]
    return sorted((one["service"], one["state"]) for one in seen), seen


@only("all")
def test_the_one_process_is_shown(stack):
    states, seen = ping(stack)
    assert states == [("metadata", "serving")] and seen[0]["address"].startswith("ipc://"), seen
    assert seen[0]["version"] and seen[0]["up_seconds"] >= 0 and seen[0]["latency_ms"] > 0, seen
    table = stack.admin("bus", "ping").stdout.splitlines()
    assert len(table) == 2 and table[0].startswith("SERVICE") and " serving " in table[1], table


@only("split")
def test_each_replica_is_shown_as_it_is(stack):
    """One that is gone or stopped is unreachable; only a service without any that answers is an error."""
    everyone = [("blob", "serving")] * 2 + [("metadata", "serving")] * 2
    assert ping(stack)[0] == everyone
    stack.kill("metadata-2")
    stack.processes["blob-1"].signal(signal.SIGSTOP)
    try:
        states, seen = ping(stack)
        assert states == [("blob", "serving"), ("blob", "unreachable"), ("metadata", "serving"), ("metadata", "unreachable")], seen
        assert all("version" in one for one in seen if one["state"] == "serving"), seen
        stack.kill("metadata-1")
        assert ping(stack, code=5)[0][2:] == [("metadata", "unreachable")] * 2
    finally:
        stack.processes["blob-1"].signal(signal.SIGCONT)
        for name in ("metadata-1", "metadata-2"):
            stack.kill(name)
            stack.start_again(name)
    wait_for("everyone again", lambda: ping(stack)[0] == everyone)


@only("split")
def test_an_overloaded_replica_is_seen_as_such(stack):
    """PostgreSQL hangs, so calls hold their threads and others wait for one: the answer to a ping does not wait."""
    user = stack.account()
    clients = [imap(stack, user) for _ in range(30)]
    stack.postgres.signal(signal.SIGSTOP)
    threads = [threading.Thread(target=lambda c=c: c.status("INBOX", "(MESSAGES)")) for c in clients]
    try:
        for thread in threads:
            thread.start()
        wait_for("calls that wait", lambda: sum(one["waiting"] for one in ping(stack)[1]) > 0, 20)
        states, seen = ping(stack)
        assert states == [("blob", "serving")] * 2 + [("metadata", "serving")] * 2, seen
        assert sum(one["under_way"] for one in seen) > 0, seen
    finally:
        stack.postgres.signal(signal.SIGCONT)
        for thread in threads:
            thread.join(60)
