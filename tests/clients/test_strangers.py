"""Strangers on a listener that asks for logins: they take little memory, are gone in time, and users neither wait nor fail.

The short form has 1 000 strangers and floods of 3 s. The long one is OTTLA_STRANGERS=10000 OTTLA_FLOOD_SECONDS=20.
"""

import multiprocessing
import os
import statistics
import threading
import time
from concurrent.futures import ProcessPoolExecutor

import pytest

from harness import strangers
from harness.drivers import AGAINST_KAFKA
from harness.hand import Hand
from harness.process import resident_bytes
from harness.safe import Safe

pytestmark = [pytest.mark.skipif(AGAINST_KAFKA, reason="Kafka has no limits before a login"), pytest.mark.xdist_group("strangers")]

STRANGERS = int(os.environ.get("OTTLA_STRANGERS", "1000"))
FLOOD_SECONDS = int(os.environ.get("OTTLA_FLOOD_SECONDS", "3"))
LONG = STRANGERS >= 10_000
PASSWORD = "secret"
# A login has 10 s; a busy machine may close late.
GONE_SECONDS = 11 if LONG else 15
MEMORY_BYTES = 100 << 20
# The p99 of three seconds is some ten requests. Beside other tests these wait for the machine, whatever the broker does, and the flood itself
# takes a processor: no ratio of two such figures is steady, of medians neither. So the short form judges what a user would notice, and the
# long form, alone on a machine, the ratio.
SLOWER, SLACK_SECONDS = 3, 0.0 if LONG else 0.2
LOGIN_SECONDS = 5 if LONG else 15
# More than the broker lets in, so that others are refused all the time.
AT_ONCE = 3000 if LONG else 1200


@pytest.fixture(scope="module")
def broker():
    one = Safe(["alice"], PASSWORD)
    try:
        one.start()
        one.add_scram_users()
        yield one
        assert one.stop() == 0
    finally:
        one.remove()


@pytest.fixture
def processes():
    with ProcessPoolExecutor(4, multiprocessing.get_context("spawn")) as pool:
        yield pool


def test_strangers_take_little_and_are_gone_in_time(broker, processes):
    before, most, done = resident_bytes(broker.process), [0], threading.Event()

    def watch():
        while not done.wait(0.05):
            most[0] = max(most[0], resident_bytes(broker.process))

    watching = threading.Thread(target=watch)
    watching.start()
    seconds = STRANGERS / 1000 + 5
    users = [processes.submit(strangers.logins, broker.safe_port, mechanism, "alice", PASSWORD, seconds) for mechanism in ("PLAIN", "SCRAM-SHA-512")]
    gone, left = processes.submit(strangers.strangers, broker.safe_port, STRANGERS, 1000, 30).result()
    times = [one for user in users for one in user.result()]
    done.set()
    watching.join()
    longest = {kind: round(max(all_), 2) for kind, all_ in gone.items()}
    print(f"{STRANGERS} strangers: gone after {longest} s; memory grew by {(most[0] - before) >> 20} MiB; "
          f"{len(times)} logins meanwhile, the longest {max(one or 99 for one in times):.3f} s")
    assert left == 0 and max(longest.values()) < GONE_SECONDS
    assert most[0] - before < MEMORY_BYTES
    assert None not in times and max(times) < LOGIN_SECONDS


@pytest.mark.parametrize("count", [1, 200])
def test_users_wait_no_longer_during_a_flood_of_logins(broker, processes, count):
    topic = f"flood-{count}"
    Hand(broker.bootstrap).create_topic(topic)

    def produced():
        return processes.submit(strangers.user, broker.safe_port, topic, "alice", PASSWORD, FLOOD_SECONDS).result()

    produced()
    quiet = produced()
    flood = processes.submit(strangers.flood, broker.safe_port, strangers.addresses(count), FLOOD_SECONDS + 2, AT_ONCE)
    users = processes.submit(strangers.logins, broker.safe_port, "PLAIN", "alice", PASSWORD, FLOOD_SECONDS + 1)
    time.sleep(1)
    beside = produced()
    ended, times = flood.result(), users.result()
    before, after = (statistics.quantiles(times, n=100)[98] for times in (quiet, beside))
    print(f"{count} addresses, {ended / (FLOOD_SECONDS + 2):.0f} connections/s refused: p99 {1000 * before:.2f} ms before, {1000 * after:.2f} ms beside; "
          f"{len(times)} logins, the longest {max(one or 99 for one in times):.3f} s")
    assert after < SLOWER * before + SLACK_SECONDS
    assert None not in times and max(times) < LOGIN_SECONDS
