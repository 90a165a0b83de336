"""Kafka Connect, distributed, with `exactly.once.source.support=enabled`: each line of a file becomes one record.

A task writes records and its offsets in one transaction, by a transactional id of its own. The broker is killed (-9) three times and the worker once, each in the midst of lines.
"""

import random
import signal
import time

import pytest

from harness.connect import Worker
from harness.hand import Hand
from harness.process import eventually
from harness.processors import PATIENCE, committed, kill_and_start

# `transaction.boundary=poll` is the default: what one poll of the file gave is a transaction.
EXACTLY_ONCE = "exactly.once.source.support=enabled\n"


class Source:
    """A file, the connector that reads it, and the lines that must come through, each once."""

    def __init__(self, broker, name, folder):
        self.broker, self.name = broker, name
        self.hand = Hand(broker.bootstrap)
        self.hand.create_topic(name)
        self.worker = Worker(broker, name, folder, EXACTLY_ONCE)
        self.file = folder / "source"
        self.file.touch()
        self.lines = []

    def connect(self):
        self.worker.ask("PUT", "/connectors/source/config", {
            "connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector", "tasks.max": "1",
            "file": str(self.file), "topic": self.name, "exactly.once.support": "required"})

    def append(self, count):
        added = [f"line {len(self.lines) + number}" for number in range(count)]
        with self.file.open("a") as file:
            file.writelines(f"{line}\n" for line in added)
        self.lines += added

    def arrived(self):
        return [value.decode() for _, value in committed(self.broker.bootstrap, self.name, 1)[0]]

    def in_midst(self, count, act):
        """Appends that many lines, and acts when some of them have arrived and others have not."""
        before = len(self.lines)
        self.append(count)
        eventually("some lines arrive", lambda: self.hand.ends(self.name)[1] > before, PATIENCE, every=0.01)
        act()

    def all_arrive(self):
        try:
            eventually("all lines arrive", lambda: len(self.arrived()) >= len(self.lines), PATIENCE, every=0.5)
        except AssertionError as error:
            status = self.worker.status("source")
            raise AssertionError(f"{error}: {len(self.arrived())} of {len(self.lines)}; {status}\n{self.worker.tail()}") from None
        time.sleep(1)
        assert self.arrived() == self.lines

    def restart_worker(self):
        self.worker.kill()
        self.worker.start()


@pytest.fixture
def source(own_broker, name, tmp_path):
    one = Source(own_broker, name, tmp_path)
    try:
        yield one
    finally:
        one.worker.kill()


@pytest.mark.short
@pytest.mark.timeout(1_500)
def test_each_line_arrives_once_though_worker_and_broker_are_killed(source, own_broker):
    dice = random.Random()
    source.worker.start()
    source.connect()
    source.append(100)
    source.all_arrive()

    def kill_broker():
        time.sleep(dice.uniform(0, 0.1))
        kill_and_start(own_broker)

    for act in kill_broker, kill_broker, source.restart_worker, kill_broker:
        source.in_midst(5_000, act)
        source.all_arrive()
    assert source.worker.status("source")["connector"]["state"] == "RUNNING"


@pytest.mark.timeout(1_500)
def test_a_task_that_slept_is_fenced(source, own_broker, name, tmp_path):
    """Its worker is stopped (SIGSTOP) in the midst of lines; when it wakes, another has taken the task and its transactional id."""
    other = Worker(own_broker, name, tmp_path, EXACTLY_ONCE)
    workers = [source.worker, other]
    try:
        for one in workers:
            one.start(wait=False)
        for one in workers:
            one.ready()
        source.connect()
        source.append(100)
        source.all_arrive()
        on = eventually("the task runs", lambda: source.worker.running_on("source"), PATIENCE)
        asleep, awake = sorted(workers, key=lambda one: one.id != on)
        source.worker = awake
        source.in_midst(5_000, lambda: asleep.process.send_signal(signal.SIGSTOP))
        source.append(100)
        source.all_arrive()
        assert awake.running_on("source") == awake.id
        asleep.process.send_signal(signal.SIGCONT)
        source.append(5_000)
        source.all_arrive()
        eventually("the task that slept is told that its epoch is old", lambda: "old epoch" in asleep.log.read_text(), PATIENCE)
    finally:
        for one in workers:
            one.kill()
