"""Every stock client on every kind of listener: it creates a topic, writes, and reads in a group; what is wrong is its own error, in its time."""

import os
import re

import pytest

from harness.drivers import AGAINST_KAFKA, JAVA, KAFKA_PYTHON
from harness.hand import Hand
from harness.secured import LOGINS, PASSWORD, SCRAM, Secured
from harness.session import STEPS, WHOLE, run

pytestmark = pytest.mark.skipif(AGAINST_KAFKA, reason="the broker's settings are Ottla's; tests/clients/harness starts Kafka without TLS")

# Of a library with several versions the oldest and the newest; with OTTLA_ALL_VERSIONS all.
_VERSIONS = (KAFKA_PYTHON, JAVA) if os.environ.get("OTTLA_ALL_VERSIONS") else (KAFKA_PYTHON[::len(KAFKA_PYTHON) - 1], JAVA[::len(JAVA) - 1])
CLIENTS = [*_VERSIONS[0], "confluent-kafka-2.16.1", "aiokafka-0.14.0", "kcat", *_VERSIONS[1], "franz-go", "sarama-handshake-0",
           "sarama-handshake-1", "kafka-go", "kafkajs", "kafka-javascript"]
MECHANISMS = ("PLAIN", *SCRAM, "OAUTHBEARER")
# Mechanisms that a library lacks.
LACKS = {
    "kafka-python-1.4.7": SCRAM,
    # Java's before 2.0 know no tokens; 0.11 needs a class of Java 8 for SCRAM.
    "java-0.11.0.3": (*SCRAM, "OAUTHBEARER"), "java-1.1.1": ("OAUTHBEARER",),
    # librdkafka 2.0.2 repeats its nonce, which the broker refuses as Kafka 4.3 does (CVE-2024-56128).
    "kcat": (*SCRAM, "OAUTHBEARER"),
    # It always sends tokens within SaslAuthenticate.
    "sarama-handshake-0": ("OAUTHBEARER",),
}
_INVALID = "Authentication failed: Invalid username or password"
_CREDENTIALS = "due to invalid credentials with SASL mechanism SCRAM-SHA-512"
# The broker tells of a missing certificate and closes; a client that has sent a request meanwhile may see the end alone.
_CUT = "(?i)certificate.required|EOF|reset|broken pipe|disconnected"
_DENIED = {"create": "TopicAuthorization", "produce": "TopicAuthorization", "consume": "GroupAuthorization"}
# kafka-python before 3 raises errors of TLS as they are; and it takes a refused login for a broker that is out of reach.
_PYTHON = {"authority": "SSLCertVerificationError", "name": "SSLCertVerificationError", "certificate": f"{_CUT}|NoBrokersAvailable", **_DENIED}
_AWAY = {case: "NoBrokersAvailable|AuthenticationFailedError" for case in ("password", "scram", "token")}
_JAVA = {"authority": "SslAuthenticationException.*unable to find valid certification path",
         "name": "SslAuthenticationException.*No subject alternative DNS name matching localhost",
         "certificate": "SslAuthenticationException.*certificate_required", "password": f"SaslAuthenticationException: {_INVALID}",
         "scram": f"SaslAuthenticationException.*{_CREDENTIALS}", "token": "SaslAuthenticationException.*invalid_token", **_DENIED}
# An idempotent producer, which it is from 3.0 on without being told, may write nowhere: that is what it is refused first.
_JAVA_3 = {**_JAVA, "produce": "ClusterAuthorizationException"}
_RDKAFKA = {"authority": "certificate verify failed", "name": "certificate verify failed", "certificate": _CUT,
            "password": _INVALID, "scram": _CREDENTIALS, "token": "invalid_token",
            "create": "TOPIC_AUTHORIZATION_FAILED", "produce": "TOPIC_AUTHORIZATION_FAILED", "consume": "GROUP_AUTHORIZATION_FAILED"}
_GO = {"authority": "certificate signed by unknown authority", "name": "valid for elsewhere.example, not localhost", "certificate": _CUT,
       "password": _INVALID, "scram": _CREDENTIALS}
_SARAMA = {**_GO, "create": "not authorized to access this topic", "produce": "not authorized to access this topic",
           "consume": "not authorized to access this group"}
# The error by which each library tells of what is wrong: a regular expression.
REFUSES = {
    "kafka-python-1.4.7": {**_PYTHON, **_AWAY},
    "kafka-python-2.0.2": {**_PYTHON, **_AWAY},
    # It logs the error of a login and tries again until its time is over, with Kafka 4.3 as well.
    "kafka-python-2.3.3": {**_PYTHON, "password": "KafkaTimeoutError", "scram": "KafkaTimeoutError", "token": "KafkaTimeoutError"},
    # This one also errors of TLS. It is idempotent.
    "kafka-python-3.0.12": {**dict.fromkeys(("authority", "name", "certificate", "password", "scram", "token"), "KafkaTimeoutError"),
                            **_DENIED, "produce": "ClusterAuthorizationFailedError"},
    "confluent-kafka-2.16.1": _RDKAFKA,
    # The reason is in its log alone.
    "aiokafka-0.14.0": {**dict.fromkeys(("authority", "name", "certificate", "password", "scram", "token"), "KafkaConnectionError"), **_DENIED},
    "kcat": {**_RDKAFKA, "produce": "Topic authorization failed", "consume": "not authorized for the group"},
    # It has no SaslAuthenticate, and takes any failure for a broker that is out of reach.
    "java-0.11.0.3": {**dict.fromkeys(("authority", "name", "certificate", "password"), "TimeoutException"), **_DENIED},
    "java-1.1.1": _JAVA, "java-2.8.2": _JAVA, "java-3.9.2": _JAVA_3, "java-4.3.0": _JAVA_3, "java-4.4.0": _JAVA_3,
    # It takes the status of a bad token for data that it did not ask for.
    "franz-go": {**_GO, "token": "unexpected data in oauth response", "create": "TOPIC_AUTHORIZATION_FAILED", "produce": "CLUSTER_AUTHORIZATION_FAILED",
                 "consume": "GROUP_AUTHORIZATION_FAILED"},
    # Without a SaslAuthenticate a wrong password is a closed connection.
    "sarama-handshake-0": {**_SARAMA, "password": "out of available brokers.*EOF", "scram": "out of available brokers.*EOF"},
    "sarama-handshake-1": {**_SARAMA, "token": "invalid credentials with SASL mechanism OAUTHBEARER"},
    # Its reader logs the error, and tries again.
    "kafka-go": {**_GO, "token": "invalid_token", "create": "Topic Authorization Failed", "produce": "Topic Authorization Failed",
                 "consume": "Group Authorization Failed"},
    # It does not show why the broker refuses a token.
    "kafkajs": {"authority": "unable to verify the first certificate", "name": "does not match certificate's altnames",
                "certificate": _CUT, "password": f"KafkaJSSASLAuthenticationError.*{_INVALID}",
                "scram": f"KafkaJSSASLAuthenticationError.*{_CREDENTIALS}", "token": "KafkaJSNumberOfRetriesExceeded: Closed connection",
                "create": "Topic authorization failed", "produce": "Not authorized to access topics", "consume": "KafkaJSGroupCoordinatorNotFound"},
    # It connects again and again for 30 s, and then names the last thing that it met.
    "kafka-javascript": {**dict.fromkeys(("authority", "name", "certificate", "password", "scram", "token"), "KafkaJSConnectionError"),
                         "create": "not authorized for the topic", "produce": "Topic authorization failed", "consume": "not authorized for the group|Group authorization failed"},
}
# They close a connection that has something to read before they have asked anything, as after a handshake of TLS 1.3 (its tickets). Now and
# then they are too fast for it, and begin again.
HASTY = KAFKA_PYTHON[:3]
# Seconds that a client is given for what does not work; those who would try for ever are given fewer.
PATIENCE = 50
LESS = {**dict.fromkeys((*KAFKA_PYTHON[2:], "java-0.11.0.3"), 15), ("kafka-go", "consume"): 10, ("kafka-javascript", "consume"): 10,
        ("confluent-kafka-2.16.1", "certificate"): 15}


@pytest.fixture(scope="module")
def secured():
    broker = Secured()
    try:
        broker.start()
        yield broker
        assert broker.stop() == 0, broker.tail()
        log = broker.log.read_text(errors="replace")
        assert PASSWORD not in log and "wrong" not in log and "PRIVATE" not in log and "eyJ" not in log, "a secret is in the log"
    finally:
        broker.remove()


def good_cases(secured, client):
    """TLS, a certificate, and each mechanism with and without TLS."""
    cases = {"tls": secured.case("TLS"), "mtls": secured.case("CERT", cert="alice")}
    for listener, protocol in zip(("SAFE", "BARE"), LOGINS):
        cases.update({f"{protocol}-{one}": secured.case(listener, one) for one in MECHANISMS if one not in LACKS.get(client, ())})
    return cases


def bad_cases(secured, client):
    """One thing is wrong in each: of TLS, of the login, and mallory lacks a permission for each step."""
    cases = {"authority": secured.case("TLS", ca="other.pem"), "name": secured.case("MISNAMED"), "certificate": secured.case("CERT"),
             "password": secured.case("SAFE", "PLAIN", password="wrong"), "scram": secured.case("BARE", "SCRAM-SHA-512", password="wrong"),
             "token": secured.case("SAFE", "OAUTHBEARER", token="foreign.token")}
    cases.update({step: secured.case("SAFE", "PLAIN", user="mallory") for step in STEPS})
    for name, case in cases.items():
        patience = LESS.get((client, name)) or (PATIENCE if name in STEPS else LESS.get(client, PATIENCE))
        case.update(patience=patience, steps=[name if name in STEPS else "produce"])
    without = {"SCRAM-SHA-512": "scram", "OAUTHBEARER": "token"}
    lacking = [without[one] for one in LACKS.get(client, ()) if one in without] + (["create"] if client == "kcat" else [])
    return {name: case for name, case in cases.items() if name not in lacking}


@pytest.mark.parametrize("client", CLIENTS)
def test_each_way_in_works_and_each_fault_is_the_librarys_own_error(secured, client):
    good, bad = good_cases(secured, client), bad_cases(secured, client)
    hand = Hand(secured.bootstrap)
    # kcat has no admin calls, and kafka-javascript's admin client never asks for a token.
    without_admin = [name for name in good if client == "kcat" or client == "kafka-javascript" and "OAUTHBEARER" in name]
    for name in without_admin:
        good[name]["steps"] = STEPS[1:]
    for name in [*without_admin, *bad]:
        if name != "create":
            hand.create_topic(f"{client}-{name}")
    answers = run(client, {**good, **bad})
    if client in HASTY:
        again = {name: {**good[name], "topic": f"{client}-{name}-again"} for name in good if answers[name].get("read") != WHOLE}
        answers.update(run(client, again) if again else {})
    failed = {name: answers[name] for name in good if answers[name].get("read") != WHOLE}
    assert not failed, failed
    other = {name: answers[name] for name in bad if not re.search(REFUSES[client][name], answers[name].get("error", ""), re.DOTALL)}
    assert not other, other
    late = {name: answers[name] for name in bad if answers[name]["seconds"] > 2 * PATIENCE}
    assert not late, late
    assert all(hand.ends(f"{client}-{name}") == (0, 0) for name in bad if name != "create")
