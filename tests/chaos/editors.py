"""Editors of scripts by ManageSieve: what they were told is what scripts are there, what is active, and what sorts the mails that come."""
import re, time

from outages.clients import Wrong, is_good
from outages.wire import editor

from . import sorting
from .clients import SESSION, Client

NAMES = 12        # scripts of one editor
LATE_S = 30       # what got no answer may still happen, for so long
NONE = "NO (NONEXISTENT)"


class Editor(Client):
    """Has scripts of its own in an account; the chief's are those that sort mails."""

    frontend = "managesieve"

    def __init__(self, world, name, account, number, is_chief):
        super().__init__(world, name, account)
        self.is_chief, self.active = is_chief, set()               # names: one of them is active
        self.scripts = {f"{number}.{i}": {None} for i in range(NAMES)}  # versions: one of them is there; None: nothing
        self.doubtful = {}                                         # until when: by name, and of what is active by ""

    # -- what may be

    def expect(self, name, versions):
        self.scripts[name] = versions
        self.tell()

    def expect_active(self, names):
        self.active = names
        self.tell()

    def tell(self):
        if self.is_chief:
            self.account.active.may_be(set().union(*(self.scripts[name] for name in self.active)) - {None})

    def is_settled(self, name):
        return time.monotonic() > self.doubtful.get(name, 0)

    def settle(self, what, name, answer):
        """It was done: True; what got no answer may have been, or will be."""
        if is_good(answer):
            return True
        self.passing(what, answer)
        self.doubtful[name] = time.monotonic() + LATE_S
        return False

    def begin(self):
        """Some script is active from the start."""
        name = next(iter(self.scripts))
        self.enter(None)
        self.put(name)
        self.activate(name)
        assert not self.doubtful, self.calls

    # -- one operation

    def open(self, address, _):
        return editor(address, self.user)

    def once(self):
        settled = [name for name in self.scripts if self.is_settled(name)]
        if not settled or not self.enter(None):
            return
        name = self.random.choice(settled)
        if len(self.scripts[name]) > 1:
            self.get(name)
        elif len(self.active) > 1 and self.is_settled(""):
            self.list()
        else:
            self.random.choice((self.put, self.put, self.get, self.delete, self.list, self.activate))(name)

    def put(self, name):
        version = self.random.randrange(sorting.VERSIONS)
        self.expect(name, self.scripts[name] | {version})
        if self.settle("PUTSCRIPT", name, self.ask(f'PUTSCRIPT "{name}"', self.account.script(version))[1]):
            self.expect(name, {version})

    def get(self, name):
        found, answer, _ = self.ask(f'GETSCRIPT "{name}"')
        if answer != NONE:
            self.passing("GETSCRIPT", answer)
            if not is_good(answer):
                return
        version = None if answer == NONE else self.account.version_of(found[0])
        if version not in self.scripts[name] or (version is None) != (answer == NONE):
            raise Wrong(f"{self.name}: script {name} is {answer} {found}, and was told to be of version {self.scripts[name]}")
        self.expect(name, {version})

    def delete(self, name):
        before = self.scripts[name]
        if self.active == {name}:
            wanted, after = "NO (ACTIVE)", before
        elif name not in self.active:
            wanted, after = NONE if before == {None} else "OK", {None}
        else:
            return
        self.expect(name, before | after)
        _, answer, _ = self.ask(f'DELETESCRIPT "{name}"')
        if answer == wanted:
            self.expect(name, after)
        elif self.settle("DELETESCRIPT", name, answer):
            raise Wrong(f"{self.name}: DELETESCRIPT of {name} is {answer}, and had to be {wanted}")

    def activate(self, name):
        if not self.is_chief or None in self.scripts[name] or not self.is_settled(""):
            return
        self.expect_active(self.active | {name})
        if self.settle("SETACTIVE", "", self.ask(f'SETACTIVE "{name}"')[1]):
            self.expect_active({name})

    def list(self, _=None):
        _, answer, lines = self.ask("LISTSCRIPTS")
        self.passing("LISTSCRIPTS", answer)
        if is_good(answer):
            self.compare(lines)

    def compare(self, lines):
        listed = {name.decode(): bool(mark) for name, mark in (re.match(rb'"([^"]*)"( ACTIVE)?\r\n', line).groups() for line in lines)}
        for name, versions in self.scripts.items():
            may_be = {version is not None for version in versions}
            if self.is_settled(name) and (name in listed) not in may_be:
                raise Wrong(f"{self.name}: {name} of version {versions} is {'' if name in listed else 'not '}listed")
        active = {name for name, is_active in listed.items() if is_active and name in self.scripts}
        if self.is_chief and self.is_settled(""):
            if len(active) != 1 or not active <= self.active:
                raise Wrong(f"{self.name}: {active} is active, and was told to be {self.active}")
            self.expect_active(active)

    # -- afterwards

    def check(self):
        """All is well, and nothing is under way any more."""
        self.doubtful.clear()
        while not self.session:
            self.enter(None)
        for name in self.scripts:
            self.get(name)
        self.list()
