"""Whole-process figures of Ottla beside Apache Kafka 4.3, each the median of several runs, raw values printed too.

ready      seconds from exec to the answer to ApiVersions (asked every millisecond), on an empty folder
recovery   the same after kill -9, with a write-ahead log of at least 256 MiB to replay (Ottla)
idle       resident memory two seconds after the start, nobody connected
program    wall time of the 10 000-record kafka-python program, from its start to its last line; the brokers take turns

Runs from the checkout's root: `make bench`. It needs an idle machine: the load is printed before and after.
"""

import argparse
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "clients"))

from confluent_kafka import Producer

from harness.broker import Kafka, Ottla
from harness.drivers import python_of
from harness.hand import Hand
from harness.process import spawn

KINDS = {"ottla": Ottla, "kafka": Kafka}
EVERY = 0.001
MIB = 1 << 20


def main():
    options = arguments()
    describe(options)
    kinds = options.brokers.split(",")
    if "ready" in options.what:
        show("ready on an empty folder", "ms", {kind: ready(kind, options.runs) for kind in kinds})
    if "idle" in options.what:
        show("resident when idle", "MiB", {kind: idle(kind, max(3, options.runs // 2)) for kind in kinds})
    if "recovery" in options.what and "ottla" in kinds:
        times, sizes = recovery(max(3, options.runs // 2))
        show("ready after kill -9", "ms", {"ottla": times})
        show("  write-ahead log at the kill", "MiB", {"ottla": sizes})
    if "program" in options.what:
        for client in options.clients.split(","):
            show(f"10 000-record program, {client}", "ms", program(kinds, client, options.runs))
    print(f"load after: {os.getloadavg()[0]:.1f}")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=9, help="runs per figure (default 9)")
    parser.add_argument("--what", default="ready,idle,recovery,program", help="figures, by commas")
    parser.add_argument("--brokers", default="ottla,kafka", help="ottla, kafka or both")
    parser.add_argument("--clients", default="kafka-python-2.0.2,kafka-python-3.0.12", help="for `program`")
    return parser.parse_args()


def describe(options):
    cpu = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    memory = int(next(line for line in open("/proc/meminfo") if line.startswith("MemTotal")).split()[1]) // 1024
    java = subprocess.run(["java", "-version"], stderr=subprocess.PIPE, text=True).stderr.splitlines()[0] if "kafka" in options.brokers else ""
    print(f"date     {time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}")
    print(f"commit   {os.environ.get('OTTLA_COMMIT', 'unknown')}")
    print(f"machine  {os.cpu_count()} × {cpu}, {memory} MiB, Linux {platform.release()}; temporary folder on {filesystem()}")
    print(f"beside   Apache Kafka 4.3.0, 1 GiB heap as its start script has it, {java}")
    print(f"load     {os.getloadavg()[0]:.1f} before\n", flush=True)


def filesystem():
    folder = os.environ.get("OTTLA_TMP", "/tmp")
    return subprocess.run(["stat", "-f", "-c", "%T", folder], stdout=subprocess.PIPE, text=True).stdout.strip()


def show(what, unit, values):
    for kind, raw in values.items():
        figures = " ".join(f"{value:.0f}" for value in raw)
        print(f"{what:44} {kind:6} median {statistics.median(raw):7.0f} {unit:4} (min {min(raw):.0f}, max {max(raw):.0f})  raw: {figures}")
    if len(values) == 2:
        ottla, kafka = (statistics.median(raw) for raw in values.values())
        print(f"{'':44} ottla / kafka = {ottla / kafka:.3f}")
    sys.stdout.flush()


def started(kind):
    """A new broker on an empty folder, and the milliseconds until it answered."""
    broker = KINDS[kind]()
    broker.argv()  # Kafka formats its folder in here: not part of a start
    return broker, broker.start(every=EVERY) * 1000


def ready(kind, runs):
    times = []
    for _ in range(runs):
        broker, took = started(kind)
        times.append(took)
        broker.remove()
    return times


def idle(kind, runs):
    sizes = []
    for _ in range(runs):
        broker, _ = started(kind)
        time.sleep(2)
        status = pathlib.Path(f"/proc/{broker.process.pid}/status").read_text()
        sizes.append(int(status.split("VmRSS:")[1].split()[0]) / 1024)
        broker.remove()
    return sizes


def recovery(runs):
    """Fills the log until 256 MiB of it would have to be replayed (or 1 GiB was sent), kills, and starts again."""
    times, sizes = [], []
    for _ in range(runs):
        broker, _ = started("ottla")
        Hand(broker.bootstrap).create_topic("fill", 6)
        sent = 0
        while log_size(broker) < 256 * MIB and sent < 1024 * MIB:
            sent += fill(broker, 16 * MIB)
        broker.kill()
        sizes.append(log_size(broker) / MIB)
        times.append(broker.start(every=EVERY) * 1000)
        broker.remove()
    return times, sizes


def log_size(broker):
    """RocksDB's write-ahead log: NUMBER.log."""
    return sum(path.stat().st_size for path in (broker.home / "data").rglob("*.log") if path.stem.isdigit())


def fill(broker, amount):
    producer = Producer({"bootstrap.servers": broker.bootstrap, "acks": "1", "linger.ms": 10, "batch.size": 1_000_000, "log_level": 0})
    value = os.urandom(8192)
    for number in range(amount // len(value)):
        producer.produce("fill", value=value, partition=number % 6)
        producer.poll(0)
    assert producer.flush(60) == 0
    return amount


def program(kinds, client, runs):
    """Brokers take turns, so that a machine that slows down slows both."""
    source = (pathlib.Path(os.environ["OTTLA_SHARED"]) / "clients" / "kafka_json_10000.py").read_text(encoding="utf-8")
    earliest = source.replace("KafkaConsumer('test_topic', ", "KafkaConsumer('test_topic', auto_offset_reset='earliest', ")
    assert earliest != source
    brokers = {kind: started(kind)[0] for kind in kinds}
    times = {kind: [] for kind in kinds}
    try:
        for run in range(runs + 1):  # the first warms both up
            for kind, broker in brokers.items():
                text = earliest.replace("localhost:9092", broker.bootstrap).replace("test_topic", f"topic-{run}")
                path = broker.home / "program.py"
                path.write_text(text, encoding="utf-8")
                took = run_program(client, path)
                if run:
                    times[kind].append(took * 1000)
    finally:
        for broker in brokers.values():
            broker.remove()
    return times


def run_program(client, path):
    began = time.monotonic()
    process = spawn([python_of(client), "-W", "ignore", str(path)], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                    env={**os.environ, "PYTHONUNBUFFERED": "1"}, text=True)
    try:
        for number in range(10_000):
            line = process.stdout.readline()
            assert line, f"ended after {number} lines"
        assert line == "{'key': 9999, 'value': 9999}\n", line
        return time.monotonic() - began
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    main()
