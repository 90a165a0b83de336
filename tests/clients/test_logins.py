"""Stock clients log in by SASL: they write and read in a group, and a wrong password is the library's own error, within its usual time."""

import json
import os
import subprocess

import pytest

from harness.broker import KAFKA_LIBS, Ottla
from harness.drivers import AGAINST_KAFKA, JVM, KAFKA_PYTHON, python_of
from harness.hand import Hand
from harness.process import eventually, free_port

pytestmark = pytest.mark.skipif(AGAINST_KAFKA, reason="the broker's settings are Ottla's; tests/clients/harness starts Kafka without logins")

_DRIVER = os.path.join(os.path.dirname(__file__), "python", "drivers", "login.py")
_MODULE = "org.apache.kafka.common.security.plain.PlainLoginModule"
_RECORDS = sorted(f"record {number}" for number in range(20))
# The exception by which each library tells of a wrong password.
PYTHON = {
    # They take the closed connection for a broker that is out of reach: 1.4.7 and 2.0.2 have no SaslAuthenticate.
    "kafka-python-1.4.7": "NoBrokersAvailable",
    "kafka-python-2.0.2": "NoBrokersAvailable",
    # They log "SaslAuthenticationFailedError" and try again until their time is over, with Kafka 4.3 as well.
    "kafka-python-2.3.3": "KafkaTimeoutError",
    "kafka-python-3.0.12": "KafkaTimeoutError",
    "confluent-kafka-2.16.1": "_AUTHENTICATION",
    "aiokafka-0.14.0": "KafkaConnectionError",
}
assert set(KAFKA_PYTHON) < set(PYTHON)


class Secured(Ottla):
    """Two listeners: one without logins for the tests' own hand, one that asks for PLAIN."""

    def __init__(self):
        self.safe_port = free_port()
        super().__init__(overrides=(
            "listener.security.protocol.map=OPEN:PLAINTEXT,SAFE:SASL_PLAINTEXT",
            "listener.name.safe.sasl.enabled.mechanisms=PLAIN",
            f'listener.name.safe.plain.sasl.jaas.config={_MODULE} required user_alice="alice\'s, =secret";',
        ))

    def argv(self):
        argv = super().argv()
        # `--listen` is for PLAINTEXT alone.
        at = argv.index("--listen")
        return [*argv[:at], *argv[at + 2:], "--override", f"listeners=OPEN://127.0.0.1:{self.port},SAFE://127.0.0.1:{self.safe_port}"]


@pytest.fixture(scope="module")
def secured():
    broker = Secured()
    try:
        broker.start()
        yield broker
        assert broker.stop() == 0, broker.tail()
        log = broker.log.read_text(errors="replace")
        assert "alice's" not in log and "wrong" not in log, "a password is in the log"
    finally:
        broker.remove()


def _python(client, broker, password, topic):
    library = client.rsplit("-", 1)[0]
    argv = [python_of(client), _DRIVER, library, f"127.0.0.1:{broker.safe_port}", "PLAIN", "alice", password, topic]
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=180, text=True, check=False)
    lines = done.stdout.splitlines()
    assert lines, done.stderr
    return json.loads(lines[-1])


@pytest.mark.parametrize("client", PYTHON)
def test_python_clients_log_in_and_read_in_a_group(secured, client):
    topic = f"logins-{client}"
    Hand(secured.bootstrap).create_topic(topic)
    assert _python(client, secured, "alice's, =secret", topic) == {"read": _RECORDS}


@pytest.mark.parametrize("client", PYTHON)
def test_a_wrong_password_is_the_librarys_own_error(secured, client):
    topic = f"refused-{client}"
    Hand(secured.bootstrap).create_topic(topic)
    answer = _python(client, secured, "wrong", topic)
    assert PYTHON[client] in answer["error"], answer
    assert answer["seconds"] < 60, answer
    assert Hand(secured.bootstrap).ends(topic) == (0, 0)


def _java(secured, tmp_path, password, program, *arguments, given=None):
    properties = tmp_path / "client.properties"
    properties.write_text("\n".join([
        "security.protocol=SASL_PLAINTEXT", "sasl.mechanism=PLAIN",
        f'sasl.jaas.config={_MODULE} required username="alice" password="{password}";', ""]), encoding="utf-8")
    argv = [*JVM, "-cp", f"{KAFKA_LIBS}/*", f"org.apache.kafka.tools.{program}", "--bootstrap-server", f"127.0.0.1:{secured.safe_port}",
            "--command-config", str(properties), *arguments]
    return subprocess.run(argv, input=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=180, text=True, check=False)


def test_javas_tools_log_in(secured, tmp_path):
    done = _java(secured, tmp_path, "alice's, =secret", "TopicCommand", "--create", "--topic", "java-logs-in")
    assert done.returncode == 0, done.stdout
    listed = _java(secured, tmp_path, "alice's, =secret", "TopicCommand", "--list")
    assert "java-logs-in" in listed.stdout, listed.stdout


def test_javas_tools_name_a_wrong_password(secured, tmp_path):
    done = _java(secured, tmp_path, "wrong", "TopicCommand", "--list")
    assert done.returncode != 0
    assert "Authentication failed: Invalid username or password" in done.stdout, done.stdout


def test_failed_and_successful_logins_are_counted(secured):
    import urllib.request

    def counted(name):
        with urllib.request.urlopen(f"http://127.0.0.1:{secured.http_port}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        found = [line for line in lines if line.startswith(f'kafka_server_socket_server_metrics_{name}{{listener="SAFE"}}')]
        return float(found[0].rsplit(" ", 1)[1]) if found else 0

    for password in ("alice's, =secret", "wrong"):
        _python("confluent-kafka-2.16.1", secured, password, "counted")
    eventually("logins are counted", lambda: counted("successful_authentication_total") > 0 and counted("failed_authentication_total") > 0)
