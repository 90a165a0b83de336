"""Logins by OAUTHBEARER: Kafka's tools, tokens that last 5 s and are replaced on the same connection, keys from an address.

test_secured_clients.py logs in with every library that has the mechanism.
"""

import http.server
import json
import ssl
import subprocess
import threading

import pytest

from harness.broker import KAFKA_LIBS, Ottla
from harness.drivers import AGAINST_KAFKA, JVM, python_of
from harness.hand import Hand
from harness.issuer import Issuer, TokenFile
from harness.process import eventually, free_port
from harness.session import WHOLE, run_one
from test_logins import _AGAIN, _counted, _run, run_tool

pytestmark = pytest.mark.skipif(AGAINST_KAFKA, reason="the broker's settings are Ottla's; tests/clients/harness starts Kafka without logins")

_LIFE = 5


class Bearer(Ottla):
    """A listener without logins for the tests' own hand, and one that takes tokens."""

    def __init__(self, *settings):
        self.safe_port = free_port()
        super().__init__(overrides=("listener.security.protocol.map=OPEN:PLAINTEXT,SAFE:SASL_PLAINTEXT", "log.level=trace", *settings))

    def argv(self):
        argv = super().argv()
        # `--listen` is for PLAINTEXT alone.
        at = argv.index("--listen")
        return [*argv[:at], *argv[at + 2:], "--override", f"listeners=OPEN://127.0.0.1:{self.port},SAFE://127.0.0.1:{self.safe_port}"]

    @property
    def safe(self):
        return f"127.0.0.1:{self.safe_port}"


@pytest.fixture(scope="module")
def issuer(tmp_path_factory):
    return Issuer(tmp_path_factory.mktemp("issuer"))


@pytest.fixture(scope="module")
def broker(issuer):
    broker = Bearer(*issuer.settings("safe"))
    try:
        broker.start()
        yield broker
        assert broker.stop() == 0, broker.tail()
        log = broker.log.read_text(errors="replace")
        assert "eyJ" not in log, "a token is in the log"
    finally:
        broker.remove()


@pytest.fixture(scope="module")
def tokens(issuer):
    """Files with a good token, an expired one, and one of another service."""
    files = {"good": issuer.token("alice", 600), "expired": issuer.token("alice", -10), "elsewhere": issuer.token("alice", 600, aud="shop")}
    for name, token in files.items():
        (issuer.folder / name).write_text(token, encoding="utf-8")
    return {name: str(issuer.folder / name) for name in files}


def _logs_in(broker, file, topic):
    answer = run_one("confluent-kafka-2.16.1", bootstrap=broker.safe, protocol="SASL_PLAINTEXT", mechanism="OAUTHBEARER", token=file, topic=topic)
    return answer.get("read") == WHOLE


def _java(broker, tmp_path, file, program, *arguments, more=()):
    """A program of Kafka's, with Kafka's own login: it reads the token from a file."""
    properties = tmp_path / "client.properties"
    properties.write_text("\n".join([
        "security.protocol=SASL_PLAINTEXT", "sasl.mechanism=OAUTHBEARER",
        "sasl.login.callback.handler.class=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler",
        f"sasl.oauthbearer.token.endpoint.url=file:{file}",
        "sasl.login.refresh.min.period.seconds=0", "sasl.login.refresh.buffer.seconds=0",
        "sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required ;", *more, ""]), encoding="utf-8")
    allowed = f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=file:{file}"
    return run_tool([*JVM, allowed, "-cp", f"{KAFKA_LIBS}/*", f"org.apache.kafka.tools.{program}", *arguments], str(properties))


def test_javas_tools_log_in(broker, tokens, tmp_path):
    listed = ("--bootstrap-server", broker.safe, "--command-config", "{}", "--list")
    Hand(broker.bootstrap).create_topic("bearer-java")
    done = _java(broker, tmp_path, tokens["good"], "TopicCommand", *listed)
    assert done.returncode == 0 and "bearer-java" in done.stdout, done.stdout
    done = _java(broker, tmp_path, tokens["elsewhere"], "TopicCommand", *listed)
    assert done.returncode != 0 and '{"status":"invalid_token"}' in done.stdout, done.stdout


def _logins_again(broker):
    return _counted(broker, "SAFE", "successful_reauthentication_total")


@pytest.mark.parametrize("client", ["confluent-kafka-2.16.1", "kafka-python-3.0.12"])
def test_python_clients_log_in_again_without_an_error(broker, issuer, client):
    """KIP-368 with tokens of 5 s: the application sees nothing of their end. A client that gets no processor for seconds misses the end of
    one: then by tokens that live for longer."""
    library = client.rsplit("-", 1)[0]
    for life in (_LIFE, 2 * _LIFE, 4 * _LIFE):
        topic = f"bearer-again-{client}-{life}"
        Hand(broker.bootstrap).create_topic(topic)
        before = _logins_again(broker)
        with TokenFile(issuer, "alice", life) as file:
            answer = _run(python_of(client), _AGAIN, library, broker.safe, "token", str(file), topic, str(4 * life))
        if answer["errors"] == []:
            break
    assert answer["errors"] == [] and answer["sent"] > 10, answer
    assert Hand(broker.bootstrap).ends(topic) == (0, answer["sent"])
    assert _logins_again(broker) > before, "it connected anew"


def test_javas_producer_logs_in_again_without_an_error(broker, issuer, tmp_path):
    topic, records = "bearer-again-java", 300
    Hand(broker.bootstrap).create_topic(topic)
    before = _logins_again(broker)
    with TokenFile(issuer, "alice", _LIFE) as file:
        done = _java(broker, tmp_path, file, "ProducerPerformance", "--topic", topic, "--num-records", str(records), "--record-size", "10",
                     "--throughput", str(records // (4 * _LIFE)), "--producer.config", "{}", more=(f"bootstrap.servers={broker.safe}", "acks=all"))
    assert done.returncode == 0 and "Exception" not in done.stdout, done.stdout
    assert Hand(broker.bootstrap).ends(topic) == (0, records)
    assert _logins_again(broker) > before, "it connected anew"


class _Keys(http.server.BaseHTTPRequestHandler):
    """The issuer's page of keys, as Keycloak serves it under /realms/NAME/protocol/openid-connect/certs."""

    def do_GET(self):
        self.server.asked.append(self.path)
        body = json.dumps({"keys": self.server.keys}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def _certificate(folder):
    """An authority, and a certificate of 127.0.0.1 with its key; returns their files."""

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *key, "-days", "2", "-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.pem")
    openssl("req", *key, "-subj", "/CN=issuer", "-keyout", "server.key", "-out", "server.csr")
    (folder / "server.ext").write_text("subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\n", encoding="utf-8")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "server.ext",
            "-out", "server.crt")
    return folder / "ca.pem", folder / "server.crt", folder / "server.key"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_keys_come_from_an_address_and_may_change(issuer, tokens, tmp_path, monkeypatch, scheme):
    """A new key of the issuer is fetched when a token has its id; the issuer's end changes nothing."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Keys)
    if scheme == "https":
        authority, certificate, key = _certificate(tmp_path)
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.keys, server.asked = [issuer.jwk()], []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    path = "/realms/shop/protocol/openid-connect/certs"
    url = f"listener.name.safe.oauthbearer.sasl.oauthbearer.jwks.endpoint.url={scheme}://127.0.0.1:{server.server_port}{path}"
    settings = [url if "jwks.endpoint.url" in setting else setting for setting in issuer.settings("safe")]
    broker = Bearer(*settings)
    try:
        broker.start()
        eventually("the keys are fetched", lambda: server.asked == [path])
        assert _logs_in(broker, tokens["good"], "keys")
        other = Issuer(tmp_path, "two")
        server.keys = [other.jwk(), issuer.jwk()]
        (tmp_path / "new").write_text(other.token("alice", 600), encoding="utf-8")
        # The first logins ask for it; it is there some seconds later, and the library tries again meanwhile.
        _logs_in(broker, str(tmp_path / "new"), "keys")
        eventually("the new key is fetched", lambda: len(server.asked) > 1, 30)
        server.shutdown()
        server.server_close()
        assert _logs_in(broker, str(tmp_path / "new"), "new-keys")
        assert broker.stop() == 0
    finally:
        broker.remove()
        server.server_close()
