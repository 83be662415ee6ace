"""docs/outages.md, made of what was seen."""
import collections

from . import promises
from .clients import OPERATIONS, is_good
from .stage import FAULTS, FRONTENDS

SECONDS = (2, 3, 5, 8, 10, 15, 20, 30, 60)
GOES_ON = "goes on"
BRIEF = "sieve, worker and what clients are connected to"

HEAD = """\
# Outages: what clients see

For those who run Sora: what fails, how, and what mail programs, editors of scripts and MTAs see of it meanwhile. `./dev test outages` writes this file;
it runs two replicas of each service as processes of their own, with a PostgreSQL and an S3. In each row something fails, while a client for each
operation goes on with it ten times a second, on an account and in a session of its own (in a new one each time, where "login" is a part of it). A cell
says what that client saw:

- "goes on": each answer was good, and came within {PROMPT_S} s. "waits up to": each was good, and so long the longest took.
- Or what it was told instead, and how long the longest answer took; then how long after the end of the outage everything was good and prompt again.
- "closed" and "refused" are its connection. It connects again by itself, as mail programs do; an MTA sends again what was not told 250.
- IDLE is the time from the 250 of a mail to its client's being told; mails come by another lmtp than the one that fails.
- The script of "delivery, with a script" files every other mail in another mailbox, with a flag. The POP3 client also marks a mail as deleted, and takes
  that back.

"One of two" is the worst case: clients whose account is at home at that replica, or whose script. For {FRONTENDS} it is the replica
that they are connected to. Clients of the others are watched as well: they see no error, and wait {SHORT_S} s at most. Times are of one small machine
with other work to do, rounded up to 2, 3, 5, 8, 10, 15, 20 or 30 s.
"""

PROMISES = """\
## Promises

The test fails when one of these is broken, in any cell (of a machine that has much else to do it forgives {SLACK_S} s):
"""


def rounded(seconds):
    """What ends with a limit of 20 s ends a little after it."""
    return f"{next(limit for limit in SECONDS if seconds <= limit * 1.05)} s"


def cell(run, client):
    during = [a for a in client.attempts if a.end >= run.begin]
    failed = [a for a in during if not is_good(a.answer)]
    longest = max((a.end - a.begin for a in during), default=0)
    well = promises.seconds_until_well(run, client)
    if not failed:
        return GOES_ON if longest < promises.PROMPT_S else f"waits up to {rounded(longest)}"
    kinds = collections.Counter(a.answer for a in failed)
    told = " or ".join(sorted(kind for kind, n in kinds.items() if n * 10 >= len(failed)))
    told += " at once" if longest < promises.PROMPT_S else f" within {rounded(longest)}"
    return told + ("; well at once" if well < promises.PROMPT_S else f"; well after {rounded(well)}")


def row(*cells):
    return f"| {' | '.join(cells)} |"


def table(names, runs):
    """What nobody notices is named below it."""
    rows = {run.target.title: [cell(run, run.clients[name]) for name in names] for run in runs}
    unnoticed = [title for title, cells in rows.items() if set(cells) == {GOES_ON}]
    if len(unnoticed) < len(rows):
        yield from (row("what fails", *names), row(*["---"] * (1 + len(names))))
        yield from (row(title, *cells) for title, cells in rows.items() if title not in unnoticed)
        yield ""
    if unnoticed:
        yield from (f"Everything goes on while one of these fails: {'; '.join(unnoticed)}.", "")


def section(fault, runs):
    """Two tables, so that they fit."""
    seconds = f"{fault.seconds} s" if fault.seconds == fault.brief else f"{fault.seconds} s ({BRIEF}: {fault.brief} s)"
    yield from (f"## {fault.title.capitalize()}", "", fault.text.format(seconds) + ".", "")
    for title, is_imap in (("IMAP", True), ("LMTP, POP3 and ManageSieve", False)):
        yield from (f"### {title}", "")
        yield from table([name for name, kind in OPERATIONS.items() if (kind.frontend == "imap") == is_imap], runs)


def write(path, runs):
    lines = [HEAD.format(FRONTENDS=f"{', '.join(FRONTENDS[:-1])} and {FRONTENDS[-1]}", **vars(promises))]
    for fault in FAULTS:
        lines += section(fault, [run for run in runs if run.fault is fault])
    lines += [PROMISES.format(**vars(promises)), *(f"- {promise.__doc__.format(**vars(promises))}" for promise in promises.PROMISES)]
    with open(path, "w") as out:
        out.write("\n".join(lines) + "\n")
