"""Kafka's tools in one JVM (java/Tools.java): a command costs milliseconds there, a second in a JVM of its own."""

import itertools
import json
import os
import pathlib
import pty
import subprocess
import termios
import threading

from harness.broker import KAFKA_LIBS
from harness.process import eventually, spawn

_COMPILED = pathlib.Path(os.environ.get("OTTLA_KAFKA_TOOLS", "~/.cache/ottla/kafka-tools")).expanduser()
_JAVA = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx768m", "--add-opens", "java.base/java.lang=ALL-UNNAMED",
         "-cp", f"{_COMPILED}:{KAFKA_LIBS}/*"]
# bin/*.sh of the distribution, and the class that each starts.
_TOOLS = "org.apache.kafka.tools."
CLASSES = {
    "kafka-acls": _TOOLS + "AclCommand",
    "kafka-broker-api-versions": _TOOLS + "BrokerApiVersionsCommand",
    "kafka-client-metrics": _TOOLS + "ClientMetricsCommand",
    "kafka-cluster": _TOOLS + "ClusterTool",
    "kafka-configs": "kafka.admin.ConfigCommand",
    "kafka-console-consumer": _TOOLS + "consumer.ConsoleConsumer",
    "kafka-console-producer": _TOOLS + "ConsoleProducer",
    "kafka-console-share-consumer": _TOOLS + "consumer.ConsoleShareConsumer",
    "kafka-consumer-groups": _TOOLS + "consumer.group.ConsumerGroupCommand",
    "kafka-consumer-perf-test": _TOOLS + "ConsumerPerformance",
    "kafka-delegation-tokens": _TOOLS + "DelegationTokenCommand",
    "kafka-delete-records": _TOOLS + "DeleteRecordsCommand",
    "kafka-e2e-latency": _TOOLS + "EndToEndLatency",
    "kafka-features": _TOOLS + "FeatureCommand",
    "kafka-get-offsets": _TOOLS + "GetOffsetShell",
    "kafka-groups": _TOOLS + "GroupsCommand",
    "kafka-leader-election": _TOOLS + "LeaderElectionCommand",
    "kafka-log-dirs": _TOOLS + "LogDirsCommand",
    "kafka-metadata-quorum": _TOOLS + "MetadataQuorumCommand",
    "kafka-producer-perf-test": _TOOLS + "ProducerPerformance",
    "kafka-reassign-partitions": _TOOLS + "reassign.ReassignPartitionsCommand",
    "kafka-replica-verification": _TOOLS + "ReplicaVerificationTool",
    "kafka-share-groups": _TOOLS + "consumer.group.ShareGroupCommand",
    "kafka-streams-application-reset": _TOOLS + "StreamsResetter",
    "kafka-streams-groups": _TOOLS + "streams.StreamsGroupCommand",
    "kafka-topics": _TOOLS + "TopicCommand",
    "kafka-transactions": _TOOLS + "TransactionsCommand",
    "kafka-verifiable-consumer": _TOOLS + "VerifiableConsumer",
    "kafka-verifiable-producer": _TOOLS + "VerifiableProducer",
}


def on_terminal(command, typed, timeout=60):
    """Exit status and all that was printed by a command whose standard streams are a terminal."""
    ours, its = pty.openpty()
    modes = termios.tcgetattr(its)
    modes[1] &= ~termios.OPOST
    modes[3] &= ~termios.ECHO
    termios.tcsetattr(its, termios.TCSANOW, modes)
    process = spawn(command, stdin=its, stdout=its, stderr=its)
    os.close(its)
    os.write(ours, (typed + "\x04").encode())  # Ctrl-D: a tool that asks once more gets no answer, and ends.
    with os.fdopen(ours, "rb", buffering=0) as end:
        printed = b"".join(iter(lambda: _read_terminal(end), b""))
    return process.wait(timeout), printed.decode()


def _read_terminal(end):
    try:
        return end.read(1 << 16)
    except OSError:  # All that had the terminal open have ended.
        return b""


class Jvm:
    """Use it as a context manager; any thread may run commands."""

    def __init__(self):
        self._numbers = itertools.count()
        self._answers = {}
        self._ended = False
        self._arrived = threading.Condition()
        self._process = spawn(
            [*_JAVA, "Tools"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        threading.Thread(target=self._read, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()

    def _read(self):
        for line in self._process.stdout:
            answer = json.loads(line)
            with self._arrived:
                self._answers[answer["id"]] = answer
                self._arrived.notify_all()
        with self._arrived:
            self._ended = True
            self._arrived.notify_all()

    def _send(self, request):
        with self._arrived:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()

    def _answer(self, number, timeout):
        with self._arrived:
            assert self._arrived.wait_for(lambda: self._ended or number in self._answers, timeout), f"no end within {timeout} s"
            assert number in self._answers, "the JVM has ended: a tool called System.exit"
            return self._answers.pop(number)

    def start(self, tool, arguments, data=""):
        """Starts a tool by the name of its script; returns the number that `finish`, `wait_for` and `stop` take."""
        number = next(self._numbers)
        self._send({"id": number, "class": CLASSES[tool], "args": arguments, "stdin": data})
        return number

    def finish(self, number, timeout=60):
        """Exit status and all that was printed."""
        answer = self._answer(number, timeout)
        return answer["status"], answer["output"]

    @staticmethod
    def on_terminal(tool, arguments, typed):
        """As `finish`, of a tool in a JVM of its own, whose standard streams are a terminal."""
        return on_terminal([*_JAVA, CLASSES[tool], *arguments], typed)

    def wait_for(self, number, pattern, timeout=60):
        """Waits until the running tool has printed what the compiled pattern finds."""
        def printed():
            self._send({"id": number, "peek": True})
            answer = self._answer(number, timeout)
            assert answer["status"] == -1, f"ended with {answer['status']}:\n{answer['output']}"
            return pattern.search(answer["output"])

        eventually(f"{pattern.pattern} is printed", printed, timeout)

    def stop(self, number, timeout=60):
        """As Ctrl-C does."""
        self._send({"id": number, "stop": True})
        return self.finish(number, timeout)
