"""No secret leaves the broker: one of each kind goes through a whole run at TRACE, with refused logins, typing errors and panics, and is then looked
for in the log, the audit log, every answer, the output of every command, and the data folder; and in what a TLS port sends."""

import base64
import json
import pathlib
import secrets
import signal
import urllib.error
import urllib.request

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import (AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ScramCredentialInfo, ScramMechanism,
                                   UserScramCredentialUpsertion)
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509 import load_pem_x509_certificate

from harness.broker import Ottla
from harness.canaries import command, files, panicking, plain_login_breaks, tells_none
from harness.certificates import Authority
from harness.drivers import AGAINST_KAFKA
from harness.hand import Hand
from harness.issuer import Issuer
from harness.recorder import Recorder
from harness.secured import AUTHORIZER
from harness.session import WHOLE, run

pytestmark = pytest.mark.skipif(AGAINST_KAFKA, reason="about Ottla's log, files and commands")

_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
_ENV = "org.apache.kafka.common.config.provider.EnvVarConfigProvider"
_KINDS = ("jaas", "provider", "key", "store", "scram", "bootstrap", "delegation", "wrong", "altered", "typed")


class Guarded(Ottla):
    """Listeners of SASL_SSL and SASL_PLAINTEXT behind recorders, one with a PKCS12 keystore; `secret` has a text for each kind."""

    def __init__(self, folder):
        self.folder, self.secret = folder, {kind: f"{kind}-{secrets.token_hex(12)}" for kind in _KINDS}
        self.recorders = {name: Recorder() for name in ("SAFE", "BARE")}
        self.issuer = Issuer(folder)
        self._write_keys()
        logins = []
        for name in ("safe", "bare"):
            logins += [*self.issuer.settings(name), f"listener.name.{name}.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,OAUTHBEARER",
                       f'listener.name.{name}.plain.sasl.jaas.config={_PLAIN} required user_alice="{self.secret["jaas"]}" user_bob="${{env:BOB}}";']
        super().__init__(
            listeners={"SAFE": ("SASL_SSL", "127.0.0.1"), "BARE": ("SASL_PLAINTEXT", "127.0.0.1"), "STORE": ("SSL", "127.0.0.1")},
            overrides=(
                "log.level=trace", f"ssl.keystore.location={folder}/broker.pem", f"ssl.key.password={self.secret['key']}",
                f"listener.name.store.ssl.keystore.location={folder}/broker.p12", f"listener.name.store.ssl.keystore.password={self.secret['store']}",
                f"listener.name.store.ssl.key.password={self.secret['store']}",
                *logins, "config.providers=env", f"config.providers.env.class={_ENV}", AUTHORIZER, "super.users=User:ANONYMOUS;User:alice",
                f"delegation.token.secret.key={self.secret['delegation']}", f"audit.log.location={folder}/audit.log", "audit.log.accepted.logins=true",
                "http.authentication=basic"))
        shown = {"OPEN": self.port, **self.ports, **{name: one.port for name, one in self.recorders.items()}}
        self.overrides += ("advertised.listeners=" + ",".join(f"{name}://127.0.0.1:{port}" for name, port in shown.items()),)
        for name, one in self.recorders.items():
            one.lead_to(self.ports[name])

    def _write_keys(self):
        authority = Authority("ca")
        (self.folder / "ca.pem").write_text(authority.pem, encoding="utf-8")
        own = authority.server("127.0.0.1")
        key = serialization.load_pem_private_key(own.key.encode(), None)

        def sealed(kind):
            return serialization.BestAvailableEncryption(self.secret[kind].encode())

        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, sealed("key")).decode()
        (self.folder / "broker.pem").write_text(pem + own.certificate, encoding="utf-8")
        chain = load_pem_x509_certificate(own.certificate.encode())
        (self.folder / "broker.p12").write_bytes(pkcs12.serialize_key_and_certificates(b"broker", key, chain, None, sealed("store")))
        self.secret["inline key"] = own.key.splitlines()[1]

    def argv(self):
        return panicking(self.folder, super().argv())

    def environment(self):
        return {"BOB": self.secret["provider"], "OTTLA_BOOTSTRAP_USER": f"boot:{self.secret['bootstrap']}:SCRAM-SHA-256"}

    def case(self, listener, mechanism, **more):
        protocol = self.listeners[listener][0]
        return {"bootstrap": f"127.0.0.1:{self.recorders[listener].port}", "protocol": protocol, "ca": str(self.folder / "ca.pem"),
                "mechanism": mechanism, "patience": 60, **more}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    broker = Guarded(pathlib.Path(tmp_path_factory.mktemp("guarded")))
    with pytest.MonkeyPatch.context() as patch:
        for key, value in broker.environment().items():
            patch.setenv(key, value)
        try:
            broker.start()
            yield broker
        finally:
            broker.remove()
            for one in broker.recorders.values():
                one.close()


def _log_in_and_fail(broker):
    """Each mechanism with what is right, and with what is wrong, by libraries that send it differently."""
    alice, wrong = broker.secret["jaas"], broker.secret["wrong"]
    good, foreign = broker.issuer.token("alice", 600), broker.issuer.token("alice", 600, aud="shop")
    broker.secret.update({"token": good, "foreign token": foreign, "signature": good.rsplit(".", 1)[1]})
    for name, token in {"token": good, "foreign": foreign}.items():
        (broker.folder / name).write_text(token, encoding="utf-8")
    for client in "confluent-kafka-2.16.1", "sarama-handshake-0":  # the second sends them without a header
        cases, fails = {}, {}
        for listener in "SAFE", "BARE":
            for mechanism, user, password in ("PLAIN", "alice", alice), ("PLAIN", "bob", broker.secret["provider"]), \
                    ("SCRAM-SHA-256", "alice", broker.secret["scram"]), ("SCRAM-SHA-256", "boot", broker.secret["bootstrap"]):
                cases[f"{listener}-{mechanism}-{user}"] = broker.case(listener, mechanism, user=user, password=password, steps=["produce"], topic="seen")
                if user == "alice":
                    fails[f"{listener}-{mechanism}-wrong"] = broker.case(
                        listener, mechanism, user=user, password=wrong, steps=["produce"], topic="seen", patience=20)
        if client.startswith("confluent"):
            cases["token"] = broker.case("SAFE", "OAUTHBEARER", token=str(broker.folder / "token"), steps=["produce"], topic="seen")
            fails["token-foreign"] = broker.case("SAFE", "OAUTHBEARER", token=str(broker.folder / "foreign"), steps=["produce"], topic="seen")
        answers = run(client, {**cases, **fails})
        # bob may do nothing; what he is refused is an answer as well.
        assert all("error" in answers[name] for name in fails), answers
        assert all("error" not in answers[name] for name in cases if "bob" not in name and "boot" not in name), answers


def _use_delegation_tokens(broker):
    asked = broker.case("BARE", "PLAIN", user="alice", password=broker.secret["jaas"], steps=["delegate"])
    made = run("franz-go", {"made": asked})["made"]
    assert "error" not in made, made
    identity, broker.secret["hmac"] = made["read"]
    cases = {name: broker.case("SAFE", "TOKEN", user=identity, password=password, steps=["produce"], topic="seen", patience=patience)
             for name, password, patience in (("good", broker.secret["hmac"], 60), ("bad", broker.secret["wrong"], 20))}
    answers = run("franz-go", cases)
    assert "error" not in answers["good"] and "error" in answers["bad"], answers


def _ask(broker):
    """All that it tells of its settings and users, and its refusals of secrets that are set while it runs."""
    admin = AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    told = [repr(Hand(broker.bootstrap).broker_configs()), repr(Hand(broker.bootstrap).configs("seen"))]
    for user, described in admin.describe_user_scram_credentials(["alice", "boot", "bob"]).items():
        try:
            told.append(f"{user} {described.result(30)}")
        except KafkaException as error:
            told.append(repr(error))
    altered = broker.secret["altered"]
    for key, value in {"ssl.keystore.password": altered, "ssl.kestore.password": altered, "delegation.token.secret.key": altered,
                       "listener.name.safe.plain.sasl.jaas.config": f'{_PLAIN} required user_eve="{altered}";',
                       "listener.name.safe.plain.sasl.jaas.confg": f'{_PLAIN} required user_eve="{altered}" {altered}'}.items():
        resource = ConfigResource("broker", "1", incremental_configs=[ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)])
        try:
            told.append(repr(admin.incremental_alter_configs([resource])[resource].result(30)))
        except KafkaException as error:
            told.append(repr(error))
    told.append(repr(Hand(broker.bootstrap).broker_configs()))
    for path in "/livez", "/readyz", "/readyz?verbose", "/metrics":
        for password in None, broker.secret["scram"], broker.secret["wrong"]:
            headers = {} if password is None else {"Authorization": "Basic " + base64.b64encode(f"alice:{password}".encode()).decode()}
            try:
                with urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{broker.http_port}{path}", headers=headers), timeout=30) as answer:
                    told.append(answer.read().decode())
            except urllib.error.HTTPError as error:
                told.append(error.read().decode() + str(error.headers))
    return "\n".join(told)


def _misspelled(text):
    """A setting with the key, the value's beginning, its middle or its end mistyped."""
    key, value = text.split("=", 1)
    yield f"{key[:-1]}={value}"
    yield f"{key}x={value}"
    yield f"{key}= {value}\\"
    yield f"{key}=x{value}"
    yield f"{key}={value}\u00e9\x01"
    if ";" in value:
        yield f"{key}={value[:-1]}"
        yield f"{key}={value.replace('required', 'requird')}"
        yield f"{key}={value[:-2]}"
        yield f"{key}={value.replace('PlainLogin', 'PlianLogin')}"
        yield f"{key}={value.replace('user_', 'usr ')}"


def _check_files(broker):
    """`config check` of the whole configuration, and of each setting that holds a secret, mistyped; and a user to add."""
    typed = broker.secret["typed"]
    argv = broker.argv()
    settings = [argv[at + 1] for at, part in enumerate(argv) if part == "--override"]
    held = [one for one in settings if any(text in one for text in broker.secret.values())]
    held += [f"ssl.truststore.password={typed}", f"ssl.keystore.key={typed}",
             f"sasl.jaas.config={_PLAIN} required user_eve=\"{typed}\";", f"listener.name.safe.scram-sha-256.sasl.jaas.config=a b {typed};"]
    assert len(held) >= 10, held
    file, told, refused = broker.folder / "server.properties", [], 0
    for line in [None, *(line for one in held for line in _misspelled(one))]:
        kept = [one for one in settings if not line or not line.startswith(one.split("=", 1)[0][:-1])]
        file.write_text("\n".join([*kept, *([line] if line else []), ""]), encoding="utf-8")
        status, output = command("config", "check", str(file))
        told.append(output)
        refused += status != 0
    assert refused > 10, f"only {refused} are refused"
    for text in f"SCRAM-SHA-256=[name=eve,passwrd={typed}]", f"SCRAM-SHA-256=[name=eve,password={typed}", f"SCRAM=[name=eve,password={typed}]":
        status, output = command("serve", "--data", str(broker.folder / "none"), "--listen", "127.0.0.1:0", "--add-scram", text)
        assert status != 0
        told.append(output)
    status, output = command("serve", "--data", str(broker.folder / "none"), "--listen", "127.0.0.1:0", OTTLA_BOOTSTRAP_USER=typed)
    assert status != 0
    told += [output, command("healthcheck", "--http", f"127.0.0.1:{broker.http_port}")[1]]
    return "\n".join(told)


def _panic(broker):
    """In the tasks that judge a login, and a change of a password."""
    wrong = broker.secret["wrong"]
    plain_login_breaks(broker.ports["BARE"], "panic-now", wrong)
    one = UserScramCredentialUpsertion("panic-now", ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096), wrong.encode())
    admin = AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    for done in admin.alter_user_scram_credentials([one], request_timeout=10).values():
        with pytest.raises(KafkaException):
            done.result(30)
    broker.process.send_signal(signal.SIGQUIT)  # a report in the log


def test_no_secret_is_told_or_kept(guarded):
    admin = AdminClient({"bootstrap.servers": guarded.bootstrap, "log_level": 0})
    one = UserScramCredentialUpsertion("alice", ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096), guarded.secret["scram"].encode())
    for done in admin.alter_user_scram_credentials([one]).values():
        done.result(30)
    Hand(guarded.bootstrap).create_topic("seen")
    _log_in_and_fail(guarded)
    _use_delegation_tokens(guarded)
    told = {"answers": _ask(guarded), "commands": _check_files(guarded)}
    _panic(guarded)
    assert guarded.stop() == 0, guarded.tail()
    data = guarded.home / "data"
    told["inspect"] = "".join(command("inspect", *more, str(data))[1] for more in ([], ["--check"], ["--json"]))
    told["log"] = guarded.log.read_text(errors="replace")
    told["audit"] = (guarded.folder / "audit.log").read_text()
    told["data"] = files(data)
    assert len(guarded.secret) == len(_KINDS) + 5
    tells_none({**guarded.secret, "bytes of the HMAC": base64.b64decode(guarded.secret["hmac"])}, told)
    # The search finds what may be there.
    lacking = [place for place in ("answers", "inspect", "log", "audit") if "seen" not in told[place]]
    assert not lacking and b"seen" in told["data"], f"{lacking}: {({one: len(text) for one, text in told.items()})}"
    assert '"level":"DEBUG"' in told["log"], "without the levels below INFO the search shows little"
    assert told["log"].count('"message":"a task panicked') >= 2 and "stack backtrace" in told["log"]
    assert [line for line in map(json.loads, told["audit"].splitlines()) if line["event"] == "login" and line["result"] != "NONE"]


def test_a_tls_port_sends_nothing_in_the_clear(guarded):
    """Its recording has nothing that the same client leaves in that of a port without TLS."""
    if not guarded.alive():
        guarded.start()
    secret = guarded.secret["jaas"]
    cases = {name: guarded.case(name, "PLAIN", user="alice", password=secret, topic=f"told-{name}") for name in ("SAFE", "BARE")}
    answers = run("confluent-kafka-2.16.1", cases)
    assert all(answer.get("read") == WHOLE for answer in answers.values()), answers
    for name, recorder in guarded.recorders.items():
        streams = recorder.streams()
        assert sum(map(len, streams)) > 600_000
        texts = (b"record 7", f"told-{name}".encode(), secret.encode(), b"alice", bytes(200), b"group-told")
        in_the_clear = [text for text in texts if any(text in stream for stream in streams)]
        assert in_the_clear == ([] if name == "SAFE" else list(texts)), f"{name}: {in_the_clear}"
