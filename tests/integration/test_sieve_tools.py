"""Scripts looked at and tried by hand: sieve-run, sora-admin sieve check and sieve test. Nothing runs, nothing is done."""
from harness.check import only

SCRIPT = """require ["fileinto", "include"];
if header :contains "subject" "lunch" { fileinto "Food"; }
include :optional "more";
"""
MESSAGE = "From: a@example.org\nTo: me@example.org\nSubject: Lunch at noon?\n\nbody\n"


def files(stack, **more):
    paths = {}
    for name, text in {"main.sieve": SCRIPT, "mail.eml": MESSAGE, **{k.replace("_", "."): v for k, v in more.items()}}.items():
        paths[name] = f"{stack.directory}/tried-{name}"
        with open(paths[name], "w") as out:
            out.write(text)
    return paths


@only("all")
def test_sieve_run_prints_the_actions_one_a_line(stack):
    paths = files(stack)
    done = stack.run("sieve-run", paths["main.sieve"], paths["mail.eml"])
    assert done.stdout == 'fileinto "Food"\n' and done.stderr == "", done
    explained = stack.run("sieve-run", "--explain", paths["main.sieve"], paths["mail.eml"]).stdout
    assert "header is true" in explained and '"Lunch at noon?" :contains "lunch": yes' in explained, explained


@only("all")
def test_sieve_run_runs_scripts_before_and_after_and_those_that_are_included(stack):
    paths = files(stack, before_sieve='require ["fileinto", "copy"]; fileinto :copy "All";', after_sieve="discard;", more_sieve="keep;")
    done = stack.run("sieve-run", "--before", paths["before.sieve"], "--after", paths["after.sieve"], paths["main.sieve"], paths["mail.eml"])
    assert done.stdout == 'fileinto "All" copy\nfileinto "Food"\n', done
    with open(f"{stack.directory}/more.sieve", "w") as out:
        out.write("keep;")
    done = stack.run("sieve-run", "--include", stack.directory, "--after", paths["after.sieve"], paths["main.sieve"], paths["mail.eml"])
    assert done.stdout == 'fileinto "Food"\nkeep\ndiscard\n', done


@only("all")
def test_sieve_run_knows_the_mailboxes_that_it_is_told(stack):
    paths = files(stack, which_sieve='''require ["fileinto", "mailbox", "mailboxid", "copy"];
        if mailboxexists ["INBOX", "Lists"] { fileinto :copy "Lists"; } if mailboxidexists ["F1", "F2"] { fileinto :mailboxid "F1" "Food"; }''')
    done = stack.run("sieve-run", paths["which.sieve"], paths["mail.eml"])
    assert done.stdout == "keep implicit\n", done
    done = stack.run("sieve-run", "--mailbox", "Lists", "--mailboxid", "F1", "--mailboxid", "F2", paths["which.sieve"], paths["mail.eml"])
    assert done.stdout == 'fileinto "Lists" copy\nfileinto "Food" mailboxid="F1"\n', done


@only("all")
def test_exit_codes_say_what_went_wrong(stack):
    paths = files(stack, wrong_sieve='keep;\nfileinot "x";\n', fails_sieve='redirect "a@b"; redirect "b@b"; redirect "c@b"; redirect "d@b"; redirect "e@b";')
    none = f"{stack.directory}/there-is-none"
    for args, code, says in (
            ((paths["wrong.sieve"], paths["mail.eml"]), 1, "wrong.sieve:2:1: error: unknown command 'fileinot'; did you mean 'fileinto'?"),
            (("--check", paths["wrong.sieve"]), 1, "2:1"), (("--check", paths["main.sieve"]), 0, ""),
            ((paths["fails.sieve"], paths["mail.eml"]), 1, ""),
            ((none, paths["mail.eml"]), 3, none), ((paths["main.sieve"], none), 3, none),
            ((paths["main.sieve"],), 2, "--help"), (("--frobnicate", "x", "y"), 2, "--help")):
        done = stack.run("sieve-run", *args, check=False)
        assert done.returncode == code and says in done.stderr, (args, done)
    assert stack.run("sieve-run", "--help").stdout.startswith("Usage"), "--help"


@only("all")
def test_the_administrator_checks_and_tries_a_script_without_a_service(stack):
    paths = files(stack, wrong_sieve="if true { keep; }\nelse if false { keep; }\n")
    done = stack.run("sora-admin", "sieve", "check", paths["main.sieve"])
    assert "is a valid script" in done.stdout, done
    done = stack.run("sora-admin", "sieve", "check", paths["wrong.sieve"], check=False)
    assert done.returncode == 1 and "wrong.sieve:2:" in done.stderr, done
    done = stack.run("sora-admin", "sieve", "test", paths["main.sieve"], paths["mail.eml"])
    assert done.stdout == 'fileinto "Food"\n', done
    done = stack.run("sora-admin", "sieve", "test", paths["main.sieve"], paths["mail.eml"], "--explain")
    assert "header is true" in done.stdout and done.stdout.endswith('fileinto "Food"\n'), done
    assert stack.run("sora-admin", "sieve", "test", paths["main.sieve"], f"{stack.directory}/none", check=False).returncode == 3
