"""Clients above their quotas: no more bytes are let through than Kafka's model gives, and no neighbour notices.

OTTLA_QUOTA_SECONDS=60 is the long form, alone on a machine: many connections and sizes, bytes within 2 % of the model, a neighbour's p99.
"""

import concurrent.futures
import heapq
import os
import re
import subprocess
import threading
import time

import pytest

from harness.broker import KAFKA_LIBS, Ottla
from harness.drivers import AGAINST_KAFKA, JVM, python_of
from harness.hand import Hand
from harness.sasl import Peer
from harness.wire_records import produce_request

pytestmark = [
    pytest.mark.skipif(AGAINST_KAFKA, reason="Kafka with quotas is compared by make quotas, without waiting for them"),
    # They measure time: nothing of this file runs beside another test of it.
    pytest.mark.xdist_group("quotas"),
]

_QUOTA = 1_000_000
_BYTES = 18_000_000
_RECORD = 10_000
_PYTHON = os.path.join(os.path.dirname(__file__), "python", "drivers", "measured_producer.py")
_SECONDS = int(os.environ.get("OTTLA_QUOTA_SECONDS", "8"))
_LONG = _SECONDS >= 60
# Of connections and bytes of a value. A busy machine has no second in which a hundred of its threads all run.
_CROWDS = [(1, 1_000), (1, 1_000_000), (10, 1_000), (10, 100_000), (100, 1_000), (100, 10_000), (100, 1_000_000)] if _LONG else [(10, 10_000)]
_NEAR = 0.02 if _LONG else 0.1
# Clients batch records up to 16 KB: one of them, and what is around it.
_REQUEST = _RECORD + 130


class _Model:
    """Kafka's Rate and QuotaUtils.throttleTime, by a clock that is passed in, in ms."""

    def __init__(self, quota=_QUOTA, windows=11, length_ms=1000):
        self.quota, self.windows, self.length_ms = quota, windows, length_ms
        self.samples, self.current = [], 0

    def throttle_ms(self, now, request):
        """The throttle after a request of that many bytes."""
        samples, windows, length_ms = self.samples, self.windows, self.length_ms
        if samples and now - samples[self.current][0] >= length_ms:
            self.current = (self.current + 1) % (windows + 1)
            if self.current < len(samples):
                samples[self.current] = [now, now, 0]
        if self.current >= len(samples):
            samples.append([now, now, 0])
        samples[self.current][1:] = [now, samples[self.current][2] + request]
        samples[:] = [sample if now - sample[1] < windows * length_ms else [now, now, 0] for sample in samples]
        elapsed = now - min(sample[0] for sample in samples)
        elapsed += max(0, windows - 1 - elapsed // length_ms) * length_ms
        rate = sum(sample[2] for sample in samples) / (max(elapsed, 1) / 1000)
        return max(0, round((rate - self.quota) / self.quota * max(elapsed, 1)))


def _seconds_by_the_model(request, total):
    """The time in which a client that waits out each throttle has sent that many bytes."""
    model, now, sent = _Model(), 0, 0
    while True:
        throttle = model.throttle_ms(now, request)
        sent += request
        # The last answer does not wait for its throttle.
        if sent >= total:
            return now / 1000
        now += throttle


def _bytes_by_the_model(request, connections, seconds):
    """The bytes that connections of one user send within that time, each request as soon as the throttle of its last one is over."""
    model, sent, due = _Model(), 0, [0] * connections
    while (now := heapq.heappop(due)) < seconds * 1000:
        # A request takes time too, of which this is little.
        heapq.heappush(due, now + max(model.throttle_ms(now, request), 1))
        sent += request
    return sent


def _tool(class_name, *arguments):
    argv = [*JVM, "-cp", f"{KAFKA_LIBS}/*", class_name, *arguments]
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=180, text=True, check=False)
    assert done.returncode == 0, done.stdout
    return done.stdout


def _set(broker, client_id, quota):
    printed = _tool("kafka.admin.ConfigCommand", "--bootstrap-server", broker.bootstrap, "--alter",
                    "--entity-type", "clients", "--entity-name", client_id, "--add-config", quota)
    assert f"Completed updating config for client {client_id}." in printed, printed


def _java(broker, topic, client_id):
    """Seconds that kafka-producer-perf-test.sh says it took, by its own mean, and whether it was throttled."""
    count = _BYTES // _RECORD
    printed = _tool("org.apache.kafka.tools.ProducerPerformance", "--topic", topic, "--num-records", str(count), "--record-size", str(_RECORD),
                    "--throughput", "-1", "--producer-props", f"bootstrap.servers={broker.bootstrap}", f"client.id={client_id}", "acks=1",
                    "delivery.timeout.ms=180000", "request.timeout.ms=60000", "--print-metrics")
    # The largest throttle time in an answer, in milliseconds.
    (throttled,) = re.findall(r"produce-throttle-time-max:\S+ *: ([0-9.]+)", printed)
    (rate,) = re.findall(rf"^{count} records sent, ([0-9.]+) records/sec", printed, re.MULTILINE)
    return count / float(rate), float(throttled) > 0


def _kafka_python(broker, topic, client_id):
    argv = [python_of("kafka-python-3.0.12"), _PYTHON, broker.bootstrap, topic, client_id, str(_BYTES // _RECORD)]
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=180, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


@pytest.fixture(scope="module")
def throttling():
    broker = Ottla()
    try:
        broker.start()
        hand = Hand(broker.bootstrap)
        for topic in ("java", "python", "free", "read"):
            hand.create_topic(topic)
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            set_all = [pool.submit(_set, broker, client_id, f"{key}={_QUOTA}")
                       for client_id, key in (("java", "producer_byte_rate"), ("python", "producer_byte_rate"), ("reader", "consumer_byte_rate"))]
            for one in set_all:
                one.result()
        # Kept over a kill.
        broker.kill()
        broker.start()
        yield broker
        assert broker.stop() == 0, broker.tail()
    finally:
        broker.remove()


def test_producers_are_let_through_as_by_the_model(throttling):
    expected = _seconds_by_the_model(_REQUEST, _BYTES / _RECORD * _REQUEST)
    assert expected > 10, "hardly above the burst: the test measures nothing"
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        java = pool.submit(_java, throttling, "java", "java")
        python = pool.submit(_kafka_python, throttling, "python", "python")
        time.sleep(6)
        free = pool.submit(_java, throttling, "free", "free")
        (java, java_throttled), (free, free_throttled) = java.result(), free.result()
        took = {"java": java, "python": python.result()}
    assert (java_throttled, free_throttled) == (True, False), "the neighbour without a quota is told of no throttle"
    print(took, "by the model", expected, "a neighbour without a quota", free)
    for client, seconds in took.items():
        # Never faster. The client's own time comes on top, between its requests: on a busy machine not little, as for the neighbour.
        longest = expected * 2 + 5 * free
        assert expected * 0.98 <= seconds <= longest, f"{client}: {seconds} s, by the model {expected} s, at most {longest} s"


def test_a_consumer_reads_within_its_quota(throttling):
    hand = Hand(throttling.bootstrap)
    hand.produce("read", [b"x" * _RECORD] * (_BYTES // _RECORD))
    printed = _tool("org.apache.kafka.tools.ConsumerPerformance", "--bootstrap-server", throttling.bootstrap, "--topic", "read", "--num-records", str(_BYTES // _RECORD),
                    "--timeout", "60000", "--command-property", "client.id=reader", "--hide-header")
    assert f", {_BYTES // _RECORD}, " in printed, printed
    # Begin, end, MiB, MiB a second, …: the time without that of the program's start.
    fields = printed.strip().splitlines()[-1].split(", ")
    seconds = float(fields[2]) / float(fields[3])
    print(seconds, printed)
    # Kafka's answers are as large as 1 MiB: a throttle is a second and more, and the client may be that much early or late.
    assert 11 < seconds < 40


def _send(port, request, until, sent, times=None):
    """Sends a request again and again until that time, each after the answer to the last; counts the bytes, and keeps the times of answers."""
    with Peer(port) as peer:
        while (begin := time.monotonic()) < until:
            # The broker does not read the next one before the throttle of this one is over, which may be long after the end.
            peer.socket.settimeout(until - begin + 0.1)
            try:
                peer.ask(request)
            except TimeoutError:
                return
            if (now := time.monotonic()) < until:
                sent.append(len(request) - 4)
            if times is not None:
                times.append(now - begin)
                time.sleep(0.002)


def _neighbour_p99(port, seconds):
    """The p99 in seconds of a client without a quota, one record a request."""
    times = []
    _send(port, produce_request("free", client_id=b"free"), time.monotonic() + seconds, [], times)
    return sorted(times)[len(times) * 99 // 100]


@pytest.mark.timeout(3 * len(_CROWDS) * _SECONDS + 240)
def test_many_connections_of_one_quota_share_it(throttling):
    for connections, size in _CROWDS:
        # Their windows are empty again.
        time.sleep(13)
        alone = _neighbour_p99(throttling.port, _SECONDS / 4) if _LONG else None
        request, sent = produce_request("java", b"x" * size, b"java"), []
        until = time.monotonic() + _SECONDS
        crowd = [threading.Thread(target=_send, args=(throttling.port, request, until, sent)) for _ in range(connections)]
        for one in crowd:
            one.start()
        beside = _neighbour_p99(throttling.port, until - time.monotonic()) if _LONG else None
        for one in crowd:
            one.join()
        expected, found = _bytes_by_the_model(len(request) - 4, connections, _SECONDS), sum(sent)
        print(f"{connections} connections, {size} bytes: {found} bytes, {found / expected:.3f} of the model; a neighbour's p99 {alone} s alone, {beside} s beside")
        assert abs(found / expected - 1) <= _NEAR, f"{connections} connections, {size} bytes: {found} bytes, by the model {expected}"
