"""A worker of Kafka Connect in distributed mode, and its REST interface."""

import json
import os
import pathlib
import subprocess
import urllib.error
import urllib.request

from .drivers import JVM
from .process import eventually, free_port, spawn

_CONNECT = pathlib.Path(os.environ.get("OTTLA_CONNECT", "~/.cache/ottla/kafka-connect-4.3.0")).expanduser()

# The worker's own topics are left to it, their partitions and replication to its and the broker's defaults. Sessions are
# the shortest that brokers accept, as a killed worker's place in its group, and its sink's, is free only when they end.
_PROPERTIES = """\
bootstrap.servers={bootstrap}
group.id={name}
config.storage.topic={name}-configs
offset.storage.topic={name}-offsets
status.storage.topic={name}-status
config.storage.replication.factor=-1
offset.storage.replication.factor=-1
status.storage.replication.factor=-1
key.converter=org.apache.kafka.connect.storage.StringConverter
value.converter=org.apache.kafka.connect.storage.StringConverter
offset.flush.interval.ms=500
session.timeout.ms=6000
heartbeat.interval.ms=1000
scheduled.rebalance.max.delay.ms=0
consumer.session.timeout.ms=6000
consumer.heartbeat.interval.ms=1000
listeners=http://127.0.0.1:{port}
plugin.path={plugins}
plugin.discovery=service_load
"""


class Worker:
    """One worker, with its group and internal topics named after it; what it keeps is in the broker alone. `more` are properties."""

    def __init__(self, broker, name, folder, more=""):
        self.port = free_port()
        self.id = f"127.0.0.1:{self.port}"
        self.log = folder / f"worker-{self.port}.log"
        self.properties = folder / f"worker-{self.port}.properties"
        self.properties.write_text(_PROPERTIES.format(
            bootstrap=broker.bootstrap, name=name, port=self.port, plugins=_CONNECT / "plugins") + more)
        self.process = None

    def start(self, wait=True):
        """Starts it; returns when it has joined its group and serves, or at once."""
        with open(self.log, "ab") as log:
            self.process = spawn(
                [*JVM, "-cp", f"{_CONNECT}/libs/*", "org.apache.kafka.connect.cli.ConnectDistributed", str(self.properties)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        if wait:
            self.ready()

    def ready(self):
        eventually("the worker is ready", self._ready, seconds=300)

    def _ready(self):
        assert self.process.poll() is None, f"the worker ended\n{self.tail()}"
        try:
            return self.get("/health")["status"] == "healthy"
        except (OSError, urllib.error.URLError):
            return False

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def tail(self, lines=40):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def get(self, path):
        return self.ask("GET", path)

    def status(self, connector):
        """A connector's status; nothing for one that was created a moment ago."""
        try:
            return self.get(f"/connectors/{connector}/status")
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            return {"tasks": []}

    def running_on(self, connector):
        """The worker id of a connector's one task; None unless it runs."""
        tasks = self.status(connector)["tasks"]
        assert all(task["state"] != "FAILED" for task in tasks), f"{tasks}\n{self.tail()}"
        return tasks[0]["worker_id"] if tasks and tasks[0]["state"] == "RUNNING" else None

    def ask(self, method, path, body=None):
        """The answer; 409 means that the workers are rebalancing and that one should ask again."""
        request = urllib.request.Request(
            f"http://{self.id}{path}", method=method, headers={"Content-Type": "application/json"},
            data=None if body is None else json.dumps(body).encode())

        def answered():
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    return [json.loads(answer.read() or "null")]
            except urllib.error.HTTPError as error:
                if error.code != 409:
                    error.msg += f" {error.read().decode(errors='replace')}"
                    raise
                return None

        return eventually(f"{method} {path} is answered", answered)[0]
