"""wait.py PID PORT SECONDS LOG: waits until the broker on PORT answers ApiVersions, and prints how long that took.

Exits with 1, and the end of LOG, if the process ends first or the time is up.
"""

import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "clients"))

from harness.wire import answers_api_versions


def main():
    pid, port, seconds, log = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
    began = time.monotonic()
    while not answers_api_versions(port):
        if not os.path.exists(f"/proc/{pid}"):
            sys.exit(f"Kafka ended at its start:\n{tail(log)}")
        if time.monotonic() - began > seconds:
            sys.exit(f"Kafka does not answer after {seconds:.0f} s:\n{tail(log)}")
        time.sleep(0.02)
    print(f"ready after {(time.monotonic() - began) * 1000:.0f} ms")


def tail(log, lines=20):
    with open(log, errors="replace", encoding="utf-8") as file:
        return "".join(file.readlines()[-lines:])


if __name__ == "__main__":
    main()
