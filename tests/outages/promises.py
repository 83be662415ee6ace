"""What holds in every outage: a function for each promise, which raises Wrong. Their first lines are part of the document."""
import re

from .clients import Wrong, is_good
from .wire import opened

PROMPT_S = 1     # what a person does not call a wait
ANSWER_S = 20    # an MTA has minutes, a mail program half a minute
SHORT_S = 6
WELL_S = 12
SLACK_S = 5      # of a machine that has much else to do
WELL_RUN = 5     # prompt successes, one after the other

PASSING = re.compile(r"OK|250|NO \[UNAVAILABLE\]|4\d\d .*|-ERR \[SYS/TEMP\]|NO \(TRYLATER\)")
ENDING = re.compile(r"refused|closed|BYE")


def is_prompt(attempt):
    return is_good(attempt.answer) and attempt.end - attempt.begin < PROMPT_S


def after(client, end, until):
    return [a for a in list(client.attempts) if end <= a.end <= until]


def is_well(client, end, until):
    last = after(client, end, until)[-WELL_RUN:]
    return len(last) == WELL_RUN and all(is_prompt(a) for a in last)


def seconds_until_well(run, client):
    """From the end of the outage until everything is prompt and good."""
    waits = [a.end for a in after(client, run.end, run.until) if not is_prompt(a)]
    return max(waits, default=run.end) - run.end


def everyone(run):
    for clients in (run.clients, run.others):
        yield from clients.items()


def is_with_it(run, operation, client):
    """Is what fails the process that he is connected to?"""
    return run.target.is_of(client.frontend) and client is run.clients[operation]


def is_correct(stage, run):
    """An OK is true: what it shows is what is there, byte for byte."""
    for operation, client in everyone(run):
        if client.wrong:
            raise Wrong(f"{operation}: {client.wrong!r}")


def answers_fit(stage, run):
    """A passing outage is told as such: `NO [UNAVAILABLE]`, 4yz, `-ERR [SYS/TEMP]`, `NO (TRYLATER)`. Connections end only with the process that they lead to, or in the middle of a long body."""
    for operation, client in everyone(run):
        may_end = client.may_be_cut or is_with_it(run, operation, client)
        for a in client.attempts:
            if not PASSING.fullmatch(a.answer) and not (may_end and ENDING.fullmatch(a.answer)):
                raise Wrong(f"{operation}: {a.answer}, {a.begin - run.begin:.1f} s after the outage began")


def answers_come(stage, run):
    """Nobody waits longer than {ANSWER_S} s for an answer, good or bad (no call between processes takes longer), unless the process that he is connected to is itself stopped."""
    for operation, client in everyone(run):
        for a in client.attempts:
            begin = max(a.begin, run.end) if is_with_it(run, operation, client) and a.end > run.end else a.begin
            if a.end - begin > ANSWER_S + SLACK_S:
                raise Wrong(f"{operation}: {a.answer} after {a.end - begin:.1f} s")


def others_are_unhurt(stage, run):
    """When one of two replicas fails, who uses the other one sees no error, and waits {SHORT_S} s at most."""
    for operation, client in run.others.items():
        for a in client.attempts:
            if not is_good(a.answer) or a.end - a.begin > SHORT_S + SLACK_S:
                raise Wrong(f"{operation} over the other replica: {a.answer} after {a.end - a.begin:.1f} s")


def is_well_again(stage, run):
    """{WELL_S} s after the end of an outage everything goes as before, by itself."""
    for operation, client in everyone(run):
        seconds = seconds_until_well(run, client)
        if not is_well(client, run.end, run.until) or seconds > WELL_S + SLACK_S:
            raise Wrong(f"{operation}: {seconds:.1f} s after the end: {after(client, run.end, run.until)[-WELL_RUN:]}")


def nothing_is_lost_or_doubled(stage, run):
    """What was told OK or 250 is there, once, byte for byte, where it belongs; what was not is there once at most; who idles was told of every mail."""
    for operation, client in everyone(run):
        reader, answer = opened(stage.imap[1], client.place["user"])
        if not reader:
            raise Wrong(f"{operation}: cannot look after it: {answer}")
        try:
            client.check(reader)
        except Wrong as wrong:
            raise Wrong(f"{operation}: {wrong}")
        finally:
            reader.close()


PROMISES = (is_correct, answers_fit, answers_come, others_are_unhurt, is_well_again, nothing_is_lost_or_doubled)
