"""A running Sora: all in one process, or every service in two replicas, on a database of its own."""
import contextlib, itertools, json, os, shutil, subprocess, urllib.request

from .leaks import is_a_librarys_own
from .processes import HOST, Process, free_port, wait_for

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SERVICES = ("blob", "metadata", "sieve", "worker", "imap", "pop3", "managesieve", "lmtp")
LISTENS = {"imap": ("imap.listen", "imap.tls_listen"), "pop3": ("pop3.listen", "pop3.tls_listen"),
           "managesieve": ("managesieve.listen",), "lmtp": ("lmtp.listen",)}
counter = itertools.count(1)


def certificates(directory):
    """An authority of the bus and its certificates, as operators make them."""
    subprocess.run([f"{TOP}/deploy/certificates", directory], check=True, stderr=subprocess.DEVNULL)
    return directory


def self_signed(directory):
    """cert.pem and key.pem, for clients."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=sora.test", "-addext", "subjectAltName=DNS:sora.test,DNS:localhost,IP:127.0.0.1",
                    "-keyout", f"{directory}/key.pem", "-out", f"{directory}/cert.pem"], check=True, stderr=subprocess.DEVNULL)


class Postgres:
    """The private PostgreSQL of the run."""

    def __init__(self, directory, port=None):
        self.directory, self.port = directory, port or free_port()

    def start(self, durable=False):
        """Without fsync, unless it shall be durable."""
        out = subprocess.run([f"{TOP}/deploy/dev/start-postgres", self.directory, str(self.port), *([] if durable else ["--unsafe"])],
                             check=True, stdout=subprocess.PIPE, text=True).stdout
        settings = dict(line.partition("=")[::2] for line in out.split() if "=" in line)
        self.password = settings["PGPASSWORD"].strip("'\"")
        return self

    def stop(self):
        subprocess.run([f"{TOP}/deploy/dev/start-postgres", self.directory, "stop"], check=True)

    def env(self, database="sora"):
        return {"PGHOST": HOST, "PGPORT": str(self.port), "PGUSER": "sora", "PGPASSWORD": self.password, "PGDATABASE": database}

    def query(self, sql, database="postgres", user="sora", is_quiet=False):
        """Rows as text, tabs between the columns. `is_quiet`: nobody is told why there are none."""
        out = subprocess.run(["/usr/lib/postgresql/17/bin/psql", "-XAtF\t", "-v", "ON_ERROR_STOP=1", "-c", sql], check=True,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL if is_quiet else None, text=True,
                             env={**os.environ, **self.env(database), "PGUSER": user}).stdout
        return [line.split("\t") for line in out.splitlines()]

    def signal(self, sig):
        """To the postmaster and all its children."""
        with open(f"{self.directory}/data/postmaster.pid") as pidfile:
            pid = int(pidfile.readline())
        for child in subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], stdout=subprocess.PIPE, text=True).stdout.split():
            try:
                os.kill(int(child), sig)
            except ProcessLookupError:
                pass
        os.kill(pid, sig)


class S3:
    """A real S3 server: Ceph's radosgw."""

    def __init__(self, directory, port=None):
        self.directory, self.port = directory, port or free_port(2)    # its monitor takes the one behind it

    def start(self, *buckets):
        subprocess.run([f"{TOP}/deploy/dev/start-radosgw", self.directory, str(self.port), *buckets], check=True,
                       stdout=subprocess.DEVNULL)
        return self

    def stop(self):
        subprocess.run([f"{TOP}/deploy/dev/start-radosgw", self.directory, "stop"], check=True)

    def start_gateway(self):
        """After a kill -9 of it alone: what it stored is kept by its OSD."""
        subprocess.run([f"{TOP}/deploy/dev/start-radosgw", self.directory, "gateway"], check=True, stdout=subprocess.DEVNULL)

    @property
    def endpoint(self):
        return f"http://{HOST}:{self.port}"

    def signal(self, sig):
        with open(f"{self.directory}/run/rgw.pid") as pidfile:
            os.kill(int(pidfile.readline()), sig)


class Stack:
    """`layout` is "all" (one process, inproc) or "split" (two replicas of each service, tls+tcp); `s3` None: a directory."""

    def __init__(self, layout, directory, build, postgres, s3=None, settings=None):
        self.layout, self.directory, self.build, self.postgres, self.s3 = layout, directory, build, postgres, s3
        self.settings = settings or {}
        self.sanitized = bool(os.environ.get("SAN", "address,undefined"))
        self.database = f"sora_{os.getpid()}_{next(counter)}"
        self.processes = {}
        self.smarthost_port = free_port()  # where mail goes out, to a harness.smtp_sink
        self.imap, self.imaps, self.pop3, self.pop3s, self.managesieve, self.lmtp, self.ops = [], [], [], [], [], [], {}
        shutil.rmtree(directory, ignore_errors=True)
        os.makedirs(directory)

    @property
    def name(self):
        return f"{self.layout}-{'s3' if self.s3 else 'dir'}"

    # -- configuration

    def config(self, name, **own):
        """Write the file of one process: a nested mapping, as JSON, which is YAML."""
        tree = {}
        common = {
            "hostname": "sora.test", "drain.time": "1s", "drain.linger": "200ms",
            "log.level": "debug", "message.size": "120M", "net.per_address": 5000, "net.per_user": 5000,
            "tls.certificate": f"{self.directory}/cert.pem", "tls.key": f"{self.directory}/key.pem",
            "database.host": HOST, "database.port": self.postgres.port, "database.user": "sora",
            "database.password": self.postgres.password, "database.name": self.database,
            "token.keys": ["a secret of the tests"], "imap.plain_login": True, "pop3.plain_login": True, "managesieve.plain_login": True,
            "lmtp.xclient_from": ["127.0.0.0/8"],
            "smarthost.host": HOST, "smarthost.port": self.smarthost_port, "smarthost.tls": "none", "smarthost.timeout": "20s",
            "queue.retry": "1s", "queue.retry_most": "2s",
            "blob.store": "s3" if self.s3 else "dir", "blob.dir": f"{self.directory}/blobs"}
        if self.s3:
            common.update({"blob.s3.endpoint": self.s3.endpoint, "blob.s3.bucket": "sora-test", "blob.s3.access_key": "TESTKEY",
                           "blob.s3.secret_key": "TESTSECRET", "blob.s3.prefix": self.database + "/", "blob.seal_keys": ["5e" * 32]})
        for path, value in {**common, **self.settings, **own}.items():
            at = tree
            value = value(name) if callable(value) else value       # a setting of each process's own
            *sections, key = path.split(".")
            for section in sections:
                at = at.setdefault(section, {})
            at[key] = value
        file = f"{self.directory}/{name}.yaml"
        with open(file, "w") as out:
            json.dump(tree, out, indent=1)
        return file

    def add(self, name, program, config):
        ops = self.ops[name]
        sanitizers = {
            "ASAN_OPTIONS": f"log_path={self.directory}/sanitizer-{name}:detect_leaks=1:exitcode=99",
            "UBSAN_OPTIONS": f"log_path={self.directory}/sanitizer-{name}:print_stacktrace=1",
            "LSAN_OPTIONS": f"suppressions={TOP}/tests/harness/lsan.supp"}
        self.processes[name] = Process(name, [f"{self.build}/{program}", "--config", config], f"{self.directory}/{name}.log",
                                       sanitizers, f"http://{HOST}:{ops}/readyz")

    @contextlib.contextmanager
    def beside(self, name, program, settings):
        """One more process, for as long as a test needs it."""
        self.ops[name] = free_port()
        self.add(name, program, self.config(name, **settings, **{"ops.listen": [f"{HOST}:{self.ops[name]}"]}))
        process = self.processes[name].start()
        try:
            yield process
        finally:
            code = process.stop()
            del self.ops[name], self.processes[name]
        assert code == 0, f"{name} ended with {code}"

    def ports(self, name, *kinds):
        own = {}
        self.ops[name] = free_port()
        own["ops.listen"] = [f"{HOST}:{self.ops[name]}"]
        for kind in kinds:
            port = free_port()
            own[kind] = [f"{HOST}:{port}"]
            {"imap.listen": self.imap, "imap.tls_listen": self.imaps, "pop3.listen": self.pop3, "pop3.tls_listen": self.pop3s,
             "managesieve.listen": self.managesieve, "lmtp.listen": self.lmtp}[kind].append((HOST, port))
        return own

    def add_all(self):
        own = self.ports("sora", *(kind for kinds in LISTENS.values() for kind in kinds))
        own["bus.admin"] = f"ipc://{self.directory}/admin.sock"
        self.admin_config = self.config("sora", **own)
        self.add("sora", "sora", self.admin_config)

    def bus(self, role):
        """What the file of a process says of the bus: where the services are, and the certificate of its role."""
        return {**{f"bus.{kind}": where for kind, where in self.urls.items()}, "bus.tls.ca": f"{self.certificates}/ca.pem",
                "bus.tls.certificate": f"{self.certificates}/{role}.pem", "bus.tls.key": f"{self.certificates}/{role}.key"}

    def add_split(self):
        self.certificates = certificates(f"{self.directory}/certificates")
        self.urls = urls = {kind: [f"tls+tcp://{HOST}:{free_port()}" for _ in range(2)] for kind in ("metadata", "blob", "sieve")}
        for service, i in itertools.product(SERVICES, range(2)):
            name = f"{service}-{i + 1}"
            own = {**self.ports(name, *LISTENS.get(service, ())), **self.bus(service)}
            if service in urls:
                own[f"{service}.listen"] = [urls[service][i]]
            self.add(name, f"sora-{service}", self.config(name, **own))
        self.admin_config = self.config("admin", **self.bus("admin"))
        self.run("sora-metadata", "--config", f"{self.directory}/metadata-1.yaml", "migrate")

    # -- life

    def start(self):
        self_signed(self.directory)
        self.postgres.query(f"CREATE DATABASE {self.database} TEMPLATE template0")
        (self.add_all if self.layout == "all" else self.add_split)()
        for process in self.processes.values():
            process.start(wait=False)
        for process in self.processes.values():
            wait_for(f"{process.name} ready", process.is_ready)
        return self

    def stop(self):
        """Stop all; a list of what went wrong: exit codes and reports of sanitizers."""
        codes = {name: process.stop() for name, process in reversed(list(self.processes.items()))}
        reports = {}
        for file in sorted(os.listdir(self.directory)):
            if file.startswith("sanitizer-"):
                with open(f"{self.directory}/{file}", errors="replace") as report:
                    reports[file] = report.read()
        excused = {file for file, report in reports.items() if is_a_librarys_own(report)}
        wrong = []
        for name, code in codes.items():
            was_killed = code == -9 and getattr(self.processes[name], "was_killed", False)
            if code != 0 and not was_killed and not (code == 99 and any(file.startswith(f"sanitizer-{name}.") for file in excused)):
                wrong.append(f"{name} ended with {code}: see {self.processes[name].log}")
        return wrong + [f"{file}:\n{report[:4000]}" for file, report in reports.items() if file not in excused]

    def kill(self, name):
        self.processes[name].was_killed = True
        self.processes[name].kill()

    def start_again(self, name):
        self.processes[name].start()

    # -- for tests

    def metric(self, kind, name):
        """A counter of all replicas of a service, "" for those of every process, added up."""
        total = 0
        for process, port in self.ops.items():
            if process.startswith(kind) or process == "sora":
                with urllib.request.urlopen(f"http://{HOST}:{port}/metrics", timeout=10) as answer:
                    total += sum(int(line.split()[1]) for line in answer.read().decode().splitlines() if line.startswith(name + " "))
        return total

    def run(self, program, *args, check=True, stdin=None):
        env = {**os.environ, "LSAN_OPTIONS": f"suppressions={TOP}/tests/harness/lsan.supp:print_suppressions=0:exitcode=0"}
        done = subprocess.run([f"{self.build}/{program}", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, input=stdin,
                              timeout=60, env=env)
        done.stderr, start, report = done.stderr.partition(f"\n{'=' * 65}\n==")
        assert not start or is_a_librarys_own(report), f"{program} {' '.join(args)}: {report}"
        if check and done.returncode != 0:
            raise AssertionError(f"{program} {' '.join(args)}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def admin(self, *args, check=True, stdin=None):
        return self.run("sora-admin", "--config", self.admin_config, *args, check=check, stdin=stdin)

    def account(self, *args, password="secret"):
        """A fresh account's address."""
        email = f"user{next(counter)}@sora.test"
        self.admin("create-account", "--email", email, "--password", password, *args)
        return email
