"""Requests that the broker refuses: every client reports the refusal, and goes on working after it."""

import re

import pytest

from harness.broker import new_broker
from harness.drivers import CLIENTS, Driver, DriverError, Member, can
from harness.hand import Hand
from harness.process import eventually
from harness.records import numbered, record

WITH_ADMIN = [client for client in CLIENTS if client != "kcat"]

# Libraries name an error by its class, its code or Kafka's words for it.
REFUSED = {
    "a name that is none": (dict(topic="no/slash", partitions=1, configs={}), "(?i)invalid.?topic|invalid topic|topic.*invalid|illegal"),
    "no partitions": (dict(partitions=0, configs={}), "(?i)partitions"),
    "a key that is none": (dict(partitions=1, configs={"no.such.key": "1"}), "(?i)config"),
    "a value of the wrong type": (dict(partitions=1, configs={"retention.ms": "soon"}), "(?i)config"),
    "a value out of bounds": (dict(partitions=1, configs={"max.message.bytes": "-1"}), "(?i)config"),
}

# "failed to decode member metadata": it takes librdkafka's for its own, older, form (FINDINGS.md).
CANNOT_READ_LIBRDKAFKA = {"kafka-go-0.4.51"}


@pytest.mark.parametrize("client", WITH_ADMIN)
def test_invalid_topics(driver, name, client):
    for what, (asked, words) in REFUSED.items():
        with pytest.raises(DriverError, match=words):
            driver.call("create_topic", **{"topic": name, **asked})
            pytest.fail(f"created with {what}")
    with pytest.raises(DriverError, match="(?i)unknown.?topic|does not host this topic|does not exist|not have"):
        driver.call("delete_topic", topic=name)
    assert name not in driver.call("list_topics")
    driver.call("create_topic", topic=name, partitions=1, configs={})
    assert driver.produce(name, [record(value=b"works")]) == [0]


@pytest.mark.parametrize("client", WITH_ADMIN)
def test_groups_that_cannot_be_deleted(driver, broker, name, client):
    if not can(client, "delete_group"):
        pytest.skip(f"{client} has no call for it")
    hand = Hand(broker.bootstrap)
    hand.create_topic(name)
    hand.commit(f"{name}-other", name, 0, 0)  # so that Kafka has a coordinator: not every client waits for it
    with pytest.raises(DriverError, match="(?i)group.?id.*(not.?found|does not exist)|group.?id.?not.?found"):
        driver.call("delete_group", group=name)
    with Member("confluent-kafka-2.16.1", broker.bootstrap, name, name, 45_000) as member:
        eventually("it has joined", lambda: member.pump().assigned == [0], seconds=30)
        with pytest.raises(DriverError, match="(?i)not.?empty|non.?empty"):
            driver.call("delete_group", group=name)
        if client not in CANNOT_READ_LIBRDKAFKA:
            assert driver.call("describe_group", group=name) == {"state": "Stable", "members": 1}
        member.leave()
    eventually("it is empty", lambda: hand.group(name)[1] == [], seconds=20)


# What a reader that was told not to mend a wrong offset does all the same, by the place of the offset: both have no setting against it.
MENDS_OFFSETS = {"kafkajs-2.2.4": {"before the first", "beyond the end"}, "kafka-go-0.4.51": {"before the first"}}
# It hands over librdkafka's code, without the reason that librdkafka gives with it.
OUT_OF_RANGE = {"kafka-javascript-1.10.1": "No offset to automatically reset to"}


@pytest.mark.parametrize("client", CLIENTS)
def test_missing_offsets(driver, broker, name, client):
    """A reader hears of an offset before the first or beyond the end; the end itself is a place to wait at."""
    hand = Hand(broker.bootstrap)
    hand.create_topic(name)
    hand.produce(name, [b"%d" % n for n in range(10)])
    hand.delete_records(name, 4)
    for where, offset in {"before the first": 3, "beyond the end": 11}.items():
        if where in MENDS_OFFSETS.get(client, ()):
            assert driver.call("read_at", topic=name, partition=0, offset=offset, timeout=20)[0] == 4
            continue
        with pytest.raises(DriverError, match=OUT_OF_RANGE.get(client, "(?i)offset.?out.?of.?range|outside the range of offsets")):
            found = driver.call("read_at", topic=name, partition=0, offset=offset, timeout=20)
            pytest.fail(f"read {found} {where}")
    for offset in (4, 9):
        assert driver.call("read_at", topic=name, partition=0, offset=offset, timeout=20)[0] == offset
    driver.ask("read_at", topic=name, partition=0, offset=10, timeout=30)
    assert driver.next(2) is None
    hand.produce(name, [b"10"])
    assert driver.answer(40) == [10]


@pytest.mark.parametrize("committed", [2, 99])
@pytest.mark.parametrize("client", CLIENTS)
def test_missing_committed_offset(broker, name, client, committed):
    """A member whose place in the log is gone, or never was, begins where its policy says: at the first record that is there."""
    hand = Hand(broker.bootstrap)
    hand.create_topic(name)
    hand.produce(name, [b"x"] * 10)
    hand.delete_records(name, 4)
    hand.commit(name, name, 0, committed)
    with Member(client, broker.bootstrap, name, name, 10_000) as member:
        if client.startswith("kafka-go") and committed > 10:  # it has no policy for that, and tries again until there are as many records
            eventually("it has joined", lambda: member.pump().assigned == [0], seconds=60)
            assert member.pump(3).read == {}
            return
        eventually("it has read all", lambda: len(member.pump().read.get(0, [])) >= 6, seconds=60)
    assert member.read == {0: list(range(4, 10))}


@pytest.mark.parametrize("client", [client for client in CLIENTS if not client.startswith("kafka-go")])
def test_missing_committed_offset_and_the_end(broker, name, client):
    """As above, told to begin at the end: nothing that was there is read, all that comes is."""
    hand = Hand(broker.bootstrap)
    hand.create_topic(name)
    hand.produce(name, [b"x"] * 10)
    hand.commit(name, name, 0, 99)
    with Member(client, broker.bootstrap, name, name, 10_000, reset="latest") as member:
        eventually("it has joined", lambda: member.pump().assigned == [0], seconds=60)

        def reads():  # it is not seen when it has found its place: what comes before that is not for it
            hand.produce(name, [b"y"])
            return member.pump(0.3).read.get(0)

        first = eventually("it reads what comes", reads, seconds=60)[0]
        last = hand.ends(name)[1] - 1
        eventually("it has read all", lambda: member.pump().read[0][-1] == last)
    assert first >= 10 and member.read == {0: list(range(first, last + 1))}


@pytest.mark.parametrize("client", CLIENTS)
def test_session_timeout_below_the_minimum(broker, name, client):
    """A member that asks for less than the broker's group.min.session.timeout.ms is told so, and is not let in."""
    hand = Hand(broker.bootstrap)
    hand.create_topic(name)
    with Member(client, broker.bootstrap, name, name, 2_000) as member:
        told = "(?i)invalid.?session.?timeout|session timeout is (not within|outside)"
        eventually("it is told", lambda: re.search(told, "".join(member.errors)), seconds=30)
    assert hand.group(name)[1] == []


@pytest.mark.parametrize("client", WITH_ADMIN)
def test_missing_group(driver, broker, name, client):
    """Newer versions of DescribeGroups have an error for it, older ones a state."""
    if not can(client, "describe_group"):
        pytest.skip(f"{client} has no call for it")
    hand = Hand(broker.bootstrap)
    hand.create_topic(name)
    hand.commit(f"{name}-other", name, 0, 0)  # so that Kafka has a coordinator: not every client waits for it
    try:
        assert driver.call("describe_group", group=name) == {"state": "Dead", "members": 0}
    except DriverError as error:
        assert re.search("(?i)group.?id.?not.?found|group.*not found", str(error)), error
    groups = driver.call("list_groups")
    assert f"{name}-other" in groups and name not in groups


# Java's, and older kafka-python's, CommitFailed is the same error with much advice.
NO_MEMBER = "(?i)unknown.?member|member is not known|CommitFailed.*since the group has already"


@pytest.mark.parametrize("client", WITH_ADMIN)
def test_commit_by_a_client_that_is_no_member(driver, broker, name, client):
    """A client that is no member cannot move the members' offsets; once they have left, it can."""
    if client.startswith("kafkajs"):
        pytest.skip("it commits as a member only")
    hand = Hand(broker.bootstrap)
    hand.create_topic(name)
    hand.produce(name, [b"x"] * 10)
    with Member("confluent-kafka-2.16.1", broker.bootstrap, name, name, 45_000) as member:
        eventually("it has committed", lambda: member.pump().committed == {0: 10}, seconds=30)
        with pytest.raises(DriverError, match=NO_MEMBER):
            driver.call("commit", group=name, topic=name, partition=0, offset=12, metadata="after")
            pytest.fail("committed")
        assert hand.committed(name, name, 1) == {0: 10}
        member.leave()
    eventually("it is empty", lambda: hand.group(name)[1] == [], seconds=20)
    assert driver.call("commit", group=name, topic=name, partition=0, offset=12, metadata="after") == [12, "after"]


@pytest.fixture(scope="module")
def strict_broker():
    """Creates no topic unasked, as brokers in production are run."""
    one = new_broker(overrides=["auto.create.topics.enable=false"])
    try:
        one.start()
        yield one
    finally:
        one.remove()


UNKNOWN_TOPIC = "(?i)unknown.?topic|does not (host|exist)|not have"
# The others' readers wait for a topic that may still come.
TELLS_OF_NO_TOPIC = {client for client in CLIENTS if client.startswith(("kcat", "sarama", "kafkajs", "franz"))}


# Before Java 3.9, and by kafka-python, a writer is told that it waited in vain, not what for.
NO_METADATA = f"{UNKNOWN_TOPIC}|failed to update metadata|not present in metadata"


@pytest.mark.parametrize("client", CLIENTS)
def test_missing_topic(strict_broker, name, client):
    """A writer hears of it, a reader does or waits for it; neither creates it, and it is read as soon as it is there."""
    hand = Hand(strict_broker.bootstrap)
    reading = dict(topic=name, partition=0, offset=0, timeout=60)
    with Driver(client, strict_broker.bootstrap) as driver:
        try:
            assert driver.call("partitions_for_topic", topic=name) == []
        except DriverError as error:
            assert re.search(UNKNOWN_TOPIC, str(error)), error
        with pytest.raises(DriverError, match=NO_METADATA):
            pytest.fail(f"written at {driver.produce(name, [record(value=b'x')], bears_ms=2000)}")
        if client in TELLS_OF_NO_TOPIC:
            with pytest.raises(DriverError, match=UNKNOWN_TOPIC):
                pytest.fail(f"read {driver.call('read_at', **reading)}")
        else:
            driver.ask("read_at", **reading)
            assert driver.next(5) is None
        assert hand.ends(name) is None
        hand.create_topic(name)
        hand.produce(name, [b"x"])
        assert (driver.answer(70) if driver.asked else driver.call("read_at", **reading)) == [0]
        assert driver.produce(name, [record(value=b"y")]) == ([1] if client != "kcat" else None)
