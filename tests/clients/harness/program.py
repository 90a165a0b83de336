"""Programs as their users run them: a process each, under one version of kafka-python."""

import queue
import signal
import subprocess
import threading
import time

from .drivers import python_of
from .process import spawn


def reader_of(process):
    """The lines of a process's standard output, as they come."""
    lines = queue.Queue()
    threading.Thread(target=lambda: [lines.put(line.rstrip("\n")) for line in process.stdout], daemon=True).start()
    return lines


class Program:
    """One run of a program; its output line by line as it comes. Use it as a context manager: it is killed in the end."""

    def __init__(self, client, path, *arguments):
        self.process = spawn([python_of(client), "-u", "-W", "ignore::DeprecationWarning", str(path), *arguments],
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lines, self.errors = queue.Queue(), []
        self._readers = [self._reader(self.process.stdout, self.lines.put), self._reader(self.process.stderr, self.errors.append)]

    @staticmethod
    def _reader(stream, sink):
        thread = threading.Thread(target=lambda: [sink(line.rstrip("\n")) for line in stream], daemon=True)
        thread.start()
        return thread

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def read(self, count, seconds=60):
        """The next `count` lines of its output."""
        deadline, lines = time.monotonic() + seconds, []
        while len(lines) < count:
            try:
                lines.append(self.lines.get(timeout=max(0.01, deadline - time.monotonic())))
            except queue.Empty:
                raise AssertionError(f"{len(lines)} of {count} lines after {seconds} s; stderr:\n{self._last_errors()}") from None
        return lines

    def read_so_far(self):
        """The lines that it has printed and that were not read."""
        return [self.lines.get() for _ in range(self.lines.qsize())]

    def quiet(self, seconds):
        """True if it printed nothing for that long and is still running."""
        try:
            self.lines.get(timeout=seconds)
            return False
        except queue.Empty:
            return self.process.poll() is None

    def ends(self, seconds=60):
        """The rest of its output, once it has ended by itself and without an error."""
        assert self._wait(seconds) == 0, self._last_errors()
        return self.read_so_far()

    def stops(self, seconds=60):
        """The rest of its output, once it has ended because it was asked to."""
        self.process.send_signal(signal.SIGTERM)
        return self.ends(seconds)

    def fails(self, seconds=30):
        """Its error output, once it has ended with an error."""
        assert self._wait(seconds) != 0
        return "\n".join(self.errors)

    def _wait(self, seconds):
        status = self.process.wait(seconds)
        for reader in self._readers:
            reader.join()
        return status

    def _last_errors(self):
        return "\n".join(self.errors[-20:])


def read_past(program, hand, topic, sentinel):
    """Sends `sentinel` until the program, which starts at the end of the topic, prints it: from then on it misses nothing.

    Returns how many sentinels were sent: it may still print all but the first.
    """
    sent = 0
    while program.lines.empty():
        hand.produce(topic, [sentinel])
        sent += 1
        assert program.process.poll() is None, program.errors
        assert sent < 300, "nothing was printed"
        time.sleep(0.1)
    return sent
