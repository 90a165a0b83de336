"""dashboards.py: each query of our dashboard, and each series that known dashboards for Kafka ask for, has data in a Prometheus that scraped a broker under load.

Grafana itself is not run. Its variables are replaced as it does it, with all values chosen.
"""

import contextlib
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from known_dashboards import DASHBOARDS, MISSING
from prometheus import DOCKER, EVERY_SECONDS, Prometheus, leave_at_sigterm

from harness.broker import Ottla
from harness.certificates import Authority
from harness.process import eventually

TOPIC, GROUP, LIMITED = "orders", "readers", "limited"
QUIET = {"log_level": 0}
LOGIN = 'listener.name.login.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="secret";'
# Grafana takes at least four times the time between scrapes.
VARIABLES = {"__rate_interval": f"{4 * EVERY_SECONDS}s", "job": "ottla", "instance": ".*", "topic": ".*", "group": ".*"}

# Names in the alerts that such a run does not have.
NOT_HERE = {
    "ottla_tls_crl_expiry_seconds": "no listener has a list of revoked certificates",
}


class Load:
    """Clients that use what the dashboard shows, in threads of their own, until it ends."""

    def __init__(self, broker):
        self.broker = broker
        self.done = threading.Event()
        self.failures = []
        works = (self.produce, self.read, self.transact, self.be_throttled, self.connect)
        self.threads = [threading.Thread(target=self.keep_on, args=[work]) for work in works]

    def __enter__(self):
        admin = AdminClient({**QUIET, "bootstrap.servers": self.broker.bootstrap})
        admin.create_topics([NewTopic(TOPIC, 3)])[TOPIC].result(30)
        argv = [os.environ["OTTLA_BINARY"], "quota", "set", "--client-id", LIMITED, "producer_byte_rate=2000", "--bootstrap-server", self.broker.bootstrap]
        subprocess.run(argv, check=True, capture_output=True)
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        for thread in self.threads:
            thread.join()
        self.check()

    def check(self):
        assert not self.failures, self.failures

    def keep_on(self, work):
        try:
            work()
        except Exception as failure:  # noqa: BLE001 # told by the test
            self.failures.append(failure)

    def client(self, **settings):
        return {**QUIET, "bootstrap.servers": self.broker.bootstrap, **{name.replace("_", "."): value for name, value in settings.items()}}

    def produce(self):
        producer = Producer(self.client(linger_ms=5))
        while not self.done.wait(0.01):
            producer.produce(TOPIC, os.urandom(300))
            producer.poll(0)
        producer.flush(10)

    def read(self):
        consumer = Consumer(self.client(group_id=GROUP, auto_offset_reset="earliest", auto_commit_interval_ms=500))
        consumer.subscribe([TOPIC])
        while not self.done.is_set():
            consumer.poll(0.1)
        consumer.close()

    def transact(self):
        """Transactions that end both ways, one of them open for a while."""
        producer = Producer(self.client(transactional_id="pays"))
        producer.init_transactions(30)
        commits = True
        while not self.done.is_set():
            producer.begin_transaction()
            producer.produce(TOPIC, b"paid")
            producer.flush(10)
            self.done.wait(0.5)
            (producer.commit_transaction if commits else producer.abort_transaction)()
            commits = not commits

    def be_throttled(self):
        producer = Producer(self.client(client_id=LIMITED))
        while not self.done.wait(0.1):
            producer.produce(TOPIC, os.urandom(2000))
            producer.poll(0)
        producer.purge()

    def connect(self):
        """Logins, one of them wrong; bytes that are no handshake; a request that is refused."""
        stranger = Consumer(self.client(group_id="none"))
        while not self.done.wait(0.3):
            for password in ("secret", "wrong"):
                self.log_in(password)
            with contextlib.suppress(OSError), socket.create_connection(("localhost", self.broker.ports["TLS"]), timeout=5) as peer:
                peer.sendall(b"GET / HTTP/1.1\r\n\r\n")
                peer.recv(100)
            with contextlib.suppress(KafkaException):
                stranger.get_watermark_offsets(TopicPartition("missing", 0), timeout=1)
        stranger.close()

    def log_in(self, password):
        at = f"localhost:{self.broker.ports['LOGIN']}"
        keys = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "sasl.username": "alice", "sasl.password": password}
        with contextlib.suppress(KafkaException):
            AdminClient({**QUIET, **keys, "bootstrap.servers": at}).list_topics(timeout=1)


def broker(folder):
    Authority("ca").server("localhost").write(folder, "broker")
    keys = ("ssl.keystore.type=PEM", f"ssl.keystore.location={folder}/broker.pem", "listener.name.login.sasl.enabled.mechanisms=PLAIN", LOGIN)
    return Ottla(listeners={"TLS": ("SSL", "localhost"), "LOGIN": ("SASL_PLAINTEXT", "localhost")}, overrides=keys)


def filled(expression):
    """The expression as Grafana sends it."""
    return re.sub(r"\$\{?(\w+)\}?", lambda match: VARIABLES[match[1]], expression)


def queries(dashboard):
    """Each query with the title of its panel."""
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


def check_variables(prometheus, dashboard):
    """Each variable finds a value: `label_values(series, label)`."""
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            series, label = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"]).groups()
            found = {labels.get(label) for labels, _ in prometheus.query(filled(series))}
            assert found and None not in found, f"{variable['name']}: {found}"


def check_dashboard(prometheus, dashboard):
    all_ = list(queries(dashboard))
    # A quantile of nothing is not a number.
    empty = [f"{title}: {expression}" for title, expression in all_ if all(value != value for _, value in prometheus.query(filled(expression)))]
    assert not empty, "without data:\n" + "\n".join(empty)
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids), "two panels have the same id"
    for annotation in dashboard["annotations"]["list"]:
        prometheus.query(filled(annotation["expr"]))
    print(f"   ok: all {len(all_)} queries of {len(ids)} panels and rows have data", file=sys.stderr)


def check_known(prometheus):
    """Each series of known dashboards is either served or listed as missing, not both."""
    wrong, lines = [], []
    for name, selectors in DASHBOARDS.items():
        found = [selector for selector in selectors if prometheus.query(selector)]
        wrong += [f"{name}: {selector}" for selector in selectors if (selector in found) == (selector in MISSING)]
        lines.append(f"   {name}: {len(found)} of {len(selectors)} series; without {', '.join(s for s in selectors if s not in found) or 'none'}")
    assert not wrong, "missing, or served and listed as missing:\n" + "\n".join(wrong)
    print("\n".join(lines), file=sys.stderr)


def check_alerts(prometheus):
    """Each name in the rules is served; a rule with a wrong one would never fire."""
    rules = (DOCKER / "alerts.yml").read_text(encoding="utf-8")
    names = set(re.findall(r"\b(?:ottla|kafka|process)_\w+", re.sub(r"(?s)annotations:.*?(?=\n      - |\Z)", "", rules)))
    missing = {name for name in names - {"kafka_cluster"} if not prometheus.query(name)}
    assert missing == set(NOT_HERE), f"alerts ask for {missing}, which are missing, except {set(NOT_HERE)}"
    print(f"   ok: {len(names)} names in the alerts", file=sys.stderr)


def in_the_end(check, *arguments, seconds=30):
    """Calls check() until it passes. On a busy machine a scrape is missed, and rates have no data for a while."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return check(*arguments)
        except AssertionError:
            if time.monotonic() > deadline:
                raise
        time.sleep(EVERY_SECONDS)


def main():
    leave_at_sigterm()
    dashboard = json.loads((DOCKER / "grafana/dashboards/ottla.json").read_text(encoding="utf-8"))
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        one = broker(pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory())))
        stack.callback(one.remove)
        one.start()
        prometheus = stack.enter_context(Prometheus({"one": one.http_port}))
        load = stack.enter_context(Load(one))
        # Series that appear at the first failure need two scrapes for a rate.
        last = filled("rate(kafka_server_socket_server_metrics_failed_authentication_total[$__rate_interval]) > 0")
        eventually("failed logins are counted", lambda: prometheus.query(last))
        before = prometheus.scrapes()
        eventually("two more scrapes", lambda: prometheus.scrapes() >= before + 2)
        load.check()
        for check in (check_variables, check_dashboard):
            in_the_end(check, prometheus, dashboard)
        for check in (check_known, check_alerts):
            in_the_end(check, prometheus)
    print(f"   dashboards took {time.monotonic() - began:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
