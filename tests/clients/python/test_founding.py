"""The programs that users start from, under every kafka-python in the field, unchanged but for the port.

Their text is read from ../shared/clients (OTTLA_SHARED) at run time; where that folder is missing, these tests are skipped,
and test_programs.py runs the project's own programs of the same kinds. Each runs as its own process, as a person would start it; programs
that read for ever are ended once they have printed what they should. Faults of a program's own show in the program, and
the broker carries on.
"""

import ast
import os
import pathlib
import queue
import subprocess
import threading
import time

import pytest

from harness.drivers import KAFKA_PYTHON, python_of
from harness.hand import Hand
from harness.process import eventually, spawn

PROGRAMS = pathlib.Path(os.environ.get("OTTLA_SHARED", "../../../shared")) / "clients"
TOPIC = "test_topic"
TEN_THOUSAND = [{"key": n, "value": n} for n in range(10_000)]

pytestmark = [pytest.mark.parametrize("client", KAFKA_PYTHON),
              pytest.mark.skipif(not PROGRAMS.is_dir(), reason=f"no folder {PROGRAMS}")]


def text(program, broker, *changes):
    """The program's text, on the broker's port; each change (old, new) must hit exactly once."""
    source = (PROGRAMS / program).read_text(encoding="utf-8")
    assert "localhost:9092" in source
    source = source.replace("localhost:9092", broker.bootstrap)
    for old, new in changes:
        assert source.count(old) == 1, f"{program} has changed: {source.count(old)} × {old!r}"
        source = source.replace(old, new)
    return source


class Program:
    """One run of a program; its output line by line as it comes."""

    def __init__(self, client, source, tmp_path):
        path = tmp_path / f"program-{time.monotonic_ns()}.py"
        path.write_text(source, encoding="utf-8")
        self.process = spawn([python_of(client), "-u", "-W", "ignore::DeprecationWarning", str(path)],
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lines, self.errors = queue.Queue(), []
        threads = [(self.process.stdout, self.lines.put), (self.process.stderr, self.errors.append)]
        for stream, sink in threads:
            threading.Thread(target=lambda stream=stream, sink=sink: [sink(line.rstrip("\n")) for line in stream], daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def read(self, count, seconds=60):
        """The next `count` lines of its output."""
        deadline, lines = time.monotonic() + seconds, []
        while len(lines) < count:
            try:
                lines.append(self.lines.get(timeout=max(0.01, deadline - time.monotonic())))
            except queue.Empty:
                said = "\n".join(self.errors[-20:])
                raise AssertionError(f"{len(lines)} of {count} lines after {seconds} s; stderr:\n{said}") from None
        return lines

    def quiet(self, seconds):
        """True if it printed nothing for that long and is still running."""
        try:
            self.lines.get(timeout=seconds)
            return False
        except queue.Empty:
            return self.process.poll() is None

    def fails(self, seconds=30):
        """Its last line of stderr, once it has ended with an error."""
        assert self.process.wait(seconds) != 0
        eventually("its last words", lambda: self.errors)
        time.sleep(0.1)
        return "\n".join(self.errors)


def halves():
    source = (PROGRAMS / "kafka_json_10000.py").read_text(encoding="utf-8")
    producer, consumer = source.split("# 消费者代码")
    return producer, consumer


def read_past(program, hand, sentinel):
    """Sends `sentinel` until the program, which starts at the end of the topic, prints it: now it is in place.

    Returns how many sentinels it may still print.
    """
    sent = 0
    while program.lines.empty():
        hand.produce(TOPIC, [sentinel])
        sent += 1
        assert program.process.poll() is None, program.errors
        assert sent < 300, "nothing was printed"
        time.sleep(0.1)
    return sent


def test_10000_records_come_back_to_a_consumer_that_runs_first(client, own_broker, tmp_path):
    hand = Hand(own_broker.bootstrap)
    _, consumer = halves()
    with Program(client, consumer.replace("localhost:9092", own_broker.bootstrap), tmp_path) as reader:
        read_past(reader, hand, b'{"key": -1, "value": -1}')
        with Program(client, text("kafka_json_10000.py", own_broker), tmp_path) as writer:
            got = []
            while len(got) < 10_000:
                got += [one for one in map(ast.literal_eval, reader.read(1)) if one["key"] >= 0]
            assert got == TEN_THOUSAND
            assert reader.quiet(0.5), "a record came twice"
            # The program itself reads from the end of the topic: it has nothing to print, and goes on waiting.
            assert writer.process.poll() is None
            assert not [line for line in writer.errors if "Error" in line]


def test_10000_records_come_back_from_the_beginning(client, own_broker, tmp_path):
    earliest = ("KafkaConsumer('test_topic', ", "KafkaConsumer('test_topic', auto_offset_reset='earliest', ")
    with Program(client, text("kafka_json_10000.py", own_broker, earliest), tmp_path) as program:
        assert [ast.literal_eval(line) for line in program.read(10_000)] == TEN_THOUSAND
        assert program.quiet(0.5), "a record came twice"
        low, high = Hand(own_broker.bootstrap).ends(TOPIC)
        assert (low, high) == (0, 10_000)


def test_keyed_producer_as_written_fails_in_the_client(client, own_broker, tmp_path):
    with Program(client, text("kafka_keyed_producer.py", own_broker), tmp_path) as program:
        said = program.fails()
    # kafka-python 3 wraps serializers, so that its own class is what is called wrongly.
    wanted = "missing 1 required positional argument" if client.startswith("kafka-python-3") else "'str' object is not callable"
    assert "TypeError" in said and wanted in said
    assert own_broker.alive()


def test_keyed_producer_without_serializers_sends_one_keyed_record(client, own_broker, tmp_path):
    changes = [("    'key_serializer': 'str.encode',\n", ""), ("    'value_serializer': 'str.encode'\n", "")]
    with Program(client, text("kafka_keyed_producer.py", own_broker, *changes), tmp_path) as program:
        assert program.process.wait(30) == 0, program.errors
    check = "from kafka import KafkaConsumer\nc = KafkaConsumer('test_topic', bootstrap_servers='localhost:9092', auto_offset_reset='earliest')\nfor m in c: print((m.offset, m.key, m.value))\n"
    with Program(client, check.replace("localhost:9092", own_broker.bootstrap), tmp_path) as reader:
        assert ast.literal_eval(reader.read(1)[0]) == (0, b"key", b"Hello, Kafka!")
        assert reader.quiet(0.5)


def test_group_consumer_as_written_joins_nothing(client, own_broker, tmp_path):
    hand = Hand(own_broker.bootstrap)
    hand.produce(TOPIC, [b"unread"])
    with Program(client, text("kafka_group_consumer.py", own_broker), tmp_path) as program:
        assert program.quiet(3)
        state, members = hand.group("test_group")
        assert members == [] and state in ("DEAD", "EMPTY")
    assert own_broker.alive()


def test_group_consumer_prints_every_record_from_the_earliest(client, own_broker, tmp_path):
    hand = Hand(own_broker.bootstrap)
    hand.produce(TOPIC, [b"record %d" % n for n in range(500)])
    changes = [("    'auto_offset_reset': 'earliest',\n", "    'auto_offset_reset': 'earliest'\n"),
               ("    'key_deserializer': 'str.decode',\n", ""), ("    'value_deserializer': 'str.decode'\n", ""),
               ("# 消费消息\n", "consumer.subscribe(['test_topic'])\n")]
    with Program(client, text("kafka_group_consumer.py", own_broker, *changes), tmp_path) as program:
        assert program.read(500) == [f"Received message: record {n}" for n in range(500)]
        state, members = hand.group("test_group")
        assert state == "STABLE" and len(members) == 1
        hand.produce(TOPIC, [b"one more"])
        assert program.read(1) == ["Received message: one more"]
        eventually("its commit", lambda: hand.committed("test_group", TOPIC, 1) == {0: 501})


def test_hello_as_written_is_refused_by_the_client(client, own_broker, tmp_path):
    with Program(client, text("kafka_hello.py", own_broker), tmp_path) as program:
        said = program.fails()
    assert "AssertionError" in said or "TypeError: Unsupported type for serialized value" in said
    assert own_broker.alive()


def test_hello_with_bytes_produces_and_consumes(client, own_broker, tmp_path):
    """It reads from the end of the topic, so it sees what is sent from then on: what its next run sends."""
    hand = Hand(own_broker.bootstrap)
    source = text("kafka_hello.py", own_broker, ("value='Hello, Kafka!'", "value=b'Hello, Kafka!'"))
    with Program(client, source, tmp_path) as first:
        eventually("its record", lambda: hand.ends(TOPIC) == (0, 1))
        read_past(first, hand, b"in place")
        with Program(client, source, tmp_path):
            lines = []
            while "b'Hello, Kafka!'" not in lines:
                lines += first.read(1)
        assert set(lines) <= {"b'in place'", "b'Hello, Kafka!'"}
