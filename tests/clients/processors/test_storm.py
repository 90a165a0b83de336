"""Storm's Kafka spout, reading committed records, while the broker and Storm itself are killed: at least once, nothing aborted."""

import pytest

from harness.counting import Feeder
from harness.hand import Hand
from harness.job import Job, jvm
from harness.process import eventually
from harness.processors import kill_and_start

# Most of it is the start of JVMs, which takes long where others work beside it.
pytestmark = pytest.mark.timeout(900)

PARTITIONS = 2


class Topology:
    """The program, its topic, and the file to which its bolt writes."""

    def __init__(self, broker, name, folder):
        self.broker, self.lines, self.group, self.output = broker, f"{name}-lines", f"{name}-group", folder / "output"
        self.hand = Hand(broker.bootstrap)
        self.hand.create_topic(self.lines, PARTITIONS)
        self.program = Job(jvm("storm-2.8", "Lines", heap_mb=640), folder, {
            "bootstrap": broker.bootstrap, "lines": self.lines, "group": self.group, "output": self.output})

    def received(self):
        """(partition, offset, line) of each tuple, in the order of the bolt."""
        text = self.output.read_text() if self.output.exists() else ""
        found = (line.split(" ", 2) for line in text.split("\n")[:-1])
        return [(int(partition), int(offset), line) for partition, offset, line in found]

    def progress(self, tuples=300):
        before = len(self.received())
        eventually("tuples come", lambda: len(self.received()) >= before + tuples, seconds=240)

    def kill_broker(self, away):
        kill_and_start(self.broker, away)
        self.progress()

    def committed(self):
        return sum(max(0, offset) for offset in self.hand.committed(self.group, self.lines, PARTITIONS).values())


@pytest.fixture
def topology(own_broker, name, tmp_path):
    one = Topology(own_broker, name, tmp_path)
    try:
        yield one
    finally:
        one.program.kill()


def test_every_committed_line_comes_and_no_other(topology):
    feeder = Feeder(topology.broker.bootstrap, topology.lines)
    topology.program.start()
    topology.progress()
    for away in 0.2, 1, 3:
        topology.kill_broker(away)
    before = topology.received()

    topology.program.kill()
    committed = topology.hand.committed(topology.group, topology.lines, PARTITIONS)
    assert sum(committed.values()) > 0, "the spout has committed nothing"
    topology.program.start()
    topology.progress()

    lines = feeder.stop()

    def complete():
        return len(set(topology.received())) >= len(lines)

    eventually("all lines come", complete, seconds=240)
    received = topology.received()
    assert sorted(line for _, _, line in set(received)) == sorted(line for _, line in lines)
    assert len(set(before)) == len(before), "a line came twice, though Storm was not killed"
    again = set(received[len(before):]) & set(before)
    assert all(offset >= committed[partition] for partition, offset, _ in again), "a line came again that was committed"
