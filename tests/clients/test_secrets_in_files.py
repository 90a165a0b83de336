"""No secret of a file leaves the broker: JAAS files, tokens and users of HTTP go through a whole run at TRACE, with wrong ones, mistakes in the
files, panics of the tasks that have them in hand, and a crash; and are then looked for as in test_secrets.py."""

import base64
import pathlib
import re
import resource
import secrets
import signal
import string
import urllib.error
import urllib.request

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource

from harness.broker import Ottla
from harness.canaries import command, files, panicking, plain_login_breaks, tells_none
from harness.drivers import AGAINST_KAFKA
from harness.hand import Hand
from harness.process import eventually
from harness.secured import AUTHORIZER
from harness.session import run

pytestmark = pytest.mark.skipif(AGAINST_KAFKA, reason="about Ottla's log, files and commands")

_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
_JAAS = """\
KafkaServer {{
    {module} required user_alice="{jaas}";
}};
bare.KafkaServer {{
    {module} required user_bob="{section}" user_alice="{jaas}";
    org.apache.kafka.common.security.scram.ScramLoginModule required password="{unused}";
}};
"""
_JAAS_KEY = "java.security.auth.login.config"
_FILES = {"basic": "http.basic.users.location", "bearer": "http.bearer.token.location"}
_KINDS = ("jaas", "section", "unused", "typed", "wrong", "spoiled", "token", "second token", "panic", "abort")


def _bcrypt():
    """A hash of no password."""
    return "$2y$04$" + "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(53))


class Filed(Ottla):
    """A listener of SASL_PLAINTEXT whose users are in a JAAS file, and HTTP with a file of that kind of login."""

    def __init__(self, kind, folder):
        self.kind, self.folder = kind, folder
        self.secret = {name: f"{name.replace(' ', '-')}-{secrets.token_hex(12)}" for name in _KINDS}
        # A token of fewer characters than it takes; a password, and its hash at the least cost.
        self.secret |= {"short": secrets.token_hex(6), "password": "scraper-5d1f0c93b7a24e68",
                        "hash": "$2b$04$J6ZkqWm3vXnR8tYc1LsPaepq/cD9Au1UgoJLtsE14rhQvpmjpX9CO", "other hash": _bcrypt()}
        # A hash may be told without its beginning.
        self.secret |= {f"digest of {name}": self.secret[name][-53:] for name in ("hash", "other hash")}
        self.jaas, self.http = folder / "jaas.conf", folder / "http"
        self.jaas.write_text(_JAAS.format(module=_PLAIN, **self.secret))
        self.mend()
        # Named as in Kafka's images, or by the key.
        named = [] if kind == "basic" else [f"{_JAAS_KEY}={self.jaas}"]
        super().__init__(listeners={"BARE": ("SASL_PLAINTEXT", "127.0.0.1")}, overrides=(
            "log.level=trace", "listener.name.bare.sasl.enabled.mechanisms=PLAIN", *named, AUTHORIZER, "super.users=User:ANONYMOUS;User:alice",
            f"audit.log.location={folder}/audit.log", "audit.log.accepted.logins=true", f"http.authentication={kind}", f"{_FILES[kind]}={self.http}"))

    def argv(self):
        more = {"KAFKA_OPTS": f"-Xmx1g -D{_JAAS_KEY}={self.jaas}"} if self.kind == "basic" else {}
        return panicking(self.folder, super().argv(), **more)

    def mend(self):
        lines = {"basic": ("scraper:{hash}", "never:{other hash}"), "bearer": ("{token}", "{second token}")}[self.kind]
        self.http.write_text("".join(line.format(**self.secret) + "\n" for line in lines))

    def spoiled(self):
        """Texts of the HTTP file that it does not accept, each with a secret."""
        text, bad = self.http.read_text(), self.secret["spoiled"]
        more = {"basic": ("{hash}", "x:{hash}x", "x:{other hash}y", f"x:{bad}", bad, "scraper:{hash}", ":{hash}", "x:$2y$31${digest of hash}"),
                "bearer": (f"{bad} {bad}", "{short}", f"{bad}\t{bad}")}[self.kind]
        return [text + line.format(**self.secret) for line in more]

    def case(self, user, password, **more):
        return {"bootstrap": f"127.0.0.1:{self.ports['BARE']}", "protocol": "SASL_PLAINTEXT", "mechanism": "PLAIN", "user": user, "password": password,
                "steps": ["produce"], "topic": "seen", **more}

    def ask(self, path, header=None):
        """Code and all of the answer; code 0 if the connection ends without one."""
        asked = urllib.request.Request(f"http://127.0.0.1:{self.http_port}{path}", headers={"Authorization": header} if header else {})
        try:
            with urllib.request.urlopen(asked, timeout=30) as answer:
                return answer.status, answer.read().decode() + str(answer.headers)
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode() + str(error.headers)
        except OSError as error:
            return 0, str(error)

    def header(self):
        """One that is admitted."""
        return _basic("scraper", self.secret["password"]) if self.kind == "basic" else f"Bearer {self.secret['token']}"


def _basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture(params=sorted(_FILES))
def filed(request, tmp_path):
    broker = Filed(request.param, pathlib.Path(tmp_path))
    try:
        broker.start()
        yield broker
    finally:
        broker.remove()


def _log_in_and_fail(broker):
    secret = broker.secret
    good = {"alice": broker.case("alice", secret["jaas"], patience=60), "bob": broker.case("bob", secret["section"], patience=20)}
    bad = {user: broker.case(user, secret["wrong"], patience=20) for user in ("alice-wrong", "stranger")}
    bad["crossed"] = broker.case("bob", secret["jaas"], patience=20)
    answers = run("confluent-kafka-2.16.1", {**good, **bad})
    assert "error" not in answers["alice"], answers
    # bob logs in and may do nothing; the others do not log in.
    assert all(("AUTHENTICATION" in answers[name]["error"].upper()) == (name != "bob") for name in (*bad, "bob")), answers


def _ask_by_http(broker):
    secret, told = broker.secret, []
    tokens = [f"Bearer {secret[name]}" for name in ("wrong", "token", "second token", "hash")]
    passwords = [_basic(user, secret[name]) for user in ("scraper", "never", "stranger") for name in ("wrong", "password", "token", "hash")]
    broken = [f"{scheme} {secret['wrong']}" for scheme in ("Basic", "Digest", "")]
    broken += [broker.header() + "\u00e9", broker.header() + " x", broker.header().replace(" ", "")]
    codes = set()
    for header in None, *tokens, *passwords, *broken:
        for path in "/readyz?verbose", "/metrics", f"/{broker.kind}":
            code, text = broker.ask(path, header)
            codes.add(code)
            told.append(text)
    assert {200, 401} <= codes, codes
    return "\n".join(told)


def _ask_by_kafka(broker):
    """Its settings, and its refusals to change those that name the files."""
    admin, told = AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0}), [repr(Hand(broker.bootstrap).broker_configs())]
    for key, value in {_JAAS_KEY: broker.jaas, **dict.fromkeys(_FILES.values(), broker.http), "http.authentication": "none",
                       "listener.name.bare.plain.sasl.jaas.config": f'{_PLAIN} required user_eve="{broker.secret["typed"]}";'}.items():
        one = ConfigResource("broker", "1", incremental_configs=[ConfigEntry(key, str(value), incremental_operation=AlterConfigOpType.SET)])
        with pytest.raises(KafkaException) as refused:
            admin.incremental_alter_configs([one])[one].result(30)
        told.append(repr(refused.value))
    told.append(repr(Hand(broker.bootstrap).broker_configs()))
    return "\n".join(told)


def _spoil_while_it_runs(broker):
    """A file with a mistake changes nothing, and its mistake is in the log."""
    broker.http.write_text(broker.spoiled()[0])

    def told():
        assert broker.ask("/metrics", broker.header())[0] == 200
        return "credentials of HTTP cannot be read" in broker.log.read_text(errors="replace")

    eventually("the mistake is in the log", told, every=0.5)
    broker.mend()


def _mistaken_jaas(text):
    """The JAAS file cut off, and with typing errors."""
    yield from (text[:length] for length in range(15, len(text) - 3, 23))
    for old, new in (('"', ""), ('"', "'"), ('";', '"'), ("required", "requird"), ("PlainLogin", "PlianLogin"), ("user_", "usr "), ("{", "{{"),
                     ("=", " "), ("=", "==")):
        yield text.replace(old, new)
        yield new.join(text.rsplit(old, 1))


def _check_files(broker):
    """`config check`, and starts, with mistakes in each file."""
    folder = broker.folder / "mistaken"
    folder.mkdir()
    jaas, http, properties = folder / "jaas.conf", folder / "http", folder / "server.properties"
    settings = [one for one in broker.overrides if not one.startswith((_JAAS_KEY, _FILES[broker.kind]))]
    settings += [f"listeners=BARE://127.0.0.1:{broker.ports['BARE']}", "listener.security.protocol.map=BARE:SASL_PLAINTEXT",
                 f"{_FILES[broker.kind]}={http}"]
    good = broker.jaas.read_text(), broker.http.read_text()
    told, refused = [], 0

    def check(jaas_text, http_text):
        jaas.write_text(jaas_text)
        http.write_text(http_text)
        status, output = command("config", "check", str(properties))
        told.append(output)
        return status

    properties.write_text("\n".join([*settings, f"{_JAAS_KEY}={jaas}", ""]))
    assert check(*good) == 0, told
    for texts in [*((one, good[1]) for one in _mistaken_jaas(good[0])), *((good[0], one) for one in broker.spoiled())]:
        refused += check(*texts) != 0
    assert refused > 20, f"only {refused} are refused"
    properties.write_text("\n".join([*settings, ""]))
    http.write_text(good[1])
    for text in good[0][:-60], good[0].replace('";', '"'), good[0].replace("{", "{{"):
        jaas.write_text(text)
        status, output = command("serve", "--config", str(properties), "--data", str(folder / "none"), KAFKA_OPTS=f"-D{_JAAS_KEY}={jaas}")
        assert status == 78 and str(jaas) in output, output
        told.append(output)
    return "\n".join(told)


def _panic(broker):
    """In the task that judges a login, of each kind."""
    plain_login_breaks(broker.ports["BARE"], "panic-now", broker.secret["panic"])
    # A wrong password is judged by another thread than the one that has received it.
    headers = [broker.header()] + [f"Bearer {broker.secret['panic']}"] * (broker.kind == "bearer")
    for header in headers:
        assert broker.ask("/metrics", broker.header())[0] == 200  # from now on the good one is known without hashing
        assert broker.ask("/metrics?panic-now", header)[0] == 0
    told = broker.ask("/metrics", broker.header())[1]
    assert float(re.search(r"^ottla_task_panics_total (\S+)", told, re.M)[1]) >= 1 + len(headers)
    broker.process.send_signal(signal.SIGQUIT)  # a report in the log
    return told


def _crash(broker):
    # The memory of a process holds its secrets, and so does a core.
    resource.prlimit(broker.process.pid, resource.RLIMIT_CORE, (0, 0))
    plain_login_breaks(broker.ports["BARE"], "abort-now", broker.secret["abort"])
    assert broker.process.wait(30) == -signal.SIGABRT, broker.tail()


def test_no_secret_of_a_file_is_told(filed):
    Hand(filed.bootstrap).create_topic("seen")
    _log_in_and_fail(filed)
    told = {"HTTP": _ask_by_http(filed), "Kafka": _ask_by_kafka(filed), "commands": _check_files(filed)}
    _spoil_while_it_runs(filed)
    told["HTTP"] += _panic(filed)
    _crash(filed)
    data = filed.home / "data"
    told["commands"] += "".join(command("inspect", *more, str(data))[1] for more in ([], ["--check"], ["--json"]))
    told["log"] = filed.log.read_text(errors="replace")  # with all that the panics and the crash printed
    told["audit"] = (filed.folder / "audit.log").read_text()
    tells_none(filed.secret, {**told, "data": files(data)})
    # The search finds what may be there.
    for place, texts in {"HTTP": ("ottla_task_panics_total",), "Kafka": (str(filed.http),), "commands": ("jaas.conf", "seen"), "audit": ("alice", "BARE"),
                         "log": ('"level":"DEBUG"', "panicked at", "stack backtrace", '"task":"connection"', '"task":"http-connection"')}.items():
        missing = [text for text in texts if text not in told[place]]
        assert not missing, f"{place} lacks {missing}"
