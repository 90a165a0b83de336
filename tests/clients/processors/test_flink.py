"""Flink's word count from topic to topic, exactly once, while the broker and the program itself are killed.

Flink writes in a transaction per checkpoint and sink. It pre-commits (flushes) with the checkpoint and commits after it. A program
that was killed between the two is started from the checkpoint, and commits for its predecessor: a producer that has never
been initialised takes over the predecessor's id and epoch by reflection.
"""

import pathlib
import re
import time
import urllib.request

import pytest

from harness.broker import new_broker
from harness.counting import Counts, Feeder, counted, words_of
from harness.flink import WordCount
from harness.gate import Gate
from harness.hand import Hand
from harness.job import jvm
from harness.process import eventually
from harness.processors import environment

# Most of it is the start of JVMs, which takes long where others work beside it.
pytestmark = pytest.mark.timeout(900)

PARTITIONS = 3
VARIANTS = ["flink-2.2-INCREMENTING", "flink-2.2-POOLING", "flink-1.20-INCREMENTING", "pyflink-2.2-INCREMENTING"]


@pytest.fixture
def gate():
    one = Gate()
    yield one
    one.close()


@pytest.fixture
def own_broker(gate):
    """A broker that is reached through the gate alone, since it advertises the gate's port."""
    one = new_broker(overrides=[f"advertised.listeners=PLAINTEXT://localhost:{gate.port}"])
    try:
        gate.lead_to(one.port)
        one.start()
        yield one
    finally:
        one.remove()


class Scene:
    """A word count, fed without pause, and the broker under it."""

    def __init__(self, variant, broker, gate, name, folder):
        self.broker, self.gate = broker, gate
        self.lines, self.counts = f"{name}-lines", f"{name}-counts"
        flink, naming = variant.rsplit("-", 1)
        python = flink.startswith("pyflink")
        # Python's records have no key that would keep the counts of a word in one partition.
        self.partitions = 1 if python else PARTITIONS
        # Checkpoints wait for the lines before them, of which Python counts far fewer a second.
        self.a_second = 50 if python else 500
        hand = Hand(gate.bootstrap)
        hand.create_topic(self.lines, PARTITIONS)
        hand.create_topic(self.counts, self.partitions)
        command, more = pyflink(flink) if python else (jvm(flink, "WordCount", heap_mb=640), {})
        self.program = WordCount(command, folder, gate.bootstrap, self.lines, self.counts, naming, **more)
        self.feeder = None

    def begin(self):
        self.program.start(wait=False)
        self.feeder = Feeder(self.gate.bootstrap, self.lines, self.a_second)
        self.program.runs()
        self.progress()

    def progress(self, checkpoints=2):
        """Waits until that many more commits were answered, so that what follows happens in the midst of the work."""
        before = self.committed()
        eventually("it commits", lambda: self.committed() >= before + checkpoints, seconds=240)

    def committed(self):
        return sum(end.commit and end.error == 0 and end.id.startswith(self.counts) for end in self.gate.ends)

    def kill_broker(self, away=0.5):
        self.no_writer_was_fenced()
        self.broker.kill()
        time.sleep(away)
        self.broker.start()
        self.progress()

    def kill_program_before_its_commit(self):
        """Kills it when it has pre-committed, its checkpoint is complete, and its commit is on the way; starts it from the checkpoint."""
        before = len(self.gate.ends)
        self.gate.at_next_commit(self.counts, self.program.kill)
        assert self.program.process.wait(240) == -9
        held = next(end for end in self.gate.ends[before:] if end.held)
        written, committed = (Counts(self.gate.bootstrap, self.counts, self.partitions, isolation).total
                              for isolation in ("read_uncommitted", "read_committed"))
        assert written > committed
        self.gate.open()
        restarted = len(self.gate.ends)
        self.program.restore(self.program.newest_checkpoint())

        def recovered():
            return [end for end in self.gate.ends[restarted:] if (end.id, end.producer, end.epoch) == (held.id, held.producer, held.epoch)]

        commit = eventually("the new program commits for the old one", recovered, seconds=240)[0]
        eventually("that commit is answered", lambda: commit.error is not None)
        assert (commit.commit, commit.error) == (True, 0), commit
        assert commit.connection > held.connection and commit.version <= 4, (held, commit)

    def restore_from_savepoint(self):
        self.program.restore(self.program.stop_with_savepoint())
        self.progress()

    def is_exact(self):
        lines = self.feeder.stop()
        counted(self.gate.bootstrap, self.counts, self.partitions, words_of(lines))
        self.no_end_was_refused()
        self.no_writer_was_fenced()

    def no_end_was_refused(self):
        """An end is refused only if the transaction had ended: answered before, or with an answer that a kill swallowed."""
        seen = set()
        for end in list(self.gate.ends):
            owner = end.id, end.producer, end.epoch
            assert not end.error or owner in seen, f"{end} among {[one for one in self.gate.ends if one.id == end.id]}"
            if not end.held:
                seen.add(owner)

    def no_writer_was_fenced(self):
        """The broker, since its start, has refused no request within a transaction as fenced, other than ends."""
        if self.broker.kind != "ottla":
            return
        with urllib.request.urlopen(f"http://localhost:{self.broker.http_port}/metrics", timeout=30) as metrics:
            answered = re.findall(r'^ottla_requests_total\{api="(\w+)",error="(\w+)"\} (\d+)', metrics.read().decode(), re.MULTILINE)
        assert any((api, error) == ("Produce", "NONE") and int(count) for api, error, count in answered), answered
        within = "AddPartitionsToTxn", "AddOffsetsToTxn", "TxnOffsetCommit", "Produce"
        fenced = "PRODUCER_FENCED", "INVALID_PRODUCER_EPOCH"
        assert not [one for one in answered if one[0] in within and one[1] in fenced], answered


def pyflink(name):
    """The command of its word count, and the settings that it alone needs."""
    at = environment(name)
    (jar,) = (at / "libs").glob("*.jar")
    command = ["env", "JAVA_TOOL_OPTIONS=-Xmx640m -XX:+UseSerialGC -XX:TieredStopAtLevel=1",
               f"{at}/venv/bin/python", "-u", str(pathlib.Path(__file__).parent / "flink" / "word_count.py")]
    return command, {"program.jars": jar.as_uri(), "flink.python.fn-execution.bundle.time": 100}


@pytest.fixture
def scene(request, own_broker, gate, name, tmp_path):
    one = Scene(request.param, own_broker, gate, name, tmp_path)
    try:
        yield one
    finally:
        one.program.kill()


@pytest.mark.short
@pytest.mark.parametrize("scene", ["flink-2.2-INCREMENTING"], indirect=True)
def test_a_commit_that_was_cut_off_is_made_up_for(scene):
    scene.begin()
    scene.kill_broker()
    scene.kill_program_before_its_commit()
    scene.progress()
    scene.is_exact()


@pytest.mark.parametrize("scene", VARIANTS, indirect=True)
def test_every_word_is_counted_once(scene):
    scene.begin()
    scene.kill_broker()
    scene.kill_program_before_its_commit()
    scene.kill_broker()
    scene.restore_from_savepoint()
    scene.kill_broker(away=3)
    scene.is_exact()
