"""deploy/docker-compose.yml from nothing, in steps of one story: mail goes through while one replica of each kind is killed, and survives all of it."""
import imaplib, select, threading, time

from compose.docker import Project, docker, need_docker
from harness.mail import message, ok
from harness.processes import wait_for

USER = "someone@sora.test"


def numbered(number):
    """A mail that a relay has given an id, so that a repetition is known again."""
    return b"Received: from a.example by mta.test with ESMTP id Q%d;\r\n Sat, 21 Nov 2026 10:00:00 +0100\r\n" % number + message(f"mail {number}")


def subjects(client):
    """The numbers of the mails that are there."""
    data = ok(client.uid("FETCH", "1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])"))
    return sorted(int(item[1].split(b"mail ")[1].split()[0]) for item in data if isinstance(item, tuple))


class Traffic:
    """Delivers and reads, each in a thread, until told to stop; knows what was told 250."""

    def __init__(self, project, first):
        self.project, self.number, self.told, self.reads, self.wrong, self.longest = project, first, [], 0, [], 0
        self.is_over = threading.Event()
        self.threads = [threading.Thread(target=self.guard, args=(work,)) for work in (self.send, self.read)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        for thread in self.threads:
            thread.join()
        assert not self.wrong, self.wrong

    def guard(self, work):
        while not self.is_over.is_set() and not self.wrong:
            begin = time.monotonic()
            try:
                work()
            except Exception as wrong:
                self.wrong.append(repr(wrong))
            self.longest = max(self.longest, time.monotonic() - begin)

    def send(self):
        self.project.deliver(USER, numbered(self.number))
        self.told.append(self.number)
        self.number += 1

    def read(self):
        """A body by a new connection; one that is cut off or told UNAVAILABLE comes again."""
        try:
            client = self.project.imap(USER)
            status, data = client.fetch("1", "(BODY.PEEK[])")
            client.logout()
        except (OSError, imaplib.IMAP4.error):
            return
        if status == "OK" and isinstance(data[0], tuple):
            self.reads += 1

    def goes_on(self):
        """Both have had their successes since now."""
        told, reads = len(self.told), self.reads
        wait_for("deliveries and reads go on", lambda: self.wrong or (len(self.told) >= told + 5 and self.reads >= reads + 3), 60)


class Story:
    """What the tests below share, in their order."""

    def __init__(self):
        self.project, self.told, self.times = Project(), [], {}

    def timed(self, what, work):
        begin = time.monotonic()
        work()
        self.times[what] = time.monotonic() - begin

    def is_all_there(self):
        there = subjects(self.project.imap(USER))
        assert there == self.told, f"lost {sorted(set(self.told) - set(there))}, there {len(there)}, told {len(self.told)}"

    def test_comes_up_from_nothing(self):
        """Images, start, account, a mail in by LMTP and out by IMAPS."""
        begin = time.monotonic()
        self.timed("images", lambda: self.project.compose("build"))
        self.timed("up", self.project.up)
        self.project.compose("run", "--rm", "-T", "admin", "create-account", "--email", USER, "--password", "secret")
        self.project.deliver(USER, numbered(0))
        self.told.append(0)
        self.is_all_there()
        self.times["nothing to a mail read"] = time.monotonic() - begin
        for service in ("metadata", "blob", "imap", "lmtp"):
            assert len(self.project.containers(service)) == 2, service

    def test_client_address_goes_through_haproxy(self):
        """A client in a container of its own is in the log of a frontend by its own address, told by PROXY v2."""
        out = docker("run", "--rm", "--network", f"{self.project.name}_front", f"sora:{self.project.name}", "bash", "-c",
                     r'exec 3<>/dev/tcp/haproxy/2143; read -r hello <&3; printf "a LOGOUT\r\n" >&3; cat <&3; hostname -i')
        assert "a OK" in out, out
        address = out.splitlines()[-1].strip()
        haproxy = self.project.address(self.project.containers("haproxy")[0], "front")
        logs = "\n".join(docker("logs", c) for c in self.project.containers("imap"))
        assert f"peer={address} " in logs and f"peer={haproxy} " not in logs, (address, haproxy, logs[-2000:])

    def test_one_replica_of_each_kind_is_killed(self):
        """Deliveries and reads go on without it, nothing is lost or doubled; it comes back under a new address or the old one."""
        victims = []
        with Traffic(self.project, len(self.told)) as traffic:
            traffic.goes_on()
            for service in ("metadata", "blob", "lmtp", "imap"):
                victims.append(self.project.containers(service)[0])
                docker("kill", victims[-1])
                traffic.goes_on()
            for victim in reversed(victims):
                docker("start", victim)
            for victim in victims:
                wait_for("healthy again", lambda v=victim: self.project.healthy(v), 60)
            traffic.goes_on()
        self.told += traffic.told
        print(f"     {len(traffic.told)} mails, {traffic.reads} reads; the longest wait {traffic.longest:.1f} s", flush=True)
        self.is_all_there()

    def test_goodbyes_when_an_imap_drains(self):
        """SIGTERM: who idles is told BYE through HAProxy, and connects again to the other."""
        clients = [self.project.imap(USER) for _ in range(4)]
        victim = self.project.containers("imap")[0]
        self.timed("imap drains", lambda: docker("stop", "-t", "45", victim))
        told = select.select([c.sock for c in clients], [], [], 0)[0]
        assert 0 < len(told) < len(clients), "leastconn spreads them"
        for client in clients:
            if client.sock in told:
                assert b"* BYE" in client.readline()
            else:
                ok(client.noop())
        self.is_all_there()
        docker("start", victim)
        self.project.wait_healthy("imap")

    def test_postgresql_is_killed(self):
        self.kill_and_recover("postgres")

    def test_s3_is_killed(self):
        self.kill_and_recover("s3")

    def kill_and_recover(self, service):
        """kill -9 with mail under way: what was told 250 is there when it is back."""
        victim = self.project.containers(service)[0]
        number = len(self.told)
        docker("kill", victim)
        begin = time.monotonic()
        docker("start", victim)
        self.project.deliver(USER, numbered(number), seconds=240)
        self.times[f"{service} killed, to the next 250"] = time.monotonic() - begin
        self.told.append(number)
        self.is_all_there()

    def test_mail_outlives_down(self):
        self.timed("down", lambda: self.project.compose("down"))
        assert not self.project.ids()["containers"]
        self.timed("up again", self.project.up)
        self.project.deliver(USER, numbered(len(self.told)))
        self.told.append(len(self.told))
        self.is_all_there()

    def test_leaves_nothing(self):
        self.timed("down -v", self.project.remove)
        left = {what: ids for what, ids in self.project.ids().items() if ids}
        assert not left, left


def run(results):
    """One after the other; after a failure the others have nothing to stand on."""
    story = None

    def step(name):
        nonlocal story
        need_docker()
        story = story or Story()
        getattr(story, name)()

    failed = results.failed
    for name in [name for name in vars(Story) if name.startswith("test_")]:
        results.run(f"compose/{name[5:]}", lambda name=name: step(name), 900)
        if results.failed > failed:
            break
    if story:
        if results.failed > failed:
            story.project.remove()
        print("     " + ", ".join(f"{what} {seconds:.0f} s" for what, seconds in story.times.items()), flush=True)
