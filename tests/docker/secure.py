"""secure.py CONFIG ROOT: runs the services of compose.secure.yaml as processes in the root folder that secure.sh made, and looks at them as clients do."""
import contextlib
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.request

import yaml

# The users of the images, and what they set or run by themselves.
USERS = {"ottla": 65532, "apache/kafka": 1000, "prom/prometheus": 65534}
COMMANDS = {"prom/prometheus": ["prometheus", "--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"]}
VARIABLES = {"ottla": {"KAFKA_LOG_DIRS": "/data", "KAFKA_HTTP_LISTENER": ":8080"}}
TOPIC = "sample"


class Services:
    def __init__(self, config, root):
        with open(config, encoding="utf-8") as text:
            self.config = yaml.safe_load(text)
        self.root = pathlib.Path(root)
        self.folder = pathlib.Path(config).parent
        self.secrets = self.folder / "docker" / "secrets"
        for name, secret in self.config["secrets"].items():
            shutil.copy(secret["file"], self.root / "run/secrets" / name)
        # Volumes are the folders of that name; files are copied.
        for service in self.config["services"].values():
            for volume in service.get("volumes", ()):
                source, target = volume.split(":")[:2]
                if source.startswith("/"):
                    shutil.copy(source, self.root / target.lstrip("/"))
        self.running = {}

    def command(self, name):
        """The command of a service as its user, and the variables."""
        service = self.config["services"][name]
        image = service["image"].rsplit(":", 1)[0]
        argv = COMMANDS.get(image, [])
        if image == "ottla":
            argv = ["/ottla", *service.get("command", ["serve"])]
        elif "entrypoint" in service:
            argv = [*service["entrypoint"], *(service.get("command") or [])]
        user = str(USERS[image])
        env = {"PATH": os.environ["PATH"], **VARIABLES.get(image, {}), **service.get("environment", {})}
        return self.inside(user, *(part.replace("$$", "$") for part in argv)), env

    def inside(self, user, *argv):
        return ["chroot", str(self.root), "setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--no-new-privs", *argv]

    def log(self, name):
        return self.folder / f"{name}.log"

    def spawn(self, name):
        argv, env = self.command(name)
        with open(self.log(name), "ab") as log:
            self.running[name] = subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def finish(self, name):
        self.spawn(name)
        code = self.running.pop(name).wait(300)
        assert code == 0, f"{name} ended with {code}:\n{self.log(name).read_text()}"

    def stop(self, name):
        process = self.running.pop(name)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        return process.wait(60)

    def eventually(self, what, check, seconds=60):
        deadline = time.monotonic() + seconds
        while not check():
            assert time.monotonic() < deadline, what + "".join(f"\n--- {name}\n{self.log(name).read_text()[-3000:]}" for name in self.running)
            time.sleep(0.2)
        print(f"   ok: {what}", file=sys.stderr)

    def is_healthy(self):
        env = {"PATH": os.environ["PATH"], **VARIABLES["ottla"], **self.config["services"]["ottla"]["environment"]}
        return subprocess.run(self.inside("65532", "/ottla", "healthcheck"), env=env, capture_output=True, check=False).returncode == 0

    def password(self, user):
        return dict(line.split() for line in (self.secrets / "users").read_text().splitlines())[user]

    @contextlib.contextmanager
    def without_passwords_in_arguments(self, program):
        """No argument of a process meanwhile has one of the passwords, as other users of the machine can see it; that program was among them."""
        seen, done = set(), threading.Event()

        def watch():
            while not done.wait(0.01):
                for arguments in (self.root / "proc").glob("[0-9]*/cmdline"):
                    with contextlib.suppress(OSError):
                        seen.add(arguments.read_bytes())

        watching = threading.Thread(target=watch)
        watching.start()
        try:
            yield
        finally:
            done.set()
            watching.join()
        assert any(program in one for one in seen), seen
        passwords = [self.password(user) for user in ("producer", "consumer", "prometheus")]
        passwords.append((self.secrets / "bootstrap_user").read_text().strip().partition(":")[2])
        shown = [one for one in seen if any(password.encode() in one for password in passwords)]
        assert not shown, f"arguments show passwords: {shown}"
        print("   ok: no argument shows a password", file=sys.stderr)

    def client(self, what, user, password):
        """A client of this machine; what it printed."""
        python, script = os.environ["OTTLA_PYTHON"], pathlib.Path(__file__).with_name("secure_client.py")
        argv = [python, script, what, "localhost:9094", self.root / "tls/ca.pem", user, password]
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120, text=True, check=False)
        return done.stdout.strip()

    def read(self):
        """Lines that the sample consumer has read: dates."""
        year = time.strftime("%Y")
        return [line for line in self.log("consumer").read_text().splitlines() if line.rstrip().endswith(year)]


def speaks(port, message):
    """The answer of a port to bytes without TLS; empty if it only closes."""
    with contextlib.suppress(ConnectionError), socket.create_connection(("127.0.0.1", port), timeout=20) as peer:
        peer.sendall(message)
        return peer.recv(100)
    return b""


def up(_=None):
    with contextlib.suppress(OSError), urllib.request.urlopen("http://127.0.0.1:9090/api/v1/query?query=up", timeout=10) as answer:
        return '"1"]' in answer.read().decode()
    return False


def look(services):
    api_versions = bytes([0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 255, 255])
    for port in (9093, 9094, 8080):
        for message in (api_versions, b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"):
            assert speaks(port, message) == b"", f"port {port} speaks plaintext"
    with contextlib.suppress(ConnectionError):
        socket.create_connection(("127.0.0.1", 9092), timeout=5).close()
        raise AssertionError("port 9092 is open")
    print("   ok: no port speaks plaintext", file=sys.stderr)
    # urllib checks the certificate and its names.
    context = ssl.create_default_context(cafile=services.root / "tls/ca.pem")
    for path, expected in (("/readyz", 200), ("/metrics", 401)):
        try:
            with urllib.request.urlopen(f"https://localhost:8080{path}", context=context, timeout=20) as answer:
                code = answer.status
        except urllib.error.HTTPError as error:
            code = error.code
        assert code == expected, f"{path}: {code}"
    print("   ok: HTTP asks for a login", file=sys.stderr)
    producer, consumer = (services.password(user) for user in ("producer", "consumer"))
    assert services.client("topics", "producer", producer) == TOPIC, services.client("topics", "producer", producer)
    for user, password in (("producer", "wrong"), ("nobody", producer)):
        shown = services.client("topics", user, password)
        # Its consumer tries again until its time is over, and does not say why.
        assert shown in ("SaslAuthenticationFailedError", "KafkaTimeoutError"), shown
    assert "login failed: Authentication failed" in services.log("ottla").read_text()
    print("   ok: a wrong password is refused", file=sys.stderr)
    shown = services.client("read", "producer", producer)
    assert shown == "TopicAuthorizationFailedError", shown
    assert services.client("read", "consumer", consumer) == services.read()[0]
    print("   ok: the consumer may read, and the producer may not", file=sys.stderr)


def main():
    services = Services(*sys.argv[1:3])
    began = time.monotonic()
    try:
        services.finish("certificates")
        services.spawn("ottla")
        services.eventually("the broker is healthy", services.is_healthy)
        print(f"   ready after {time.monotonic() - began:.1f} s", file=sys.stderr)
        services.spawn("prometheus")
        with services.without_passwords_in_arguments(b"kafka.admin.ConfigCommand"):
            services.finish("users")
        services.spawn("producer")
        services.spawn("consumer")
        services.eventually("the consumer reads what the producer writes", lambda: len(services.read()) >= 3)
        look(services)
        services.eventually("Prometheus scrapes the broker", up, 90)
        assert services.stop("consumer") is not None and services.stop("producer") is not None
        assert services.stop("ottla") == 0, services.log("ottla").read_text()
        # A second run keeps the authority, and the broker its users and ACLs.
        authority = (services.root / "tls/ca.pem").read_bytes()
        services.finish("certificates")
        assert (services.root / "tls/ca.pem").read_bytes() == authority
        services.spawn("ottla")
        services.eventually("the broker is healthy again", services.is_healthy)
        assert services.client("read", "consumer", services.password("consumer")) == services.read()[0]
        print("   ok: users and ACLs are kept", file=sys.stderr)
        assert services.stop("ottla") == 0
    finally:
        for name in list(services.running):
            services.stop(name)


if __name__ == "__main__":
    main()
