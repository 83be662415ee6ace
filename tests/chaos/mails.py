"""Mails that are known by their number, and can be made again from it: what is read is compared byte for byte without keeping it."""
import itertools, random, re

from harness.mail import message

# Of so many in 100: from, to how many bytes.
SIZES = ((90, 200, 6000), (98, 8000, 60000), (100, 300_000, 700_000))

# Who looks after a mail, by its number: each is changed by one client alone, so that this client knows what must be there.
# Ten and the classes have no common factor: of each class some end in each digit.
NOBODY, OWNERS, DROP, CONTESTED, APPENDED, CLASSES = 0, (1, 2), 3, 4, 5, 7

# What a delivery puts before a mail (RFC 5321 s. 4.4); where it is redirected to, it is given its Return-Path by others.
TRACE = re.compile(rb"(Return-Path: [^\r\n]*\r\n)?Delivered-To: [^\r\n]*\r\nReceived: [^\r\n]*\r\n(\t[^\r\n]+\r\n){2,3}")

counter = itertools.count(1)


def new(kind):
    """A number that was never used."""
    return next(counter) * CLASSES + kind


def kind_of(number):
    return number % CLASSES


def text_of(number):
    r = random.Random(number)
    share = r.randrange(100)
    low, high = next((low, high) for limit, low, high in SIZES if share < limit)
    digits = r.randbytes(r.randrange(low, high) // 2).hex()
    body = "".join(digits[i:i + 70] + "\r\n" for i in range(0, len(digits), 70))
    # The top Received names the mail, so that a repetition is known again.
    received = b"Received: from a.example by mta.test with ESMTP id %d;\r\n Sat, 21 Nov 2026 10:00:00 +0100\r\n" % number
    return received + message(f"chaos {number}", body)


def number_of(head):
    found = re.search(rb"^Subject: chaos (\d+)\r?$", head, re.M)
    return int(found[1]) if found else None


def is_whole(data, number):
    """Is it this mail and nothing else, behind its trace if it was delivered?"""
    if kind_of(number) in (CONTESTED, APPENDED):
        return data == text_of(number)
    trace = TRACE.match(data)
    return trace is not None and data[trace.end():] == text_of(number)
