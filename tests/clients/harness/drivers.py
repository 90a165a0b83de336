"""Stock clients as the suites see them: a process per client that obeys lines of JSON.

A driver is a small program against one library, in the folder of its ecosystem. It reads requests {"op": ..., ...} on stdin and answers
each with {"ok": value} or {"error": "Type: message"}. A driver in `member` mode joins a group and reports what it is
given, reads and commits, until it is killed.
"""

import json
import os
import pathlib
import queue
import signal
import subprocess
import threading
import time

from .process import spawn
from .records import from_json, to_json

_SUITES = pathlib.Path(__file__).parent.parent
_PYTHON = _SUITES / "python" / "drivers"
VENVS = pathlib.Path(os.environ.get("OTTLA_VENVS", "~/.cache/ottla/venvs")).expanduser()
JAVA_CLIENTS = pathlib.Path(os.environ.get("OTTLA_JAVA_CLIENTS", "~/.cache/ottla/java-clients")).expanduser()
STREAMS = pathlib.Path(os.environ.get("OTTLA_STREAMS", "~/.cache/ottla/kafka-streams-4.3.0")).expanduser()
GO_DRIVERS = pathlib.Path(os.environ.get("OTTLA_GO_DRIVERS", "~/.cache/ottla/go-drivers")).expanduser()
NODE_DRIVERS = pathlib.Path(os.environ.get("OTTLA_NODE_DRIVERS", "~/.cache/ottla/node-drivers")).expanduser()

KAFKA_PYTHON = ["kafka-python-1.4.7", "kafka-python-2.0.2", "kafka-python-2.3.3", "kafka-python-3.0.12"]
# Sarama speaks as the release in its Config.Version does: one library, a client per release.
GO = ["franz-go-1.22.2", "sarama-1.61.1-as-0.10.2.0", "sarama-1.61.1-as-2.1.0", "sarama-1.61.1-as-4.3.1", "kafka-go-0.4.51"]
NODE = ["kafkajs-2.2.4", "kafka-javascript-1.10.1"]
JAVA = ["java-0.11.0.3", "java-1.1.1", "java-2.8.2", "java-3.9.2", "java-4.3.0", "java-4.4.0"]
CLIENTS = [*KAFKA_PYTHON, "confluent-kafka-2.16.1", "aiokafka-0.14.0", *JAVA, "kcat", *GO, *NODE]
ECOSYSTEMS = {"python": [*KAFKA_PYTHON, "confluent-kafka-2.16.1", "aiokafka-0.14.0"], "java": JAVA, "c": ["kcat"], "go": GO, "node": NODE,
              "streams": [], "connect": [], "tools": [], "processors": []}

# What a library offers no call for, by the names of the drivers' operations.
NO_CALL = {
    "kafka-python-1.4.7": {
        "delete_group", "delete_records", "log_dirs", "describe_cluster", "elect_leaders", "delete_offsets", "reassignments"},
    "kafka-python-2.0.2": {"delete_records", "log_dirs", "elect_leaders", "delete_offsets", "reassignments"},
    "kafka-python-2.3.3": {"delete_offsets", "reassignments"},
    "confluent-kafka-2.16.1": {"log_dirs", "delete_offsets", "reassignments"},
    "aiokafka-0.14.0": {"delete_group", "log_dirs", "elect_leaders", "delete_offsets", "reassignments", "acls"},
    "kafka-go-0.4.51": {"pause", "delete_records", "log_dirs"},
    "kafkajs-2.2.4": {"log_dirs", "elect_leaders", "delete_offsets"},
    "kafka-javascript-1.10.1": {
        "describe_configs", "alter_config", "describe_cluster", "log_dirs", "elect_leaders", "delete_offsets", "reassignments", "acls"},
    # Its AdminClient, the first, came before KIP-195, KIP-204 and KIP-222; 1.1 has the former two.
    "java-0.11.0.3": {
        "create_partitions", "list_groups", "describe_group", "delete_group", "delete_records", "log_dirs", "elect_leaders",
        "delete_offsets", "reassignments"},
    "java-1.1.1": {"list_groups", "describe_group", "delete_group", "elect_leaders", "delete_offsets", "reassignments"},
    # Refused by the library itself, as Kafka 0.10.2 had no such API.
    "sarama-1.61.1-as-0.10.2.0": {
        "delete_group", "create_partitions", "describe_configs", "alter_config", "delete_records", "log_dirs", "elect_leaders",
        "delete_offsets", "reassignments", "acls"},
    "sarama-1.61.1-as-2.1.0": {"elect_leaders", "delete_offsets", "reassignments"},
}

# Calls that only some libraries have, by the names of the operations.
_CONFLUENT, _AIO, _FRANZ, _SARAMA, _KAFKA_GO, _KAFKAJS, _CKJS = CLIENTS[4], CLIENTS[5], GO[0], GO[1:4], GO[4], *NODE
HAS_CALL = {
    "check_topic": {*KAFKA_PYTHON, _CONFLUENT, _AIO, *JAVA, *GO, _KAFKAJS},
    "check_partitions": {*KAFKA_PYTHON, _CONFLUENT, _AIO, *JAVA[1:], _FRANZ, *_SARAMA[1:], _KAFKA_GO, _KAFKAJS},
    "replace_configs": {*KAFKA_PYTHON[:3], _CONFLUENT, _AIO, *JAVA[:4], _FRANZ, *_SARAMA[1:], _KAFKA_GO, _KAFKAJS},
    "reset_config": {KAFKA_PYTHON[3], _CONFLUENT, *JAVA[2:], _FRANZ, _SARAMA[2], _KAFKA_GO},
    "append_config": {KAFKA_PYTHON[3], _CONFLUENT, *JAVA[2:], _FRANZ, _SARAMA[2], _KAFKA_GO},
    "check_config": {KAFKA_PYTHON[3], _CONFLUENT, *JAVA[2:], _FRANZ, *_SARAMA[1:], _KAFKA_GO, _KAFKAJS},
    "set_configs": {*_SARAMA[1:]},
    "alter_broker_config": {*KAFKA_PYTHON, _CONFLUENT, _AIO, *JAVA, _FRANZ, *_SARAMA[1:], _KAFKA_GO, _KAFKAJS},
    "create_acl": {*KAFKA_PYTHON, _CONFLUENT, *JAVA, _FRANZ, *_SARAMA[1:], _KAFKA_GO, _KAFKAJS},
    "describe_topic": {*KAFKA_PYTHON[1:], _CONFLUENT, *_SARAMA, _CKJS},
    "topic_id": {KAFKA_PYTHON[3], _CONFLUENT, *JAVA[3:], _CKJS},
    "topic_of_id": {*JAVA[3:]},
    "list_offsets": {KAFKA_PYTHON[3], _CONFLUENT, *JAVA[2:], _FRANZ, *_SARAMA, _CKJS},
    "group_offsets": {*KAFKA_PYTHON, _CONFLUENT, _AIO, *JAVA[2:], *GO, *NODE},
    "set_group_offset": {KAFKA_PYTHON[3], _CONFLUENT, *JAVA[2:], _FRANZ, *_SARAMA, _KAFKAJS},
    "reset_group_offset": {KAFKA_PYTHON[3], _KAFKAJS},
    "remove_member": {KAFKA_PYTHON[3], *JAVA[2:], _FRANZ, _SARAMA[2], _KAFKA_GO},
    "groups_in_state": {KAFKA_PYTHON[3], _CONFLUENT, *JAVA[2:], _FRANZ, _CKJS},
    "groups_of_type": {KAFKA_PYTHON[3], _CONFLUENT, *JAVA[3:], _FRANZ, _CKJS},
    "consumer_group": {_FRANZ},
    "coordinator": {_AIO, *GO},
    "lag": {_FRANZ},
    "group_offsets_by_id": {_FRANZ},
    "describe_classic_group": {*JAVA[4:]},
    "reassign": {KAFKA_PYTHON[3], *JAVA[2:], _FRANZ, _SARAMA[2], _KAFKA_GO, _KAFKAJS},
    "producers": {KAFKA_PYTHON[3], *JAVA[3:], _FRANZ},
    "features": {KAFKA_PYTHON[3], *JAVA[2:], _FRANZ},
    "update_feature": {KAFKA_PYTHON[3], *JAVA[2:], _FRANZ, _SARAMA[2]},
    "quorum_leader": {KAFKA_PYTHON[3], *JAVA[3:]},
    "metrics_subscriptions": {KAFKA_PYTHON[3], *JAVA[3:], _FRANZ},
    "client_instance_id": {*JAVA[3:]},
    "replica_log_dir": {*JAVA[1:]},
    "end_of_epoch": {_FRANZ},
    # kafka-go has the requests alone, no producer that keeps a transaction; Kafka 0.10.2 had none.
    "init_transactions": {*KAFKA_PYTHON[2:], _CONFLUENT, _AIO, *JAVA, _FRANZ, *_SARAMA[1:], *NODE},
    # franz-go commits offsets by its own session of a group alone.
    "send_offsets": {*KAFKA_PYTHON[2:], _CONFLUENT, _AIO, *JAVA, *_SARAMA[1:], *NODE},
    "copy": {_FRANZ},
}

AGAINST_KAFKA = os.environ.get("BROKER") == "kafka"
if AGAINST_KAFKA:  # version 4 turns away those who speak as before 0.11, and of later ones these calls (KIP-896)
    CLIENTS.remove("sarama-1.61.1-as-0.10.2.0")
    NO_CALL["java-0.11.0.3"] |= {"describe_configs", "acls"}
    NO_CALL["java-1.1.1"] |= {"log_dirs", "acls"}
    NO_CALL["kafka-python-2.3.3"] |= {"log_dirs"}
    HAS_CALL["create_acl"] -= {*JAVA[:2]}
    HAS_CALL["replica_log_dir"] -= {JAVA[1]}


def can(client, *operations):
    """True if the library has a call for each of them."""
    return NO_CALL.get(client, set()).isdisjoint(operations) and all(client in HAS_CALL.get(one, CLIENTS) for one in operations)


class DriverError(Exception):
    """An error that the client itself reported: the name of its exception and its message."""


# What every small JVM of the suites runs with: soon up rather than fast later; its log on stderr, if it has a logger.
JVM = ["java", "-XX:TieredStopAtLevel=1", "-Xmx256m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]


def python_of(client):
    """The interpreter of that client's environment, made by tools/clients.sh."""
    name = "suite" if client.startswith("confluent") else client
    python = VENVS / name / "bin" / "python"
    assert python.exists(), f"no {python}: `make clients` makes it"
    return str(python)


def command(client):
    if client.startswith("kafka-python"):
        return [python_of(client), str(_PYTHON / "kafka_python.py")]
    if client.startswith("confluent"):
        return [python_of(client), str(_PYTHON / "confluent.py")]
    if client.startswith("aiokafka"):
        return [python_of(client), str(_PYTHON / "aio.py")]
    if client.startswith("java"):
        home = JAVA_CLIENTS / client.removeprefix("java-")
        return [*JVM, "-XX:+UseSerialGC", "-cp", f"{home}/classes:{home}/libs/*", "Driver"]
    if client.startswith("streams"):
        return [*JVM, "-cp", f"{STREAMS}/classes:{STREAMS}/libs/*", "WordCount"]
    if client.startswith("franz-go"):
        return [str(GO_DRIVERS / "franz")]
    if client.startswith("sarama"):
        return ["env", f"SARAMA_VERSION={client.rsplit('-', 1)[-1]}", str(GO_DRIVERS / "sarama")]
    if client.startswith("kafka-go"):
        return [str(GO_DRIVERS / "segmentio")]
    if client.startswith("kafka-javascript"):
        return ["node", str(NODE_DRIVERS / "confluent.js")]
    if client.startswith("kafkajs"):
        return ["node", str(NODE_DRIVERS / "kafkajs.js")]
    return [python_of("suite"), str(_SUITES / "c" / "kcat.py")]


class Driver:
    """One client process. Use it as a context manager."""

    def __init__(self, client, bootstrap, mode="calls", **settings):
        self.client = client
        self.lines = queue.Queue()
        self.errors = []
        self.asked = None  # the operation that was asked for and is not answered yet
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(_PYTHON)}
        self.process = spawn(
            [*command(client), mode, bootstrap, json.dumps(settings)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=self._read_errors, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put((time.monotonic(), json.loads(line)))
        self.lines.put((time.monotonic(), None))

    def _read_errors(self):
        for line in self.process.stderr:
            self.errors.append(line)
            del self.errors[:-400]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def kill(self):
        """Ends the client as `kill -9` does. kcat's driver does that to kcat, and ends when it has passed on what kcat printed."""
        self.process.send_signal(signal.SIGTERM if self.client == "kcat" else signal.SIGKILL)
        self.process.wait()

    def diagnosis(self):
        return f"{self.client} said:\n{''.join(self.errors[-40:])}"

    def next(self, timeout):
        """(monotonic time, message) or None after that many seconds; fails if the process has ended."""
        try:
            at, message = self.lines.get(timeout=timeout)
        except queue.Empty:
            return None
        if message is None:
            self.lines.put((at, None))
            raise AssertionError(f"{self.client} ended\n{self.diagnosis()}")
        return at, message

    def call(self, op, patience=60, **arguments):
        """The driver's answer to `op`; a DriverError if that is an error. Fails after `patience` seconds."""
        self.ask(op, **arguments)
        return self.answer(patience)

    def ask(self, op, **arguments):
        """Begins a call."""
        self.asked = op
        self.process.stdin.write(json.dumps({"op": op, **arguments}) + "\n")
        self.process.stdin.flush()

    def answer(self, patience):
        """Ends the call that was begun."""
        answer = self.next(patience)
        assert answer, f"{self.client} did not answer {self.asked} within {patience} s\n{self.diagnosis()}"
        self.asked = None
        message = answer[1]
        if "error" in message:
            raise DriverError(message["error"])
        return message["ok"]

    def idle(self):
        """True if it runs and waits for a call."""
        return self.process.poll() is None and not self.asked

    def produce(self, topic, records, partition=0, codec="none", acks="all", patience=60, **more):
        """Sends and waits for every acknowledgement; returns their offsets (None for acks=0).

        `bears_ms`, where a library has a setting for it, is how long it tries to write to a missing topic.
        """
        return self.call("produce", patience, topic=topic, partition=partition, codec=codec, acks=acks,
                         records=[to_json(r) for r in records], **more)

    def consume(self, topic, count, partition=0, timeout=30):
        """The first records of a partition, at least `count`, with offset and timestamp_type."""
        return self.consume_all(topic, {partition: count}, timeout)[partition]

    def consume_all(self, topic, counts, timeout=30):
        """{partition: its first records} by one consumer, where `counts` is {partition: how many records are there}."""
        found = {partition: [] for partition in counts}
        for packed in self.call("consume", timeout + 10, topic=topic, counts=counts, timeout=timeout):
            if packed["partition"] in found:  # kcat reads whole topics
                found[packed["partition"]].append(from_json(packed))
        return found


class Member(Driver):
    """A group member: subscribes, reads, commits after every poll, and tells of each."""

    def __init__(self, client, bootstrap, group, topic, session_ms, **more):
        super().__init__(client, bootstrap, "member", group=group, topic=topic, session_ms=session_ms, **more)
        self.assigned = None  # partitions it owns now
        self.assignments = []  # (when, partitions, generation or None), one per rebalance that gave it something
        self.read = {}  # partition -> offsets in the order they were handed to the program
        self.committed = {}  # partition -> next offset, as acknowledged

    def leave(self):
        """Closes the consumer, as a program does that ends; returns when it has."""
        self.process.stdin.close()
        self.process.wait(30)

    def pump(self, seconds=0.05):
        """Takes in what it reported meanwhile."""
        deadline = time.monotonic() + seconds
        while True:
            got = self.next(max(0.0, deadline - time.monotonic()))
            if got is None:
                return self
            self._take(*got)

    def _take(self, at, message):
        event = message.get("event")
        if event == "assigned":
            self.assigned = sorted(message["partitions"])
            self.assignments.append((at, self.assigned, message.get("generation")))
        elif event == "read":
            for partition, offsets in message["offsets"].items():
                self.read.setdefault(int(partition), []).extend(offsets)
        elif event == "committed":
            self.committed.update({int(p): o for p, o in message["offsets"].items()})
        elif "error" in message:
            raise AssertionError(f"{self.client}: {message['error']}\n{self.diagnosis()}")
