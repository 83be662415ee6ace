"""Who may do what: certificates between the processes, and logins that end."""
import os, shutil, subprocess, tempfile, time, urllib.request

from harness.check import only
from harness.mail import deliver, imap, message, ok
from harness.processes import HOST, wait_for
from harness.stack import Stack


def idle(client):
    client.send(b"i IDLE\r\n")
    assert client.readline().startswith(b"+")


def heard(client, within=20):
    """The next line while idling."""
    client.sock.settimeout(within)
    return client.readline()


def metric(port, name):
    with urllib.request.urlopen(f"http://{HOST}:{port}/metrics", timeout=10) as answer:
        return next(int(line.split()[1]) for line in answer.read().decode().splitlines() if line.startswith(name + " "))


def own_stack(stack, **settings):
    directory = tempfile.mkdtemp(dir="/tmp")
    return Stack("all", directory + "/own", stack.build, stack.postgres, None, {key.replace("__", "."): value for key, value in settings.items()}).start()


def end(own):
    assert own.stop() == []
    shutil.rmtree(os.path.dirname(own.directory))


@only("all")
def test_a_login_that_ends_is_told_bye_and_another_hears_on(stack, life=10):
    """The second one comes at the end of the first, and has most of its life to hear of what the first is not told."""
    own = own_stack(stack, token__life=f"{life}s")
    user = own.account()
    old, busy = imap(own, user, select="INBOX"), imap(own, user, select="INBOX")
    over = time.monotonic() + life
    idle(old)
    deliver(own, [user], message())
    assert heard(old).endswith(b"EXISTS\r\n")
    time.sleep(max(over - 1 - time.monotonic(), 0))
    new = imap(own, user, select="INBOX")
    idle(new)
    time.sleep(max(over + 1 - time.monotonic(), 0))
    # The first two are over; nothing has happened yet that would have told them.
    deliver(own, [user], message())
    assert heard(new).endswith(b"EXISTS\r\n")
    lines = [heard(old) for _ in range(4)]
    assert any(line.startswith(b"* BYE [EXPIRED]") for line in lines) and lines[-1] == b"", lines
    busy.send(b"a FETCH 1 (ENVELOPE)\r\n")
    lines = [heard(busy) for _ in range(6)]
    assert any(line.startswith(b"* BYE [EXPIRED]") for line in lines) and not any(b"ENVELOPE" in line for line in lines), lines
    # Who idled on does so for good, while its own login holds.
    deliver(own, [user], message())
    assert any(heard(new).endswith(b" 3 EXISTS\r\n") or heard(new).endswith(b" 3 EXISTS\r\n") for _ in range(2))
    end(own)


def test_a_changed_password_ends_who_idles(stack):
    user = stack.account()
    old = [imap(stack, user, replica=i % len(stack.imap), select="INBOX") for i in range(2)]
    for client in old:
        idle(client)
    stack.admin("update-account", user, "--password", "other")
    for client in old:
        assert (line := heard(client)).startswith(b"* BYE"), line
    new = imap(stack, user, password="other", select="INBOX")
    idle(new)
    deliver(stack, [user], message())
    assert heard(new).endswith(b"EXISTS\r\n")


@only("split")
def test_a_frontend_is_no_operator(stack):
    """The key of a frontend, in the hands of somebody with sora-admin."""
    config = stack.config("thief", **stack.bus("imap"))
    done = stack.run("sora-admin", "--config", config, "list-accounts", check=False)
    assert done.returncode == 1 and "admin.sora" in done.stderr, done
    name = f"{stack.directory}/stranger"
    subprocess.run(["deploy/certificates", name, "admin"], check=True, cwd=os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))),
                   stderr=subprocess.DEVNULL)
    own = {**stack.bus("admin"), "bus.tls.certificate": f"{name}/admin.pem", "bus.tls.key": f"{name}/admin.key", "bus.tls.ca": f"{name}/ca.pem"}
    done = stack.run("sora-admin", "--config", stack.config("stranger", **own), "list-accounts", check=False)
    assert done.returncode == 5 and "bus.tls.refused" in done.stderr, done


@only("split")
def test_check_and_start_say_what_a_process_lacks_for_the_bus(stack):
    for own, says in (({"bus.tls.certificate": ""}, "bus.tls.certificate is not set"), (stack.bus("lmtp"), "do not have imap.sora")):
        config = stack.config("lacking", **{**stack.bus("imap"), **own, "imap.listen": [], "imap.tls_listen": [], "ops.listen": []})
        for args in (("--check",), ()):
            done = stack.run("sora-imap", "--config", config, *args, check=False)
            assert done.returncode == 1 and says in done.stderr, done
    for service in ("imap", "lmtp", "worker", "metadata", "blob", "sieve"):
        done = stack.run(f"sora-{service}", "--check", "--config", f"{stack.directory}/{service}-1.yaml", check=False)
        assert done.returncode == 0, done


def test_when_certificates_end_is_a_metric(stack):
    for name, port in stack.ops.items():
        ends = metric(port, "sora_bus_certificate_not_after_seconds")
        assert (stack.layout == "split") == (ends > time.time() + 300 * 86400), (name, ends)
    name = next(name for name in stack.ops if name == "sora" or name.startswith("imap"))
    assert time.time() < metric(stack.ops[name], "sora_tls_certificate_not_after_seconds") < time.time() + 3 * 86400
    with open(stack.processes[name].log) as log:
        assert "event=process.certificate_ends" in (text := log.read()) and "setting=tls.certificate" in text, "it has two days"
