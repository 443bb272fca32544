"""The brokers that bench/peers/run measures: how each is set up, started and ended, and what it uses.

Everything listens on 127.0.0.1, on ports that were free a moment before, over TLS 1.3, and keeps its data in the folder
it is given. A server is ended by the process ids of its own tree; the system's services are never touched.
"""
import glob
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")
START_PATIENCE_S = 60
STOP_PATIENCE_S = 30
HELPERS = {"sh", "erl_child_setup", "inet_gethost", "epmd"}  # of RabbitMQ; they store nothing


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def certificate(folder):
    """A self-signed one for this run; the load generator does not check it."""
    key, chain = folder / "server.key", folder / "server.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-keyout", key, "-out", chain], check=True, capture_output=True, timeout=30)
    key.chmod(0o644)  # PostgreSQL and others read it under their own users; it protects nothing
    return key, chain


def tree(root):
    """{pid: (name, processor seconds, of ended children too)} of a process and what it has started."""
    processes, children = {}, {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            stat = pathlib.Path("/proc", entry, "stat").read_text()
        except OSError:
            continue
        name, fields = stat[stat.index("(") + 1:stat.rindex(")")], stat[stat.rindex(")") + 2:].split()
        processes[int(entry)] = (name, sum(int(field) for field in fields[11:15]) / TICKS)
        children.setdefault(int(fields[1]), []).append(int(entry))
    found, waiting = {}, [root]
    while waiting:
        pid = waiting.pop()
        if pid in processes:
            found[pid] = processes[pid]
        waiting += children.get(pid, [])
    return found


def cpu_seconds(root):
    return sum(seconds for _, seconds in tree(root).values())


def resident_mib(root):
    """Proportional: what several of its processes share is counted once."""
    kib = 0
    for pid in tree(root):
        try:
            lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        kib += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return kib / 1024


def file_bytes(folder):
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(path, name)).st_size
            except OSError:
                pass  # it went away meanwhile
    return total


def send_signal(pids, number):
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


class Server:
    name = title = package = None
    is_durable = True  # its acknowledgement waits for the disk
    stop_signal = signal.SIGTERM

    def __init__(self, folder, load_program):
        self.folder = folder / self.name
        self.key, self.chain = folder / "server.key", folder / "server.pem"
        self.load_program = load_program
        self.process = None
        self.port = free_port()

    # What differs.
    def set_up(self):
        """Writes the configuration into an empty folder."""

    def words(self):
        raise NotImplementedError

    def environment(self):
        return {}

    def after_kill(self):
        """What an init script would clear away."""

    def versioned_package(self):
        return self.package

    # What does not.
    def data(self):
        return self.folder

    def wipe(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.folder.chmod(0o755)
        self.set_up()

    def spawn(self, words):
        """Dies with this script, whatever ends it."""
        log = open(f"{self.folder}.log", "ab")
        with log:
            return subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *map(str, words)], stdin=subprocess.DEVNULL, stdout=log,
                                    stderr=log, cwd="/", env={**os.environ, **self.environment()}, start_new_session=True)

    def start(self):
        """Seconds until it has signed somebody in."""
        begin = time.monotonic()
        self.process = self.spawn(self.words())
        try:
            self.load("ready", "--patience", START_PATIENCE_S, timeout=START_PATIENCE_S + 10)
        except RuntimeError as problem:
            raise RuntimeError(f"{self.name} did not become ready; its log: {self.folder}.log") from problem
        return time.monotonic() - begin

    def stop(self):
        if self.process and self.process.poll() is None:
            self.ask_to_stop()
            try:
                self.process.wait(STOP_PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.kill_nine()
        self.process = None

    def ask_to_stop(self):
        self.process.send_signal(self.stop_signal)

    def kill_nine(self):
        """The whole tree at one moment: stopped first, so that nobody sees another die."""
        pids = list(tree(self.process.pid))
        send_signal(pids, signal.SIGSTOP)
        send_signal(pids, signal.SIGKILL)
        self.process.wait(STOP_PATIENCE_S)
        self.after_kill()

    def load_words(self, *words):
        return [str(word) for word in (self.load_program, "--peer", self.name, "--port", self.port, *words)]

    def load(self, *words, timeout=180):
        done = subprocess.run(self.load_words(*words), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout,
                              check=False)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip() or f"{self.name}: no answer")
        return done.stdout

    def cpu_seconds(self):
        return cpu_seconds(self.process.pid)

    def resident_mib(self):
        return resident_mib(self.process.pid)

    def disk_bytes(self):
        return file_bytes(self.data())

    def traced(self):
        return [pid for pid, (name, _) in tree(self.process.pid).items() if name not in HELPERS]


class RabbitMq(Server):
    name, title, package = "rabbitmq", "RabbitMQ quorum", "rabbitmq-server"
    epmd = None

    def set_up(self):
        self.epmd_port, self.cluster_port = free_port(), free_port()
        home = self.folder / "home"
        home.mkdir()
        cookie = home / ".erlang.cookie"
        cookie.write_text("PEERS")
        cookie.chmod(0o400)
        (self.folder / "enabled_plugins").write_text("[].\n")
        (self.folder / "rabbitmq.conf").write_text(
            f"listeners.tcp = none\nlisteners.ssl.1 = 127.0.0.1:{self.port}\nssl_options.cacertfile = {self.chain}\n"
            f"ssl_options.certfile = {self.chain}\nssl_options.keyfile = {self.key}\nssl_options.verify = verify_none\n"
            "ssl_options.fail_if_no_peer_cert = false\nssl_options.versions.1 = tlsv1.3\nlog.file.level = warning\n"
            "log.console = false\ndisk_free_limit.absolute = 1GB\n")

    def environment(self):
        folder = self.folder
        return {"HOME": f"{folder}/home", "RABBITMQ_NODENAME": "peers@localhost", "RABBITMQ_MNESIA_BASE": f"{folder}/mnesia",
                "RABBITMQ_LOG_BASE": f"{folder}/log", "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq.conf",
                "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/enabled_plugins", "RABBITMQ_PID_FILE": f"{folder}/pid",
                "RABBITMQ_CONF_ENV_FILE": "/dev/null", "ERL_EPMD_PORT": str(self.epmd_port), "ERL_EPMD_ADDRESS": "127.0.0.1",
                "RABBITMQ_DIST_PORT": str(self.cluster_port), "LANG": "C.UTF-8",
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}"}

    def words(self):
        return ["/usr/lib/rabbitmq/bin/rabbitmq-server"]

    def data(self):
        return self.folder / "mnesia"

    def start(self):
        # Erlang's name server would otherwise leave our tree.
        if self.epmd is None or self.epmd.poll() is not None:
            self.epmd = self.spawn(["epmd", "-port", self.epmd_port, "-address", "127.0.0.1"])
        return super().start()

    def ask_to_stop(self):
        send_signal([pid for pid, (name, _) in tree(self.process.pid).items() if name == "beam.smp"], signal.SIGTERM)

    def stop(self):
        super().stop()
        if self.epmd is not None:
            self.epmd.kill()
            self.epmd.wait(STOP_PATIENCE_S)
            self.epmd = None


class Redis(Server):
    name, title, package = "redis", "Redis Streams", "redis-server"

    def set_up(self):
        (self.folder / "redis.conf").write_text(
            f"bind 127.0.0.1\nport 0\ntls-port {self.port}\ntls-cert-file {self.chain}\ntls-key-file {self.key}\n"
            f"tls-ca-cert-file {self.chain}\ntls-auth-clients no\ntls-protocols TLSv1.3\ndir {self.folder}\n"
            'appendonly yes\nappendfsync always\nsave ""\ndaemonize no\n')

    def words(self):
        return ["redis-server", self.folder / "redis.conf"]


class PostgreSql(Server):
    name, title, package = "postgresql", "PostgreSQL", "postgresql"
    stop_signal = signal.SIGINT

    @staticmethod
    def programs():
        return pathlib.Path(sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1])

    @staticmethod
    def as_postgres():
        """It refuses to run as root."""
        return ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"] if os.geteuid() == 0 else []

    def set_up(self):
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self.folder, user.pw_uid, user.pw_gid)
        subprocess.run([*self.as_postgres(), self.programs() / "initdb", "-D", self.data(), "-A", "trust", "-U", "postgres",
                        "-E", "UTF8", "--locale=C", "-N"], check=True, capture_output=True, timeout=60, cwd="/")
        owner = self.data().stat()
        for source, name in ((self.chain, "server.pem"), (self.key, "server.key")):
            copy = self.data() / name
            shutil.copy(source, copy)
            os.chown(copy, owner.st_uid, owner.st_gid)
            copy.chmod(0o600)
        with open(self.data() / "postgresql.conf", "a", encoding="utf-8") as conf:
            conf.write(f"listen_addresses = '127.0.0.1'\nport = {self.port}\nunix_socket_directories = ''\n"
                       "fsync = on\nsynchronous_commit = on\nwal_sync_method = fdatasync\nfull_page_writes = on\n"
                       "shared_buffers = 512MB\nmax_wal_size = 4GB\nmin_wal_size = 1GB\nmax_connections = 100\nssl = on\n"
                       "ssl_cert_file = 'server.pem'\nssl_key_file = 'server.key'\nssl_min_protocol_version = 'TLSv1.3'\n"
                       "log_min_messages = fatal\n")

    def data(self):
        return self.folder / "data"

    def words(self):
        return [*self.as_postgres(), "setpriv", "--pdeathsig", "KILL", self.programs() / "postgres", "-D", self.data()]

    def versioned_package(self):
        return f"postgresql-{self.programs().parent.name}"

    def after_kill(self):
        (self.data() / "postmaster.pid").unlink(missing_ok=True)


class Nats(Server):
    name, title, package = "nats", "NATS JetStream †", "nats-server"
    is_durable = False

    def set_up(self):
        (self.folder / "nats.conf").write_text(
            f'listen: "127.0.0.1:{self.port}"\nserver_name: peer\njetstream {{ store_dir: "{self.folder}/store", '
            f'max_mem: 1GB, max_file: 40GB }}\ntls {{ cert_file: "{self.chain}", key_file: "{self.key}" }}\n')

    def words(self):
        return ["nats-server", "-c", self.folder / "nats.conf"]


class Mosquitto(Server):
    name, title, package = "mosquitto", "Mosquitto QoS 2 †", "mosquitto"
    is_durable = False

    def set_up(self):
        (self.folder / "store").mkdir()
        user = f"user {pwd.getpwuid(os.geteuid()).pw_name}\n"
        (self.folder / "mosquitto.conf").write_text(
            f"{user}listener {self.port} 127.0.0.1\ncertfile {self.chain}\nkeyfile {self.key}\ntls_version tlsv1.3\n"
            f"allow_anonymous true\npersistence true\npersistence_location {self.folder}/store/\nautosave_interval 1800\n"
            "max_inflight_messages 0\nmax_queued_messages 0\nmax_queued_bytes 0\nset_tcp_nodelay true\nlog_type error\n")

    def words(self):
        return ["mosquitto", "-c", self.folder / "mosquitto.conf"]

    def environment(self):
        return {"PATH": os.environ["PATH"] + ":/usr/sbin"}


ALL = {server.name: server for server in (RabbitMq, Redis, PostgreSql, Nats, Mosquitto)}
