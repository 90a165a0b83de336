"""How long a kafka-python program takes to send 10 000 JSON records and read them back, on Ottla and on Apache Kafka 4.3.

Measured from the start of the program (tests/clients/python/programs/json_records.py) to its last line; the brokers take turns. Prints
the median of several runs and each of them. `make bench ARGS=program` runs it. crates/bench measures the broker without a client library.
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
from harness.program import Program

PROGRAM = ROOT / "tests" / "clients" / "python" / "programs" / "json_records.py"
RECORDS = 10_000
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
    print(f"against  Apache Kafka 4.3.0, 1 GiB heap as its start script has it, {java}")
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
    """Milliseconds of each run, by broker. They take turns, so that a machine that slows down slows both."""
    brokers = {kind: started(kind) for kind in kinds}
    times = {kind: [] for kind in kinds}
    try:
        for run in range(runs + 1):  # the first warms both up
            for kind, broker in brokers.items():
                took = run_program(client, broker, f"topic-{run}")
                if run:
                    times[kind].append(took * 1000)
    finally:
        for broker in brokers.values():
            broker.remove()
    return times


def run_program(client, broker, topic):
    """Seconds from the program's start to its last line."""
    began = time.monotonic()
    with Program(client, PROGRAM, "--broker", broker.bootstrap, "--topic", topic) as process:
        lines = process.read(RECORDS)
        took = time.monotonic() - began
        assert f'"order": {RECORDS - 1},' in lines[-1], lines[-1]
    return took


if __name__ == "__main__":
    main()
