"""What reading mail costs at the store: nothing for lists of mails, one read for a body, none for one that was read before."""
import glob, os, poplib, re, signal, smtplib, urllib.request

from harness.check import Skip
from harness.mail import await_mails, bodies, deliver, imap, mails, message, ok
from harness.processes import HOST, wait_for
from harness.s3_proxy import ERROR, Answer, S3Proxy
from harness.stack import Stack
from harness.threads import Threads

# As they were seen on the wire, or in the sources.
LISTS = {
    "Thunderbird": "(UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (From To Cc Bcc Subject Date Message-ID Priority X-Priority References "
                   "Newsgroups In-Reply-To Content-Type Reply-To)])",
    "Apple Mail": "(INTERNALDATE UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (date subject from to cc message-id in-reply-to references "
                  "content-type x-priority x-uniform-type-identifier x-universally-unique-identifier list-id list-unsubscribe bimi-indicator "
                  "bimi-location x-bimi-indicator-hash authentication-results dkim-signature)])",
    "Apple Mail's structure": "(BODYSTRUCTURE UID)",
    "iOS": "(INTERNALDATE UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (date subject from to cc message-id in-reply-to references content-type "
           "x-priority x-uniform-type-identifier x-universally-unique-identifier list-id list-unsubscribe bimi-indicator bimi-location "
           "x-bimi-indicator-hash authentication-results dkim-signature x-spam-status x-spam-flag received-spf X-Forefront-Antispam-Report)])",
    "K-9": "(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (date subject from content-type to cc bcc reply-to message-id references "
           "in-reply-to list-post list-unsubscribe sender X-K9mail-Identity Chat-Version)])",
    "Roundcube": "(UID RFC822.SIZE FLAGS INTERNALDATE BODYSTRUCTURE BODY.PEEK[HEADER.FIELDS (DATE FROM TO SUBJECT CONTENT-TYPE CC REPLY-TO "
                 "LIST-POST DISPOSITION-NOTIFICATION-TO X-PRIORITY CONTENT-TRANSFER-ENCODING BCC IN-REPLY-TO MAIL-FOLLOWUP-TO MAIL-REPLY-TO "
                 "MESSAGE-ID REFERENCES RESENT-BCC RETURN-PATH SENDER X-DRAFT-INFO)])",
    "mutt": "(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (DATE FROM SENDER SUBJECT TO CC MESSAGE-ID REFERENCES CONTENT-TYPE "
            "CONTENT-DESCRIPTION IN-REPLY-TO REPLY-TO LINES LIST-POST LIST-SUBSCRIBE LIST-UNSUBSCRIBE X-LABEL X-ORIGINAL-TO)])",
    "mbsync": "(UID FLAGS RFC822.SIZE BODY.PEEK[HEADER.FIELDS (X-TUID MESSAGE-ID)])",
    "Outlook's first look": "(UID FLAGS)",
    "ALL": "ALL", "FULL": "FULL", "FAST": "FAST",
    "all that is derived": "(FLAGS RFC822.SIZE INTERNALDATE ENVELOPE BODYSTRUCTURE BODY UID BODY.PEEK[HEADER.FIELDS (DATE FROM TO CC SUBJECT "
                           "MESSAGE-ID REFERENCES IN-REPLY-TO REPLY-TO LIST-ID)])",
}


class CachedStack(Stack):
    """Each blob service has a cache of its own."""

    def config(self, name, **own):
        return super().config(name, **own, **{"blob.cache.dir": f"{self.directory}/cache-{name}", "blob.cache.size": "64M"})

    def caches(self):
        return sorted(glob.glob(f"{self.directory}/cache-*/segment-*"))


def metric(stack, name):
    """Of all processes together; each counts from its start."""
    total = 0
    for process, port in stack.ops.items():
        if stack.processes[process].alive():
            with urllib.request.urlopen(f"http://{HOST}:{port}/metrics", timeout=10) as page:
                total += sum(float(v) for v in re.findall(rf"^{name} (\S+)$", page.read().decode(), re.M))
    return int(total)


def restart(stack, name, sig=signal.SIGTERM):
    if sig == signal.SIGKILL:
        stack.kill(name)
    else:
        assert stack.processes[name].stop() == 0
    stack.start_again(name)


def begin(stack, kind, name, **settings):
    """A stack of our own: a counting proxy stands before its S3, if it has one."""
    proxy = S3Proxy(stack.s3).start() if stack.s3 else None
    own = kind(stack.layout, f"{stack.directory}/{name}", stack.build, stack.postgres, proxy, settings)
    own.start()
    return own, proxy


def end(own, proxy):
    wrong = own.stop()
    if proxy:
        proxy.stop()
    assert not wrong, wrong


def test_lists_of_mails_cost_no_read_of_the_store(stack):
    """After a restart of everything, without a cache: no client's list reads a body."""
    own, proxy = begin(stack, Stack, "lists")
    try:
        user = own.account()
        for mail in mails(15, 21):
            assert deliver(own, [user], mail) == {}
        assert deliver(own, [user], message("signed", DKIM_Signature="v=1; a=rsa-sha256;\r\n b=abc", List_Id="<x.example>")) == {}
        appended = imap(own, user)
        ok(appended.append("INBOX", None, None, message("appended", Chat_Version="1.0")))
        for process in own.processes.values():
            assert process.stop() == 0
        for process in own.processes.values():
            process.start(wait=False)
        for process in own.processes.values():
            wait_for(f"{process.name} again", process.is_ready)
        if proxy:
            proxy.gets.clear()
        for replica in range(len(own.imap)):
            client = imap(own, user, select="INBOX", replica=replica)
            for program, items in LISTS.items():
                answer = ok(client.fetch("1:*", items))
                assert len(answer) >= 17, (program, answer)
                assert metric(own, "sora_blob_store_reads_total") == 0, program
                assert not proxy or not proxy.gets, (program, proxy.gets)
            signed = b"".join(part for item in ok(client.fetch("16", LISTS["Apple Mail"])) if isinstance(item, tuple) for part in item)
            assert b"DKIM-Signature: v=1; a=rsa-sha256;\r\n b=abc\r\n" in signed, signed
            for criterion in ("SUBJECT mail", "FROM sender", "TO user", "HEADER List-Id x.example", "SINCE 1-Jan-2020", "UNSEEN"):
                assert ok(client.search(None, criterion))[0], criterion
        assert metric(own, "sora_blob_store_reads_total") == 0, "searches"
        assert len(bodies(client)) == 17
        assert metric(own, "sora_blob_store_reads_total") == 17, "bodies are counted"
        assert not proxy or len(proxy.gets) == 17, proxy.gets
    finally:
        end(own, proxy)


def damage(path):
    """Change a byte in each hundred of the pieces, which stand behind the table."""
    with open(path, "r+b") as file:
        data = bytearray(file.read())
        for at in range(11 * 4096, len(data), 100):
            data[at] ^= 1
        file.seek(0)
        file.write(data)


def test_a_body_is_read_from_the_store_once(stack):
    """Twice costs one read; restarted none, killed none, damaged one, just delivered none; and the bytes are always the same."""
    own, proxy = begin(stack, CachedStack, "cached")
    try:
        user, count = own.account(), 12
        for mail in mails(count - 1, 22):
            assert deliver(own, [user], mail) == {}
        assert deliver(own, [user], message("large", "0123456789abcdef" * 60000 + "\r\n")) == {}
        blob, *others = [name for name in own.processes if name.startswith("blob") or name == "sora"]
        # One of them is enough: which one has a body would depend on who is back first.
        for name in others + [blob]:
            assert own.processes[name].stop() == 0
        for cache in own.caches():
            os.remove(cache)
        own.processes[blob].start()

        def look():
            """The bodies, and what they cost since the last look."""
            before, gets = metric(own, "sora_blob_store_reads_total"), len(proxy.gets) if proxy else 0
            found = bodies(imap(own, user, select="INBOX", replica=look.turn))
            look.turn += 1
            cost = metric(own, "sora_blob_store_reads_total") - before
            assert not proxy or len(proxy.gets) - gets == cost, (proxy.gets, cost)
            return found, cost
        look.turn = 0

        first, whole_cost = look()
        assert len(first) == count and count <= whole_cost <= count + 8, whole_cost
        assert look() == (first, 0), "the second time"
        restart(own, blob)
        assert look() == (first, 0), "after a restart"
        restart(own, blob, signal.SIGKILL)
        assert look() == (first, 0), "after kill -9"
        own.kill(blob)
        for cache in own.caches():
            damage(cache)
        own.start_again(blob)
        found, cost = look()
        assert found == first and cost == whole_cost, (cost, whole_cost)
        assert metric(own, "sora_blob_cache_dropped_total") == whole_cost
        assert look() == (first, 0), "mended"
        assert metric(own, "sora_blob_cache_hits_total") >= whole_cost
        assert deliver(own, [user], message("just arrived")) == {}
        found, cost = look()
        assert len(found) == count + 1 and cost == 0, (len(found), cost)
    finally:
        end(own, proxy)


def test_short_bodies_are_read_many_at_a_time_but_not_too_many(stack):
    """Where the caches have them: 200 cost far fewer calls. POP3 reads few before their turn at first, and never more than 256 KiB."""
    own, proxy = begin(stack, CachedStack, "together")
    try:
        def costs(run):
            names = "sora_bus_calls_total", "sora_blob_gets_total"
            before = [metric(own, name) for name in names]
            run()
            return [metric(own, name) - count for name, count in zip(names, before)]

        def filled(count, body):
            user = own.account()
            client = imap(own, user, select="INBOX")
            for i in range(count):
                ok(client.append("INBOX", None, None, message(str(i), body)))
            found = bodies(client)
            assert len(found) == count
            drop = poplib.POP3(*own.pop3[0], timeout=60)
            drop.user(user)
            drop.pass_("secret")
            return client, drop, list(found.values())

        def retr(drop, found, first, last):
            for number in range(first, last + 1):
                assert b"\r\n".join(drop.retr(number)[1]) + b"\r\n" == found[number - 1], number

        client, drop, found = filled(200, "Hello.\r\n")
        calls, gets = costs(lambda: bodies(client))
        assert calls < 100 and gets == 200, (calls, gets)
        calls, gets = costs(lambda: retr(drop, found, 1, 2))
        assert gets <= 1 + 2, gets
        calls, gets = costs(lambda: retr(drop, found, 3, 200))
        assert calls < 50, calls
        client, drop, found = filled(8, "0123456789abcdef\r\n" * 5700)
        calls, gets = costs(lambda: retr(drop, found, 1, 2))
        assert gets <= 2 + 2, gets
        retr(drop, found, 3, 8)
    finally:
        end(own, proxy)


def test_retr_of_what_comes_next_waits_for_nothing_and_a_rest_lets_go(stack):
    own, proxy = begin(stack, CachedStack, "pop3-ahead")
    try:
        user = own.account()
        sent = [message(str(i), "Hello.\r\n") for i in range(40)]
        client = imap(own, user, select="INBOX")
        for mail in sent:
            ok(client.append("INBOX", None, None, mail))
        bodies(client)
        client.logout()
        drop = poplib.POP3(*own.pop3[0], timeout=60)
        drop.user(user)
        drop.pass_("secret")

        def calls_of(first, last):
            before = metric(own, "sora_bus_calls_total")
            for number in range(first, last + 1):
                assert b"\r\n".join(drop.retr(number)[1]) + b"\r\n" == sent[number - 1], number
            return metric(own, "sora_bus_calls_total") - before

        def is_ahead():
            """1 alone, then windows of 2, 4, 8 and 16: the last, from 16 on, is asked for at 11, its bodies at 13. A second may be over too
            soon."""
            return (calls_of(1, 7) > 0 and calls_of(8, 10) == 0 and calls_of(11, 11) == 1 and calls_of(12, 12) == 0
                    and calls_of(13, 13) > 0 and calls_of(14, 22) == 0 and metric(own, "sora_pop3_ahead_sessions") == 1)
        wait_for("a window that was read before it was needed", is_ahead, 60)
        wait_for("a rest", lambda: metric(own, "sora_pop3_ahead_sessions") == 0, 30)
        assert calls_of(1, 40) > 0
        wait_for("a second of other commands", lambda: drop.noop() and metric(own, "sora_pop3_ahead_sessions") == 0, 30)
    finally:
        end(own, proxy)


def test_one_fetch_a_mail_costs_few_calls_and_reads_few_before_their_turn(stack):
    """In order. Who opens one now and then, somewhere, has no other one read."""
    own, proxy = begin(stack, Stack, "series")
    try:
        user, count = own.account(), 120
        client = imap(own, user, select="INBOX")
        for i in range(count):
            ok(client.append("INBOX", None, None, message(str(i), "Hello.\r\n")))
        found = bodies(client)
        assert len(found) == count

        def costs(name, numbers):
            before = metric(own, name)
            for number in numbers:
                (_, body), _ = ok(client.fetch(str(number), "(BODY.PEEK[])"))
                assert body == found[number], number
            return metric(own, name) - before

        for name in [name for name in own.processes if name.startswith("blob") or name == "sora"]:
            restart(own, name)
        client = imap(own, user, select="INBOX")
        reads = costs("sora_blob_store_reads_total", (50, 3, 77, 76))
        assert reads <= 4, reads
        reads = costs("sora_blob_store_reads_total", (10, 11))
        assert reads <= 2 + 4, reads
        # Where each is a read of S3, and a call, they are at most not asked for one after the other.
        calls = costs("sora_bus_calls_total", range(1, count + 1))
        assert calls < (count * 1.5 if stack.s3 else count / 2), calls
    finally:
        end(own, proxy)


# What is said instead of S3: never believed, never an empty mail; NO [UNAVAILABLE], 451, and well again.
LIES = {
    "slow down": Answer(503, ERROR % b"SlowDown"),
    "in an hour": Answer(503, ERROR % b"SlowDown", {"Retry-After": "3600"}),
    "internal error": Answer(500, ERROR % b"InternalError"),
    "too many": Answer(429, b""),
    "moved": Answer(301, b"", {"Location": "http://127.0.0.1:1/"}),
    "elsewhere": Answer(307, b"", {"Location": "http://127.0.0.1:1/"}),
    "denied": Answer(403, ERROR % b"AccessDenied"),
    "a page of something else": Answer(404, b"<html>not here</html>"),
    "no bucket": Answer(404, ERROR % b"NoSuchBucket"),
    "yes, but": Answer(200, ERROR % b"InternalError"),
    "yes, and nothing": Answer(200, b""),
    "cut before the head": Answer(200, b"", cut=0),
    "cut in the head": Answer(200, b"", cut=20),
    "cut in the body": Answer(206, b"x" * 100, length=100000),
}


def test_a_store_that_talks_nonsense_is_not_believed(stack):
    """One mail and one reader for each lie, all at the same time; when it ends all is there, once."""
    if not stack.s3:
        raise Skip("there is no S3")
    own, proxy = begin(stack, Stack, "lies")
    try:
        user, names = own.account(), list(LIES)
        for name in names:
            assert deliver(own, [user], message(name)) == {}
        clients = [imap(own, user, select="INBOX", replica=i) for i in range(len(names))]
        seen, told = {}, {}

        def lie(method, path):
            with proxy.lock:
                return LIES[names[seen.setdefault(path.split("?")[0], len(seen)) % len(names)]]

        def read(i):
            told[names[i]] = clients[i].fetch(str(i + 1), "(BODY.PEEK[])")

        def send(i):
            try:
                told[names[i]] = deliver(own, [user], message(f"second {names[i]}"), replica=i)[user]
            except smtplib.SMTPResponseException as answer:
                told[names[i]] = (answer.smtp_code, answer.smtp_error)

        proxy.lie = lie
        Threads(read, [(i,) for i in range(len(names))]).join()
        for name in names:
            status, data = told[name]
            assert status == "NO" and b"[UNAVAILABLE]" in data[0], (name, told[name])
        Threads(send, [(i,) for i in range(len(names))]).join()
        for name in names:
            assert told[name][0] == 451, (name, told[name])
        proxy.lie = lambda method, path: None
        assert len(bodies(clients[0])) == len(names)
        for name in names:
            assert deliver(own, [user], message(f"third {name}")) == {}
        await_mails(clients[0], 2 * len(names))
        subjects = sorted(re.search(rb"Subject: (.*)\r\n", body)[1].decode() for body in bodies(clients[0]).values())
        assert subjects == sorted(names + [f"third {name}" for name in names]), subjects
    finally:
        end(own, proxy)
