"""Programs that were written for Apache Kafka, under every kafka-python in the field, unchanged except for the port.

They are not part of this repository: their text is read from ../shared/clients (OTTLA_SHARED), and these tests are skipped without
that folder. test_programs.py runs the project's own programs of the same kinds. Each runs as a process of its own. A program that
reads for ever is killed once it has printed what it should. Faults of a program show in the program, and the broker goes on.
"""

import ast
import os
import pathlib
import time

import pytest

from harness.drivers import KAFKA_PYTHON
from harness.hand import Hand
from harness.process import eventually
from harness.program import Program, read_past

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


def run(client, source, tmp_path):
    path = tmp_path / f"program-{time.monotonic_ns()}.py"
    path.write_text(source, encoding="utf-8")
    return Program(client, path)


def halves():
    source = (PROGRAMS / "kafka_json_10000.py").read_text(encoding="utf-8")
    producer, consumer = source.split("# 消费者代码")
    return producer, consumer


def test_10000_records_come_back_to_a_consumer_that_runs_first(client, own_broker, tmp_path):
    hand = Hand(own_broker.bootstrap)
    _, consumer = halves()
    with run(client, consumer.replace("localhost:9092", own_broker.bootstrap), tmp_path) as reader:
        read_past(reader, hand, TOPIC, b'{"key": -1, "value": -1}')
        with run(client, text("kafka_json_10000.py", own_broker), tmp_path) as writer:
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
    with run(client, text("kafka_json_10000.py", own_broker, earliest), tmp_path) as program:
        assert [ast.literal_eval(line) for line in program.read(10_000)] == TEN_THOUSAND
        assert program.quiet(0.5), "a record came twice"
        low, high = Hand(own_broker.bootstrap).ends(TOPIC)
        assert (low, high) == (0, 10_000)


def test_keyed_producer_as_written_fails_in_the_client(client, own_broker, tmp_path):
    with run(client, text("kafka_keyed_producer.py", own_broker), tmp_path) as program:
        said = program.fails()
    # kafka-python 3 wraps serializers, so that its own class is what is called wrongly.
    wanted = "missing 1 required positional argument" if client.startswith("kafka-python-3") else "'str' object is not callable"
    assert "TypeError" in said and wanted in said
    assert own_broker.alive()


def test_keyed_producer_without_serializers_sends_one_keyed_record(client, own_broker, tmp_path):
    changes = [("    'key_serializer': 'str.encode',\n", ""), ("    'value_serializer': 'str.encode'\n", "")]
    with run(client, text("kafka_keyed_producer.py", own_broker, *changes), tmp_path) as program:
        assert program.process.wait(30) == 0, program.errors
    check = "from kafka import KafkaConsumer\nc = KafkaConsumer('test_topic', bootstrap_servers='localhost:9092', auto_offset_reset='earliest')\nfor m in c: print((m.offset, m.key, m.value))\n"
    with run(client, check.replace("localhost:9092", own_broker.bootstrap), tmp_path) as reader:
        assert ast.literal_eval(reader.read(1)[0]) == (0, b"key", b"Hello, Kafka!")
        assert reader.quiet(0.5)


def test_group_consumer_as_written_joins_nothing(client, own_broker, tmp_path):
    hand = Hand(own_broker.bootstrap)
    hand.produce(TOPIC, [b"unread"])
    with run(client, text("kafka_group_consumer.py", own_broker), tmp_path) as program:
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
    with run(client, text("kafka_group_consumer.py", own_broker, *changes), tmp_path) as program:
        assert program.read(500) == [f"Received message: record {n}" for n in range(500)]
        state, members = hand.group("test_group")
        assert state == "STABLE" and len(members) == 1
        hand.produce(TOPIC, [b"one more"])
        assert program.read(1) == ["Received message: one more"]
        eventually("its commit", lambda: hand.committed("test_group", TOPIC, 1) == {0: 501})


def test_hello_as_written_is_refused_by_the_client(client, own_broker, tmp_path):
    with run(client, text("kafka_hello.py", own_broker), tmp_path) as program:
        said = program.fails()
    assert "AssertionError" in said or "TypeError: Unsupported type for serialized value" in said
    assert own_broker.alive()


def test_hello_with_bytes_produces_and_consumes(client, own_broker, tmp_path):
    """It reads from the end of the topic, so it sees what is sent from then on: what its next run sends."""
    hand = Hand(own_broker.bootstrap)
    source = text("kafka_hello.py", own_broker, ("value='Hello, Kafka!'", "value=b'Hello, Kafka!'"))
    with run(client, source, tmp_path) as first:
        eventually("its record", lambda: hand.ends(TOPIC) == (0, 1))
        read_past(first, hand, TOPIC, b"in place")
        with run(client, source, tmp_path):
            lines = []
            while "b'Hello, Kafka!'" not in lines:
                lines += first.read(1)
        assert set(lines) <= {"b'in place'", "b'Hello, Kafka!'"}
