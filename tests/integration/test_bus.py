"""The bus as the operator sees it: which replicas there are, and how each of them is."""
import json, re, signal, threading

from harness.check import only
from harness.mail import imap, message, ok
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
    everyone = [("blob", "serving")] * 2 + [("metadata", "serving")] * 2 + [("sieve", "serving")] * 2
    assert ping(stack)[0] == everyone
    stack.kill("metadata-2")
    stack.processes["blob-1"].signal(signal.SIGSTOP)
    try:
        states, seen = ping(stack)
        assert states == [("blob", "serving"), ("blob", "unreachable"), ("metadata", "serving"), ("metadata", "unreachable")] + [("sieve", "serving")] * 2, seen
        assert all("version" in one for one in seen if one["state"] == "serving"), seen
        stack.kill("metadata-1")
        assert ping(stack, code=5)[0][2:4] == [("metadata", "unreachable")] * 2
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
        assert states == [("blob", "serving")] * 2 + [("metadata", "serving")] * 2 + [("sieve", "serving")] * 2, seen
        assert sum(one["under_way"] for one in seen) > 0, seen
    finally:
        stack.postgres.signal(signal.SIGCONT)
        for thread in threads:
            thread.join(60)


def caught_up(stack, name):
    """[(mailboxes, calls)] of each time that an imap process asked for what it may have missed."""
    with open(stack.processes[name].log, errors="replace") as log:
        lines = [line for line in log if "event=imap.views.caught_up" in line]
    return [tuple(int(re.search(rf" {key}=(\d+)", line)[1]) for key in ("mailboxes", "calls")) for line in lines]


def exists(client):
    """The EXISTS lines up to the tagged answer of a NOOP."""
    client.send(b"n NOOP\r\n")
    seen = []
    while not (line := client.readline()).startswith(b"n OK"):
        assert line, "closed"
        if b" EXISTS" in line:
            seen.append(line)
    return seen


def heard(stack, name):
    """How many replicas tell this process of events now."""
    now = {}
    with open(stack.processes[name].log, errors="replace") as log:
        for line in log:
            if event := re.search(r"event=imap\.watch\.(hears|lost) .*replica=(\S+)", line):
                now[event[2]] = event[1] == "hears"
    return sum(now.values())


@only("split")
def test_the_loss_of_a_replica_costs_one_call_for_all_views(stack):
    """60 selected mailboxes: a metadata replica is killed, and comes back. Each time all are asked for together; every change is told, once."""
    user = stack.account()
    writer = imap(stack, user, replica=1)
    wait_for("both replicas to be heard", lambda: heard(stack, "imap-1") == 2)
    names = [f"M{n}" for n in range(60)]
    for name in names:
        ok(writer.create(name))
    clients = [imap(stack, user, select=name) for name in names]

    def asked_for_all(before, times):
        return lambda: sum(mailboxes >= 60 for mailboxes, _ in caught_up(stack, "imap-1")[before:]) >= times

    told = dict.fromkeys(names, 0)
    for round, lost in enumerate(("metadata-1", "metadata-2"), 1):
        before = len(caught_up(stack, "imap-1"))
        stack.kill(lost)
        for name in names[::7]:
            ok(writer.append(name, None, None, message()))
            told[name] = round
        wait_for("the loss to be noticed", asked_for_all(before, 1))
        stack.start_again(lost)
        for name in names[3::7]:
            ok(writer.append(name, None, None, message()))
            told[name] = round
        wait_for("its return to be noticed", asked_for_all(before, 2))
        assert all(calls == 1 for mailboxes, calls in caught_up(stack, "imap-1")[before:]), caught_up(stack, "imap-1")[before:]
        # Whoever is looked at within the jitter asks for itself; nobody asks twice.
        for name, client in zip(names, clients):
            seen, due = [], [b"* %d EXISTS\r\n" % round] if told[name] else []
            wait_for(f"what happened to {name}", lambda: seen.extend(exists(client)) or len(seen) >= len(due))
            assert seen == due, name
        calls = stack.metric("imap-1", "sora_bus_calls_total")
        for name, client in zip(names, clients):
            assert exists(client) == [], name
        again = stack.metric("imap-1", "sora_bus_calls_total") - calls
        assert again < len(names), f"{again} calls: one for each view, again"
