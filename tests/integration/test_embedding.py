"""libsora: installed as a package would, used by a program that was built against it with nothing else."""
import os, re, subprocess

from harness.check import only
from harness.mail import bodies, imap, message
from harness.stack import TOP


def built(stack, source):
    """A program, linked with an installed libsora; and the environment that finds it."""
    where = f"{stack.directory}/install"
    sanitizers = os.environ.get("SAN", "address,undefined")
    program = f"{where}/{os.path.basename(source)[:-2]}"
    if not os.path.exists(where):
        subprocess.run(["make", "-s", f"BUILD={stack.build}", f"SAN={sanitizers}", "install", f"DESTDIR={where}", "PREFIX="], cwd=TOP,
                       check=True, stdout=subprocess.PIPE)
    flags = subprocess.run(["pkg-config", "--define-prefix", "--cflags", "--libs", "sora"], check=True, stdout=subprocess.PIPE,
                           text=True, env={**os.environ, "PKG_CONFIG_PATH": f"{where}/lib/pkgconfig"}).stdout.split()
    subprocess.run(["gcc", "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-pedantic",
                    *(["-fsanitize=" + sanitizers] if sanitizers else []), "-o", program, f"{TOP}/{source}", *flags], check=True)
    return program, {**os.environ, "LD_LIBRARY_PATH": f"{where}/lib",
                     "LSAN_OPTIONS": f"suppressions={TOP}/tests/harness/lsan.supp:print_suppressions=0"}


def silent(stack, **settings):
    """The configuration of one that listens nowhere, on the same database and store as the others."""
    return stack.config("embed", **{"imap.listen": [], "imap.tls_listen": [], "pop3.listen": [], "pop3.tls_listen": [], "managesieve.listen": [], "lmtp.listen": [], "ops.listen": [], "log.level": "warn",
                                    "bus.metadata": ["inproc://metadata"], "bus.blob": ["inproc://blob"],
                                    "metadata.listen": ["inproc://metadata"], "blob.listen": ["inproc://blob"], **settings})


def embed(stack, *recipients, mail=b"", sender="a@example.org", **settings):
    """The example: exit code, and what it says of each recipient."""
    program, env = built(stack, "deploy/examples/embed.c")
    config = silent(stack, **settings)
    done = subprocess.run([program, config, sender, *recipients], input=mail, env=env, timeout=120, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)
    said = dict(re.findall(r"^(.*?): (\d{3} .*)$", done.stdout.decode(), re.M))
    return done.returncode, said, done.stderr.decode()


def test_the_example_delivers(stack):
    one, two = stack.account(), stack.account()
    nobody = "nobody-" + one
    mail = message("embedded")
    code, said, log = embed(stack, one, nobody, two, "no address", mail=mail)
    assert code == 67, (code, said, log)
    assert said[one].startswith("250 2.0.0 ") and said[two].startswith("250 "), said
    assert said[nobody].startswith("550 5.1.1 ") and said["no address"].startswith("501 5.1.3 "), said
    for user in (one, two):
        body, = bodies(imap(stack, user, select="INBOX")).values()
        assert body.endswith(mail) and b"Delivered-To: " + user.encode() in body, body


def test_a_mail_that_is_too_large_reaches_nobody(stack):
    user = stack.account()
    code, said, log = embed(stack, user, mail=b"Subject: large\r\n\r\n" + b"x" * 70000, **{"message.size": "64K"})
    assert code == 67 and said[user].startswith("552 5.3.4 "), (code, said, log)
    assert not bodies(imap(stack, user, select="INBOX"))


def test_what_does_not_start_says_why(stack):
    code, said, log = embed(stack, "a@b", **{"blob.store": "tape"})
    assert code == 78 and "blob.store" in log, (code, log)
    code, said, log = embed(stack, "a@b", **{"log.level": "loud"})
    assert code == 78 and "log.level" in log, (code, log)


def test_a_database_that_is_away_is_a_temporary_failure(stack):
    from harness.processes import free_port
    code, said, log = embed(stack, "a@sora.test", mail=b"Subject: x\r\n\r\n", **{"database.port": free_port()})
    assert code == 75 and said["a@sora.test"].startswith("451 4.3.0"), (code, said, log)


def test_threads_deliver_at_once_and_a_second_start_is_as_good_as_the_first(stack):
    user = stack.account()
    program, env = built(stack, "tests/integration/embed_twice.c")
    done = subprocess.run([program, silent(stack), user], env=env, timeout=120, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, done
    assert done.stdout == "delivered 40, broken 451, signal 1\n" * 2, done
    subjects = [b"Subject: good" in body for body in bodies(imap(stack, user, select="INBOX")).values()]
    assert subjects == [True] * 80, subjects


@only("all")
def test_only_what_the_header_declares_can_be_linked(stack):
    built(stack, "deploy/examples/embed.c")
    names = subprocess.run(["nm", "-D", "--defined-only", f"{stack.directory}/install/lib/libsora.so.0"], check=True,
                           stdout=subprocess.PIPE, text=True).stdout.split("\n")
    seen = {line.split()[2] for line in names if line}
    assert seen == {"sora_start", "sora_deliver", "sora_stop"}, seen
