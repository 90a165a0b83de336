"""Wall time of the 10 000-record kafka-python program beside Apache Kafka 4.3: what a user of that client waits for.

From the start of the program to its last line; the brokers take turns, the median of several runs, raw values printed too.
Runs from the checkout's root: `make bench ARGS=program`. The broker alone is measured by crates/bench.
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

from harness.broker import Kafka, Ottla
from harness.drivers import python_of
from harness.process import spawn

KINDS = {"ottla": Ottla, "kafka": Kafka}


def main():
    options = arguments()
    describe(options)
    kinds = options.brokers.split(",")
    for client in options.clients.split(","):
        show(f"10 000-record program, {client}", "ms", program(kinds, client, options.runs))
    print(f"load after: {os.getloadavg()[0]:.1f}")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=9, help="runs per figure (default 9)")
    parser.add_argument("--brokers", default="ottla,kafka", help="ottla, kafka or both")
    parser.add_argument("--clients", default="kafka-python-2.0.2,kafka-python-3.0.12", help="client versions, by commas")
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
    """A new broker on an empty folder."""
    broker = KINDS[kind]()
    broker.start()
    return broker


def program(kinds, client, runs):
    """Brokers take turns, so that a machine that slows down slows both."""
    source = (pathlib.Path(os.environ["OTTLA_SHARED"]) / "clients" / "kafka_json_10000.py").read_text(encoding="utf-8")
    earliest = source.replace("KafkaConsumer('test_topic', ", "KafkaConsumer('test_topic', auto_offset_reset='earliest', ")
    assert earliest != source
    brokers = {kind: started(kind) for kind in kinds}
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
