"""Programs that take the broker for an old Kafka: message sets v0 and v1 in and out, and the same records with newer clients.

kafka-python sends what the pinned release knew: (0, 8, 2) Produce 0, Fetch 0, ListOffsets 0, OffsetCommit 1; (0, 9)
Produce 1, Fetch 1; (0, 10, 0) Produce 2, Fetch 2, messages with timestamps; (0, 10, 1) Fetch 3, ListOffsets 1. No header
exists before (0, 11). With (0, 8, 1) offsets are committed at version 0, where Kafka kept them in ZooKeeper.
"""

import pytest

from harness.drivers import Driver
from harness.hand import Hand
from harness.records import record

OLD = ["kafka-python-1.4.7", "kafka-python-2.0.2"]
NEW = ["kafka-python-2.3.3", "confluent-kafka-2.16.1", "java-4.3.0"]
PINNED = [(0, 8, 2), (0, 9), (0, 10, 0), (0, 10, 1)]
TIMESTAMPS_FROM = (0, 10)
# LZ4 came with 0.8.2 (KIP-57), zstd long after.
CODECS = ["none", "gzip", "snappy", "lz4"]

pytestmark = pytest.mark.parametrize("client", OLD)


def cases():
    """Records without headers, and none without key and value, which kafka-python refuses to send."""
    return [
        record(key=b"key", value=b"value", timestamp=1_600_000_000_123),
        record(key=b"tombstone", value=None, timestamp=1_600_000_000_000),
        record(key=None, value=b"", timestamp=1_700_000_000_456),
        record(key=bytes(range(256)), value=bytes(range(256)) * 40, timestamp=1),
        record(key=b"long", value=b"the same again and again " * 4_000, timestamp=1_600_000_000_000),
    ]


def compare(got, wanted, has_timestamps):
    assert [one["offset"] for one in got] == list(range(len(wanted)))
    for one, expected in zip(got, wanted, strict=True):
        assert (one["key"], one["value"], one["headers"]) == (expected["key"], expected["value"], [])
        if has_timestamps:
            assert one["timestamp"] == expected["timestamp"]
        else:
            assert one["timestamp"] in (None, -1)


@pytest.mark.parametrize("pinned", PINNED, ids=str)
def test_old_programs_and_new_ones_read_each_other(broker, name, client, pinned):
    hand, wanted, has_timestamps = Hand(broker.bootstrap), cases(), pinned >= TIMESTAMPS_FROM
    topics = [(codec, f"{name}-old-{codec}", f"{name}-new-{codec}") for codec in CODECS]
    with Driver(client, broker.bootstrap, api_version=pinned) as old, Driver(NEW[0], broker.bootstrap) as new:
        for codec, by_old, by_new in topics:
            hand.create_topic(by_old)
            hand.create_topic(by_new)
            assert old.produce(by_old, wanted, codec=codec) == list(range(len(wanted)))
            assert new.produce(by_new, wanted, codec=codec) == list(range(len(wanted)))
            compare(old.consume(by_old, len(wanted)), wanted, has_timestamps)
            compare(old.consume(by_new, len(wanted)), wanted, has_timestamps)
            compare(new.consume(by_old, len(wanted)), wanted, has_timestamps)
    for reader in NEW[1:]:
        with Driver(reader, broker.bootstrap) as driver:
            for _, by_old, _ in topics:
                compare(driver.consume(by_old, len(wanted)), wanted, has_timestamps)


@pytest.mark.parametrize("pinned", PINNED, ids=str)
def test_old_programs_seek_and_find_the_ends(broker, name, client, pinned):
    """Seek into the middle of batches, compressed or not, and the ends of the log."""
    hand = Hand(broker.bootstrap)
    hand.create_topic(name)
    with Driver(client, broker.bootstrap, api_version=pinned) as old, Driver(NEW[0], broker.bootstrap) as new:
        for codec in CODECS:
            new.produce(name, [record(value=b"%d" % n) for n in range(10)], codec=codec)
        assert old.call("seek", topic=name, partition=0, to=[0, 5, 13, 25, 39]) == [0, 5, 13, 25, 39]
        assert old.call("ends", topic=name, partition=0) == [0, 40]


@pytest.mark.parametrize("pinned", [(0, 8, 1), (0, 8, 2), (0, 9)], ids=str)
def test_old_programs_commit(broker, name, client, pinned):
    Hand(broker.bootstrap).create_topic(name)
    with Driver(client, broker.bootstrap, api_version=pinned) as old:
        assert old.call("commit", group=name, topic=name, partition=0, offset=42, metadata="note") == [42, "note"]
    with Driver(NEW[0], broker.bootstrap) as new:
        assert new.call("commit", group=name, topic=name, partition=0, offset=43, metadata="") == [43, ""]
