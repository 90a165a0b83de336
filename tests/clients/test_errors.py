"""What users see when they ask for what cannot be: every client reports the broker's refusal, and goes on working after it."""

import pytest

from harness.drivers import CLIENTS, DriverError, Member, can
from harness.hand import Hand
from harness.process import eventually
from harness.records import record

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
def test_topics_that_cannot_be(driver, name, client):
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
    with pytest.raises(DriverError, match="(?i)group.?id.*(not.?found|does not exist)|group.?id.?not.?found"):
        driver.call("delete_group", group=name)
    hand = Hand(broker.bootstrap)
    hand.create_topic(name)
    with Member("confluent-kafka-2.16.1", broker.bootstrap, name, name, 45_000) as member:
        eventually("it has joined", lambda: member.pump().assigned == [0], seconds=30)
        with pytest.raises(DriverError, match="(?i)not.?empty|non.?empty"):
            driver.call("delete_group", group=name)
        if client not in CANNOT_READ_LIBRDKAFKA:
            assert driver.call("describe_group", group=name) == {"state": "Stable", "members": 1}
        member.leave()
    eventually("it is empty", lambda: hand.group(name)[1] == [], seconds=20)
