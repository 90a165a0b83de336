"""The tools that `ottla` serves by the names of Kafka's, as processes; every other tool runs in the JVM beside it."""

import itertools
import os
import pathlib
import signal
import subprocess
import tempfile

from harness.process import eventually, spawn
from jvm import on_terminal

NAMES = {"kafka-acls", "kafka-configs", "kafka-console-consumer", "kafka-console-producer", "kafka-consumer-groups", "kafka-topics"}
# The binary under test; another one than the broker's where only the tools were built anew.
BINARY = os.environ.get("OTTLA_TOOLS_BINARY") or os.environ.get("OTTLA_BINARY")


class Named:
    """In the place of a `Jvm`."""

    def __init__(self, jvm):
        self._jvm = jvm
        self._numbers = itertools.count()
        self._running = {}

    def start(self, tool, arguments, data=""):
        if tool not in NAMES:
            return "jvm", self._jvm.start(tool, arguments, data)
        number = next(self._numbers)
        printed = tempfile.TemporaryFile()
        process = spawn([BINARY, tool, *arguments], stdin=subprocess.PIPE, stdout=printed, stderr=subprocess.STDOUT)
        try:
            process.stdin.write(data.encode())
            process.stdin.close()
        except BrokenPipeError:
            pass  # It has ended without reading.
        self._running[number] = process, printed
        return "ottla", number

    def finish(self, name, timeout=60):
        kind, number = name
        if kind == "jvm":
            return self._jvm.finish(number, timeout)
        process, printed = self._running.pop(number)
        status = process.wait(timeout)
        with printed:
            return status, _all(printed)

    def on_terminal(self, tool, arguments, typed):
        if tool not in NAMES:
            return self._jvm.on_terminal(tool, arguments, typed)
        return on_terminal([BINARY, tool, *arguments], typed)

    def wait_for(self, name, pattern, timeout=60):
        kind, number = name
        if kind == "jvm":
            return self._jvm.wait_for(number, pattern, timeout)
        process, printed = self._running[number]

        def found():
            assert process.poll() is None, f"ended with {process.returncode}:\n{_all(printed)}"
            return pattern.search(_all(printed))

        return eventually(f"{pattern.pattern} is printed", found, timeout)

    def stop(self, name, timeout=60):
        kind, number = name
        if kind == "jvm":
            return self._jvm.stop(number, timeout)
        self._running[number][0].send_signal(signal.SIGINT)
        return self.finish(name, timeout)


def linked(folder, name):
    """A link to the binary by the name of a tool."""
    link = pathlib.Path(folder) / name
    link.symlink_to(pathlib.Path(BINARY).resolve())
    return str(link)


def _all(printed):
    return os.pread(printed.fileno(), 1 << 24, 0).decode()
