"""Postfix hands mail over as it does everywhere; Exim too, where there is one (SORA_TEST_EXIM names it)."""
import re, smtplib

from harness.check import Skip
from harness.mail import message
from harness.mta import Exim, Postfix
from harness.processes import HOST, wait_for
from integration.test_lmtp_delivery import inbox


def hand_over(stack, mta):
    """Many recipients, 8-bit text, dots, UTF-8 addresses, one that is refused: all arrives as it was sent. Exim does it under TLS."""
    users = [stack.account() for _ in range(3)]
    german = users[0].replace("user", "b\u00fccher")
    stack.admin("add-address", users[0], german)
    many = [users[i % 3].replace("@", f"+{i}@") for i in range(150)]
    eight = message("eight bits", "Gr\u00fc\u00dfe\r\n.\r\n..\r\n" + "x" * 900 + "\r\n")
    with smtplib.SMTP(HOST, mta.port, local_hostname="client.test", timeout=60) as client:
        assert client.sendmail("a@example.org", many, message("to many")) == {}
        assert client.sendmail("a@example.org", [users[0]], eight, mail_options=["BODY=8BITMIME"]) == {}
        assert client.sendmail("\u00fc@\u00fc.example", [german], message("Gr\u00fc\u00dfe", sender="\u00fc@\u00fc.example"),
                               mail_options=["SMTPUTF8", "BODY=8BITMIME"]) == {}
        client.sendmail("a@example.org", ["nobody@sora.test", users[1]], message("to one"))
    wait_for("an empty queue", mta.is_idle, 180)
    assert [len(inbox(stack, user)) for user in users] == [3, 2, 1]
    first = inbox(stack, users[0])
    many, seen, utf8 = [next(mail for mail in first if subject in mail) for subject in
                        (b"Subject: to many", b"Subject: eight bits", "Subject: Gr\u00fc\u00dfe".encode())]
    assert seen.endswith(eight.partition(b"\r\n\r\n")[2]), seen
    assert f"Return-Path: <\u00fc@\u00fc.example>\r\nDelivered-To: {german}\r\n".encode() in utf8, utf8
    ours = [mail[:mail.index(b"Received:", mail.index(b"Received:") + 1)] for mail in (many, seen, utf8)]
    assert [re.search(rb"with (\w+?)S? id", trace)[1] for trace in ours] == [b"LMTP", b"LMTP", b"UTF8LMTP"], ours
    assert b"\tfor <" not in ours[0] and b"\tfor <" in ours[1], ours


def test_postfix_hands_over(stack):
    mta = Postfix(stack.lmtp[0])
    try:
        mta.start()
        hand_over(stack, mta)
        # Its name for the mail, told by XFORWARD, is in our log.
        queue_ids = re.findall(r"postfix/lmtp\[\d+\]: (\w+): .* status=sent", mta.log())
        assert "status=bounced" in mta.log() and queue_ids
        logs = "".join(open(p.log, errors="replace").read() for p in stack.processes.values())
        for queue_id in queue_ids:
            assert f"ident={queue_id}" in logs, queue_id
    finally:
        mta.stop()


def test_exim_hands_over_in_chunks(stack):
    if not Exim.binary:
        raise Skip("there is no exim4 (it and Postfix exclude each other; SORA_TEST_EXIM names one that was unpacked by hand)")
    mta = Exim(stack.lmtp[0])
    try:
        mta.start()
        hand_over(stack, mta)
        assert re.search(r"=> .* K ", mta.log()), mta.log()     # BDAT
    finally:
        mta.stop()
