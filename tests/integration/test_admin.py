"""sora-admin against a running Sora, and on a database alone."""
import json, os, signal, tempfile

from harness.check import only
from harness.mail import deliver, imap, message, ok
from harness.processes import free_port


def fields(stack, user):
    return json.loads(stack.admin("show-account", user, "--json").stdout)


def code(stack, *args, **more):
    done = stack.admin(*args, check=False, **more)
    assert done.returncode == 0 or done.stderr.splitlines()[-1].startswith("sora-admin: "), done
    return done.returncode


def test_exit_codes_tell_what_happened(stack):
    user = stack.account()
    assert code(stack, "create-account", "--email", user, "--password", "x") == 4
    assert code(stack, "show-account", f"nobody-{user}") == 3
    assert code(stack, "add-address", f"nobody-{user}", f"more-{user}") == 3
    assert code(stack, "remove-address", user, f"nobody-{user}") == 3
    assert code(stack, "create-account", "--email", f"x{user}") == 2
    assert code(stack, "create-account", "--email", "no address", "--password", "x") == 2
    assert code(stack, "create-account", "--email", f"x{user}", "--password", "x", "--quota", "much") == 2
    assert code(stack, "create-account", "--email", f"x{user}", "--password", "x", "--hash", "md5") == 2
    assert code(stack, "update-account", user) == 2
    assert code(stack, "--metadata", f"127.0.0.1:{free_port()}", "list-accounts") == 5
    assert code(stack, "--dbhost", "127.0.0.1", "--dbport", str(free_port()), "list-accounts") == 5


def test_each_scheme_of_passwords_logs_in(stack):
    for scheme in ("bcrypt", "ssha512", "sha512"):
        user = stack.account("--hash", scheme, password="p\u00e4ss word")
        assert fields(stack, user)["hash"] == scheme
        ok(imap_utf8(stack, user, "p\u00e4ss word"))


def imap_utf8(stack, user, password):
    import imaplib
    client = imaplib.IMAP4(*stack.imap[0], timeout=60)
    return client.authenticate("PLAIN", lambda _: b"\0" + user.encode() + b"\0" + password.encode())


def test_passwords_come_from_standard_input_and_files(stack):
    with tempfile.NamedTemporaryFile("w", suffix=".password") as file:
        file.write("from a file\nnot this\n")
        file.flush()
        one, two = f"stdin-{os.getpid()}-{stack.name}@sora.test", f"file-{os.getpid()}-{stack.name}@sora.test"
        stack.admin("create-account", one, "--password-stdin", stdin="from stdin\n")
        stack.admin("create-account", two, "--password-file", file.name)
    imap(stack, one, "from stdin").logout()
    imap(stack, two, "from a file").logout()
    stack.admin("update-account", one, "--password-stdin", stdin="changed\n")
    imap(stack, one, "changed").logout()
    assert code(stack, "update-account", one, "--password-stdin", stdin="\n") == 2


def test_addresses_come_and_go_and_one_is_the_main_one(stack):
    user = stack.account()
    more, main = f"more-{user}", f"main-{user}"
    stack.admin("add-address", user, more)
    stack.admin("add-address", "--email", more, "--address", main, "--primary")
    assert fields(stack, more)["addresses"] == [main, more, user] or fields(stack, more)["addresses"][0] == main
    assert sorted(fields(stack, user)["addresses"]) == sorted([main, more, user])
    assert deliver(stack, [more], message("to the other one")) == {}
    imap(stack, more).logout()
    stack.admin("update-account", user, "--primary")
    assert fields(stack, more)["addresses"][0] == user
    stack.admin("remove-address", user, more)
    assert code(stack, "show-account", more) == 3
    assert deliver(stack, [more], message("to no one"))[more][0] == 550
    assert code(stack, "add-address", user, stack.account()) == 4


def test_lists_and_quotas(stack):
    user = stack.account("--quota", "2M")
    deliver(stack, [user], message("counted"))
    account = fields(stack, user)
    assert account["quota_bytes"] == 2 << 20 and account["used_messages"] == 1 and account["used_bytes"] > 100, account
    stack.admin("update-account", user, "--quota", "0")
    assert fields(stack, user)["quota_bytes"] == 0
    listed = [json.loads(line) for line in stack.admin("list-accounts", "--json").stdout.splitlines()]
    assert [a for a in listed if a["addresses"][0] == user and a["state"] == "active"], listed
    table = stack.admin("list-accounts").stdout.splitlines()
    assert table[0].split() == ["ADDRESS", "STATE", "USED", "QUOTA", "MESSAGES"], table[0]
    assert any(line.startswith(user + " ") for line in table), table


def test_a_deleted_account_comes_back_with_its_mail(stack):
    user = stack.account()
    deliver(stack, [user], message("kept"))
    stack.admin("delete-account", user)
    assert fields(stack, user)["state"] == "deleted"
    stack.admin("restore-account", user)
    assert fields(stack, user)["state"] == "active" and fields(stack, user)["used_messages"] == 1


@only("all")
def test_an_empty_database_is_brought_up_without_a_running_sora(stack):
    """--dbhost and its like; and a config whose bus is inproc, with nothing that answers."""
    name = f"{stack.database}_alone"
    stack.postgres.query(f"CREATE DATABASE {name} TEMPLATE template0")
    database = ("--dbhost", "127.0.0.1", "--dbport", str(stack.postgres.port), "--dbuser", "sora", "--dbpassword", stack.postgres.password,
                "--dbname", name, "--dbtls", "disable")
    stack.run("sora-admin", *database, "create-account", "a@alone.test", "--password", "x")
    assert "a@alone.test" in stack.run("sora-admin", "list-accounts", *database).stdout
    config = stack.config("alone", **{"database.name": name, "bus.admin": f"ipc://{stack.directory}/nobody.sock"})
    assert stack.run("sora-admin", "--config", config, "show-account", "a@alone.test", "--json").stdout.startswith("{")
    assert stack.run("sora-admin", "--config", config, "--check").returncode == 0
