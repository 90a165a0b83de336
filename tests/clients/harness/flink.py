"""A word count of Flink, or of PyFlink, with its checkpoints on disk: started, stopped, restored."""

from .job import Job

# Beyond the end of any test: a transaction that stays open is the program's fault, or the broker's, and is seen.
_TRANSACTION_TIMEOUT_MS = 600_000


class WordCount(Job):
    """One program with its topics and its folder of checkpoints."""

    def __init__(self, command, folder, bootstrap, lines, counts, naming="INCREMENTING", **settings):
        checkpointing = {
            "interval": "500ms", "timeout": "60s", "tolerable-failed-checkpoints": 1_000,
            "externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION", "dir": (folder / "checkpoints").as_uri(),
        }
        super().__init__(command, folder, {
            "program.lines": lines, "program.counts": counts, "program.prefix": f"{counts}-sink", "program.naming": naming,
            **{f"flink.execution.checkpointing.{key}": value for key, value in checkpointing.items()},
            "flink.parallelism.default": 2,
            "flink.restart-strategy.type": "fixed-delay",
            "flink.restart-strategy.fixed-delay.attempts": 1_000, "flink.restart-strategy.fixed-delay.delay": "200ms",
            "flink.taskmanager.memory.network.min": "32mb", "flink.taskmanager.memory.network.max": "32mb",
            "flink.taskmanager.memory.managed.size": "64mb",
            "source.bootstrap.servers": bootstrap, "source.group.id": f"{counts}-source",
            "source.isolation.level": "read_committed",
            "sink.bootstrap.servers": bootstrap, "sink.transaction.timeout.ms": _TRANSACTION_TIMEOUT_MS,
            **settings,
        })

    def restore(self, path):
        """Starts it from a checkpoint or savepoint."""
        self.start(more={"flink.execution.state-recovery.path": path})

    def stop_with_savepoint(self):
        """Ends the job; the path of the savepoint."""
        path = self.ask(f"stop {(self.folder / 'savepoints').as_uri()}")
        assert path.startswith("file:"), f"{path}\n{self.tail()}"
        self.kill()
        return path

    def newest_checkpoint(self):
        """The path of the last one that was completed."""
        found = []
        for metadata in (self.folder / "checkpoints").glob("*/chk-*/_metadata"):
            try:
                found.append((metadata.stat().st_mtime_ns, metadata.parent))
            except FileNotFoundError:  # a newer one has replaced it meanwhile
                continue
        return max(found)[1].as_uri()
