"""TLS by Kafka's tools, and the broker's log on clients that leave. test_secured_clients.py connects every library in every way."""

import pathlib
import subprocess

import pytest

from harness.broker import KAFKA_LIBS, Ottla
from harness.certificates import Authority
from harness.drivers import AGAINST_KAFKA, JVM
from harness.process import eventually
from harness.session import run_one

pytestmark = pytest.mark.skipif(AGAINST_KAFKA, reason="the broker's settings are Ottla's; tests/clients/harness starts Kafka without TLS")

_MODULE = "org.apache.kafka.common.security.plain.PlainLoginModule"
_PASSWORD = "alice-secret"


class Encrypted(Ottla):
    """A listener without TLS for the tests' own hand, one with TLS, one that needs a certificate, one that needs a login, and one with a wrong name."""

    def __init__(self, folder):
        self.folder = folder
        authority = Authority("ca")
        (folder / "ca.pem").write_text(authority.pem, encoding="utf-8")
        (folder / "other.pem").write_text(Authority("other").pem, encoding="utf-8")
        authority.server("localhost", "127.0.0.1").write(folder, "broker")
        authority.server("elsewhere.example").write(folder, "misnamed")
        authority.client("alice").write(folder, "alice")
        protocols = {"TLS": "SSL", "CERT": "SSL", "LOGIN": "SASL_SSL", "MISNAMED": "SSL"}
        super().__init__(listeners={name: (protocol, "localhost") for name, protocol in protocols.items()}, overrides=(
            "ssl.keystore.type=PEM", f"ssl.keystore.location={folder}/broker.pem",
            f"listener.name.misnamed.ssl.keystore.location={folder}/misnamed.pem",
            "listener.name.cert.ssl.client.auth=required",
            "listener.name.cert.ssl.truststore.type=PEM", f"listener.name.cert.ssl.truststore.location={folder}/ca.pem",
            "listener.name.login.sasl.enabled.mechanisms=PLAIN",
            f'listener.name.login.plain.sasl.jaas.config={_MODULE} required user_alice="{_PASSWORD}";',
        ))

    def at(self, name):
        return f"localhost:{self.ports[name]}"

    def file(self, name):
        return str(self.folder / name)


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory):
    broker = Encrypted(pathlib.Path(tmp_path_factory.mktemp("tls")))
    try:
        broker.start()
        yield broker
        assert broker.stop() == 0, broker.tail()
        log = broker.log.read_text(errors="replace")
        assert _PASSWORD not in log and "PRIVATE" not in log
    finally:
        broker.remove()


class Since:
    """The log from now on."""

    def __init__(self, encrypted):
        self._log, self._from = encrypted.log, encrypted.log.stat().st_size

    def says(self, text):
        eventually(f"a line with {text!r} in the log", lambda: text in self._log.read_bytes()[self._from:].decode(errors="replace"))


@pytest.mark.parametrize("listener,authority", [("TLS", "other.pem"), ("MISNAMED", "ca.pem")])
@pytest.mark.parametrize("client,line", [
    ("confluent-kafka-2.16.1", "the client refuses this broker's certificate"),
    # Python's asyncio closes the connection before the alert is sent.
    ("aiokafka-0.14.0", "the client left within the handshake"),
])
def test_the_log_tells_why_a_client_left(encrypted, client, line, listener, authority):
    log = Since(encrypted)
    run_one(client, bootstrap=encrypted.at(listener), protocol="SSL", ca=encrypted.file(authority), steps=["produce"], topic="none")
    log.says(line)


def _java(encrypted, tmp_path, listener, settings, *arguments):
    properties = tmp_path / "client.properties"
    properties.write_text("\n".join([*settings, ""]), encoding="utf-8")
    argv = [*JVM, "-cp", f"{KAFKA_LIBS}/*", "org.apache.kafka.tools.TopicCommand", "--bootstrap-server", encrypted.at(listener),
            "--command-config", str(properties), *arguments]
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=180, text=True, check=False)


def _trusts(encrypted, authority="ca.pem"):
    return ["security.protocol=SSL", "ssl.truststore.type=PEM", f"ssl.truststore.location={encrypted.file(authority)}"]


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_javas_tools_speak_both_versions(encrypted, tmp_path, version):
    settings = [*_trusts(encrypted), f"ssl.enabled.protocols={version}", f"ssl.protocol={version}"]
    done = _java(encrypted, tmp_path, "TLS", settings, "--create", "--topic", f"java-{version}")
    assert done.returncode == 0, done.stdout


def test_javas_tools_show_a_certificate(encrypted, tmp_path):
    store = tmp_path / "alice.pem"
    # Java reads keys of PKCS#8 alone, which is what `openssl req` writes.
    store.write_text(pathlib.Path(encrypted.file("alice.pem")).read_text(), encoding="utf-8")
    own = ["ssl.keystore.type=PEM", f"ssl.keystore.location={store}"]
    done = _java(encrypted, tmp_path, "CERT", [*_trusts(encrypted), *own], "--create", "--topic", "java-cert")
    assert done.returncode == 0, done.stdout
    log = Since(encrypted)
    refused = _java(encrypted, tmp_path, "CERT", _trusts(encrypted), "--list")
    assert refused.returncode != 0, refused.stdout
    log.says("shows no certificate, and ssl.client.auth is required")


def test_javas_tools_log_in_within_tls(encrypted, tmp_path):
    login = ["security.protocol=SASL_SSL", "sasl.mechanism=PLAIN", f'sasl.jaas.config={_MODULE} required username="alice" password="{_PASSWORD}";']
    done = _java(encrypted, tmp_path, "LOGIN", [*_trusts(encrypted)[1:], *login], "--create", "--topic", "java-login")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("listener,authority,error", [
    ("TLS", "other.pem", "SSL handshake failed"),
    ("MISNAMED", "ca.pem", "SSL handshake failed"),
])
def test_javas_tools_name_a_wrong_authority_or_name(encrypted, tmp_path, listener, authority, error):
    done = _java(encrypted, tmp_path, listener, _trusts(encrypted, authority), "--list")
    assert done.returncode != 0
    assert error in done.stdout, done.stdout
