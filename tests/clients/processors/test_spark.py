"""Two streams of Spark from one topic, while the broker and Spark itself are killed.

The source reads committed records only. The word count is exact, as its sink is idempotent. Spark's own Kafka sink knows no
transactions: it may write a record twice when Spark was killed, and never loses one.
"""

import collections

import pytest

from harness.counting import Feeder, words_of
from harness.hand import Hand
from harness.job import Job, jvm
from harness.process import eventually
from harness.processors import committed, kill_and_start

# Most of it is the start of JVMs, which takes long where others work beside it.
pytestmark = pytest.mark.timeout(900)

PARTITIONS = 2


class Streams:
    """The program, its topics, and what it has written."""

    def __init__(self, broker, name, folder):
        self.broker, self.lines, self.copies = broker, f"{name}-lines", f"{name}-copies"
        hand = Hand(broker.bootstrap)
        for topic in self.lines, self.copies:
            hand.create_topic(topic, PARTITIONS)
        self.batches = folder / "counts"
        self.program = Job(jvm("spark-4.2", "WordCount", heap_mb=1000), folder, {
            "bootstrap": broker.bootstrap, "lines": self.lines, "copies": self.copies, "counts": self.batches,
            "checkpoints": folder / "checkpoints"})
        self.feeder = None

    def finished(self):
        """Numbers of the batches that were counted."""
        return sorted(int(file.name) for file in self.batches.glob("*") if file.name.isdigit())

    def counts(self):
        """The newest count of each word."""
        found = {}
        for batch in self.finished():
            for line in (self.batches / str(batch)).read_text().splitlines():
                word, count = line.split()
                found[word] = int(count)
        return found

    def progress(self, batches=2):
        before = len(self.finished())
        try:
            eventually("batches are counted", lambda: len(self.finished()) >= before + batches, seconds=240)
        finally:
            assert self.program.alive(), self.program.tail()

    def copied(self):
        """How often each (number, line) has been written."""
        found = committed(self.broker.bootstrap, self.copies, PARTITIONS)
        return collections.Counter((key.decode(), value.decode()) for partition in found.values() for key, value in partition)

    def kill_broker(self, away):
        kill_and_start(self.broker, away)
        self.progress()


@pytest.fixture
def streams(own_broker, name, tmp_path):
    one = Streams(own_broker, name, tmp_path)
    try:
        yield one
    finally:
        one.program.kill()


def test_counts_are_exact_and_no_copy_is_lost(streams):
    streams.feeder = Feeder(streams.broker.bootstrap, streams.lines)
    streams.program.start()
    streams.progress()
    for away in 0.2, 1, 3:
        streams.kill_broker(away)
    assert set(streams.copied().values()) == {1}, "a line was copied twice, though Spark was not killed"

    streams.program.kill()
    streams.program.start()
    streams.progress()

    lines = streams.feeder.stop()
    expected = words_of(lines)
    eventually("all words are counted", lambda: sum(streams.counts().values()) >= sum(expected.values()), seconds=240)
    assert streams.counts() == expected
    eventually("all lines are copied", lambda: len(streams.copied()) >= len(lines), seconds=240)
    assert set(streams.copied()) == set(lines)
    streams.program.kill()
