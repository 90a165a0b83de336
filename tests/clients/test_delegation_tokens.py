"""Tokens of kafka-delegation-tokens.sh log in with Ottla as with Apache Kafka 4.3, and so do stock clients by them."""

import re
import subprocess

import pytest

from harness.broker import KAFKA_LIBS, Kafka, Ottla
from harness.drivers import AGAINST_KAFKA, JVM
from harness.process import eventually
from harness.session import WHOLE, run_one

pytestmark = [
    pytest.mark.xdist_group("delegation tokens"),
    pytest.mark.skipif(AGAINST_KAFKA, reason="compares Ottla with Kafka by itself"),
]

_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"
_LISTENERS = {"SAFE": ("SASL_PLAINTEXT", "127.0.0.1")}
_SETTINGS = (
    "delegation.token.secret.key=a secret of tokens",
    "listener.name.safe.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256",
    f'listener.name.safe.plain.sasl.jaas.config={_PLAIN} required user_alice="alice pw" user_bob="bob pw" user_carol="carol pw";',
    f"listener.name.safe.scram-sha-256.sasl.jaas.config={_SCRAM} required;",
)


@pytest.fixture(scope="module")
def both():
    brokers = [Kafka(listeners=_LISTENERS, overrides=_SETTINGS), Ottla(listeners=_LISTENERS, overrides=("log.level=trace", *_SETTINGS))]
    try:
        for broker in brokers:
            broker.start()
        yield brokers
        log = brokers[1].log.read_text(errors="replace")
        assert "a secret of tokens" not in log and not re.search(r"[A-Za-z0-9+/]{86}==", log), "a secret is in the log"
    finally:
        for broker in brokers:
            broker.remove()


def _properties(folder, user, token=None):
    path = folder / f"{user}.properties"
    if token:
        identity, hmac = token
        login = f'{_SCRAM} required username="{identity}" password="{hmac}" tokenauth="true";'
        mechanism = "SCRAM-SHA-256"
    else:
        login, mechanism = f'{_PLAIN} required username="{user}" password="{user} pw";', "PLAIN"
    path.write_text(f"security.protocol=SASL_PLAINTEXT\nsasl.mechanism={mechanism}\nsasl.jaas.config={login}\n", encoding="utf-8")
    return path


def _run(program, bootstrap, properties, *arguments):
    argv = [*JVM, "-cp", f"{KAFKA_LIBS}/*", f"org.apache.kafka.tools.{program}", "--bootstrap-server", bootstrap,
            "--command-config", str(properties), *arguments]
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=180, text=True, check=False)
    return done.returncode, done.stdout


def _comparable(status, printed, broker):
    """Without ids, HMACs and times; the order of tokens is that of a hash table in Kafka."""
    for pattern, by in ((r"[A-Za-z0-9+/]{86}==", "HMAC"), (r"(?<![\w-])[\w-]{22}(?![\w-])", "ID"), (r"20\d\d-\d\d-\d\dT\d\d:\d\d", "TIME"),
                        (r"\b1[6-9]\d{11}\b", "TIME"), (r"\w{3} \w{3} \d\d \d\d:\d\d:\d\d \w+ \d{4}", "TIME"),
                        (rf"\b({broker.port}|{broker.ports['SAFE']})\b", "PORT"), (r" +", " ")):
        printed = re.sub(pattern, by, printed)
    lines = [line.strip() for line in printed.splitlines() if line.strip() and not re.match(r"SLF4J|\tat ", line)]
    return sorted(lines), status


def _tokens(broker, tmp_path, user, *arguments, **named):
    return _run("DelegationTokenCommand", f"127.0.0.1:{broker.ports['SAFE']}", _properties(tmp_path, user, **named), *arguments)


def _both_say(both, tmp_path, user, arguments_of):
    """Runs it against both; returns what each printed."""
    said = [_tokens(broker, tmp_path, user, *arguments_of(broker)) for broker in both]
    kafka, ottla = (_comparable(*one, broker) for one, broker in zip(said, both))
    assert ottla == kafka
    return [printed for _, printed in said]


def _made(printed):
    """Id and HMAC of the one token in a table."""
    found = re.search(r"(?m)^([\w-]{22})\s+([A-Za-z0-9+/]{86}==)", printed)
    assert found, printed
    return found.groups()


def test_a_token_logs_in_until_it_ends(both, tmp_path):
    """`tools/scenes/authorizer/tokens.scene` compares what the subcommands print, in one JVM."""
    created = _both_say(both, tmp_path, "alice", lambda _: ["--create", "--max-life-time-period", "-1", "--renewer-principal", "User:bob"])
    tokens = dict(zip((broker.kind for broker in both), map(_made, created)))
    for broker in both:
        by_token = _properties(tmp_path, "token", token=tokens[broker.kind])
        status, printed = _run("TopicCommand", f"127.0.0.1:{broker.ports['SAFE']}", by_token, "--list")
        assert status == 0, printed
    # A token makes no token, and ends at once.
    refused = [_tokens(broker, tmp_path, "token", "--create", "--max-life-time-period", "-1", token=tokens[broker.kind]) for broker in both]
    assert _comparable(*refused[1], both[1]) == _comparable(*refused[0], both[0])
    _both_say(both, tmp_path, "alice", lambda broker: ["--expire", "--expiry-time-period", "-1", "--hmac", tokens[broker.kind][1]])
    status, printed = _run("TopicCommand", f"127.0.0.1:{both[1].ports['SAFE']}", _properties(tmp_path, "token", token=tokens["ottla"]), "--list")
    assert status != 0 and "SCRAM-SHA-256" in printed, printed


def test_a_token_for_another_owner_prints_the_same(both, tmp_path):
    """Without an authorizer every user may make one."""
    arguments = ["--create", "--max-life-time-period", "600000", "--owner-principal", "User:carol"]
    _both_say(both, tmp_path, "bob", lambda _: arguments)
    _both_say(both, tmp_path, "carol", lambda _: ["--describe", "--owner-principal", "User:carol"])


def test_a_listener_without_logins_prints_the_same(both, tmp_path):
    """There is no user to make a token for."""
    open_ = tmp_path / "open.properties"
    open_.write_text("", encoding="utf-8")
    arguments = ["--create", "--max-life-time-period", "-1"]
    said = [_run("DelegationTokenCommand", f"127.0.0.1:{broker.port}", open_, *arguments) for broker in both]
    assert _comparable(*said[1], both[1]) == _comparable(*said[0], both[0])


def test_tokens_outlive_a_kill(both, tmp_path):
    ottla = both[1]
    token = _made(_tokens(ottla, tmp_path, "alice", "--create", "--max-life-time-period", "-1")[1])
    ottla.kill()
    ottla.start()
    status, printed = _run("TopicCommand", f"127.0.0.1:{ottla.ports['SAFE']}", _properties(tmp_path, "token", token=token), "--list")
    assert status == 0, printed


def test_franz_go_logs_in_by_a_token(both, tmp_path):
    """By SCRAM-SHA-256; it writes and reads in a group as the owner, with Kafka as with Ottla."""
    for broker in both:
        identity, hmac = _made(_tokens(broker, tmp_path, "alice", "--create", "--max-life-time-period", "-1")[1])

        def read():
            return run_one("franz-go", bootstrap=f"127.0.0.1:{broker.ports['SAFE']}", protocol="SASL_PLAINTEXT", mechanism="TOKEN", user=identity,
                           password=hmac, topic="by-token").get("read")

        # Kafka answers before its own broker knows the token.
        assert eventually(f"{broker.kind} takes the token", read) == WHOLE


def test_librdkafka_takes_no_token(both):
    """It does not send the extension tokenauth: with the id as user and the HMAC as password it is refused, as by Kafka."""
    from confluent_kafka.admin import AdminClient

    for broker in both:
        admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{broker.ports['SAFE']}", "security.protocol": "SASL_PLAINTEXT",
                             "sasl.mechanism": "SCRAM-SHA-256", "sasl.username": "AAAAAAAAAAAAAAAAAAAAAA", "sasl.password": "x", "log_level": 0})
        with pytest.raises(Exception):
            admin.list_topics(timeout=5)
