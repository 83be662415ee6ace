"""docs/outages.md, made of what was seen."""
import collections

from . import promises
from .clients import OPERATIONS, is_good
from .stage import FAULTS

SECONDS = (2, 3, 5, 8, 10, 15, 20, 30, 60)

HEAD = """\
# Outages: what clients see

For those who run Sora: what fails, how, and what mail programs and MTAs see of it meanwhile. `./dev test outages` writes this file; it runs two replicas
of each service as processes of their own, with a PostgreSQL and an S3. In each row something fails, while a client for each operation goes on with
it ten times a second, on an account and in a session of its own. A cell says what that client saw:

- "goes on": each answer was good, and came within {PROMPT_S} s. "waits up to": each was good, and so long the longest took.
- Or what it was told instead, and how long the longest answer took; then how long after the end of the outage everything was good and prompt again.
- "closed" and "refused" are its connection. It connects again by itself, as mail programs do; an MTA sends again what was not told 250.
- IDLE is the time from the 250 of a mail to its client's being told; mails come by another lmtp than the one that fails.

"One of two" is the worst case: clients whose account is at home at that replica. For imap and lmtp it is the replica that they are connected to. Clients
of the others are watched as well: they see no error, and wait {SHORT_S} s at most. Times are of one small machine with other work to do, rounded up to 2, 3, 5, 8, 10, 15, 20 or 30 s.
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
        return "goes on" if longest < promises.PROMPT_S else f"waits up to {rounded(longest)}"
    kinds = collections.Counter(a.answer for a in failed)
    told = " or ".join(sorted(kind for kind, n in kinds.items() if n * 10 >= len(failed)))
    told += " at once" if longest < promises.PROMPT_S else f" within {rounded(longest)}"
    return told + ("; well at once" if well < promises.PROMPT_S else f"; well after {rounded(well)}")


def table(fault, seconds, runs):
    lines = [f"## {fault.title.capitalize()}", "", fault.text.format(seconds) + ".", "",
             "| what fails | " + " | ".join(OPERATIONS) + " |", "| --- |" + " --- |" * len(OPERATIONS)]
    for run in runs:
        lines.append(f"| {run.target.title} | " + " | ".join(cell(run, run.clients[name]) for name in OPERATIONS) + " |")
    return "\n".join(lines) + "\n"


def write(path, runs):
    parts = [HEAD.format(**vars(promises))]
    for fault in FAULTS:
        parts.append(table(fault, fault.seconds, [run for run in runs if run.fault is fault]))
    lines = [f"- {promise.__doc__.format(**vars(promises))}" for promise in promises.PROMISES]
    parts.append("## Promises\n\nThe test fails when one of these is broken, in any cell (of a machine that has much else to do it forgives {SLACK_S} s):\n\n".format(**vars(promises)) + "\n".join(lines) + "\n")
    with open(path, "w") as out:
        out.write("\n".join(parts))
