"""docs/outages.md, made of what was seen."""
import collections

from . import promises
from .clients import OPERATIONS, is_good
from .stage import FAULTS

SECONDS = (2, 3, 5, 8, 10, 15, 20, 30, 60)

HEAD = """\
# Outages: what clients see

Written by `./dev test outages`, which runs this on real processes: two replicas of each service, PostgreSQL and S3. In each row something fails, and
meanwhile a client of its own does each operation again and again, ten times a second, on an account and in a session of its own. A cell says what the
client saw: "goes on" (each answer was good and came within {PROMPT_S} s), or how long it had to wait for a good answer, or what it was told instead and how soon; then how long
after the end of the outage all was prompt again, if it was not at once. "closed" and "refused" are the client's connection: it came back by itself, as mail programs do.
Seconds are rounded up, and are of one small machine: read them as "at once", "soon", "a while". A delivery that was told 4yz was sent again, as MTAs do.

"One of two": that replica is home to the client's account, so this is the worst case; accounts at home on the other see nothing of it. For imap and lmtp
it is the replica that the client is connected to; others are at the other one, and see nothing of it either.
"""


def rounded(seconds):
    return f"{next(limit for limit in SECONDS if seconds <= limit)} s"


def cell(run, client):
    during = [a for a in client.attempts if a.end >= run.begin]
    failed = [a for a in during if not is_good(a.answer)]
    longest = max((a.end - a.begin for a in during), default=0)
    well = promises.seconds_until_well(client, run.end)
    if not failed:
        return "goes on" if longest < promises.PROMPT_S else f"waits up to {rounded(longest)}"
    kinds = collections.Counter(a.answer for a in failed)
    told = " or ".join(sorted(kind for kind, n in kinds.items() if n * 10 >= len(failed)))
    told += " at once" if longest < promises.PROMPT_S else f" within {rounded(longest)}"
    return told + ("; well at once" if well < promises.PROMPT_S else f"; well after {rounded(well)}")


def table(fault, seconds, runs):
    lines = [f"## {fault.title.capitalize()}", "", fault.text.format(seconds)[0].upper() + fault.text.format(seconds)[1:] + ".", "",
             "| what | " + " | ".join(OPERATIONS) + " |", "| --- |" + " --- |" * len(OPERATIONS)]
    for run in runs:
        lines.append(f"| {run.target.title} | " + " | ".join(cell(run, run.clients[name]) for name in OPERATIONS) + " |")
    return "\n".join(lines) + "\n"


def write(path, runs):
    parts = [HEAD.format(**vars(promises))]
    for fault in FAULTS:
        parts.append(table(fault, fault.seconds, [run for run in runs if run.fault is fault]))
    lines = [f"- {promise.__doc__.format(**vars(promises))}" for promise in promises.PROMISES]
    parts.append("## Promises\n\nThe test fails when one of these is broken, in any cell:\n\n" + "\n".join(lines) + "\n")
    with open(path, "w") as out:
        out.write("\n".join(parts))
