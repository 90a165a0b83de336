"""Certificates and authorities are exchanged while clients connect, produce and leave: no client notices, a bad set of files changes nothing.

The short form exchanges 12 times beside 6 clients. The long one is OTTLA_SWAPS=300, beside 50: its times are judged, too.
"""

import http.client
import json
import os
import pathlib
import random
import re
import signal
import socket
import ssl
import struct
import threading
import time

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource

from harness.broker import Ottla
from harness.certificates import Authority
from harness.drivers import AGAINST_KAFKA
from harness.hand import Hand
from harness.process import SLOWEST, descriptors, eventually, free_port, resident_bytes
from harness.wire import exactly
from harness.wire_records import produce_request

pytestmark = [pytest.mark.skipif(AGAINST_KAFKA, reason="Kafka reads certificates again only if it is told to"), pytest.mark.xdist_group("renewal")]

SWAPS = int(os.environ.get("OTTLA_SWAPS", "12"))
LONG = SWAPS >= 300
CLIENTS = 50 if LONG else 6
# Time in which a new certificate is seen without a signal.
SEEN_SECONDS = 6
# After the first third of the run, when caches and pools are filled.
MEMORY_BYTES = (32 if LONG else 64) << 20
GOOD, BAD = ("renamed", "link exchanged", "authority added or removed"), ("expired", "half written", "key of another", "empty", "missing")


class Renewed(Ottla):
    """A listener without TLS, and one that asks for certificates."""

    def __init__(self, folder):
        self.folder, self.tls_port = folder, free_port()
        self.authority, self.other = Authority("clients and broker"), Authority("to be removed")
        self.shown = self.authority.server("localhost")
        self.write("broker.pem", self.shown.key + self.shown.certificate)
        self.write("clients.pem", self.authority.pem + self.other.pem)
        super().__init__(overrides=(
            "listener.security.protocol.map=OPEN:PLAINTEXT,SAFE:SSL", "ssl.client.auth=required",
            f"ssl.keystore.location={folder}/broker.pem", f"ssl.truststore.location={folder}/clients.pem",
            f"audit.log.location={folder}/audit.log"))

    def argv(self):
        argv = super().argv()
        at = argv.index("--listen")
        return [*argv[:at], *argv[at + 2:], "--override", f"listeners=OPEN://127.0.0.1:{self.port},SAFE://localhost:{self.tls_port}"]

    def write(self, name, text):
        """In place, so that a reader may meet a part."""
        path = self.folder / name
        if path.is_symlink():
            path.unlink()
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)

    def rename(self, name, text):
        self.write(f"{name}.new", text)
        os.replace(self.folder / f"{name}.new", self.folder / name)

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=60)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            assert answer.status == 200
            return answer.read().decode()
        finally:
            connection.close()

    def metric(self, name):
        return float(re.search(rf'^{name}{{listener="SAFE"}} (\S+)$', self.get("/metrics"), re.M)[1])

    def reads_again(self):
        self.process.send_signal(signal.SIGHUP)


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    one = Renewed(pathlib.Path(tmp_path_factory.mktemp("renewal")))
    try:
        one.start()
        Hand(one.bootstrap).create_topic("renewal")
        yield one
        assert one.stop() == 0, one.tail()
        assert "PRIVATE" not in one.log.read_text(errors="replace")
    finally:
        one.remove()


def _context(broker, authority, name):
    context = ssl.create_default_context(cadata=broker.authority.pem)
    authority.client(name).write(broker.folder, name)
    context.load_cert_chain(broker.folder / f"{name}.pem")
    return context


def _connect(broker, context, session=None):
    raw = socket.create_connection(("127.0.0.1", broker.tls_port), 60)
    try:
        return context.wrap_socket(raw, server_hostname="localhost", session=session)
    except BaseException:
        raw.close()
        raise


def _serial(broker, context):
    """The serial number that a new client is shown."""
    with _connect(broker, context) as tls:
        return int(tls.getpeercert()["serialNumber"], 16)


def _produce(tls):
    tls.sendall(produce_request("renewal"))
    (length,) = struct.unpack(">i", exactly(tls, 4))
    # After the correlation id: one topic, its name, one partition, its index, the error.
    assert struct.unpack(">h", exactly(tls, length)[4 + 4 + 2 + len("renewal") + 4 + 4:][:2]) == (0,)


class Clients:
    """Clients that connect, produce and leave without a pause, each beside a connection on which it stays."""

    def __init__(self, broker, context):
        self.broker, self.context = broker, context
        self.ended, self.errors, self.served = threading.Event(), [], 0
        self.threads = [threading.Thread(target=self._one) for _ in range(CLIENTS)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        for thread in self.threads:
            thread.join()

    def _one(self):
        try:
            with _connect(self.broker, self.context) as stays:
                while not self.ended.is_set():
                    with _connect(self.broker, self.context) as comes:
                        _produce(comes)
                        _produce(stays)
                    self.served += 1
        except Exception as error:  # pylint: disable=broad-except
            self.errors.append(repr(error))


class Swaps:
    """Exchanges files, and sees that each exchange has its effect or none."""

    def __init__(self, broker, context):
        self.broker, self.context = broker, context
        self.random, self.seen_after, self.done = random.Random(1), [], {}

    def one(self, number):
        if number % 2:
            self.bad(BAD[number // 2 % len(BAD)])
        self.good(GOOD[number % len(GOOD)], by_itself=number % 6 == 0)

    def count(self, kind):
        self.done[kind] = self.done.get(kind, 0) + 1

    def good(self, kind, by_itself):
        broker, new = self.broker, self.broker.authority.server("localhost")
        text = new.key + new.certificate
        if kind == "link exchanged":
            broker.write(f"broker-{new.serial}.pem", text)
            os.symlink(f"broker-{new.serial}.pem", broker.folder / "link")
            os.replace(broker.folder / "link", broker.folder / "broker.pem")
        else:
            if kind != "renamed":
                both = self.random.random() < 0.5
                broker.rename("clients.pem", broker.authority.pem + (broker.other.pem if both else ""))
            broker.rename("broker.pem", text)
        began = time.monotonic()
        if not by_itself:
            broker.reads_again()
        eventually(f"{kind}: the new certificate", lambda: _serial(broker, self.context) == new.serial, SEEN_SECONDS,
                   slowest=1 if LONG else SLOWEST)
        if by_itself:
            self.seen_after.append(time.monotonic() - began)
        broker.shown = new
        # The certificate is in force a moment before this is.
        eventually(f"{kind}: no trouble", lambda: broker.metric("ottla_tls_certificate_refused") == 0)
        self.count(kind)

    def bad(self, kind):
        broker, new = self.broker, self.broker.authority.server("localhost", expired=kind == "expired")
        text = {"expired": new.key + new.certificate, "half written": (new.key + new.certificate)[:self.random.randrange(1, 600)],
                "key of another": broker.shown.key + new.certificate, "empty": "", "missing": None}[kind]
        if text is None:
            (broker.folder / "broker.pem").unlink()
        else:
            broker.write("broker.pem", text)
        broker.reads_again()
        eventually(f"{kind}: it is refused", lambda: broker.metric("ottla_tls_certificate_refused") == 1)
        assert _serial(broker, self.context) == broker.shown.serial, kind
        # It warns, and is ready all the same.
        eventually("a warning", lambda: "certificates" in (text := broker.get("/readyz?verbose")) and "listener SAFE" in text)
        self.count(kind)


def test_no_client_notices_an_exchange(broker):
    context = _context(broker, broker.authority, "alice")
    swaps, measured = Swaps(broker, context), SWAPS // 3
    with Clients(broker, context) as clients:
        for number in range(SWAPS):
            swaps.one(number)
            assert not clients.errors, clients.errors[:3]
            if number == measured:
                memory, files = resident_bytes(broker.process), descriptors(broker.process)
        grown = resident_bytes(broker.process) - memory
    assert not clients.errors, clients.errors[:3]
    print(f"{swaps.done}; {clients.served} connections; seen after {[round(seconds, 1) for seconds in swaps.seen_after]} s; "
          f"memory grew by {grown >> 10} KiB, descriptors were {files}")
    assert clients.served > SWAPS
    assert grown < MEMORY_BYTES
    # Those of the clients are closed by now.
    eventually("descriptors as before", lambda: descriptors(broker.process) <= files)


def test_a_removed_authority_resumes_nothing(broker):
    broker.rename("clients.pem", broker.authority.pem + broker.other.pem)
    broker.reads_again()
    context = _context(broker, broker.other, "bob")
    eventually("bob is let in", lambda: _session(broker, context))
    first = _session(broker, context)
    # As long as his authority is there, he resumes: else this test would show nothing.
    with _connect(broker, context, first) as tls:
        _produce(tls)
        assert tls.session_reused
        kept = tls.session
    alice = _context(broker, broker.authority, "alice")
    before = _serial(broker, alice)
    new = broker.authority.server("localhost")
    broker.rename("clients.pem", broker.authority.pem)
    broker.rename("broker.pem", new.key + new.certificate)
    broker.reads_again()
    eventually("the files are in force", lambda: _serial(broker, alice) == new.serial != before)
    with pytest.raises((OSError, EOFError)), _connect(broker, context, kept) as tls:
        _produce(tls)


def test_a_client_has_the_files_read_again(broker):
    """As kafka-configs.sh does: the location is set to what it is."""
    alice, new = _context(broker, broker.authority, "alice"), broker.authority.server("localhost")
    admin, name = Hand(broker.bootstrap).admin, "listener.name.safe.ssl.keystore.location"

    def sets(value):
        entry = ConfigEntry(name, str(value), incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ConfigResource.Type.BROKER, "1", incremental_configs=[entry])
        admin.incremental_alter_configs([resource])[resource].result(30)

    file = broker.folder / "broker.pem"
    broker.rename("broker.pem", new.key + new.certificate)
    sets(file)
    assert _serial(broker, alice) == new.serial
    broker.rename("broker.pem", new.key)
    with pytest.raises(KafkaException, match="it has no certificate"):
        sets(file)
    with pytest.raises(KafkaException, match="can only be set to the file that it names already"):
        sets(broker.folder / "alice.pem")
    assert _serial(broker, alice) == new.serial
    broker.rename("broker.pem", new.key + new.certificate)
    sets(file)


def test_the_audit_log_tells_of_each_renewal_and_of_what_was_not_taken(broker):
    alice, new, log = _context(broker, broker.authority, "alice"), broker.authority.server("localhost"), broker.folder / "audit.log"
    before = _serial(broker, alice)

    def told(**fields):
        lines = map(json.loads, log.read_text(encoding="utf-8").splitlines())
        return [line for line in lines if {"resource_type": "Certificate", "resource": "SAFE", **fields}.items() <= line.items()]

    refused = len(told(result="INVALID_CONFIG"))
    broker.rename("broker.pem", new.key)
    broker.reads_again()
    eventually("a set without a certificate is told", lambda: len(told(result="INVALID_CONFIG")) == refused + 1)
    assert "it has no certificate" in told(result="INVALID_CONFIG")[-1]["detail"]["reason"]
    broker.rename("broker.pem", new.key + new.certificate)
    broker.reads_again()
    eventually("the new certificate is told", lambda: any(int(line["detail"]["serial"], 16) == new.serial for line in told(result="NONE")))
    assert int(told(result="NONE")[-1]["detail"]["before"], 16) == before
    assert "PRIVATE" not in log.read_text(encoding="utf-8")


def _session(broker, context):
    try:
        with _connect(broker, context) as tls:
            _produce(tls)
            return tls.session
    except (OSError, EOFError):
        return None
