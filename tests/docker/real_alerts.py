"""real_alerts.py: alerts of docker/alerts.yml fire in a real Prometheus, when their causes are made in real brokers, and not before.

Time passes 20 times as fast: a minute of the rules is 3 seconds here. As root, it also fills a disk, which is a file system in memory.
One broker has most causes. A second one is killed again and again. A third one has a certificate that expires, and no other cause.
"""

import contextlib
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from prometheus import DOCKER, Prometheus, leave_at_sigterm

from harness.broker import Ottla
from harness.certificates import Authority
from harness.process import eventually

TOPIC = "orders"
FASTER = 20
# Alerts that fire, by broker. With a small disk, there are more.
EXPECTED = {
    "one": {"ConnectionsRefused", "ConsumerGroupWithoutMembers", "ConsumerGroupStuck"},
    "killed": {"BrokerDown", "BrokerRestarted", "BrokerKeepsRestarting"},
    "short": {"CertificateExpires"},
}
OF_A_SMALL_DISK = {"DiskAlmostFull", "DiskFull", "RequestsFail"}
# Alerts that other programs on this machine can cause: by what they do to its disk, or as two scrapes in a row take too long, or a start.
OF_A_BUSY_MACHINE = {"DiskFillsUp", "DiskAlmostFull", "StorageStalls", "StorageHangs", "BrokerDown", "BrokerNotReady"}
# librdkafka says when a broker is gone, which it often is here.
QUIET = {"log_level": 0}


def fast(rules):
    """The rules with all their times divided."""
    milliseconds = {"h": 3_600_000, "m": 60_000, "s": 1000}

    def change(match):
        before, number, unit = match.groups()
        return f"{before}{int(number) * milliseconds[unit] // FASTER}ms"

    return re.sub(r"(\[|offset |for: )(\d+)([smh])\b", change, rules)


def produce(broker, count):
    producer = Producer({**QUIET, "bootstrap.servers": broker.bootstrap, "acks": "all"})
    for number in range(count):
        producer.produce(TOPIC, b"record %d" % number, partition=0)
    assert producer.flush(60) == 0


def commit(broker, group, offset):
    """Leaves a committed offset, as a group that has ended does."""
    consumer = Consumer({**QUIET, "bootstrap.servers": broker.bootstrap, "group.id": group})
    consumer.commit(offsets=[TopicPartition(TOPIC, 0, offset)], asynchronous=False)
    consumer.close()


@contextlib.contextmanager
def member(broker, group):
    """A member of a group that reads and never commits."""
    consumer = Consumer({**QUIET, "bootstrap.servers": broker.bootstrap, "group.id": group, "enable.auto.commit": False, "auto.offset.reset": "earliest"})
    consumer.subscribe([TOPIC])
    done = threading.Event()

    def read():
        while not done.is_set():
            consumer.poll(0.1)

    reading = threading.Thread(target=read)
    reading.start()
    try:
        yield
    finally:
        done.set()
        reading.join()
        consumer.close()


@contextlib.contextmanager
def too_many_connections(broker):
    """More than the address may have, while the caller waits."""
    held = [socket.create_connection(("127.0.0.1", broker.port), timeout=10) for _ in range(40)]
    try:
        yield
    finally:
        for one in held:
            one.close()


@contextlib.contextmanager
def small_disk():
    """A folder with 400 MiB, of which a third is the broker's reserve; one of the machine's disk where nothing can be mounted."""
    with tempfile.TemporaryDirectory(prefix="disk-") as folder:
        try:
            if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400m", "tmpfs", folder], capture_output=True, check=False).returncode:
                print("   only root can mount a small disk: no disk is filled", file=sys.stderr)
            yield folder
        finally:
            if os.path.ismount(folder):
                subprocess.run(["umount", "--lazy", folder], check=True)


def fill(prometheus, one):
    """Another program takes the disk's space, and gives it up again."""
    taken = one.home / "taken"
    # Retries until the end, so that the broker refuses it more than once, however late the first time is.
    producer = Producer({**QUIET, "bootstrap.servers": one.bootstrap, "retry.backoff.max.ms": 500})
    with open(taken, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, 200 << 20)
        fires(prometheus, "one", "DiskAlmostFull")
        os.posix_fallocate(file.fileno(), 200 << 20, 90 << 20)
        fires(prometheus, "one", "DiskFull")
        producer.produce(TOPIC, b"refused", partition=0)
        fires(prometheus, "one", "RequestsFail")
    producer.purge()
    taken.unlink()
    ends(prometheus, "one", "DiskFull")
    ends(prometheus, "one", "DiskAlmostFull")


def brokers(folder, disk):
    """By name. The certificate of `short` is valid for a day."""
    Authority("ca").server("localhost").write(folder, "broker")
    keys = ("ssl.keystore.type=PEM", f"ssl.keystore.location={folder}/broker.pem")
    return {
        "one": Ottla(home=disk, overrides=("max.connections.per.ip=30",)),
        "killed": Ottla(),
        "short": Ottla(listeners={"TLS": ("SSL", "localhost")}, overrides=keys),
    }


def fires(prometheus, instance, alert):
    eventually(f"{alert} fires", lambda: alert in prometheus.firing(instance), 100)
    print(f"   ok: {alert} fires", file=sys.stderr)


def ends(prometheus, instance, alert):
    eventually(f"{alert} ends", lambda: alert not in prometheus.firing(instance), 100)
    print(f"   ok: {alert} ends", file=sys.stderr)


def restart(prometheus, killed, between=lambda: None):
    """Kills the broker and starts it, until Prometheus has seen the new process."""

    def started():
        return max((value for _, value in prometheus.query('process_start_time_seconds{instance="killed"}')), default=0)

    before = started()
    killed.kill()
    between()
    killed.start()
    eventually("the new process is scraped", lambda: started() > before, 60)


def keep_killing(prometheus, killed):
    restart(prometheus, killed, lambda: fires(prometheus, "killed", "BrokerDown"))
    ends(prometheus, "killed", "BrokerDown")
    fires(prometheus, "killed", "BrokerRestarted")
    restart(prometheus, killed)
    assert "BrokerKeepsRestarting" not in prometheus.firing("killed"), "it fires too early"

    def again():
        restart(prometheus, killed)
        time.sleep(2)
        return "BrokerKeepsRestarting" in prometheus.firing("killed")

    # Three starts within an hour of the rules. Where the first ones were too slow, the next ones are quick enough.
    eventually("BrokerKeepsRestarting fires", again, 100)
    print("   ok: BrokerKeepsRestarting fires", file=sys.stderr)


def use(broker):
    """A topic, and a group that has read all of it."""
    admin = AdminClient({**QUIET, "bootstrap.servers": broker.bootstrap})
    admin.create_topics([NewTopic(TOPIC, 1)])[TOPIC].result(60)
    produce(broker, 10)
    commit(broker, "reads-all", 10)


def causes(prometheus, one, killed, short):
    """Makes each cause, and waits for its alert. While groups stand still, which takes longest, the others are made."""
    use(one)
    use(short)
    commit(one, "left", 3)
    commit(one, "stuck", 3)
    with member(one, "stuck"):
        with too_many_connections(one):
            fires(prometheus, "one", "ConnectionsRefused")
        if one.home.is_mount():
            fill(prometheus, one)
        keep_killing(prometheus, killed)
        fires(prometheus, "short", "CertificateExpires")
        fires(prometheus, "one", "ConsumerGroupWithoutMembers")
        fires(prometheus, "one", "ConsumerGroupStuck")
    commit(one, "left", 10)
    commit(one, "stuck", 10)
    ends(prometheus, "one", "ConsumerGroupWithoutMembers")
    ends(prometheus, "one", "ConsumerGroupStuck")
    ends(prometheus, "one", "ConnectionsRefused")


def check_all(prometheus, expected):
    """None fired without a cause, in the whole run."""
    fired = {name: set() for name in expected}
    for labels, _ in prometheus.query('last_over_time(ALERTS{alertstate="firing"}[1h])'):
        fired[labels["instance"]].add(labels["alertname"])
    for name, alerts in expected.items():
        assert alerts <= fired[name], f"{name}: {alerts - fired[name]} have not fired"
        others = fired[name] - alerts
        assert others <= OF_A_BUSY_MACHINE, f"{name}: others have fired too: {others}"
        if others:
            print(f"   {name}: as the machine is busy, {others} fired too", file=sys.stderr)
    print("   ok: none fires without a cause", file=sys.stderr)


def main():
    leave_at_sigterm()
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        disk = stack.enter_context(small_disk())
        all_ = brokers(pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory())), disk)
        for broker in all_.values():
            stack.callback(broker.remove)
        for broker in all_.values():
            broker.start()
        rules = fast((DOCKER / "alerts.yml").read_text(encoding="utf-8"))
        prometheus = stack.enter_context(Prometheus({name: broker.http_port for name, broker in all_.items()}, rules))
        # A counter that grew before its first scrape has no increase.
        eventually("each broker is scraped", lambda: len(prometheus.query("up == 1")) == len(all_), 60)
        causes(prometheus, **all_)
        small = OF_A_SMALL_DISK if all_["one"].home.is_mount() else set()
        check_all(prometheus, {**EXPECTED, "one": EXPECTED["one"] | small})
        assert all_["short"].stop() == 0, all_["short"].tail()
    print(f"   alerts took {time.monotonic() - began:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
