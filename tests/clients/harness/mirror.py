"""MirrorMaker 2, dedicated: a process that mirrors topics of the cluster `source` to the cluster `target`, where they are named `source.NAME`."""

import subprocess

from .process import spawn
from .processors import environment, java

# Heartbeats would need a worker on the source as well. Each record has a sync of its own (offset.lag.max=0), by which offsets of groups are translated.
_PROPERTIES = """\
clusters=source,target
source.bootstrap.servers={source}
target.bootstrap.servers={target}
source->target.enabled=true
source->target.topics={name}
source->target.groups={name}
emit.heartbeats.enabled=false
emit.checkpoints.interval.seconds=1
sync.group.offsets.enabled=true
sync.group.offsets.interval.seconds=1
refresh.groups.interval.seconds=1
offset.lag.max=0
offset.flush.interval.ms=500
replication.factor=1
heartbeats.topic.replication.factor=1
checkpoints.topic.replication.factor=1
offset-syncs.topic.replication.factor=1
offset.storage.replication.factor=1
config.storage.replication.factor=1
status.storage.replication.factor=1
session.timeout.ms=6000
heartbeat.interval.ms=1000
"""


class MirrorMaker:
    """`source` and `target` are bootstrap addresses, `name` a pattern of its topics and groups, `more` further properties."""

    def __init__(self, source, target, name, folder, more):
        self._libs = environment("mirror-4.3.0") / "libs"
        self.properties, self.log = folder / "mm2.properties", folder / "log"
        self.properties.write_text(_PROPERTIES.format(source=source, target=target, name=name) + more, encoding="utf-8")
        self.log.touch()
        self.process = None

    def set(self, *lines):
        """Sets these properties in place of those with the same keys."""
        keys = {line.split("=", 1)[0] for line in lines}
        kept = [line for line in self.properties.read_text(encoding="utf-8").splitlines() if line.split("=", 1)[0] not in keys]
        self.properties.write_text("\n".join([*kept, *lines, ""]), encoding="utf-8")

    def start(self):
        with open(self.log, "ab") as log:
            self.process = spawn(java(512, f"{self._libs}/*", "org.apache.kafka.connect.mirror.MirrorMaker", self.properties),
                                 stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()

    def runs(self):
        """True; fails, with the last that it logged, if it has ended."""
        assert self.process.poll() is None, f"MirrorMaker ended\n{self.tail()}"
        return True

    def ends(self, seconds=120):
        """Waits until it has ended by itself, which takes it most of a minute, and returns its exit code."""
        return self.process.wait(seconds)

    def logged(self):
        """How many bytes it has logged."""
        return self.log.stat().st_size

    def said(self, since=0):
        """Its log after that many bytes. It may be hundreds of megabytes: MirrorMaker repeats some errors without a pause."""
        with open(self.log, "rb") as log:
            log.seek(since)
            return log.read().decode(errors="replace")

    def tail(self):
        return "\n".join(self.said().splitlines()[-40:])
