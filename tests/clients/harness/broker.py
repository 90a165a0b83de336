"""A broker under test: Ottla's release binary or, for comparison, Apache Kafka; started, killed and started again."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

from .process import free_port, spawn
from .wire import answers_api_versions

KAFKA_LIBS = pathlib.Path(os.environ.get("OTTLA_KAFKA_LIBS", "~/.cache/ottla/kafka-4.3.0/libs")).expanduser()

# How Kafka is started, here and by tools/kafka/start.sh.
_KAFKA = pathlib.Path(__file__).resolve().parents[3] / "tools" / "kafka"


class Broker:
    """One broker process with its folder and port; both stay the same over kill() and start()."""

    kind = None

    def __init__(self, home=None, overrides=(), listeners=None):
        """`listeners` are further ones beside that of PLAINTEXT: {NAME: (security protocol, host)}; `ports` has theirs."""
        self.home = pathlib.Path(home or tempfile.mkdtemp(prefix=f"{self.kind}-", dir=os.environ.get("OTTLA_TMP")))
        self.port = free_port()
        self.process = None
        self.log = self.home / "log"
        self.overrides = overrides
        self.listeners = listeners or {}
        self.ports = {name: free_port() for name in self.listeners}

    @property
    def bootstrap(self):
        return f"localhost:{self.port}"

    def argv(self):
        raise NotImplementedError

    def start(self, timeout=180, every=0.005):
        """Starts it and waits for ApiVersions; returns the seconds from exec to the answer."""
        argv = self.argv()
        with open(self.log, "ab") as log:
            began = time.monotonic()
            self.process = spawn(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        while not answers_api_versions(self.port):
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.kind} exited with {self.process.returncode}:\n{self.tail()}")
            if time.monotonic() - began > timeout:
                raise RuntimeError(f"{self.kind} not ready after {timeout} s:\n{self.tail()}")
            time.sleep(every)
        return time.monotonic() - began

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """kill -9, and gone when this returns."""
        self.process.kill()
        self.process.wait()

    def stop(self, timeout=30):
        """Asks it to stop and returns its exit code."""
        if self.process is None:
            return None
        if self.alive():
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise RuntimeError(f"{self.kind} did not stop within {timeout} s of SIGTERM:\n{self.tail()}") from None

    def remove(self):
        if self.alive():
            self.kill()
        shutil.rmtree(self.home, ignore_errors=True)

    def tail(self, lines=30):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


class Ottla(Broker):
    kind = "ottla"

    def __init__(self, home=None, **settings):
        super().__init__(home, **settings)
        self.http_port = free_port()

    def argv(self):
        binary = os.environ.get("OTTLA_BINARY") or _usage("OTTLA_BINARY is not set: `make clients` sets it")
        argv = [binary, "serve", "--data", str(self.home / "data"), "--http", f"127.0.0.1:{self.http_port}"]
        overrides = self.overrides
        if self.listeners:
            all_ = {"OPEN": ("PLAINTEXT", "127.0.0.1", self.port), **{name: (*one, self.ports[name]) for name, one in self.listeners.items()}}
            overrides = ("listeners=" + ",".join(f"{name}://{host}:{port}" for name, (_, host, port) in all_.items()),
                         "listener.security.protocol.map=" + ",".join(f"{name}:{protocol}" for name, (protocol, *_) in all_.items()), *overrides)
        else:
            argv += ["--listen", f"127.0.0.1:{self.port}"]
        for override in overrides:
            argv += ["--override", override]
        return argv


class Kafka(Broker):
    kind = "kafka"

    def argv(self):
        java = ["java", f"@{_KAFKA / 'jvm.options'}", "-cp", f"{KAFKA_LIBS}/*"]
        properties = self.home / "server.properties"
        if not properties.exists():
            text = (_KAFKA / "server.properties").read_text(encoding="utf-8") + "".join(f"{override}\n" for override in self.overrides)
            if self.listeners:
                more = "".join(f",{name}://{host}:{self.ports[name]}" for name, (_, host) in self.listeners.items())
                protocols = "".join(f",{name}:{protocol}" for name, (protocol, _) in self.listeners.items())
                text = re.sub("(?m)^listeners=.*$", lambda found: found[0] + more, text)
                text += f"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT{protocols}\n"
            for key, value in {"CONTROLLER": free_port(), "PORT": self.port, "DATA": self.home / "data"}.items():
                text = text.replace(f"@{key}@", str(value))
            properties.write_text(text, encoding="utf-8")
            subprocess.run(["java", "-cp", f"{KAFKA_LIBS}/*", "kafka.tools.StorageTool", "format",
                            "-t", "AAAAAAAAAAAAAAAAAAAAAA", "-c", str(properties)],
                           check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return [*java, "kafka.Kafka", str(properties)]


def new_broker(**settings):
    """The kind that the environment's BROKER asks for: ottla (the default) or kafka."""
    kinds = {"ottla": Ottla, "kafka": Kafka}
    return kinds[os.environ.get("BROKER", "ottla")](**settings)


def _usage(message):
    raise RuntimeError(message)
