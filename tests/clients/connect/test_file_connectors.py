"""Kafka Connect, distributed: lines of one file become records, records become lines of another.

Connect promises each line at least once. Where its source was, and what its connectors are, it keeps in compacted topics
of its own; where its sink was, in a consumer group.
"""

import pytest

from harness.connect import Worker
from harness.hand import Hand
from harness.process import eventually


class Files:
    """The two files, the connectors between them, and the lines that must come through."""

    def __init__(self, broker, name, folder):
        self.broker, self.name = broker, name
        self.hand = Hand(broker.bootstrap)
        self.worker = Worker(broker, name, folder)
        self.source, self.sink = folder / "source", folder / "sink"
        self.source.touch()
        self.lines = []

    def connect(self):
        """Starts both, with the first thousand lines: the sink's consumer would create the topic if it came before the source."""
        at = "org.apache.kafka.connect.file.FileStream"
        self.worker.ask("PUT", "/connectors/source/config", {
            "connector.class": f"{at}SourceConnector", "tasks.max": "1", "file": str(self.source), "topic": self.name,
            "topic.creation.default.partitions": "1", "topic.creation.default.replication.factor": "-1",
            "topic.creation.default.retention.ms": "86400000"})
        self.append("first", 1_000)
        eventually("the source has made its topic", lambda: self.hand.ends(self.name))
        self.worker.ask("PUT", "/connectors/sink/config", {
            "connector.class": f"{at}SinkConnector", "tasks.max": "1", "file": str(self.sink), "topics": self.name})

    def append(self, word, count):
        added = [f"{word} {number}" for number in range(count)]
        with self.source.open("a") as file:
            file.writelines(f"{line}\n" for line in added)
        self.lines += added

    def arrived(self):
        """The lines of the sink's file that are whole."""
        return self.sink.read_text().split("\n")[:-1] if self.sink.exists() else []

    def all_arrive(self, seconds=60):
        """Waits until every line has arrived, in order except for those that came again."""
        def complete():
            return len(set(self.arrived())) >= len(self.lines)

        try:
            eventually("all lines arrive", complete, seconds)
        except AssertionError as error:
            status = {one: self.worker.status(one) for one in ("source", "sink")}
            missing = set(self.lines) - set(self.arrived())
            raise AssertionError(f"{error}: {len(missing)} are missing; {status}\n{self.worker.tail()}") from None
        assert list(dict.fromkeys(self.arrived())) == self.lines

    def all_committed(self):
        """Waits until both connectors have committed all there is."""
        def done():
            source, sink = (self.worker.get(f"/connectors/{one}/offsets")["offsets"] for one in ("source", "sink"))
            return (source and source[0]["offset"] == {"position": self.source.stat().st_size}
                    and sink and sink[0]["offset"] == {"kafka_offset": self.hand.ends(self.name)[1]})

        eventually("both have committed", done, seconds=30)


@pytest.fixture
def files(own_broker, name, tmp_path):
    one = Files(own_broker, name, tmp_path)
    try:
        yield one
    finally:
        one.worker.kill()


def test_every_line_arrives_though_worker_and_broker_are_killed(files, own_broker, name):
    files.worker.start()
    files.connect()
    files.all_arrive()
    assert files.arrived() == files.lines, "nothing went wrong, yet lines came again"
    for topic in "configs", "offsets", "status":
        assert files.hand.configs(f"{name}-{topic}")["cleanup.policy"] == "compact"
    assert files.hand.configs(name)["retention.ms"] == "86400000"

    files.append("under way", 1_000)
    own_broker.kill()
    own_broker.start()
    files.append("after the broker", 1_000)
    files.all_arrive()
    files.all_committed()
    committed = len(files.lines)
    so_far = files.arrived()

    files.append("worker dies", 1_000)
    files.worker.kill()
    files.append("while it is away", 1_000)
    files.worker.start()
    files.append("at last", 1_000)
    files.all_arrive()
    assert files.arrived()[:len(so_far)] == so_far
    again = set(files.arrived()[len(so_far):]) & set(files.lines[:committed])
    assert not again, f"{len(again)} lines came again that were committed"

    # An operator sets the sink back: only a connector that is stopped may be, as its group must be empty.
    files.all_committed()
    before = len(files.arrived())
    files.worker.ask("PUT", "/connectors/sink/stop")
    eventually("the sink is stopped", lambda: not files.worker.status("sink")["tasks"])
    end = files.hand.ends(name)[1]
    files.worker.ask("PATCH", "/connectors/sink/offsets", {"offsets": [
        {"partition": {"kafka_topic": name, "kafka_partition": 0}, "offset": {"kafka_offset": end - 10}}]})
    files.worker.ask("PUT", "/connectors/sink/resume")
    eventually("the last ten lines come again", lambda: files.arrived()[before:] == files.lines[-10:])


def test_the_other_worker_takes_over(files, own_broker, name, tmp_path):
    other = Worker(own_broker, name, tmp_path)
    workers = {one.id: one for one in (files.worker, other)}
    try:
        for one in workers.values():
            one.start(wait=False)
        for one in workers.values():
            one.ready()
        files.connect()
        on = eventually("they share source and sink", lambda: shared(other), seconds=60)
        files.all_arrive()
        files.all_committed()

        workers.pop(on["source"]).kill()
        (files.worker,) = workers.values()
        files.append("second", 1_000)
        files.all_arrive()
        assert files.arrived() == files.lines, "lines came again that were committed"
        assert files.worker.running_on("source") == files.worker.running_on("sink") == files.worker.id
    finally:
        for one in workers.values():
            one.kill()


def shared(worker):
    """The workers of source and sink, once they are different ones."""
    on = {one: worker.running_on(one) for one in ("source", "sink")}
    return on if all(on.values()) and len(set(on.values())) == 2 else None
