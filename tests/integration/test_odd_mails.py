"""Mails that break parsers: none is refused, none is changed, none stops the others from being fetched."""
from harness.mail import bodies, deliver, imap, message, ok, without_trace

HEAD = b"From: a@example.org\r\nTo: b@example.org\r\nSubject: odd\r\n"
ODD = {
    "no header at all": b"just text\r\nand more\r\n",
    "only a header": HEAD,
    "one byte": b"x",
    "empty line only": b"\r\n",
    "header without colon": b"this is no field\r\n" + HEAD + b"\r\nbody\r\n",
    "colon first": b": nothing\r\n" + HEAD + b"\r\nbody\r\n",
    "8-bit header": b"From: \xfcmlaut <a@example.org>\r\nSubject: \xff\xfe\x80 broken utf-8\r\n\r\nbody\r\n",
    "backslash and quote": b'From: "a\\" \\\\ <a@example.org>\r\nSubject: \\ " \\\r\n\r\nbody\r\n',
    "multipart without boundary": HEAD + b"Content-Type: multipart/mixed\r\n\r\n--x\r\n\r\nbody\r\n--x--\r\n",
    "multipart without end": HEAD + b'Content-Type: multipart/mixed; boundary="x"\r\n\r\n--x\r\n\r\nno end',
    "multipart without parts": HEAD + b'Content-Type: multipart/mixed; boundary="x"\r\n\r\npreamble only\r\n',
    "empty parts": HEAD + b'Content-Type: multipart/mixed; boundary="x"\r\n\r\n--x\r\n--x\r\n\r\n--x--\r\n',
    "boundary in a boundary": HEAD + b'Content-Type: multipart/mixed; boundary="x"\r\n\r\n--x\r\nContent-Type: multipart/mixed; boundary="xx"\r\n\r\n'
                                      b"--xx\r\n\r\ninner\r\n--xx--\r\n--x--\r\n",
    "deeply nested": HEAD + b"".join(b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (i, i) for i in range(300)) + b"\r\ndeep\r\n",
    "message in message in message": HEAD + b"Content-Type: message/rfc822\r\n\r\n" + (HEAD + b"Content-Type: message/rfc822\r\n\r\n") * 60 + HEAD + b"\r\nend\r\n",
    "5000 parts": HEAD + b'Content-Type: multipart/mixed; boundary="x"\r\n\r\n' + b"--x\r\n\r\np\r\n" * 5000 + b"--x--\r\n",
    "3000 addresses": b"From: a@example.org\r\nTo: " + b",\r\n ".join(b"p%d@example.org" % i for i in range(3000)) + b"\r\n\r\nbody\r\n",
    "group addresses": b"From: a@example.org\r\nTo: undisclosed-recipients:;\r\nCc: team: a@b.c, \"D\" <d@e.f>;, g@h.i\r\n\r\nbody\r\n",
    "malformed addresses": b"From: <<a@@b>>\r\nTo: @, ,, <>, \"unclosed\r\nCc: (comment (nested) x@y\r\n\r\nbody\r\n",
    "long line": HEAD + b"\r\n" + b"x" * 100000 + b"\r\n",
    "long header line": HEAD + b"X-Long: " + b"y" * 60000 + b"\r\n\r\nbody\r\n",
    "many header lines": HEAD + b"".join(b"X-%d: v\r\n" % i for i in range(5000)) + b"\r\nbody\r\n",
    "bad encoded words": b"From: =?bogus?Q?x?= <a@example.org>\r\nSubject: =?utf-8?B?!!!?= =?utf-8?Q?=ZZ?= =?x\r\n\r\nbody\r\n",
    "bad transfer encoding": HEAD + b"Content-Transfer-Encoding: base65\r\nContent-Type: text/plain; charset=no-such\r\n\r\nbody\r\n",
    "bad parameters": HEAD + b"Content-Type: text/plain; charset; =x; a==b; \"q\"=1; name*0*=utf-8''%zz\r\n\r\nbody\r\n",
    "bad date": HEAD + b"Date: the day after tomorrow\r\n\r\nbody\r\n",
    "two of everything": HEAD + HEAD + b"Date: Sat, 21 Nov 2026 10:00:00 +0100\r\nDate: x\r\nContent-Type: text/plain\r\nContent-Type: text/html\r\n\r\nbody\r\n",
    "dots": HEAD + b"\r\n.\r\n..\r\n...\r\n.x\r\n",
}
# What IMAP can carry but SMTP's line ends would change, or NUL which neither likes: by APPEND alone.
BARE = {
    "bare line feeds": HEAD.replace(b"\r\n", b"\n") + b"\nunix\nlines\n",
    "bare carriage returns": HEAD + b"\r\nold\rmac\rlines\r\n",
    "mixed line ends": HEAD + b"X-A: b\n\r\nbody\n\r\r\nend",
}
ITEMS = "(UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE BODY BODY.PEEK[HEADER] BODY.PEEK[TEXT] BODY.PEEK[1] BODY.PEEK[1.MIME] " \
        "BODY.PEEK[2] BODY.PEEK[HEADER.FIELDS (FROM SUBJECT X-LONG)] BODY.PEEK[HEADER.FIELDS.NOT (SUBJECT)] BODY.PEEK[]<2.5>)"


def test_odd_mails_come_back_as_they_went_in(stack):
    """By APPEND: the very same bytes."""
    user = stack.account()
    client = imap(stack, user)
    every = {**ODD, **BARE}
    for name, mail in every.items():
        status, data = append(client, mail)
        assert status == "OK", (name, data)
    ok(client.select("INBOX"))
    got = [body for _, body in sorted(bodies(client).items())]
    assert len(got) == len(every)
    for (name, mail), body in zip(every.items(), got):
        assert body == mail, (name, mail[:200], body[:200])


def append(client, mail):
    """imaplib's own append turns every line end into CRLF."""
    tag = client._new_tag()
    client.send(tag + b" APPEND INBOX {%d}\r\n" % len(mail))
    line = client.readline()
    if not line.startswith(b"+"):
        return "NO", line
    client.send(mail + b"\r\n")
    while not (line := client.readline()).startswith(tag):
        assert line
    return line.split()[1].decode(), line


def test_odd_mails_are_delivered_and_every_item_of_them_fetched(stack):
    user = stack.account()
    for name, mail in ODD.items():
        assert deliver(stack, [user], mail) == {}, name
    client = imap(stack, user, select="INBOX", replica=1)
    got = [body for _, body in sorted(bodies(client).items())]
    assert len(got) == len(ODD)
    for (name, mail), body in zip(ODD.items(), got):
        sent = mail if mail.endswith(b"\r\n") else mail + b"\r\n"
        assert body.endswith(sent), (name, sent[:200], body[:300])
    for i, name in enumerate(ODD, 1):
        data = ok(client.fetch(str(i), ITEMS))
        assert data and data[0], name
    for item in ("ENVELOPE", "BODYSTRUCTURE", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])"):
        assert len([d for d in ok(client.fetch("1:*", item)) if d not in (b")", b"")]) >= len(ODD), item
    for key in (("SUBJECT", "odd"), ("FROM", "example.org"), ("BODY", "body"), ("TEXT", "nested"), ("HEADER", "X-Long", "yyy")):
        ok(client.search(None, *key))


def test_one_mail_for_many_recipients_is_the_same_for_each(stack):
    users = [stack.account() for _ in range(5)]
    mail = message("for all", "one blob, five mailboxes\r\n")
    refused = deliver(stack, [users[0], "nobody@sora.test", *users[1:]], mail)
    assert list(refused) == ["nobody@sora.test"] and refused["nobody@sora.test"][0] == 550, refused
    for user in users:
        client = imap(stack, user, select="INBOX")
        (body,) = bodies(client).values()
        assert without_trace(body) == mail and b"Delivered-To: " + user.encode() in body and b"Return-Path: <sender@example.org>" in body
