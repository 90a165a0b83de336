"""Each kind of client runs with exactly the permissions that docs/security.md lists for it, and fails in its own way without any one of them."""

import itertools
import re

import pytest
from confluent_kafka.admin import AdminClient

from harness.connect import Worker
from harness.drivers import AGAINST_KAFKA, Driver
from harness.hand import Hand
from harness.process import eventually
from harness.secured import PASSWORD, Secured, grant
from harness.session import WHOLE, run

pytestmark = pytest.mark.skipif(AGAINST_KAFKA, reason="the broker's settings are Ottla's; tests/clients/harness starts Kafka without logins")

JAVA, OLD_JAVA, RDKAFKA = "java-4.3.0", "java-1.1.1", "confluent-kafka-2.16.1"
TOPIC = "orders"
WRITE, READ, GROUP = ("TOPIC", TOPIC, "WRITE"), ("TOPIC", "read", "READ"), ("GROUP", "readers*", "READ")
TRANSACTION, CREATE = ("TRANSACTIONAL_ID", "pay*", "WRITE"), ("TOPIC", "made-*", "CREATE")
# Kind: client, what it does, and the error without each permission.
KINDS = {
    "producer": (JAVA, {"steps": ["produce"], "idempotent": False}, {WRITE: "TopicAuthorizationException"}),
    "idempotent": (JAVA, {"steps": ["produce"]}, {WRITE: "TopicAuthorizationException"}),
    # Brokers before 2.8 wanted IdempotentWrite on the cluster as well (KIP-679).
    "old": (OLD_JAVA, {"steps": ["produce"], "idempotent": True}, {WRITE: "TopicAuthorizationException"}),
    "transactional": (JAVA, {"steps": ["transact"]}, {WRITE: "TopicAuthorizationException", TRANSACTION: "TransactionalIdAuthorizationException"}),
    "consumer": (JAVA, {"steps": ["consume"], "topic": "read"}, {READ: "TopicAuthorizationException", GROUP: "GroupAuthorizationException"}),
    "creator": (JAVA, {"steps": ["create"]}, {CREATE: "TopicAuthorizationException"}),
    "librdkafka-producer": (RDKAFKA, {"steps": ["produce"]}, {WRITE: "TOPIC_AUTHORIZATION_FAILED"}),
    "librdkafka-consumer": (RDKAFKA, {"steps": ["consume"], "topic": "read"},
                            {READ: "TOPIC_AUTHORIZATION_FAILED", GROUP: "GROUP_AUTHORIZATION_FAILED"}),
    "librdkafka-creator": (RDKAFKA, {"steps": ["create"]}, {CREATE: "TOPIC_AUTHORIZATION_FAILED"}),
}


def _without():
    """(user, kind, permission that the user lacks or None)"""
    for kind, (_, _, errors) in KINDS.items():
        yield kind, kind, None
        for number, entry in enumerate(errors):
            yield f"{kind}-{number}", kind, entry


USERS = {user: (kind, lacks) for user, kind, lacks in _without()}


@pytest.fixture(scope="module")
def secured():
    broker = Secured(users=(*USERS, "streams", "connect"))
    try:
        broker.start()
        hand, admin = Hand(broker.bootstrap), AdminClient({"bootstrap.servers": broker.bootstrap})
        for topic in TOPIC, "read":
            hand.create_topic(topic)
        hand.produce("read", [*(b"record %d" % number for number in range(19)), bytes(300_000)])
        for user, (kind, lacks) in USERS.items():
            allowed = [entry for entry in KINDS[kind][2] if entry != lacks]
            if allowed:
                grant(admin, f"User:{user}", *allowed)
        yield broker
        assert broker.stop() == 0, broker.tail()
    finally:
        broker.remove()


@pytest.mark.parametrize("client", [JAVA, OLD_JAVA, RDKAFKA])
def test_each_kind_needs_exactly_its_permissions(secured, client):
    cases, wanted = {}, {}
    for user, (kind, lacks) in USERS.items():
        of, does, errors = KINDS[kind]
        if of == client:
            case = {"topic": f"made-{user}" if "create" in does["steps"] else TOPIC, "group": f"readers-{user}", "transactional_id": f"pay-{user}", **does}
            cases[user] = secured.case("SAFE", "PLAIN", user=user, **case)
            wanted[user] = errors.get(lacks)
    answers = run(client, cases)

    def is_right(user):
        answer = answers[user]
        if wanted[user]:
            return re.search(wanted[user], answer.get("error", ""))
        return "error" not in answer and answer.get("read", WHOLE) == WHOLE

    wrong = {user: (wanted[user], answers[user]) for user in cases if not is_right(user)}
    assert not wrong, wrong


def _logs_in_as(user):
    return {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN",
            "sasl.jaas.config": f'org.apache.kafka.common.security.plain.PlainLoginModule required username="{user}" password="{PASSWORD}";'}


def test_streams(secured, tmp_path):
    """It makes a repartition topic, empties it behind itself, and has its counts in a changelog."""
    hand, admin, application = Hand(secured.bootstrap), AdminClient({"bootstrap.servers": secured.bootstrap}), "words"
    for topic in "lines", "counts":
        hand.create_topic(topic)
    inner = [("TOPIC", f"{application}-*", operation) for operation in ("CREATE", "READ", "WRITE", "DELETE")]
    grant(admin, "User:streams", ("TOPIC", "lines", "READ"), ("TOPIC", "counts", "WRITE"), ("GROUP", application, "READ"), *inner)
    config = {**_logs_in_as("streams"), "application.id": application, "state.dir": str(tmp_path), "commit.interval.ms": 200,
              "repartition.purge.interval.ms": 500, "auto.offset.reset": "earliest"}
    hand.produce("lines", [b"one two", b"two"])
    with Driver("streams-4.3.0", secured.case("BARE")["bootstrap"], "count", lines="lines", counts="counts", config=config) as program:
        eventually("it has counted", lambda: program.call("counts") == {"one": 1, "two": 2}, seconds=60)

        def emptied():
            return hand.ends(f"{application}-words-repartition") == (3, 3)

        eventually("the repartition topic is emptied", emptied, seconds=60)
        assert not program.call("state")["fatal"]


def test_connect(secured, tmp_path):
    """A worker that makes its three topics, a source that makes its topic, and a sink."""
    hand, admin, name = Hand(secured.bootstrap), AdminClient({"bootstrap.servers": secured.bootstrap}), "files"
    own = [("TOPIC", f"{name}-*", operation) for operation in ("CREATE", "READ", "WRITE")]
    grant(admin, "User:connect", ("GROUP", name, "READ"), *own,
          *(("TOPIC", "copied", operation) for operation in ("CREATE", "WRITE", "READ")), ("GROUP", "connect-sink", "READ"))
    logins = "".join(f"{prefix}{key}={value}\n" for prefix, (key, value) in itertools.product(
        ("", "producer.", "consumer.", "admin."), _logs_in_as("connect").items()))
    source, sink = tmp_path / "source", tmp_path / "sink"
    source.write_text("one\ntwo\n", encoding="utf-8")
    worker = Worker(secured, name, tmp_path, logins + f"bootstrap.servers={secured.case('BARE')['bootstrap']}\n")
    at = "org.apache.kafka.connect.file.FileStream"
    try:
        worker.start()
        worker.ask("PUT", "/connectors/source/config", {
            "connector.class": f"{at}SourceConnector", "tasks.max": "1", "file": str(source), "topic": "copied",
            "topic.creation.default.partitions": "1", "topic.creation.default.replication.factor": "-1"})
        eventually("the source has written", lambda: hand.ends("copied") == (0, 2), seconds=60)
        worker.ask("PUT", "/connectors/sink/config", {
            "connector.class": f"{at}SinkConnector", "tasks.max": "1", "file": str(sink), "topics": "copied"})
        eventually("the lines arrive", lambda: sink.exists() and sink.read_text() == "one\ntwo\n", seconds=60)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{worker.tail()}") from None
    finally:
        worker.kill()
