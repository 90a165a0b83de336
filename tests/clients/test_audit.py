"""The audit log, logins for HTTP and config providers, of one broker: what stock clients do and are refused is told, and no secret is."""

import base64
import json
import subprocess
import urllib.error
import urllib.request

import pytest

from harness.broker import KAFKA_LIBS, Ottla
from harness.drivers import AGAINST_KAFKA, JVM
from harness.process import eventually, free_port

pytestmark = pytest.mark.skipif(AGAINST_KAFKA, reason="Kafka has none of the three")

_PROVIDER = "org.apache.kafka.common.config.provider.FileConfigProvider"
_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
_SECRETS = ("admin-secret", "alice-secret", "scraper-secret-7Kq2")


class Audited(Ottla):
    """Users from a file of secrets; alice may do nothing."""

    def __init__(self):
        self.safe_port = free_port()
        super().__init__()

    def argv(self):
        (self.home / "secrets.properties").write_text("admin=admin-secret\nalice=alice-secret\n")
        (self.home / "tokens").write_text("# scrapers\nscraper-secret-7Kq2\n")
        argv = super().argv()
        at = argv.index("--listen")
        overrides = (
            f"listeners=OPEN://127.0.0.1:{self.port},SAFE://127.0.0.1:{self.safe_port}",
            "listener.security.protocol.map=OPEN:PLAINTEXT,SAFE:SASL_PLAINTEXT",
            "listener.name.safe.sasl.enabled.mechanisms=PLAIN",
            "config.providers=secrets",
            f"config.providers.secrets.class={_PROVIDER}",
            f"listener.name.safe.plain.sasl.jaas.config={_PLAIN} required "
            + " ".join(f'user_{name}="${{secrets:{self.home}/secrets.properties:{name}}}"' for name in ("admin", "alice")) + ";",
            "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users=User:admin;User:ANONYMOUS",
            f"audit.log.location={self.home}/audit.log",
            "http.authentication=bearer",
            f"http.bearer.token.location={self.home}/tokens",
        )
        return [*argv[:at], *argv[at + 2:], *(part for override in overrides for part in ("--override", override))]

    def lines(self, **wanted):
        """The lines of the audit log that have these fields."""
        parsed = [json.loads(line) for line in (self.home / "audit.log").read_text().splitlines()]
        return [line for line in parsed if all(line.get(field) == value for field, value in wanted.items())]


@pytest.fixture(scope="module")
def audited():
    broker = Audited()
    try:
        broker.start()
        yield broker
        assert broker.stop() == 0, broker.tail()
        told = broker.log.read_text(errors="replace") + (broker.home / "audit.log").read_text()
        assert not [secret for secret in _SECRETS if secret in told], "a secret is in a log"
    finally:
        broker.remove()


def _tool(broker, tmp_path, user, password, main, *arguments):
    """One of Kafka's command-line tools, logged in."""
    settings = tmp_path / f"{user}.properties"
    settings.write_text("security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\n"
                        f'sasl.jaas.config={_PLAIN} required username="{user}" password="{password}";\n')
    argv = [*JVM, "-cp", f"{KAFKA_LIBS}/*", main, "--bootstrap-server", f"127.0.0.1:{broker.safe_port}", "--command-config", str(settings), *arguments]
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=180, text=True, check=False).stdout


def _topics(broker, tmp_path, user, *arguments, password=None):
    return _tool(broker, tmp_path, user, password or f"{user}-secret", "org.apache.kafka.tools.TopicCommand", *arguments)


def test_changes_of_administrators_are_told(audited, tmp_path):
    _topics(audited, tmp_path, "admin", "--create", "--topic", "orders", "--partitions", "3", "--config", "retention.ms=60000")
    _topics(audited, tmp_path, "admin", "--delete", "--topic", "orders")
    created, deleted = (audited.lines(event="change", api=api) for api in ("CreateTopics", "DeleteTopics"))
    assert [(line["principal"], line["resource"], line["result"], line["address"], line["listener"]) for line in created + deleted] == [
        ("User:admin", "orders", "NONE", "127.0.0.1", "SAFE")] * 2
    assert created[0]["detail"] == {"partitions": 3, "configs": {"retention.ms": "60000"}}


def test_users_are_told_without_their_keys(audited, tmp_path):
    shown = _tool(audited, tmp_path, "admin", "admin-secret", "kafka.admin.ConfigCommand", "--alter", "--entity-type", "users", "--entity-name", "bob",
                  "--add-config", "SCRAM-SHA-256=[iterations=4096,password=bob-secret]")
    assert "Completed updating config for user bob." in shown, shown
    [line] = audited.lines(api="AlterUserScramCredentials")
    assert (line["resource"], line["operation"], line["detail"]) == ("bob", "UpsertScramCredential", {"mechanism": "SCRAM-SHA-256", "iterations": 4096})


def test_denials_and_refused_logins_are_told_within_a_second_or_two(audited, tmp_path):
    shown = _topics(audited, tmp_path, "alice", "--create", "--topic", "mine")
    assert "not authorized for the topic" in shown, shown
    eventually("a denial is told", lambda: audited.lines(event="authorization", principal="User:alice", api="CreateTopics"))
    assert audited.lines(event="change", principal="User:alice") == [], "a denial is one line"

    shown = _topics(audited, tmp_path, "admin", "--list", password="not-it-4711")
    assert "Authentication failed: Invalid username or password" in shown, shown
    eventually("a refused login is told", lambda: audited.lines(event="login", result="refused", mechanism="PLAIN", principal="User:admin"))
    assert "not-it-4711" not in (audited.home / "audit.log").read_text()


def _status(broker, path, authorization=None):
    request = urllib.request.Request(f"http://127.0.0.1:{broker.http_port}{path}", headers={"Authorization": authorization} if authorization else {})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_http_asks_for_the_token(audited):
    assert [_status(audited, path) for path in ("/livez", "/readyz", "/metrics", "/readyz?verbose")] == [200, 200, 401, 401]
    assert [_status(audited, path, "Bearer scraper-secret-7Kq2") for path in ("/metrics", "/readyz?verbose")] == [200, 200]
    basic = base64.b64encode(b"admin:admin-secret").decode()
    assert [_status(audited, "/metrics", wrong) for wrong in ("Bearer scraper-secret-7Kq3", f"Basic {basic}")] == [401, 401]
    eventually("refused logins of HTTP are told", lambda: sum(line.get("count", 1) for line in audited.lines(
        event="login", listener="HTTP", mechanism="Bearer", result="refused", address="127.0.0.1")) == 2)


def test_a_stop_waits_for_no_full_disk(tmp_path):
    """Every stop was a forced one (exit code 3): a request whose change waits for its line held its connection open."""
    broker = Ottla(overrides=("audit.log.location=/dev/full",))
    try:
        broker.start()
        argv = [*JVM, "-cp", f"{KAFKA_LIBS}/*", "org.apache.kafka.tools.TopicCommand", "--bootstrap-server", broker.bootstrap, "--create", "--topic", "orders"]
        with open(tmp_path / "tool", "wb") as shown, subprocess.Popen(argv, stdout=shown, stderr=shown) as tool:
            try:
                eventually("the change waits for its line", lambda: "administrators' changes wait for it" in broker.tail())
                assert tool.poll() is None
                assert broker.stop(60) == 0, broker.tail()
            finally:
                tool.kill()
        [line] = [line for line in broker.log.read_text().splitlines() if "the audit log lacks a change" in line]
        assert "CreateTopics" in line and "orders" in line
    finally:
        broker.remove()
