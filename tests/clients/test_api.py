"""Calls of programs besides reading and writing: acks, seek, times, pause, commit, groups and topics, by every client."""

import time

import pytest

from harness.drivers import CLIENTS, JAVA, DriverError, can
from harness.hand import Hand
from harness.process import eventually
from harness.records import numbered, record

# Those that can be told to; franz-go and Java from 3.0 on do it unasked.
IDEMPOTENT = ["confluent-kafka-2.16.1", "aiokafka-0.14.0", *JAVA, "kcat", "franz-go-1.22.2", "sarama-1.61.1-as-2.1.0", "sarama-1.61.1-as-4.3.1",
              "kafka-javascript-1.10.1"]
WITH_ADMIN = [client for client in CLIENTS if client != "kcat"]


@pytest.mark.parametrize("client", WITH_ADMIN)
def test_is_the_version_it_is_named_after(driver, client):
    assert client.rsplit("-", 1)[-1] in [found.removeprefix("v") for found in driver.call("versions").values()]


@pytest.mark.parametrize("acks", ["0", "1", "all"])
@pytest.mark.parametrize("client", CLIENTS)
def test_acks(driver, broker, name, client, acks):
    hand = Hand(broker.bootstrap)
    hand.create_topic(name)
    offsets = driver.produce(name, numbered(20), acks=acks)
    if client == "kafka-python-2.3.3" and acks == "0":
        # Its acks=0 requests stay in the client's buffer until something else is sent on that connection (FINDINGS.md).
        assert hand.ends(name) == (0, 0)
        return
    if client != "kcat":  # kcat reports none
        assert offsets == ([None] * 20 if acks == "0" else list(range(20)))
    eventually("all twenty are there", lambda: hand.ends(name) == (0, 20))
    assert [one["value"] for one in driver.consume(name, 20)] == [b"%d" % n for n in range(20)]


@pytest.mark.parametrize("client", IDEMPOTENT)
def test_idempotent_producer(driver, broker, name, client):
    Hand(broker.bootstrap).create_topic(name)
    for run in range(2):  # a new producer, so a new producer id, each time
        offsets = driver.produce(name, numbered(50), idempotent=True)
        if client != "kcat":
            assert offsets == list(range(run * 50, run * 50 + 50))
    assert [int(one["value"]) for one in driver.consume(name, 100)] == [*range(50), *range(50)]


@pytest.mark.parametrize("client", CLIENTS)
def test_seek_and_ends(driver, broker, name, client):
    hand = Hand(broker.bootstrap)
    hand.create_topic(name)
    assert driver.call("ends", topic=name, partition=0) == [0, 0]
    hand.produce(name, [b"%d" % n for n in range(100)])
    assert driver.call("ends", topic=name, partition=0) == [0, 100]
    assert driver.call("seek", topic=name, partition=0, to=[99, 0, 50, 51]) == [99, 0, 50, 51]


@pytest.mark.parametrize("client", CLIENTS)
def test_offsets_for_times(driver, broker, name, client):
    """The first offset whose record is as late or later; none beyond the last."""
    Hand(broker.bootstrap).create_topic(name)
    writer = driver if client != "kcat" else None
    times = [1_000, 2_000, 2_000, 5_000, 4_000, 9_000]
    if writer is None:
        pytest.skip("kcat dates records itself: its lookup is tested in c/")
    for at in times:  # a batch each, so that the answer does not hang on where a batch begins
        writer.produce(name, [record(value=b"%d" % at, timestamp=at)], linger_ms=0)
    found = driver.call("offsets_for_times", topic=name, partition=0, timestamps=[0, 1_000, 1_001, 2_000, 3_000, 5_001, 9_001])
    wanted = [(0, 1_000), (0, 1_000), (1, 2_000), (1, 2_000), (3, 5_000), (5, 9_000), None]
    assert [None if one is None else one[0] for one in found] == [None if one is None else one[0] for one in wanted]
    for one, expected in zip(found, wanted, strict=True):
        if one is not None and one[1] is not None:  # librdkafka keeps the timestamp to itself
            assert one[1] == expected[1]


@pytest.mark.parametrize("client", WITH_ADMIN)
def test_pause_and_resume(driver, broker, name, client):
    if not can(client, "pause"):
        pytest.skip(f"{client} has no call for it")
    hand = Hand(broker.bootstrap)
    hand.create_topic(name, 2)
    for partition in (0, 1):
        hand.produce(name, [b"x"] * 10, partition)
    assert driver.call("pause", topic=name) == [[0], [1]]


@pytest.mark.parametrize("client", WITH_ADMIN)
def test_commit_without_membership(driver, broker, name, client):
    hand = Hand(broker.bootstrap)
    hand.create_topic(name)
    hand.produce(name, [b"x"] * 10)
    assert driver.call("commit", group=name, topic=name, partition=0, offset=7, metadata="why: \u2713") == [7, "why: \u2713"]
    assert hand.committed(name, name, 1) == {0: 7}
    if can(client, "list_groups", "describe_group"):
        assert name in driver.call("list_groups")
        assert driver.call("describe_group", group=name) == {"state": "Empty", "members": 0}


@pytest.mark.parametrize("client", WITH_ADMIN)
def test_delete_group(driver, broker, name, client):
    if not can(client, "delete_group"):
        pytest.skip(f"{client} has no call for it")
    hand = Hand(broker.bootstrap)
    hand.create_topic(name)
    driver.call("commit", group=name, topic=name, partition=0, offset=0, metadata="")
    driver.call("delete_group", group=name)
    assert name not in driver.call("list_groups")


@pytest.mark.parametrize("client", WITH_ADMIN)
def test_topics_from_creation_to_deletion(driver, broker, name, client):
    driver.call("create_topic", topic=name, partitions=3, configs={"retention.ms": "123456", "cleanup.policy": "delete"})
    listed(driver, name, 3)
    if can(client, "describe_configs"):
        configs = driver.call("describe_configs", topic=name)
        assert configs["retention.ms"] == "123456"
        # Kafka's defaults, for keys that were not given; every key is there.
        assert configs["max.message.bytes"] == "1048588" and configs["segment.bytes"] == "1073741824"
        assert len(configs) >= 30
    with pytest.raises(DriverError, match="(?i)exists"):
        driver.call("create_topic", topic=name, partitions=1, configs={})
    if can(client, "create_partitions"):
        driver.call("create_partitions", topic=name, total=5)
        listed(driver, name, 5)
        with pytest.raises(DriverError, match="(?i)partitions|would not be an increase"):
            driver.call("create_partitions", topic=name, total=2)
    driver.call("delete_topic", topic=name)
    eventually("it is gone", lambda: name not in driver.call("list_topics"))
    # The same name again is another topic: nothing of the first is left.
    driver.call("create_topic", topic=name, partitions=1, configs={})
    listed(driver, name, 1)
    assert driver.call("ends", topic=name, partition=0) == [0, 0]


def listed(driver, topic, partitions):
    eventually(f"{topic} is listed", lambda: topic in driver.call("list_topics"))
    wanted = list(range(partitions))
    eventually(f"{partitions} partitions", lambda: driver.call("partitions_for_topic", topic=topic) == wanted)


@pytest.mark.parametrize("client", WITH_ADMIN)
def test_a_topic_is_created_by_the_first_record(driver, broker, name, client):
    try:
        assert driver.produce(name, [record(value=b"first")]) == [0]
    except DriverError as error:
        # Kafka creates it meanwhile; kafka-go, unlike the others, leaves it to the program to try again.
        assert client.startswith("kafka-go") and "Unknown Topic Or Partition" in str(error)
        eventually(f"{name} is listed", lambda: name in driver.call("list_topics"))
        assert driver.produce(name, [record(value=b"first")]) == [0]
    assert [one["value"] for one in driver.consume(name, 1)] == [b"first"]


@pytest.mark.parametrize("client", CLIENTS)
def test_a_consumer_waits_for_what_comes(driver, broker, name, client):
    """A read that begins before the record is there ends when it comes, not at a timeout."""
    if client == "kcat":
        pytest.skip("kcat is told to end at the end: waiting is tested in c/")
    hand = Hand(broker.bootstrap)
    hand.create_topic(name)
    driver.ask("consume", topic=name, counts={0: 1}, timeout=30)
    assert driver.next(1.5) is None
    sent = time.monotonic()
    hand.produce(name, [b"at last"])
    assert len(driver.answer(20)) == 1 and time.monotonic() - sent < 10
