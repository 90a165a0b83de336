"""Calls for operators of a cluster that test_admin.py does not make: each by every client that has it, its effect seen by another client."""

import base64
import os
import uuid

import pytest
from confluent_kafka import Consumer, Producer

from harness.drivers import AGAINST_KAFKA, CLIENTS, Driver, DriverError, Member, can
from harness.hand import Hand
from harness.process import eventually

NO_MEMBER = "(?i)unknown.?member|member is not known"


def by_those_with(operation):
    return pytest.mark.parametrize("client", [client for client in CLIENTS if can(client, operation)])


@by_those_with("check_topic")
def test_check_topic(driver, name, client):
    """A bad request is refused; a good one changes nothing."""
    driver.call("check_topic", topic=name, partitions=1)
    with pytest.raises(DriverError, match="(?i)partitions"):
        driver.call("check_topic", topic=name, partitions=0)
    assert name not in driver.call("list_topics")


@by_those_with("replace_configs")
def test_replace_configs(driver, broker, name, client):
    """All of a topic's configs at once: those that are not named are as if never set."""
    hand = Hand(broker.bootstrap)
    hand.create_topic(name, **{"segment.ms": "7654321"})
    driver.call("replace_configs", topic=name, configs={"max.message.bytes": "54321", "retention.ms": "99999999"})
    eventually("it is altered", lambda: hand.configs(name)["max.message.bytes"] == "54321")
    configs = hand.configs(name)
    assert (configs["retention.ms"], configs["segment.ms"]) == ("99999999", "604800000")


@by_those_with("reset_config")
def test_reset_config(driver, broker, name, client):
    hand = Hand(broker.bootstrap)
    hand.create_topic(name, **{"segment.ms": "7654321"})
    driver.call("reset_config", topic=name, key="segment.ms")
    eventually("it is reset", lambda: hand.configs(name)["segment.ms"] == "604800000")
    assert hand.configs(name)["retention.ms"] == "-1"


@by_those_with("append_config")
def test_append_and_subtract_config(driver, broker, name, client):
    """One of several values of a config."""
    hand = Hand(broker.bootstrap)
    hand.create_topic(name)
    driver.call("append_config", topic=name, key="cleanup.policy", value="compact")
    eventually("it is appended", lambda: set(hand.configs(name)["cleanup.policy"].split(",")) == {"delete", "compact"})
    driver.call("subtract_config", topic=name, key="cleanup.policy", value="delete")
    eventually("it is subtracted", lambda: hand.configs(name)["cleanup.policy"] == "compact")
    with pytest.raises(DriverError, match="(?i)config"):
        driver.call("append_config", topic=name, key="segment.ms", value="5")  # which is no list


@by_those_with("check_config")
def test_check_config(driver, broker, name, client):
    """A bad request is refused; a good one changes nothing."""
    hand = Hand(broker.bootstrap)
    hand.create_topic(name)
    with pytest.raises(DriverError, match="(?i)config"):
        driver.call("check_config", topic=name, key="segment.ms", value="long")
    driver.call("check_config", topic=name, key="segment.ms", value="7654321")
    assert hand.configs(name)["segment.ms"] == "604800000"


@by_those_with("check_partitions")
def test_check_partitions(driver, broker, name, client):
    hand = Hand(broker.bootstrap)
    hand.create_topic(name, 2)
    with pytest.raises(DriverError, match="(?i)partitions"):
        driver.call("check_partitions", topic=name, total=1)
    driver.call("check_partitions", topic=name, total=5)
    assert len(hand.admin.list_topics(name, timeout=10).topics[name].partitions) == 2


@by_those_with("set_configs")
def test_list_topics_with_their_configs(driver, broker, name, client):
    """Those that were set: the topic's own, and what was set for the whole broker (Kafka itself sets min.insync.replicas)."""
    Hand(broker.bootstrap).create_topic(name, **{"segment.ms": "7654321"})
    driver.call("alter_config", kind="broker", topic="1", key="log.index.interval.bytes", value="4444")
    wanted = {"segment.ms": "7654321", "retention.ms": "-1", "index.interval.bytes": "4444"}
    eventually("it has all", lambda: driver.call("set_configs", topic=name).items() >= wanted.items())
    assert set(driver.call("set_configs", topic=name)) <= {*wanted, "min.insync.replicas"}


@by_those_with("alter_broker_config")
def test_broker_configs(driver, broker, client):
    hand = Hand(broker.bootstrap)
    value = str(5000 + CLIENTS.index(client))
    driver.call("alter_config", kind="broker", topic="1", key="log.index.interval.bytes", value=value)
    eventually("it is altered", lambda: hand.broker_configs()["log.index.interval.bytes"] == value)
    if can(client, "describe_configs"):
        configs = driver.call("describe_configs", kind="broker", topic="1")
        assert configs["log.index.interval.bytes"] == value and configs["node.id"] == "1"
    # INVALID_REQUEST for a broker's, which KafkaJS tells by Kafka's explanation alone.
    with pytest.raises(DriverError, match="(?i)invalid|request being malformed"):
        driver.call("alter_config", kind="broker", topic="1", key="log.index.interval.bytes", value="some")
    assert hand.broker_configs()["log.index.interval.bytes"] == value


@by_those_with("create_acl")
def test_acls_cannot_be_changed_without_an_authorizer(driver, client):
    refused = "(?i)security.?(features.?are.?)?disabled|authorizer"
    with pytest.raises(DriverError, match=refused):
        driver.call("delete_acls")
    with pytest.raises(DriverError, match=refused):
        driver.call("create_acl")


@by_those_with("describe_topic")
def test_describe_topic(driver, broker, name, client):
    """The leader of each partition."""
    Hand(broker.bootstrap).create_topic(name, 3)
    assert driver.call("describe_topic", topic=name) == [1, 1, 1]


def id_of(text):
    """A topic's id, which libraries write in hexadecimal or one of two kinds of base64."""
    if len(text) == 36:
        return uuid.UUID(text)
    return uuid.UUID(bytes=base64.urlsafe_b64decode(text.translate(str.maketrans("+/", "-_", "=")) + "=="))


@by_those_with("topic_id")
def test_topic_ids(driver, broker, name, client):
    """A topic's id is the same for everyone, and another one when a topic of that name is made anew."""
    hand, seen = Hand(broker.bootstrap), []
    for _ in range(2):
        hand.create_topic(name)
        seen.append(id_of(driver.call("topic_id", topic=name)))
        assert seen[-1] == id_of(hand.topic_id(name))
        driver.call("delete_topic", topic=name)
        eventually("it is gone", lambda: hand.ends(name) is None)
    assert seen[0] != seen[1]


@by_those_with("topic_of_id")
def test_topics_by_id(driver, broker, name, client):
    hand = Hand(broker.bootstrap)
    hand.create_topic(name)
    topic_id = hand.topic_id(name)
    assert driver.call("topic_of_id", id=topic_id) == name
    driver.call("delete_topic_of_id", id=topic_id)
    eventually("it is gone", lambda: hand.ends(name) is None)
    with pytest.raises(DriverError, match="(?i)topic.?id"):
        driver.call("delete_topic_of_id", id=topic_id)


@by_those_with("list_offsets")
def test_list_offsets(driver, broker, name, client):
    """The first, the end, and where the newest timestamp is, if the library asks for that too."""
    hand = Hand(broker.bootstrap)
    hand.create_topic(name)
    for at in (1_000, 2_000, 9_000, 5_000):
        hand.produce(name, [b"%d" % at], timestamps=[at])
    hand.delete_records(name, 1)
    found = driver.call("list_offsets", topic=name, partition=0)
    assert found == [1, 4, 2][:len(found)] and len(found) == (2 if client.startswith(("sarama", "java-2.8")) else 3)


@by_those_with("group_offsets")
def test_group_offsets(driver, broker, name, client):
    hand = Hand(broker.bootstrap)
    hand.create_topic(name, 2)
    hand.commit(name, name, 0, 3)
    # kafka-go asks for the partitions it knows of, and learns of new topics every 6 s.
    eventually("it is there", lambda: driver.call("group_offsets", group=name, topic=name) == {"0": 3})
    hand.commit(name, name, 1, 7)
    assert driver.call("group_offsets", group=name, topic=name) == {"0": 3, "1": 7}
    assert driver.call("group_offsets", group=f"{name}-other", topic=name) == {}


@by_those_with("set_group_offset")
def test_set_group_offset(driver, broker, name, client):
    """Possible while the group has no members."""
    hand = Hand(broker.bootstrap)
    hand.create_topic(name)
    hand.produce(name, [b"x"] * 10)
    driver.call("set_group_offset", group=name, topic=name, partition=0, offset=6)
    assert hand.committed(name, name, 1) == {0: 6}
    with Member("confluent-kafka-2.16.1", broker.bootstrap, name, name, 45_000) as member:
        eventually("it has committed", lambda: member.pump().committed == {0: 10}, seconds=30)
        assert member.read == {0: [6, 7, 8, 9]}
        with pytest.raises(DriverError, match=f"{NO_MEMBER}|no running instances"):
            driver.call("set_group_offset", group=name, topic=name, partition=0, offset=2)
        assert hand.committed(name, name, 1) == {0: 10}
        member.leave()


@by_those_with("reset_group_offset")
def test_reset_group_offset(driver, broker, name, client):
    hand = Hand(broker.bootstrap)
    hand.create_topic(name)
    hand.produce(name, [b"x"] * 10)
    hand.delete_records(name, 4)
    hand.commit(name, name, 0, 9)
    driver.call("reset_group_offset", group=name, topic=name, partition=0)
    # KafkaJS commits the number by which ListOffsets is asked for the first offset; its members know what is meant.
    assert hand.committed(name, name, 1) == {0: -2 if client.startswith("kafkajs") else 4}
    with Member(client, broker.bootstrap, name, name, 10_000) as member:
        eventually("it has read all", lambda: len(member.pump().read.get(0, [])) >= 6, seconds=60)
    assert member.read == {0: list(range(4, 10))}


@by_those_with("remove_member")
def test_remove_member(driver, broker, name, client):
    """A static member that has closed stays, until it is removed."""
    hand = Hand(broker.bootstrap)
    hand.create_topic(name)
    static = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": name, "group.instance.id": "one", "session.timeout.ms": 300_000})
    static.subscribe([name])
    eventually("it has joined", lambda: static.poll(0.1) or static.assignment(), seconds=30)
    static.close()
    assert len(hand.group(name)[1]) == 1
    with pytest.raises(DriverError, match=NO_MEMBER):
        driver.call("remove_member", group=name, instance="two")
    assert len(hand.group(name)[1]) == 1
    driver.call("remove_member", group=name, instance="one")
    assert hand.group(name) == ("EMPTY", [])


@by_those_with("groups_in_state")
def test_groups_in_state(driver, broker, name, client):
    hand = Hand(broker.bootstrap)
    hand.create_topic(name)
    hand.commit(name, name, 0, 0)

    def listed():
        return [state for state in ("Empty", "Stable") if name in driver.call("groups_in_state", state=state)]

    assert listed() == ["Empty"]
    with Member("confluent-kafka-2.16.1", broker.bootstrap, name, name, 45_000) as member:
        eventually("it has joined", lambda: member.pump().assigned == [0], seconds=30)
        assert listed() == ["Stable"]
        if can(client, "describe_classic_group"):
            assert driver.call("describe_classic_group", group=name) == {"state": "Stable", "members": 1}
        member.leave()
    eventually("it is empty", lambda: listed() == ["Empty"])


@by_those_with("groups_of_type")
def test_groups_of_type(driver, broker, name, client):
    """Groups of the classic protocol and of the new one are told apart."""
    Hand(broker.bootstrap).create_topic(name)

    def listed():
        return [kind for kind in ("classic", "consumer") if name in driver.call("groups_of_type", type=kind)]

    for protocol in ("classic", "consumer"):
        with Member("confluent-kafka-2.16.1", broker.bootstrap, name, name, 45_000, protocol=protocol) as member:
            eventually("it has joined", lambda member=member: member.pump().assigned == [0], seconds=30)
            assert listed() == [protocol]
            if protocol == "consumer" and can(client, "consumer_group"):
                eventually("it is stable", lambda: driver.call("consumer_group", group=name) == {"state": "Stable", "members": 1})
            member.leave()


@by_those_with("coordinator")
def test_coordinator(driver, broker, name, client):
    hand = Hand(broker.bootstrap)
    hand.create_topic(name)
    hand.commit(name, name, 0, 0)  # Kafka has none before the first
    assert driver.call("coordinator", group=name) == 1


@by_those_with("lag")
def test_lag(driver, broker, name, client):
    """The number of records that a group has not read yet."""
    hand = Hand(broker.bootstrap)
    hand.create_topic(name)
    hand.produce(name, [b"x"] * 10)
    hand.commit(name, name, 0, 3)
    assert driver.call("lag", group=name) == 7


@by_those_with("group_offsets_by_id")
def test_group_offsets_by_topic_id(driver, broker, name, client):
    hand = Hand(broker.bootstrap)
    hand.create_topic(name, 2)
    driver.call("set_group_offset_by_id", group=name, topic=name, partition=1, offset=6)
    assert hand.committed(name, name, 2) == {0: -1001, 1: 6}
    assert driver.call("group_offsets_by_id", group=name, topic=name) == {"1": 6}


@by_those_with("reassign")
def test_reassign(driver, broker, name, client):
    """To the only broker, which changes nothing; to a missing one, which is refused."""
    Hand(broker.bootstrap).create_topic(name)
    driver.call("reassign", topic=name, partition=0, replicas=[1])
    with pytest.raises(DriverError, match="(?i)replica"):
        driver.call("reassign", topic=name, partition=0, replicas=[1, 9])
    assert driver.call("reassignments", topic=name) == 0


@by_those_with("producers")
def test_producers(driver, broker, name, client):
    """The last sequence number of each producer that numbers its records."""
    Hand(broker.bootstrap).create_topic(name)
    assert driver.call("producers", topic=name, partition=0) == []
    for count in (5, 3):
        producer = Producer({"bootstrap.servers": broker.bootstrap, "enable.idempotence": True})
        for _ in range(count):
            producer.produce(name, b"x", partition=0)
        assert producer.flush(30) == 0
    assert sorted(driver.call("producers", topic=name, partition=0)) == [2, 4]


@by_those_with("update_feature")
def test_features(driver, broker, client):
    """A feature stays where it is if asked to, and goes nowhere that the broker does not know."""
    found = driver.call("features") if can(client, "features") else {}
    level = found.get("group.version", 1)
    assert not found or (level == 1 and found["metadata.version"] > 20)
    driver.call("update_feature", feature="group.version", level=level)
    for feature, level in {"group.version": 99, "no.such.feature": 1}.items():
        with pytest.raises(DriverError, match="(?i)feature|invalid.?update"):
            driver.call("update_feature", feature=feature, level=level)
    assert not found or driver.call("features") == found


@by_those_with("quorum_leader")
def test_quorum(driver, client):
    assert driver.call("quorum_leader") == 1


def subscribe_to_metrics(broker, name):
    with Driver("java-4.3.0", broker.bootstrap) as java:
        java.call("alter_config", kind="client_metrics", topic=name, key="interval.ms", value="60000")


@by_those_with("metrics_subscriptions")
def test_metrics_subscriptions(driver, broker, name, client):
    assert name not in driver.call("metrics_subscriptions")
    subscribe_to_metrics(broker, name)
    eventually("it is listed", lambda: name in driver.call("metrics_subscriptions"))


@by_those_with("client_instance_id")
def test_client_instance_id(broker, name, client):
    """The broker gives each client one, for its metrics; it keeps it."""
    if AGAINST_KAFKA:
        pytest.skip("Kafka does only with a plugin that takes the metrics")
    subscribe_to_metrics(broker, name)
    # A client of its own: one that connected before the subscription has learned that telemetry is not served.
    with Driver(client, broker.bootstrap) as driver:
        first = driver.call("client_instance_id")
        assert id_of(first).int and driver.call("client_instance_id") == first


@by_those_with("replica_log_dir")
def test_replica_log_dir(driver, broker, name, client):
    Hand(broker.bootstrap).create_topic(name)
    assert os.path.isdir(eventually("it has a folder", lambda: driver.call("replica_log_dir", topic=name, partition=0)))


@by_those_with("end_of_epoch")
def test_end_of_epoch(driver, broker, name, client):
    hand = Hand(broker.bootstrap)
    hand.create_topic(name)
    hand.produce(name, [b"x"] * 10)
    assert driver.call("end_of_epoch", topic=name, partition=0) == 10
