"""Stream processors: their environments, a broker that is killed under them, and a reader of what they committed."""

import os
import pathlib
import random
import time

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from .hand import patiently

_ENVIRONMENTS = pathlib.Path(os.environ.get("OTTLA_PROCESSORS", "~/.cache/ottla/processors")).expanduser()

# A processor starts, or begins again after a kill, within this many seconds, on a machine that others use too.
PATIENCE = 300


def environment(name):
    """The folder that tools/processor-envs.sh made; the test is skipped, with the reason, if it could not make it."""
    folder = _ENVIRONMENTS / name
    if not (folder / ".stamp").exists():
        missing = folder / ".missing"
        pytest.skip(f"{name} is missing: {missing.read_text().strip() if missing.exists() else 'tools/processor-envs.sh makes it'}")
    return folder


def java(heap_mb, classpath, main, *arguments):
    """The command of a JVM with a heap of that many megabytes (at most 1536), its log on stderr."""
    assert heap_mb <= 1536
    return ["java", "-XX:TieredStopAtLevel=1", f"-Xmx{heap_mb}m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-cp", classpath, main, *map(str, arguments)]


class Progress:
    """How many records of a topic a group has processed, by its committed offsets."""

    def __init__(self, bootstrap, group, topic, partitions):
        # With read_committed, the default, the broker would not answer while a transaction has offsets of the group.
        self.consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "isolation.level": "read_uncommitted", "log_level": 0})
        self.partitions = [TopicPartition(topic, p) for p in range(partitions)]

    def done(self):
        return sum(max(one.offset, 0) for one in patiently(lambda: self.consumer.committed(self.partitions, timeout=5)))


def kill_in_midst(broker, times, pause, at_work, seed=None):
    """Kills the broker (-9) and starts it again that many times, while `at_work()` is true: a kill after the work shows nothing.

    `pause` are the least and the greatest time in seconds before each kill.
    """
    dice = random.Random(seed)
    for kill in range(times):
        time.sleep(dice.uniform(*pause))
        assert at_work(), f"the work was done after {kill} of {times} kills"
        kill_and_start(broker)


def kill_and_start(broker, away=0):
    """kill -9, and a start that many seconds later. The broker lives as long as the calling thread."""
    broker.kill()
    time.sleep(away)
    broker.start()


def committed(bootstrap, topic, partitions, seconds=60):
    """Every record that a read_committed reader sees, as (key, value), by partition, in order; up to the end as it is now.

    A transaction that is still open hides what comes after its first record: end it, or wait for its timeout, before.
    """
    return records(bootstrap, topic, partitions, "read_committed", seconds)


def records(bootstrap, topic, partitions, isolation, seconds=60):
    """Every record that a reader with that isolation level sees, as `committed` returns them."""
    reader = Reader(bootstrap, topic, partitions, isolation)
    try:
        deadline = time.monotonic() + seconds
        while len(reader.ended) < partitions:
            assert time.monotonic() < deadline, f"{topic} cannot be read to its end in {seconds} s"
            reader.read()
        return reader.found
    finally:
        reader.close()


class Reader:
    """Reads a topic from its beginning and keeps what it has read: (key, value), by partition, in order."""

    def __init__(self, bootstrap, topic, partitions, isolation="read_committed"):
        self.found, self.ended = {p: [] for p in range(partitions)}, set()  # ended: partitions that were read to their end once
        self.consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader", "isolation.level": isolation,
                                  "enable.partition.eof": True, "enable.auto.commit": False, "log_level": 0})
        self.consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in range(partitions)])

    def read(self, seconds=0.5):
        """Takes what comes within that many seconds, at most 10 000 records; returns how many it has in all."""
        for message in self.consumer.consume(10_000, seconds):
            error = message.error()
            if error is None:
                self.found[message.partition()].append((message.key(), message.value()))
            elif error.code() == KafkaError._PARTITION_EOF:
                self.ended.add(message.partition())
            elif not error.retriable() and error.fatal():
                raise KafkaException(error)
        return sum(map(len, self.found.values()))

    def close(self):
        self.consumer.close()
