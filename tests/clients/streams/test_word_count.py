"""A word count of Kafka Streams, at least once, whose local state is thrown away whenever it stops.

What it counted is then in the changelog topic alone. Words on their way to the count pass through a repartition topic,
from which Streams deletes what it has read (DeleteRecords).
"""

import random
import shutil
from collections import Counter

import pytest

from harness.drivers import Driver
from harness.hand import Hand
from harness.process import eventually

PARTITIONS = 3
CONFIG = {
    "num.stream.threads": 2,  # two members of the group, between which Streams' own assignor divides six tasks
    "commit.interval.ms": 200,
    "repartition.purge.interval.ms": 500,
    "heartbeat.interval.ms": 500,
    "auto.offset.reset": "earliest",
}


class WordCount:
    """The program, its topics, and what it ought to have counted."""

    def __init__(self, broker, name, folder, **config):
        self.broker, self.name, self.folder = broker, name, folder
        self.config = {**CONFIG, **config, "application.id": name, "state.dir": str(folder)}
        self.by_broker = config.get("group.protocol") == "streams"
        if self.by_broker:
            # The broker says how often members send heartbeats, and Streams refuses to be told otherwise.
            del self.config["heartbeat.interval.ms"]
        self.lines, self.output = f"{name}-lines", f"{name}-output"
        self.repartition, self.changelog = f"{name}-words-repartition", f"{name}-counts-changelog"
        self.hand = Hand(broker.bootstrap)
        for topic in self.lines, self.output:
            self.hand.create_topic(topic, PARTITIONS)
        self.expected = Counter()
        self.program = None

    def start(self):
        """Starts it without any state of its own."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.program = Driver("streams-4.3.0", self.broker.bootstrap, "count",
                              lines=self.lines, counts=self.output, config=self.config)

    def feed(self, words, lines, each=20):
        """Sends that many lines of `each` of the words to every partition."""
        dice = random.Random(f"{words[0]}-{lines}")
        for partition in range(PARTITIONS):
            said = [dice.choices(words, k=each) for _ in range(lines)]
            self.expected.update(word for line in said for word in line)
            self.hand.produce(self.lines, [" ".join(line).encode() for line in said], partition)

    def state(self):
        state = self.program.call("state")
        assert not state["fatal"] and state["state"] != "ERROR", f"{state}\n{self.program.diagnosis()}"
        return state

    def counts(self):
        self.state()
        return self.program.call("counts")

    def runs(self):
        eventually("it runs", lambda: self.state()["state"] == "RUNNING", seconds=60)

    def has_counted(self, seconds=60):
        try:
            eventually("all is counted", lambda: self.counts() == self.expected, seconds)
        except AssertionError as error:
            found = self.counts()
            off = {word: (found.get(word), count) for word, count in self.expected.items() if found.get(word) != count}
            raise AssertionError(f"{error}: found and expected differ in {off}\n{self.program.diagnosis()}") from None

    def has_committed(self, seconds=60):
        """Waits until both the lines and the words are committed up to the end of every partition."""
        for topic in self.lines, self.repartition:
            eventually(f"{topic} is committed to its end", lambda: self.uncommitted(topic) == 0, seconds)

    def uncommitted(self, topic):
        committed = self.hand.committed(self.name, topic, PARTITIONS)
        ends = {partition: self.hand.ends(topic, partition) for partition in range(PARTITIONS)}
        # A partition that nothing was ever read of has no commit and nothing to commit.
        return sum(end - max(committed[partition], 0) for partition, (_, end) in ends.items())

    def printed(self):
        """The newest count of each word in the output topic."""
        return {word.decode(): int.from_bytes(count, "big") for word, count in self.hand.newest(self.output, PARTITIONS).items()}


@pytest.fixture
def count(request, own_broker, name, tmp_path):
    one = WordCount(own_broker, name, tmp_path / "state", **request.param)
    try:
        yield one
    finally:
        if one.program:
            one.program.kill()


def words(letter):
    return [f"{letter}{number}" for number in range(40)]


# Static members, so that the program takes its own place again at once when it is back; the session is left at its
# default, which is longer than a restart of any broker.
# The streams protocol (KIP-1071) has no static members; there the broker makes the topics and divides the tasks.
@pytest.mark.parametrize("count", [{"group.instance.id": "counter"}, {"group.protocol": "streams"}],
                         ids=["static", "streams"], indirect=True)
def test_counts_are_exact_over_a_clean_stop_and_a_crash_of_the_broker(count, own_broker):
    count.start()
    count.feed(words("a"), 100)
    count.runs()
    count.has_counted()

    changelog, repartition = (count.hand.configs(topic) for topic in (count.changelog, count.repartition))
    assert (changelog["cleanup.policy"], changelog["message.timestamp.type"]) == ("compact", "CreateTime")
    assert (repartition["cleanup.policy"], repartition["retention.ms"]) == ("delete", "-1")

    # The broker dies while words are under way; nothing is counted twice, as the program itself goes on.
    # The consumer of the streams protocol does not bear a new leader epoch (FINDINGS.md), which only a crash brings.
    count.feed(words("a"), 2_000)
    own_broker.stop() if count.by_broker else own_broker.kill()
    own_broker.start()
    count.feed(words("b"), 100)
    count.has_counted()
    count.has_committed()

    def purged():
        return all(start == end for start, end in (count.hand.ends(count.repartition, p) for p in range(PARTITIONS)))

    eventually("the repartition topic is emptied behind the program", purged)

    assert count.program.call("close") is True
    count.program.kill()
    count.start()
    count.runs()
    assert count.counts() == count.expected, "the state restored from the changelog is another one"
    assert count.state()["restored"] >= len(count.expected)
    count.feed(words("b"), 100)
    count.has_counted()
    eventually("the output topic tells the same", lambda: count.printed() == count.expected)


# The group waits for the dead members until their sessions end: the shortest that brokers accept.
@pytest.mark.parametrize("count", [{"session.timeout.ms": 6_000}], ids=["dynamic"], indirect=True)
def test_no_line_is_lost_when_the_program_is_killed(count):
    count.start()
    count.feed(words("a"), 100)
    count.has_counted()
    count.has_committed()
    before = dict(count.expected)

    count.feed(words("b"), 1_000)
    eventually("it is in the midst of them", lambda: any(word.startswith("b") for word in count.counts()), every=0.01)
    count.feed(words("b"), 2_000)
    count.program.kill()
    assert count.uncommitted(count.lines) + count.uncommitted(count.repartition) > 0, "it was done before it was killed"
    count.start()
    count.feed(words("c"), 100)
    count.has_committed()

    found = count.counts()
    assert {word: found[word] for word in before} == before, "what was committed was counted anew"
    lost = {word: (found.get(word, 0), total) for word, total in count.expected.items() if found.get(word, 0) < total}
    assert not lost, f"found less than expected: {lost}"
    assert {word: found[word] for word in words("c")} == {word: count.expected[word] for word in words("c")}
    eventually("the output topic tells the same", lambda: count.printed() == found)
