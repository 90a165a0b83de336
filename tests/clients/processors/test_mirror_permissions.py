"""MirrorMaker 2 from one Ottla to another, both with logins by SCRAM and an authorizer, with exactly the permissions that docs/security.md lists.

Records, the topic's ACLs, partitions and configurations, and a group's offsets arrive. Then each permission is withdrawn: MirrorMaker names what it
may not do. `make test-processors` also starts it without each one of those that it needs at its start, and with heartbeats.
"""

import pathlib
import re

import pytest
from confluent_kafka.admin import (AclBindingFilter, AclOperation, AclPermissionType, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions,
                                   ResourcePatternType, ResourceType)

from harness.drivers import AGAINST_KAFKA
from harness.hand import Hand
from harness.mirror import MirrorMaker
from harness.process import eventually
from harness.processors import PATIENCE, committed, environment
from harness.secured import PASSWORD, Secured, grant, withdraw

pytestmark = pytest.mark.skipif(AGAINST_KAFKA, reason="the broker's settings are Ottla's; tests/clients/harness starts Kafka without logins")

USER, TOPIC, THERE, GROUP = "User:mirror", "orders", "source.orders", "orders-readers"
_CLUSTER, _SYNCS = "kafka-cluster", "mm2-offset-syncs.target.internal"
# What it needs: (of which cluster, kind, name, operation).
NEEDS = [
    *(("source", *one) for one in (
        ("TOPIC", "orders*", "READ"), ("TOPIC", "orders*", "DESCRIBE_CONFIGS"), ("GROUP", "orders*", "DESCRIBE"), ("CLUSTER", _CLUSTER, "DESCRIBE"),
        ("TOPIC", _SYNCS, "CREATE"), ("TOPIC", _SYNCS, "READ"), ("TOPIC", _SYNCS, "WRITE"))),
    *(("target", *one) for one in (
        ("GROUP", "source-mm2", "READ"), *(("TOPIC", "mm2-*", operation) for operation in ("CREATE", "READ", "WRITE")),
        *(("TOPIC", "source.*", operation) for operation in ("CREATE", "READ", "WRITE", "ALTER", "ALTER_CONFIGS")),
        ("GROUP", "orders*", "READ"), ("CLUSTER", _CLUSTER, "ALTER"))),
]
# More of it with heartbeats, for the worker of the other direction and their topic.
BEATS = [
    *(("source", *one) for one in (
        ("GROUP", "target-mm2", "READ"), *(("TOPIC", "mm2-*", operation) for operation in ("CREATE", "READ", "WRITE")),
        *(("TOPIC", "heartbeats", operation) for operation in ("CREATE", "READ", "WRITE", "DESCRIBE_CONFIGS")))),
    *(("target", "TOPIC", "heartbeats", operation) for operation in ("CREATE", "WRITE")),
]
_PAGE = pathlib.Path(__file__).resolve().parents[3] / "docs" / "security.md"
_PROPERTIES = """\
refresh.topics.interval.seconds=1
refresh.groups.interval.seconds=600
sync.topic.acls.enabled=true
sync.topic.acls.interval.seconds=1
sync.topic.configs.interval.seconds=1
"""
_LOGIN = """\
{cluster}.security.protocol=SASL_SSL
{cluster}.ssl.truststore.type=PEM
{cluster}.ssl.truststore.location={ca}
{cluster}.sasl.mechanism=SCRAM-SHA-512
{cluster}.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username="mirror" password="{password}";
"""


class Clusters:
    """The two brokers, by name, and MirrorMaker between them."""

    def __init__(self, folder):
        self.brokers = {"source": Secured(), "target": Secured()}
        more = _PROPERTIES + "".join(
            _LOGIN.format(cluster=name, ca=broker.file("ca.pem"), password=PASSWORD) for name, broker in self.brokers.items())
        at = {name: broker.case("SAFE")["bootstrap"] for name, broker in self.brokers.items()}
        self.maker = MirrorMaker(at["source"], at["target"], "orders.*", folder, more)
        self.hands, self.sent = {}, []

    def start(self):
        for name, broker in self.brokers.items():
            broker.start()
            broker.add_scram("mirror")
            self.hands[name] = Hand(broker.bootstrap)
        for cluster, *entry in NEEDS:
            self.grant(cluster, entry)
        self.hands["source"].create_topic(TOPIC)
        self.feed()
        self.hands["source"].commit(GROUP, TOPIC, 0, 10)

    def grant(self, cluster, *entries):
        grant(self.hands[cluster].admin, USER, *entries)

    def withdraw(self, cluster, *entries):
        withdraw(self.hands[cluster].admin, USER, *entries)

    def end(self):
        self.maker.kill()
        for broker in self.brokers.values():
            broker.remove()

    def feed(self, count=10):
        values = [f"order {len(self.sent) + number}".encode() for number in range(count)]
        self.hands["source"].produce(TOPIC, values)
        self.sent += values

    def arrives(self, what, check, seconds=PATIENCE):
        try:
            return eventually(what, lambda: self.maker.runs() and check(), seconds, every=0.2, slowest=1)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.maker.tail()}") from None

    def records_arrive(self):
        self.arrives("the records", lambda: self.copies() == len(self.sent))
        assert self.copied() == self.sent

    def copies(self):
        """How many records the target has, of its first partition; 0 while the topic is missing."""
        return (self.hands["target"].ends(THERE) or (0, 0))[1]

    def copied(self):
        """The records at the target, of its first partition."""
        return [value for _, value in committed(self.brokers["target"].bootstrap, THERE, 1)[0]]

    def acls(self):
        """(principal, operation, permission) of each entry of the topic at the target, except MirrorMaker's own."""
        wanted = AclBindingFilter(ResourceType.TOPIC, THERE, ResourcePatternType.LITERAL, None, None, AclOperation.ANY, AclPermissionType.ANY)
        found = self.hands["target"].admin.describe_acls(wanted).result(30)
        return {(one.principal, one.operation.name, one.permission_type.name) for one in found}


@pytest.fixture
def clusters(tmp_path):
    environment("mirror-4.3.0")
    one = Clusters(tmp_path)
    try:
        one.start()
        yield one
    finally:
        one.end()


def _grows(clusters, partitions):
    clusters.hands["source"].admin.create_partitions([NewPartitions(TOPIC, partitions)])[TOPIC].result(30)


def _retention(clusters, value):
    entry = ConfigEntry("retention.ms", value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ConfigResource.Type.TOPIC, TOPIC, incremental_configs=[entry])
    clusters.hands["source"].admin.incremental_alter_configs([resource])[resource].result(30)


def _mirrors_all(clusters):
    """Everything that it does, with these permissions."""
    source, target = clusters.hands["source"], clusters.hands["target"]
    for user, operation in ("reader", "READ"), ("writer", "WRITE"), ("owner", "ALL"):
        grant(source.admin, f"User:{user}", ("TOPIC", TOPIC, operation))
    clusters.maker.start()
    clusters.records_arrive()
    # It is the only writer: WRITE stays where it is, and ALL becomes READ.
    clusters.arrives("the ACLs", lambda: clusters.acls() == {("User:reader", "READ", "ALLOW"), ("User:owner", "READ", "ALLOW")})
    clusters.arrives("the group's offset", lambda: target.committed(GROUP, THERE, 1)[0] > 0)
    _retention(clusters, "7000000")
    clusters.arrives("the configuration", lambda: target.configs(THERE)["retention.ms"] == "7000000")
    _grows(clusters, 2)
    clusters.arrives("the partition", lambda: target.ends(THERE, 1) == (0, 0))
    clusters.feed()
    clusters.records_arrive()


# Of what it does again and again: permission, what needs it, and its error. The last one ends it.
WITHOUT = [
    ("source", "CLUSTER", "DESCRIBE", None, "ClusterAuthorizationException occurred while trying to describe ACLs on source cluster"),
    ("source", "TOPIC", "DESCRIBE_CONFIGS", None, "TopicAuthorizationException occurred while trying to describe configs"),
    ("target", "CLUSTER", "ALTER", lambda one: grant(one.hands["source"].admin, "User:late", ("TOPIC", TOPIC, "READ")),
     "Could not sync ACL of topic source.orders."),
    ("target", "TOPIC", "ALTER_CONFIGS", lambda one: _retention(one, "8000000"), "Could not alter configuration of topic source.orders."),
    ("target", "TOPIC", "ALTER", lambda one: _grows(one, 3), "Could not create topic-partitions for source.orders."),
    ("target", "TOPIC", "CREATE", lambda one: one.hands["source"].create_topic("orders-more"), "Could not create topic source.orders-more."),
    ("source", "GROUP", "DESCRIBE", None, "GroupAuthorizationException occurred while trying to list offsets for consumer group orders-readers"),
    ("target", "GROUP", "READ", None, "Unable to sync offsets for consumer group orders-readers"),
    # Its fetch finds out ("read from partition orders-0"), or its next look at the topics ("access topics").
    ("source", "TOPIC", "READ", lambda one: one.feed(), "Not authorized to "),
    ("target", "TOPIC", "WRITE", lambda one: one.feed(), "Not authorized to access topics: [source.orders]"),
]
_NOT_AUTHORIZED = "org.apache.kafka.common.errors.TopicAuthorizationException: Not authorized to access topics"
_HERDER_ENDS = "Uncaught exception in herder work thread, exiting: \n"
# Of what it does at its start: permission, and how its log names it.
AT_START = [
    ("target", ("TOPIC", "mm2-*", "CREATE"), f"{_HERDER_ENDS}{_NOT_AUTHORIZED}: [mm2-offsets.source.internal]"),
    ("source", ("TOPIC", _SYNCS, "CREATE"), f"{_NOT_AUTHORIZED}: [{_SYNCS}]"),
    ("source", ("TOPIC", _SYNCS, "READ"), f"Error polling: \n{_NOT_AUTHORIZED}: [{_SYNCS}]"),
    # Not named: the idempotent producer of syncs may write to no topic then, so it is refused its id, which Kafka calls a right on the cluster.
    ("source", ("TOPIC", _SYNCS, "WRITE"),
     "Failure sending offset sync.\norg.apache.kafka.common.errors.ClusterAuthorizationException: Cluster authorization failed."),
    ("target", ("TOPIC", "mm2-*", "READ"), f"Error polling: \n{_NOT_AUTHORIZED}: [mm2-offsets.source.internal]"),
    ("target", ("TOPIC", "mm2-*", "WRITE"),
     f"Failed to write session key to Kafka: \njava.util.concurrent.ExecutionException: {_NOT_AUTHORIZED}: [mm2-configs.source.internal]"),
    # Needed to set a group's offsets, and to read checkpoints of earlier runs.
    ("target", ("TOPIC", "source.*", "READ"), "Failed altering group offsets for the following partitions: [source.orders-0]"),
    ("target", ("GROUP", "source-mm2", "READ"),
     f"{_HERDER_ENDS}org.apache.kafka.common.errors.GroupAuthorizationException: Not authorized to access group: source-mm2"),
]


def _withdrawn(cluster, kind, operation):
    """The entry of NEEDS that WITHOUT means."""
    return next(one for of, *one in NEEDS if of == cluster and (one[0], one[2]) == (kind, operation) and one[1] not in (_SYNCS, "mm2-*", "source-mm2"))


def _says(clusters, text, since=0):
    try:
        # Its first look at the topics, and all that follows from it, takes longer than most things here.
        eventually(f"{text} in its log", lambda: text in clusters.maker.said(since), seconds=60, every=0.5)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{clusters.maker.tail()}") from None


@pytest.mark.short
def test_it_mirrors_with_the_least_permissions_and_names_what_is_missing(clusters):
    _mirrors_all(clusters)
    assert "AuthorizationException" not in clusters.maker.said(), clusters.maker.tail()
    for cluster, kind, operation, act, error in WITHOUT:
        entry = _withdrawn(cluster, kind, operation)
        since = clusters.maker.logged()
        clusters.withdraw(cluster, entry)
        if act:
            act(clusters)
        _says(clusters, error, since)
        clusters.grant(cluster, entry)


@pytest.mark.parametrize("cluster, entry, error", AT_START, ids=[f"{entry[2]}-{entry[1]}-{cluster}" for cluster, entry, _ in AT_START])
def test_it_names_what_is_missing_at_its_start(clusters, cluster, entry, error):
    clusters.withdraw(cluster, entry)
    clusters.maker.start()
    _says(clusters, error)
    if _HERDER_ENDS in error:
        assert clusters.maker.ends() == 1
    clusters.maker.kill()
    # With that permission it needs no other. What it had copied without writing down how far it came may be there twice.
    clusters.grant(cluster, entry)
    since = clusters.maker.logged()
    clusters.feed()
    clusters.maker.start()
    clusters.arrives("the records", lambda: clusters.copies() >= len(clusters.sent) and set(clusters.copied()) == set(clusters.sent))
    assert "AuthorizationException" not in clusters.maker.said(since), clusters.maker.tail()


def test_it_sends_heartbeats_with_the_permissions_of_the_page(clusters):
    clusters.maker.set("emit.heartbeats.enabled=true", "emit.heartbeats.interval.seconds=1")
    for cluster, *entry in BEATS:
        clusters.grant(cluster, entry)
    clusters.maker.start()
    clusters.records_arrive()
    for cluster, topic in ("source", "heartbeats"), ("target", "heartbeats"), ("target", "source.heartbeats"):
        clusters.arrives(f"heartbeats in {topic} of the {cluster}", lambda: (clusters.hands[cluster].ends(topic) or (0, 0))[1] > 0)
    assert "AuthorizationException" not in clusters.maker.said(), clusters.maker.tail()


@pytest.mark.short
def test_each_need_is_on_the_page_and_is_withdrawn():
    # Heads of rows, what they list, and how they call the names that are not the user's own.
    for head, needs, names in (
            ("MirrorMaker 2, at the source", [one for one in NEEDS if one[0] == "source"], ("mm2-offset-syncs.TARGET.internal",)),
            ("… at the target", [one for one in NEEDS if one[0] == "target"], ("SOURCE-mm2", "mm2-", "SOURCE.")),
            ("… unless `emit.heartbeats.enabled=false`", BEATS, ("TARGET-mm2", "mm2-", "heartbeats"))):
        (row,) = re.findall(rf"^\| {re.escape(head)} \|(.*)\|$", _PAGE.read_text(encoding="utf-8"), re.M)
        # Such as: TOPIC:Create, Read and Write
        told = [(kind, operation.upper()) for kind, operations in re.findall(r"([A-Z]+):((?:[A-Z]\w+(?:, | and |\b))+)", row)
                for operation in re.findall(r"[A-Z]\w+", operations)]
        assert sorted(told) == sorted((kind, operation.replace("_", "")) for _, kind, _, operation in needs), row
        assert all(f"`{name}`" in row for name in names), row
    withdrawn = {(cluster, *_withdrawn(cluster, kind, operation)) for cluster, kind, operation, *_ in WITHOUT}
    assert withdrawn | {(cluster, *entry) for cluster, entry, _ in AT_START} == set(NEEDS)
