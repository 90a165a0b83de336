"""Traffic with logins that last a few seconds, by every stock client: no record is lost or doubled, and no error where the library logs in again.

Each client has a listener of its own, so that the broker's metrics tell of it alone. The short form has 12 s of traffic and logins of 3 s;
`OTTLA_SESSION_SECONDS=120` lasts that long with logins of 5 s, and `OTTLA_ALL_VERSIONS=yes` takes every version of a library.
"""

import collections
import concurrent.futures
import os
import re
import urllib.request

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from harness.broker import Kafka, Ottla
from harness.drivers import AGAINST_KAFKA, JAVA, KAFKA_PYTHON
from harness.hand import Hand
from harness.process import free_port
from harness.secured import PASSWORD, add_scram
from harness.session import run
from test_secured_clients import CLIENTS, LACKS

# All clients work at the same time, with one broker: in one worker.
pytestmark = pytest.mark.xdist_group("short-sessions")

SECONDS = int(os.environ.get("OTTLA_SESSION_SECONDS", "12"))
LIFE_MS = 3000 if SECONDS < 60 else 5000
# Seconds that reading to the end, or one acknowledgement, may take after that.
_PATIENCE = 20
_MODULES = "org.apache.kafka.common.security"
_METRICS = {"logins": "successful_authentication_total", "renewed": "successful_reauthentication_total", "killed": "expired_connections_killed_count"}
# What the application is told by a library that does not log in again on its connection (KIP-368): a regular expression for each error, and why.
_SENDS_ONCE = ("producer: KafkaConnectionError: .*", "`retries` is 0 by default; the consumer connects again in silence")
_JAVA = ("producer: (Network|Disconnect)Exception: .*", _SENDS_ONCE[1])
_CLOSED = "EOF|.*(closed network connection|connection reset by peer|broken pipe)"
_NOTHING = ("(?!)", "it sends again by itself")
RECONNECTS = {
    **dict.fromkeys(KAFKA_PYTHON[:2], _SENDS_ONCE), **dict.fromkeys(JAVA[:2], _JAVA),
    KAFKA_PYTHON[2]: _NOTHING, "aiokafka-0.14.0": _NOTHING,
    "kcat": ("(producer|consumer): % ERROR: Local: (All broker connections are down: .*|.*Broker transport failure.*)",
             "librdkafka before 2.2: it sends again by itself, but tells of each closed connection"),
    "sarama-handshake-0": (f"consumer: kafka: error while consuming .*: ({_CLOSED}|kafka: broker not connected)",
                           "after this handshake nothing tells how long a login lasts; it sends again by itself (`Producer.Retry.Max` is 3)"),
    "kafka-go": (f"consumer: committing message: ({_CLOSED})",
                 "its writer sends again by itself; its reader joins anew, and reads again what it could not commit"),
}
# Its ReadMessage commits, and returns an error in place of the record if it cannot. The next ones may come before that record comes again.
READS_AGAIN = "kafka-go"


def _login(name):
    """The settings of a listener whose logins last LIFE_MS."""
    key = f"listener.name.{name.lower()}"
    yield f"{key}.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256"
    yield f"{key}.connections.max.reauth.ms={LIFE_MS}"
    yield f'{key}.plain.sasl.jaas.config={_MODULES}.plain.PlainLoginModule required user_alice="{PASSWORD}";'
    if AGAINST_KAFKA:
        yield f"{key}.scram-sha-256.sasl.jaas.config={_MODULES}.scram.ScramLoginModule required;"


class Short:
    """A broker with a listener for each client; that without logins is for the tests' own hand."""

    def __init__(self, clients):
        self.names = {client: f"SHORT{number}" for number, client in enumerate(clients)}
        overrides = [one for name in self.names.values() for one in _login(name)]
        if AGAINST_KAFKA:
            self.ports = {name: free_port() for name in self.names.values()}
            both = {"PLAINTEXT": "@PORT@", "CONTROLLER": "@CONTROLLER@", **self.ports}
            protocols = {"PLAINTEXT": "PLAINTEXT", "CONTROLLER": "PLAINTEXT", **dict.fromkeys(self.ports, "SASL_PLAINTEXT")}
            self.broker = Kafka(overrides=[
                "listeners=" + ",".join(f"{name}://127.0.0.1:{port}" for name, port in both.items()),
                "listener.security.protocol.map=" + ",".join(f"{name}:{protocol}" for name, protocol in protocols.items()),
                "num.network.threads=1", *overrides])
        else:
            self.broker = Ottla(listeners={name: ("SASL_PLAINTEXT", "127.0.0.1") for name in self.names.values()}, overrides=overrides)
            self.ports = self.broker.ports

    def case(self, client):
        mechanism = "PLAIN" if "SCRAM-SHA-256" in LACKS.get(client, ()) else "SCRAM-SHA-256"
        return {"bootstrap": f"127.0.0.1:{self.ports[self.names[client]]}", "protocol": "SASL_PLAINTEXT", "mechanism": mechanism, "user": "alice",
                "password": PASSWORD, "steps": ["traffic"], "duration": SECONDS, "patience": _PATIENCE, "topic": client, "life_ms": LIFE_MS}

    def counts(self):
        """{client: {name of _METRICS: its value}}."""
        if AGAINST_KAFKA:
            return {client: {} for client in self.names}
        with urllib.request.urlopen(f"http://127.0.0.1:{self.broker.http_port}/metrics", timeout=10) as answer:
            lines = dict(line.rsplit(" ", 1) for line in answer.read().decode().splitlines() if not line.startswith("#"))
        return {client: {name: float(lines.get(f'kafka_server_socket_server_metrics_{metric}{{listener="{listener}"}}', 0))
                         for name, metric in _METRICS.items()} for client, listener in self.names.items()}


def written(broker, topics):
    """{topic: the numbers in its log, in its order}."""
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "hand", "enable.auto.commit": False})
    try:
        left = sum(consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=10)[1] for topic in topics)
        consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING) for topic in topics])
        found = {topic: [] for topic in topics}
        while left:
            for message in consumer.consume(left, timeout=1) or [consumer.poll(10)]:
                assert message is not None and message.error() is None, f"{left} records cannot be read"
                found[message.topic()].append(int(message.value()))
                left -= 1
        return found
    finally:
        consumer.close()


@pytest.fixture(scope="module")
def outcomes(request):
    """{client: what it answered, with `log` and the broker's counts} of those that are tested here."""
    clients = list(dict.fromkeys(item.callspec.params["client"] for item in request.session.items if "outcomes" in item.fixturenames))
    short = Short(clients)
    broker = short.broker
    try:
        broker.start()
        add_scram(broker.bootstrap, "alice")
        hand = Hand(broker.bootstrap)
        for client in clients:
            hand.create_topic(client)
        with concurrent.futures.ThreadPoolExecutor(len(clients)) as pool:
            running = {client: pool.submit(run, client, {"traffic": short.case(client)}, seconds=SECONDS + 6 * _PATIENCE) for client in clients}
        counts, logs = short.counts(), written(broker, clients)
        yield {client: {**counts[client], "log": logs[client], **_answer(done)} for client, done in running.items()}
        code = broker.stop()
        assert AGAINST_KAFKA or code == 0, broker.tail()
        assert PASSWORD not in broker.log.read_text(errors="replace"), "a password is in the log"
    finally:
        broker.remove()


def _answer(done):
    return {"error": repr(done.exception())} if done.exception() else done.result()["traffic"]


@pytest.mark.parametrize("client", CLIENTS)
def test_no_record_is_lost_or_doubled_over_the_ends_of_logins(outcomes, client):
    got = outcomes[client]
    assert "error" not in got, got["error"]
    sent, log, resent = got["sent"], got["log"], got["again"]
    print({**got, "log": len(log), "read": len(got["read"])})
    assert sent > 2 * SECONDS, got
    assert sorted(set(log)) == list(range(sent)), "an acknowledged record is lost"
    assert log == sorted(log), "the order is another"
    doubled = collections.Counter(log) - collections.Counter(range(sent)) - collections.Counter(resent)
    assert not doubled, f"doubled, and not by the application: {doubled}"
    read = sorted(set(got["read"])) if client == READS_AGAIN else got["read"]
    assert read == log, "the consumer was given something else than the log has"


@pytest.mark.parametrize("client", CLIENTS)
def test_the_application_is_told_of_the_end_of_a_login_by_few_libraries(outcomes, client):
    got = outcomes[client]
    assert "error" not in got, got["error"]
    print({name: got.get(name) for name in _METRICS}, len(got["errors"]))
    if client in RECONNECTS:
        expected, reason = RECONNECTS[client]
        assert AGAINST_KAFKA or got["killed"], "no session ended"
        other = [error for error in got["errors"] if not re.fullmatch(expected, error, re.DOTALL)]
        assert not other, (reason, other)
    else:
        assert not got["errors"]
        # On a busy machine it may be late once.
        assert AGAINST_KAFKA or got["renewed"] and got["killed"] <= 1, "it connected anew"
