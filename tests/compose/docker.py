"""A project of deploy/docker-compose.yml under a name of its own: brought up, hurt, and taken down without a trace."""
import imaplib, os, shutil, smtplib, ssl, subprocess, time

from harness.check import Skip
from harness.processes import HOST, free_port, wait_for

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BASE = "debian:trixie-slim"


def docker(*args, check=True, seconds=120):
    done = subprocess.run(["docker", *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=seconds)
    if check and done.returncode != 0:
        raise AssertionError(f"docker {' '.join(args)}: {done.returncode}\n{done.stdout}")
    return done.stdout.strip()


def why_not():
    """Why the test cannot run here; None: it can."""
    for program in ("docker", "docker-compose"):
        if not shutil.which(program):
            return f"no {program} here"
    if subprocess.run(["docker", "version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode != 0:
        return "no docker daemon answers"
    if not docker("image", "ls", "-q", BASE):
        return f"no image {BASE} here: ./dev base-image makes it"
    return None


def need_docker():
    if why_not():
        raise Skip(why_not())


class Project:
    def __init__(self):
        self.name = f"sora-test-{os.getpid()}"
        self.imaps_port, self.lmtp_port = free_port(), free_port()
        # The classic builder: what it leaves behind are images, which can be told apart and removed.
        self.env = {**os.environ, "COMPOSE_PROJECT_NAME": self.name, "SORA_TAG": self.name, "DOCKER_BUILDKIT": "0",
                    "SORA_LMTP": f"{HOST}:{self.lmtp_port}", "SORA_IMAP": f"{HOST}:{free_port()}", "SORA_IMAPS": f"{HOST}:{self.imaps_port}"}
        self.dangling = set(self.untagged())

    @staticmethod
    def untagged():
        return docker("images", "-q", "--filter", "dangling=true").split()

    def compose(self, *args, seconds=900):
        done = subprocess.run(["docker-compose", "-f", f"{TOP}/deploy/docker-compose.yml", *args], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, timeout=seconds, env=self.env)
        if done.returncode != 0:
            raise AssertionError(f"compose {' '.join(args)}: {done.returncode}\n{done.stdout[-3000:]}\n{self.logs()}")
        return done.stdout

    def up(self, *args):
        self.compose("up", "-d", *args)

    def containers(self, service, *args):
        return docker("ps", "-q", *args, "--filter", f"label=com.docker.compose.project={self.name}",
                      "--filter", f"label=com.docker.compose.service={service}").split()

    def logs(self, *services):
        """What the containers said, for a failure."""
        said = [docker("logs", "--tail", "15", c, check=False) for s in services or ("setup", "migrate", "bucket", "metadata", "haproxy")
                for c in self.containers(s, "-a")]
        return "\n".join(said)[-6000:]

    def address(self, container, network):
        return docker("inspect", "-f", f'{{{{(index .NetworkSettings.Networks "{self.name}_{network}").IPAddress}}}}', container)

    def healthy(self, container):
        return docker("inspect", "-f", "{{.State.Health.Status}}", container) == "healthy"

    def wait_healthy(self, service):
        wait_for(f"{service} healthy", lambda: all(self.healthy(c) for c in self.containers(service)), 90)

    def ids(self):
        """Everything of this project that docker knows."""
        of = f"label=com.docker.compose.project={self.name}"
        return {"containers": docker("ps", "-aq", "--filter", of).split(), "volumes": docker("volume", "ls", "-q", "--filter", of).split(),
                "networks": docker("network", "ls", "-q", "--filter", of).split(),
                "images": docker("images", "-q", f"*:{self.name}").split(),
                "untagged images": sorted(set(self.untagged()) - self.dangling)}

    def remove(self):
        """Also after a failure in the middle."""
        self.compose("--profile", "admin", "down", "-v", "--timeout", "5", "--remove-orphans")
        left = self.ids()
        for image in left["images"]:
            docker("rmi", "-f", image)
        for image in set(self.untagged()) - self.dangling:
            docker("rmi", image, check=False)

    # -- as a client

    def lmtp(self):
        return smtplib.LMTP(HOST, self.lmtp_port, local_hostname="mta.test", timeout=30)

    def imap(self, user, password="secret", select="INBOX"):
        client = imaplib.IMAP4_SSL(HOST, self.imaps_port, ssl_context=ssl._create_unverified_context(), timeout=30)
        client.login(user, password)
        if select:
            assert client.select(select)[0] == "OK"
        return client

    def deliver(self, user, mail, seconds=60):
        """As an MTA does: again until it is told 250. How often it was told otherwise, or cut off."""
        end = time.monotonic() + seconds
        for refused in range(10000):
            try:
                client = self.lmtp()
                client.sendmail("sender@example.org", [user], mail)
                client.close()
                return refused
            except smtplib.SMTPRecipientsRefused as answer:
                code = answer.recipients[user][0]
            except smtplib.SMTPResponseException as answer:
                code = answer.smtp_code
            except (OSError, smtplib.SMTPException):
                code = 400
            assert 400 <= code < 500 or code == -1, code
            assert time.monotonic() < end, f"not delivered within {seconds} s"
            time.sleep(0.1)
