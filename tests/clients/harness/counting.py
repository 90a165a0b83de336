"""Lines of words into a topic, without pause, and the check of what a stream processor made of them."""

import collections
import random
import threading

from confluent_kafka import KafkaException, Producer

from .process import eventually
from .processors import records

WORDS = [f"word{number}" for number in range(50)]
ABORTED = [f"aborted{number}" for number in range(5)]


class Feeder:
    """Sends lines to a topic in transactions of 20, about that many lines a second, until `stop()`, also while the broker is away.

    A fifth of the transactions are aborted. The words of these are others, so that a reader of them is found out.
    """

    def __init__(self, bootstrap, topic, a_second=500, words=5):
        self.topic, self.pause, self.words = topic, 20 / a_second, words
        self.sent = []
        self._number = 0
        self._producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": f"{topic}-feeder", "linger.ms": 1,
                                   "transaction.timeout.ms": 300_000, "log_level": 0})
        self._stop, self._fault = threading.Event(), None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        try:
            self._producer.init_transactions(60)
            dice = random.Random(self.topic)
            while not self._stop.wait(self.pause):
                self._transaction(dice, commit=dice.random() < 0.8)
        except Exception as fault:  # told by stop()
            self._fault = fault

    def _transaction(self, dice, commit):
        words = WORDS if commit else ABORTED
        lines = [" ".join(dice.choices(words, k=self.words)) for _ in range(20)]
        numbers = [str(self._number + at) for at in range(20)]
        self._number += 20
        while True:
            self._producer.begin_transaction()
            try:
                for number, line in zip(numbers, lines):
                    self._producer.produce(self.topic, line, key=number)
                if not commit:
                    self._producer.flush(60)  # librdkafka drops on an abort what it has not sent yet
                self._end(self._producer.commit_transaction if commit else self._producer.abort_transaction)
                break
            except KafkaException as error:
                if not error.args[0].txn_requires_abort():
                    raise
                self._end(self._producer.abort_transaction)
        if commit:
            self.sent += zip(numbers, lines)

    @staticmethod
    def _end(call):
        """Asks until the broker has answered: a call that timed out may be made again."""
        while True:
            try:
                return call(60)
            except KafkaException as error:
                if not error.args[0].retriable():
                    raise

    def stop(self):
        """Number and line of all that was committed."""
        self._stop.set()
        self._thread.join()
        if self._fault:
            raise self._fault
        return self.sent


def words_of(lines):
    """How often each word comes in (number, line) pairs."""
    return collections.Counter(word for _, line in lines for word in line.split())


class Counts:
    """The numbers that a processor wrote for each word, in their order; without a key, a value is "word number"."""

    def __init__(self, bootstrap, topic, partitions, isolation="read_committed"):
        self.by_word = collections.defaultdict(list)
        for partition in records(bootstrap, topic, partitions, isolation).values():
            for key, value in partition:
                word, number = (key, value) if key else value.split()
                self.by_word[word.decode()].append(int(number))

    @property
    def total(self):
        return sum(map(len, self.by_word.values()))

    def faults(self, expected=None):
        """The first word whose values are not 1, 2, 3 … up to what is expected, described; empty if there is none."""
        for word in sorted({*self.by_word, *(expected or ())}):
            values = self.by_word.get(word, [])
            wanted = list(range(1, (expected[word] if expected else len(values)) + 1))
            if values != wanted:
                at = next((at for at, (one, other) in enumerate(zip(values, wanted)) if one != other), min(len(values), len(wanted)))
                return (f"{word}: {len(values)} values instead of {len(wanted)}, {len(set(values))} different ones; "
                        f"from the {at}th on {values[at:at + 5]} instead of {wanted[at:at + 5]}")
        return ""


def counted(bootstrap, topic, partitions, expected, seconds=240):
    """Waits until a processor has written each number up to the expected one, once and in order, for every word."""
    total = sum(expected.values())

    def complete():
        found = Counts(bootstrap, topic, partitions)
        assert not found.faults(), found.faults()
        return found.total >= total

    try:
        eventually(f"{total} words are counted", complete, seconds, every=0.5)
    except AssertionError as error:
        raise AssertionError(f"{error}: {Counts(bootstrap, topic, partitions).faults(expected)}") from None
    faults = Counts(bootstrap, topic, partitions).faults(expected)
    assert not faults, faults
