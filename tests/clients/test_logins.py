"""Logins by SASL: Kafka's tools, users that are deleted, logins that end and are renewed, and their counts.

test_secured_clients.py logs in with every library by every mechanism that it has.
"""

import json
import os
import subprocess
import urllib.request

import pytest

from harness.broker import KAFKA_LIBS, Ottla
from harness.drivers import AGAINST_KAFKA, JVM, python_of
from harness.hand import Hand
from harness.process import eventually, free_port
from harness.session import run_one

pytestmark = pytest.mark.skipif(AGAINST_KAFKA, reason="the broker's settings are Ottla's; tests/clients/harness starts Kafka without logins")

_MODULE = "org.apache.kafka.common.security.plain.PlainLoginModule"
SCRAM = ("SCRAM-SHA-256", "SCRAM-SHA-512")
_PASSWORD = "alice's, =secret"
_LIFE_MS = 3000
_AGAIN = os.path.join(os.path.dirname(__file__), "python", "drivers", "login_again.py")


class Secured(Ottla):
    """A listener without logins for the tests' own hand, one that asks for a login by any mechanism, and one whose logins last 3 s."""

    def __init__(self):
        self.safe_port, self.short_port = free_port(), free_port()
        super().__init__(overrides=(
            "listener.security.protocol.map=OPEN:PLAINTEXT,SAFE:SASL_PLAINTEXT,SHORT:SASL_PLAINTEXT",
            "listener.name.short.sasl.enabled.mechanisms=SCRAM-SHA-256",
            f"listener.name.short.connections.max.reauth.ms={_LIFE_MS}",
            f"listener.name.safe.sasl.enabled.mechanisms=PLAIN,{','.join(SCRAM)}",
            f'listener.name.safe.plain.sasl.jaas.config={_MODULE} required user_alice="{_PASSWORD}";',
        ))

    def argv(self):
        argv = super().argv()
        # `--listen` is for PLAINTEXT alone.
        at = argv.index("--listen")
        return [*argv[:at], *argv[at + 2:], "--override", f"listeners=OPEN://127.0.0.1:{self.port},SAFE://127.0.0.1:{self.safe_port},SHORT://127.0.0.1:{self.short_port}"]


@pytest.fixture(scope="module")
def secured():
    broker = Secured()
    try:
        broker.start()
        for mechanism in SCRAM:
            done = _configs(broker, "--add-config", f"{mechanism}=[iterations=8192,password={_PASSWORD}]")
            assert "Completed updating config for user alice." in done, done
        yield broker
        assert broker.stop() == 0, broker.tail()
        log = broker.log.read_text(errors="replace")
        assert "alice's" not in log and "wrong" not in log, "a password is in the log"
    finally:
        broker.remove()


def _configs(broker, *arguments):
    """kafka-configs.sh, on the listener without logins, for the user alice."""
    argv = [*JVM, "-cp", f"{KAFKA_LIBS}/*", "kafka.admin.ConfigCommand", "--bootstrap-server", broker.bootstrap,
            "--alter", "--entity-type", "users", "--entity-name", "alice", *arguments]
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=180, text=True, check=False).stdout


def _run(*argv):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=180, text=True, check=False)
    lines = done.stdout.splitlines()
    assert lines, done.stderr
    return json.loads(lines[-1])


def run_tool(argv, properties):
    """A program of Kafka's, with the name of its settings in place of `{}`."""
    argv = [properties if part == "{}" else part for part in argv]
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=180, text=True, check=False)


def _properties(tmp_path, password, mechanism, *more):
    properties = tmp_path / "client.properties"
    module = _MODULE if mechanism == "PLAIN" else "org.apache.kafka.common.security.scram.ScramLoginModule"
    properties.write_text("\n".join([
        "security.protocol=SASL_PLAINTEXT", f"sasl.mechanism={mechanism}",
        f'sasl.jaas.config={module} required username="alice" password="{password}";', *more, ""]), encoding="utf-8")
    return properties


def _java(secured, tmp_path, password, program, *arguments, given=None, mechanism="PLAIN"):
    properties = _properties(tmp_path, password, mechanism)
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


@pytest.mark.parametrize("mechanism", SCRAM)
def test_javas_tools_log_in_by_scram(secured, tmp_path, mechanism):
    listed = _java(secured, tmp_path, _PASSWORD, "TopicCommand", "--create", "--topic", f"java-{mechanism}", mechanism=mechanism)
    assert listed.returncode == 0, listed.stdout
    refused = _java(secured, tmp_path, "wrong", "TopicCommand", "--list", mechanism=mechanism)
    assert refused.returncode != 0
    assert f"due to invalid credentials with SASL mechanism {mechanism}" in refused.stdout, refused.stdout


def test_a_deleted_user_logs_in_no_more(tmp_path):
    """Also after kill -9; and a broker without users says how to make one."""
    broker = Secured()
    try:
        broker.start()
        _configs(broker, "--add-config", f"SCRAM-SHA-256=[password={_PASSWORD}]")

        def logs_in():
            return _java(broker, tmp_path, _PASSWORD, "TopicCommand", "--list", mechanism="SCRAM-SHA-256").returncode == 0

        assert logs_in()
        broker.kill()
        broker.start()
        assert logs_in()
        done = _configs(broker, "--delete-config", "SCRAM-SHA-256")
        assert "Completed updating config for user alice." in done, done
        broker.kill()
        broker.start()
        assert not logs_in()
        assert broker.stop() == 0
    finally:
        broker.remove()


def _counted(broker, listener, name):
    with urllib.request.urlopen(f"http://127.0.0.1:{broker.http_port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    found = [line for line in lines if line.startswith(f'kafka_server_socket_server_metrics_{name}{{listener="{listener}"}}')]
    return float(found[0].rsplit(" ", 1)[1]) if found else 0


def _logins_again(broker):
    return _counted(broker, "SHORT", "successful_reauthentication_total")


@pytest.mark.parametrize("client", ["confluent-kafka-2.16.1", "kafka-python-3.0.12"])
def test_python_clients_log_in_again_without_an_error(secured, client):
    """KIP-368: the application sees nothing of the end of a login."""
    topic = f"again-{client}"
    Hand(secured.bootstrap).create_topic(topic)
    before = _logins_again(secured)
    library = client.rsplit("-", 1)[0]
    answer = _run(python_of(client), _AGAIN, library, f"127.0.0.1:{secured.short_port}", "alice", _PASSWORD, topic, str(4 * _LIFE_MS / 1000))
    assert answer["errors"] == [] and answer["sent"] > 10, answer
    assert Hand(secured.bootstrap).ends(topic) == (0, answer["sent"])
    assert _logins_again(secured) > before, "it connected anew"


def test_javas_producer_logs_in_again_without_an_error(secured, tmp_path):
    topic, records = "again-java", 300
    Hand(secured.bootstrap).create_topic(topic)
    before = _logins_again(secured)
    properties = _properties(tmp_path, _PASSWORD, "SCRAM-SHA-256", f"bootstrap.servers=127.0.0.1:{secured.short_port}", "acks=all")
    argv = [*JVM, "-cp", f"{KAFKA_LIBS}/*", "org.apache.kafka.tools.ProducerPerformance", "--topic", topic, "--num-records", str(records),
            "--record-size", "10", "--throughput", str(records * 1000 // (4 * _LIFE_MS)), "--producer.config", str(properties)]
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=180, text=True, check=False)
    assert done.returncode == 0 and "Exception" not in done.stdout, done.stdout
    assert Hand(secured.bootstrap).ends(topic) == (0, records)
    assert _logins_again(secured) > before, "it connected anew"


def test_failed_and_successful_logins_are_counted(secured):
    def counted(name):
        return _counted(secured, "SAFE", name)

    for password in ("alice's, =secret", "wrong"):
        run_one("confluent-kafka-2.16.1", bootstrap=f"127.0.0.1:{secured.safe_port}", protocol="SASL_PLAINTEXT", mechanism="PLAIN", user="alice",
                password=password, steps=["produce"], topic="counted")
    eventually("logins are counted", lambda: counted("successful_authentication_total") > 0 and counted("failed_authentication_total") > 0)
