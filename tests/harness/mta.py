"""Real MTAs of one's own, in a directory of their own, that hand their mail to an LMTP server: Postfix, and Exim where there is one."""
import os, shutil, smtplib, subprocess, tempfile

from .processes import HOST, free_port, wait_for

POSTFIX_MAIN = """
compatibility_level = 3.9
queue_directory = {directory}/queue
data_directory = {directory}/data
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = {directory}/log
maillog_file_prefixes = {directory}
myhostname = mta.test
inet_interfaces = {host}
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
mydestination =
alias_maps =
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_client_connection_count_limit = 0
virtual_mailbox_domains = sora.test
virtual_transport = lmtp:inet:{lmtp}
default_transport = discard
lmtp_destination_recipient_limit = 200
lmtp_send_xforward_command = yes
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 2s
in_flow_delay = 0s
message_size_limit = 20000000
disable_dns_lookups = yes
{more}
"""

POSTFIX_MASTER = """
{host}:{port} inet n - n - 50 smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 1 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
showq unix n - n - - showq
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    """Takes mail for sora.test at `port`, whoever it is from; tries again every second or two."""

    def __init__(self, lmtp, more=""):
        self.directory, self.port = tempfile.mkdtemp(prefix="sora-postfix-"), free_port()
        os.chmod(self.directory, 0o755)         # its processes are those of another user
        for name in ("queue", "data"):
            os.mkdir(f"{self.directory}/{name}")
        shutil.chown(f"{self.directory}/data", "postfix")
        values = {"directory": self.directory, "host": HOST, "port": self.port, "lmtp": "%s:%d" % lmtp, "more": more}
        for name, text in (("main.cf", POSTFIX_MAIN), ("master.cf", POSTFIX_MASTER)):
            with open(f"{self.directory}/{name}", "w") as file:
                file.write(text.format(**values))

    def command(self, *words, check=True):
        return subprocess.run([*words[:1], "-c", self.directory, *words[1:]], check=check, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True).stdout

    def start(self):
        self.command("postfix", "start")
        wait_for("postfix", self.is_ready, 30)
        return self

    def is_ready(self):
        try:
            with smtplib.SMTP(HOST, self.port, timeout=5) as client:
                return client.noop()[0] == 250
        except (OSError, smtplib.SMTPException):
            return False

    def is_idle(self):
        """Is its queue empty?"""
        return "Mail queue is empty" in self.command("postqueue", "-p", check=False)

    def log(self):
        with open(f"{self.directory}/log", errors="replace") as file:
            return file.read()

    def stop(self):
        self.command("postfix", "stop", check=False)
        shutil.rmtree(self.directory, ignore_errors=True)


EXIM = """
exim_path = {exim}
keep_environment =
spool_directory = {directory}/spool
log_file_path = {directory}/%slog
exim_user = Debian-exim
exim_group = Debian-exim
primary_hostname = mta.test
daemon_smtp_ports = {port}
local_interfaces = {host}
domainlist sora = sora.test
hostlist relay_from_hosts = 127.0.0.0/8
acl_smtp_rcpt = accept
acl_smtp_data = accept
smtputf8_advertise_hosts = *
chunking_advertise_hosts = *
accept_8bitmime = true
smtp_accept_max = 50
queue_only = false
deliver_queue_load_max = 1000
queue_run_max = 10
local_from_check = false
begin acl
accept:
  accept
begin routers
sora:
  driver = manualroute
  domains = +sora
  transport = sora_lmtp
  route_list = * {lmtp_host}
  self = send
others:
  driver = accept
  transport = nowhere
begin transports
sora_lmtp:
  driver = smtp
  protocol = lmtp
  port = {lmtp_port}
  max_rcpt = 200
  hosts_try_chunking = *
  return_path_add = false
nowhere:
  driver = appendfile
  file = /dev/null
begin retry
* * F,1d,1s
"""


class Exim:
    """The same with Exim, which sends by BDAT; None of it is there: `binary` says where it is, or is None."""

    binary = shutil.which("exim4") or os.environ.get("SORA_TEST_EXIM")

    def __init__(self, lmtp):
        self.directory, self.port = tempfile.mkdtemp(prefix="sora-exim-"), free_port()
        os.mkdir(f"{self.directory}/spool")
        for path in (self.directory, f"{self.directory}/spool"):
            os.chmod(path, 0o777)
        with open(f"{self.directory}/exim.conf", "w") as file:
            file.write(EXIM.format(exim=self.binary, directory=self.directory, host=HOST, port=self.port, lmtp_host=lmtp[0], lmtp_port=lmtp[1]))

    def start(self):
        self.process = subprocess.Popen([self.binary, "-C", f"{self.directory}/exim.conf", "-bdf", "-q1s"])
        wait_for("exim", lambda: Postfix.is_ready(self), 30)
        return self

    def is_idle(self):
        return subprocess.run([self.binary, "-C", f"{self.directory}/exim.conf", "-bpc"], stdout=subprocess.PIPE, text=True,
                              check=True).stdout.strip() == "0"

    def log(self):
        with open(f"{self.directory}/mainlog", errors="replace") as file:
            return file.read()

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
        shutil.rmtree(self.directory, ignore_errors=True)
