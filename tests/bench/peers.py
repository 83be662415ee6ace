"""Who is measured: Sora in each of its layouts, and Dovecot; each with the accounts bench0@sora.test and those after it."""
import concurrent.futures, os, pwd, shutil, socket, subprocess

from harness import stack as stacks
from harness.processes import HOST, Process, free_port, wait_for

DOMAIN, PASSWORD = "sora.test", "secret"

# The documented way to many sessions; the rest is Debian's and Dovecot's default, mail_fsync = optimized above all.
DOVECOT = """
dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
base_dir = {directory}/run
state_dir = {directory}/state
log_path = {directory}/log
protocols = imap pop3 lmtp
listen = 127.0.0.1
default_internal_user = {internal}
default_login_user = {login}
default_internal_group = {group}
first_valid_uid = 1
mail_driver = {driver}
mail_home = {directory}/mail/%{{user}}
mail_path = %{{home}}/mail
mail_uid = {mail}
mail_gid = {mailgroup}
mail_max_userip_connections = 10000
lmtp_user_concurrency_limit = unlimited
auth_allow_cleartext = yes
ssl = yes
ssl_server_cert_file = {directory}/cert.pem
ssl_server_key_file = {directory}/key.pem
passdb passwd-file {{
  passwd_file_path = {directory}/users
  default_password_scheme = PLAIN
}}
userdb passwd-file {{
  passwd_file_path = {directory}/users
}}
namespace inbox {{
  inbox = yes
}}
service anvil {{
  {chroot}
}}
service imap-login {{
  {chroot}
  restart_request_count = unlimited
  process_limit = 2500
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
  }}
}}
service pop3-login {{
  {chroot}
  restart_request_count = unlimited
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = {pop3s}
  }}
}}
service imap {{
  process_limit = 2500
}}
protocol lmtp {{
  {plugins}
}}
sieve_script personal {{
  type = personal
  driver = file
  path = %{{home}}/script.sieve
}}
sendmail_path = /bin/true
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp}
  }}
}}
"""
LISTENERS = ("imap", "imaps", "pop3", "pop3s", "lmtp")


class Dovecot:
    """Debian's, with mails in the format of `driver`: maildir or sdbox; "pigeonhole" is maildir with Sieve."""

    def __init__(self, driver, directory, accounts):
        self.name, self.driver, self.directory, self.accounts = f"dovecot-{driver}", driver, f"{directory}/{driver}", accounts
        self.ports = {kind: [free_port()] for kind in LISTENERS}
        self.process = None

    def configure(self):
        os.makedirs(self.directory + "/mail")
        me = pwd.getpwuid(os.getuid()).pw_name
        users = {"internal": "dovecot", "login": "dovenull", "mail": "mail"} if os.getuid() == 0 else dict.fromkeys(
            ("internal", "login", "mail"), me)
        is_sieve = self.driver == "pigeonhole"
        values = {**users, "directory": self.directory, "driver": "maildir" if is_sieve else self.driver,
                  "plugins": "mail_plugins {\n    sieve = yes\n  }" if is_sieve else "", "chroot": "" if os.getuid() == 0 else "chroot =",
                  "group": users["internal"], "mailgroup": users["mail"], **{kind: port for kind, (port,) in self.ports.items()}}
        with open(self.directory + "/dovecot.conf", "w") as out:
            out.write(DOVECOT.format(**values))
        with open(self.directory + "/users", "w") as out:
            out.writelines(f"bench{i}@{DOMAIN}:{PASSWORD}::::::\n" for i in range(self.accounts))
        if os.getuid() == 0:
            shutil.chown(self.directory + "/mail", "mail")

    def answers(self):
        if not self.process.alive():
            with open(self.directory + "/out") as out:
                raise RuntimeError(f"{self.name} ended: {out.read()}")
        with socket.socket() as s:
            return s.connect_ex((HOST, self.ports["lmtp"][0])) == 0

    def start(self):
        self.configure()
        stacks.self_signed(self.directory)
        self.process = Process(self.name, ["/usr/sbin/dovecot", "-F", "-c", self.directory + "/dovecot.conf"], self.directory + "/out").start()
        wait_for(f"{self.name} answers", self.answers)
        return self

    def stop(self):
        if self.process:
            self.process.stop()

    @property
    def processes(self):
        return [self.process.process.pid]

    def script(self, i, text):
        home = f"{self.directory}/mail/bench{i}@{DOMAIN}"
        with open(home + "/script.sieve", "w") as out:
            out.write(text)

    servers = ()
    durable = "mail_fsync=optimized (Dovecot's default)"


class Sora:
    """`layout` all or split (two replicas of each service, by TLS), `store` dir or s3 (s3 also seals)."""

    def __init__(self, layout, store, directory, accounts, postgres, s3):
        self.name, self.accounts, self.postgres = f"sora-{layout}-{store}", accounts, postgres
        place = f"{directory}/{layout}-{store}"
        cache = {"blob.cache.dir": lambda process: f"{place}/cache-{process}"} if store == "s3" else {}
        self.stack = stacks.Stack(layout, place, os.environ["BUILD"], postgres, s3 if store == "s3" else None,
                                  {"log.level": "info", "message.size": "50M", **cache})

    def start(self):
        self.stack.start()
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            list(pool.map(self.account, range(self.accounts)))
        self.ports = {kind: [port for _, port in getattr(self.stack, kind)] for kind in LISTENERS}
        return self

    def account(self, i):
        self.stack.admin("create-account", "--email", f"bench{i}@{DOMAIN}", "--password-stdin", stdin=PASSWORD + "\n")

    def script(self, i, text):
        file = f"{self.stack.directory}/script.sieve"
        with open(file, "w") as out:
            out.write(text)
        self.stack.admin("sieve", "put", f"bench{i}@{DOMAIN}", "main", file, "--activate")

    def stop(self):
        self.stack.stop()

    @property
    def processes(self):
        return [process.process.pid for process in self.stack.processes.values()]

    @property
    def servers(self):
        """What works for it besides its own processes."""
        with open(f"{self.postgres.directory}/data/postmaster.pid") as pidfile:
            return [int(pidfile.readline())]

    durable = "PostgreSQL with fsync and synchronous_commit, bodies with fsync or in S3"


def make(name, directory, accounts, postgres, s3):
    """By its name: dovecot-DRIVER or sora-LAYOUT-STORE."""
    kind, *which = name.split("-")
    return Dovecot(*which, directory, accounts) if kind == "dovecot" else Sora(*which, directory, accounts, postgres, s3)


def versions():
    """What is measured, for the report."""
    def says(*argv):
        return subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True).stdout.split("\n")[0].strip()
    return [says(os.environ["BUILD"] + "/sora", "--version"), "dovecot " + says("/usr/sbin/dovecot", "--version"),
            says("/usr/lib/postgresql/17/bin/postgres", "--version"), "Linux " + os.uname().release]
