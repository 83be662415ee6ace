"""Scripts of the accounts: what lies there says which version of a script has sorted it, and each mail's number what it had to do."""
import re, threading, time

from outages.clients import Wrong

from .ledger import Account, Copy

VERSIONS = 5

# What becomes of a mail, by the last digit of its number: where its copies lie.
PLACES = {"0": ("A",), "1": ("A",), "2": ("A", "INBOX"), "3": ("A", "B"), "4": ()}
USUAL = ("INBOX",)
REDIRECTED = ("5", "6", "7")  # and kept


def script(version, elsewhere):
    """A flag tells of it; redirected mails go to the address `elsewhere`."""
    rules = ['if header :matches "subject" ["*0", "*1"] { fileinto "A"; }',
             'elsif header :matches "subject" "*2" { fileinto :copy "A"; }',
             'elsif header :matches "subject" "*3" { fileinto "A"; fileinto "B"; }',
             'elsif header :matches "subject" "*4" { discard; }',
             'elsif header :matches "subject" [%s] { redirect :copy "%s"; }' % (", ".join(f'"*{digit}"' for digit in REDIRECTED), elsewhere)]
    lines = [f"# version {version}", 'require ["fileinto", "copy", "imap4flags"];', f'setflag "$Script{version}";', *rules]
    return "".join(line + "\r\n" for line in lines).encode()


def is_redirected(number):
    return str(number)[-1] in REDIRECTED


class Active:
    """Which versions may be what sorts an account's mails, as time goes on."""

    def __init__(self):
        self.lock, self.times = threading.Lock(), []

    def may_be(self, versions):
        """From now on."""
        with self.lock:
            self.times.append((time.time(), frozenset(versions)))

    def during(self, begin, end):
        """Any of these may have sorted what came then."""
        with self.lock:
            before = [versions for at, versions in self.times if at <= begin][-1:]
            return frozenset().union(*before, *(versions for at, versions in self.times if begin < at <= end))


class Sorted(Account):
    """One whose mails are sorted by a script, which is changed now and then."""

    def __init__(self, user):
        super().__init__(user)
        self.active, self.spans, self.elsewhere = Active(), {}, user.replace("@sora.test", "@example.net")

    def script(self, version):
        return script(version, self.elsewhere)

    def version_of(self, text):
        """Of a script that was read; None: it is none of these."""
        found = re.match(rb"# version (\d+)\r\n", text)
        return int(found[1]) if found and text == self.script(int(found[1])) else None

    def deliver(self, number, answer):
        super().deliver(number, answer)
        begin, _ = self.spans.get(number, (time.time(), None))
        self.spans[number] = (begin, time.time() if answer else float("inf"))

    def outcomes(self, number):
        """All of what the first try's script does, or all of another's."""
        for version in sorted(self.active.during(*self.spans[number])):
            yield [Copy(mailbox, None, number, frozenset({f"$Script{version}"})) for mailbox in PLACES.get(str(number)[-1], USUAL)]

    def check_redirected(self, sent):
        """`sent`: Counter of numbers that came to `elsewhere`. What was told 250 did, at least once: a worker may die when it has just sent it."""
        for number, answer in self.delivered.items():
            if answer == "250" and is_redirected(number) and not sent[number]:
                raise Wrong(f"{self.user}: mail {number} was told {answer}, and was not redirected")
        strange = [number for number in sent if number not in self.delivered or not is_redirected(number)]
        if strange:
            raise Wrong(f"{self.user}: mails {strange[:5]} were not to be redirected")
