"""MirrorMaker 2, dedicated, exactly once: a topic of one cluster in another one, each record once, in order; a group's offsets translated.

The target broker is killed (-9) three times and MirrorMaker once, each in the midst of records.
"""

import concurrent.futures
import random
import time

import pytest
from confluent_kafka import Consumer, TopicPartition

from harness.broker import Kafka, new_broker
from harness.hand import Hand
from harness.mirror import MirrorMaker
from harness.process import eventually, free_port
from harness.processors import PATIENCE, committed, environment, kill_and_start

PARTITIONS = 3
# Records that are to be mirrored in the midst of a kill are fed in that many parts.
PARTS = 50
_PROPERTIES = """\
target.exactly.once.source.support=enabled
source.consumer.isolation.level=read_committed
dedicated.mode.enable.internal.rest=true
listeners=http://127.0.0.1:{port}
refresh.topics.interval.seconds=5
sync.topic.acls.enabled=false
"""


class Mirror:
    """The two brokers, MirrorMaker between them, and the values of each partition."""

    def __init__(self, source, target, name, folder):
        self.source, self.target, self.name = source, target, name
        self.topic = f"source.{name}"
        self.hand = Hand(source.bootstrap)
        self.hand.create_topic(name, PARTITIONS)
        self.maker = MirrorMaker(source.bootstrap, target.bootstrap, name, folder, _PROPERTIES.format(port=free_port()))
        self.values = {p: [] for p in range(PARTITIONS)}

    def restart(self):
        self.maker.kill()
        self.maker.start()

    def feed(self, count):
        for partition, values in self.values.items():
            added = [f"{len(values) + number}".encode() for number in range(count)]
            self.hand.produce(self.name, added, partition)
            values += added

    def arrived(self):
        """The values of each partition of the target; none while there is no topic."""
        if Hand(self.target.bootstrap).ends(self.topic) is None:
            return {p: [] for p in range(PARTITIONS)}
        return {p: [value for _, value in records] for p, records in committed(self.target.bootstrap, self.topic, PARTITIONS).items()}

    def missing(self):
        self.maker.runs()
        return sum(map(len, self.values.values())) - sum(map(len, self.arrived().values()))

    def in_midst(self, count, act):
        """Acts while that many records are fed to each partition, a few at a time, and some of them have arrived."""
        def feed():
            for _ in range(PARTS):
                self.feed(count // PARTS)

        hand = Hand(self.target.bootstrap)
        before = hand.ends(self.topic)[1]
        with concurrent.futures.ThreadPoolExecutor(1) as feeder:
            fed = feeder.submit(feed)
            eventually("some arrive", lambda: hand.ends(self.topic)[1] > before, seconds=PATIENCE, every=0.01)
            assert not fed.done(), f"{count} records were fed before MirrorMaker could be disturbed"
            act()
            fed.result()

    def all_arrive(self, seconds=PATIENCE):
        try:
            eventually("all records arrive", lambda: self.missing() <= 0, seconds, every=0.5)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.missing()} are missing\n{self.maker.tail()}") from None
        assert self.arrived() == self.values

    def translated(self, offset):
        """The number of the first record that the group would read in the target, once it has offsets there; the source's group is at `offset`."""
        self.hand.commit(self.name, self.name, 0, offset)
        hand = Hand(self.target.bootstrap)
        there = eventually("offsets are translated", lambda: max(hand.committed(self.name, self.topic, 1)[0], 0), seconds=PATIENCE)
        reader = Consumer({"bootstrap.servers": self.target.bootstrap, "group.id": "reader", "enable.auto.commit": False, "log_level": 0})
        try:
            reader.assign([TopicPartition(self.topic, 0, there)])
            message = eventually("the record is read", lambda: reader.poll(1), seconds=20)
            return int(message.value())
        finally:
            reader.close()


@pytest.fixture
def mirror(request, name, tmp_path):
    environment("mirror-4.3.0")
    source, target = Kafka() if request.param == "kafka" else new_broker(), new_broker()
    one = None
    try:
        source.start()
        target.start()
        one = Mirror(source, target, name, tmp_path)
        yield one
    finally:
        if one:
            one.maker.kill()
        source.remove()
        target.remove()


@pytest.mark.timeout(1_500)
@pytest.mark.parametrize("mirror", ["same", "kafka"], indirect=True, ids=["from-its-kind", "from-kafka"])
def test_each_record_is_mirrored_once_though_mirrormaker_and_target_are_killed(mirror):
    dice = random.Random()

    def kill_target():
        time.sleep(dice.uniform(0, 0.1))
        kill_and_start(mirror.target)

    mirror.maker.start()
    mirror.feed(100)
    mirror.all_arrive()
    for act in kill_target, kill_target, mirror.restart, kill_target:
        mirror.in_midst(5_000, act)
        mirror.all_arrive()
    # Every record has a sync of its own (offset.lag.max=0), of which MirrorMaker keeps fewer the older they are: it may be earlier, not later.
    at = len(mirror.values[0]) - 10
    assert at - 5_000 <= mirror.translated(at) <= at
