"""Copies by groups of copiers, each record and its offset in one transaction: the output is the input, each record once, in order.

Copiers abort one transaction in three by chance. The broker and copiers are killed (-9) in the midst; a copier's successor takes
its transactional id. Kills are spread evenly over the copy, by how far it is. Each client has a broker of its own.

Per client: OTTLA_COPY_RECORDS (by default what a run of the clients has time for), OTTLA_COPY_BROKER_KILLS, OTTLA_COPY_COPIER_KILLS,
OTTLA_COPY_SECONDS (the test fails if it takes longer), OTTLA_COPY_SEED (of the kills).
"""

import collections
import os
import pathlib
import random
import subprocess
import sys
import time

import pytest
from confluent_kafka import Producer

from harness.broker import KAFKA_LIBS
from harness.drivers import AGAINST_KAFKA, GO_DRIVERS, STREAMS
from harness.hand import Hand
from harness.processors import Progress, committed, java
from harness.process import eventually, spawn

HERE = pathlib.Path(__file__).parent
# By default librdkafka copies fewer: after each abort it waits for the fetch that is under way.
SHORT = {"java": 9_000, "librdkafka": 2_000, "franz-go": 9_000}
# Apache Kafka takes seconds to start.
BROKER_KILLS = int(os.environ.get("OTTLA_COPY_BROKER_KILLS", 2 if AGAINST_KAFKA else 5))
COPIER_KILLS = int(os.environ.get("OTTLA_COPY_COPIER_KILLS", 2))
SECONDS = int(os.environ.get("OTTLA_COPY_SECONDS", 600))
SEED = int(os.environ.get("OTTLA_COPY_SEED", random.randrange(1_000_000)))
PARTITIONS, COPIERS, KEYS = 6, 2, 100
# A copier that makes no progress for this long, in seconds, stands still. A killed Java copier's session alone ends after 10.
PATIENCE = 100
# How a client ends that does not wait for a broker to come back (FINDINGS.md): the broker is not at fault.
NO_BROKER = {"franz-go": "connect: connection refused"}


def records(client):
    return int(os.environ.get("OTTLA_COPY_RECORDS", SHORT[client]))


def size(client):
    """Records of a transaction: few, unless there are many. With large transactions a short copy is done before the first kill."""
    return 10 if records(client) < 1_000_000 else 500


def commands(client):
    """The command of a copier, without its options; the names of options are those of Java's."""
    return {
        # Kafka's own; it ends when it has read its partitions to their ends.
        "java": [*java(256, f"{KAFKA_LIBS}/*:{STREAMS}/libs/slf4j-simple-1.7.36.jar", "org.apache.kafka.tools.TransactionalMessageCopier"),
                 "--group-mode", "--use-group-metadata", "--input-partition", "0"],  # it asks for a partition in group mode too
        "librdkafka": [sys.executable, str(HERE / "copy" / "copier.py")],
        "franz-go": [str(GO_DRIVERS / "copier")],
    }[client]


class Copiers:
    """The processes of one group, by number; each number is a transactional id."""

    def __init__(self, client, bootstrap, name, folder):
        self.client, self.name, self.folder = client, name, folder
        self.options = ["--broker-list", bootstrap, "--input-topic", f"{name}-in", "--output-topic", f"{name}-out",
                        "--consumer-group", name, "--transaction-size", str(size(client)), "--enable-random-aborts"]
        self.running, self.failures, self.given_up = {}, collections.Counter(), 0

    def start(self, number):
        with open(self.folder / f"copier-{number}", "ab") as log:
            self.running[number] = spawn([*commands(self.client), *self.options, "--transactional-id", f"{self.name}-{number}"],
                                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log)

    def start_all(self):
        for number in range(COPIERS):
            self.start(number)

    def kill(self, number):
        self.running[number].kill()
        self.running[number].wait()

    def kill_all(self):
        for number in self.running:
            self.kill(number)

    def revive(self):
        """Starts those again that have ended by themselves, and counts those that ended with an error."""
        for number, process in self.running.items():
            status = process.poll()
            if status:
                self.note_end(number)
            if status is not None:
                self.start(number)

    def note_end(self, number):
        words = self.last_words(number)
        if self.client in NO_BROKER and NO_BROKER[self.client] in words:
            self.given_up += 1
        else:
            self.failures[words] += 1

    def last_words(self, number):
        lines = (self.folder / f"copier-{number}").read_text(errors="replace").splitlines() or ["no word"]
        return next((line for line in reversed(lines) if "rror" in line or "xception" in line), lines[-1])[:200]


def fill(bootstrap, topic, count):
    """Writes the input, that many records, a key always to the same partition; returns the values of each partition."""
    errors = []
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 5})
    expected = {p: [] for p in range(PARTITIONS)}
    for number in range(count):
        key = number % KEYS
        value = b"%d:%d" % (key, number)
        expected[key % PARTITIONS].append((b"%d" % key, value))
        while True:
            try:
                producer.produce(topic, value, b"%d" % key, partition=key % PARTITIONS, on_delivery=lambda error, _: error and errors.append(error))
                break
            except BufferError:
                producer.poll(0.1)
    assert producer.flush(60) == 0 and not errors, errors[:5]
    return expected


def disturb(own_broker, copiers, progress, count):
    """Kills the broker and copiers until that many records are copied; returns how often each was killed."""
    dice = random.Random(SEED)
    plan = ["broker"] * BROKER_KILLS + ["copier"] * COPIER_KILLS
    dice.shuffle(plan)
    every = count / (len(plan) + 1)
    deadline, moved, before, done = time.monotonic() + SECONDS, time.monotonic(), -1, []
    while (copied := progress.done()) < count:
        now = time.monotonic()
        if copied != before:
            moved, before = now, copied
        assert now < deadline, f"{copied} of {count} records after {SECONDS} s"
        assert now - moved < PATIENCE, f"stands still at {copied} of {count} records for {PATIENCE} s"
        if len(done) < len(plan) and copied >= every * (len(done) + 1):
            # Anywhere in the next transactions, not always right after a commit.
            time.sleep(dice.uniform(0, 0.05))
            done.append(plan[len(done)])
            kill(done[-1], own_broker, copiers, dice)
        copiers.revive()
        time.sleep(0.05)
    return collections.Counter(done)


def kill(what, own_broker, copiers, dice):
    if what == "broker":
        own_broker.kill()
        own_broker.start()
    else:
        number = dice.randrange(COPIERS)
        copiers.kill(number)
        copiers.start(number)


@pytest.mark.short
@pytest.mark.timeout(SECONDS + 240)
@pytest.mark.parametrize("client", ["java", "librdkafka", "franz-go"])
def test_copies_each_record_once_in_order_though_broker_and_copiers_are_killed(own_broker, name, tmp_path, client, record_property):
    hand = Hand(own_broker.bootstrap)
    for topic in f"{name}-in", f"{name}-out":
        hand.create_topic(topic, PARTITIONS)
    count = records(client)
    expected = fill(own_broker.bootstrap, f"{name}-in", count)
    copiers = Copiers(client, own_broker.bootstrap, name, tmp_path)
    began = time.monotonic()
    try:
        copiers.start_all()
        kills = disturb(own_broker, copiers, Progress(own_broker.bootstrap, name, f"{name}-in", PARTITIONS), count)
    finally:
        copiers.kill_all()
    took = time.monotonic() - began
    record_property("copy", f"{count} records, {dict(kills)} kills, seed {SEED}, {took:.0f} s, ended with an error: {dict(copiers.failures)}, "
                            f"without a broker: {copiers.given_up}")

    # In Kafka the offsets may be visible before the last records are.
    def all_visible():
        return sum(map(len, committed(own_broker.bootstrap, f"{name}-out", PARTITIONS).values())) >= count

    # A copier that was killed last may have left a transaction open: its timeout ends it after 60 s.
    eventually("the last records are visible", all_visible, seconds=90)
    found = committed(own_broker.bootstrap, f"{name}-out", PARTITIONS)
    for partition in range(PARTITIONS):
        assert found[partition] == expected[partition], difference(partition, found[partition], expected[partition])
    assert (kills["broker"], kills["copier"]) == (BROKER_KILLS, COPIER_KILLS)
    assert not copiers.failures, f"copiers ended with an error, seed {SEED}: {copiers.failures}"


def difference(partition, found, expected):
    """The kinds of differences of a partition's records, a few of each."""
    counts = collections.Counter(found)
    twice = [one for one, count in counts.items() if count > 1]
    lost = [one for one in expected if one not in counts]
    first = next((n for n, pair in enumerate(zip(found, expected)) if pair[0] != pair[1]), min(len(found), len(expected)))
    return (f"partition {partition}, seed {SEED}: {len(found)} of {len(expected)} records, first difference at {first}; "
            f"{len(twice)} more than once: {twice[:5]}; {len(lost)} lost: {lost[:5]}")
