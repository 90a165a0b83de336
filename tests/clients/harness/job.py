"""A job of a stream processor as a process: started with a file of settings, asked, killed with all its children."""

import os
import signal
import subprocess

from .process import eventually, spawn
from .processors import environment, java
from .program import reader_of

# Packages of the JDK that Flink's and Spark's own start scripts open for their serializers.
_OPENED = ["java.lang", "java.lang.invoke", "java.lang.reflect", "java.io", "java.net", "java.nio", "java.time", "java.util",
           "java.util.concurrent", "java.util.concurrent.atomic", "sun.nio.ch", "sun.nio.cs", "sun.security.action", "sun.util.calendar"]


def jvm(name, main, heap_mb):
    """The command of a class that was compiled into that environment; the test is skipped if there is none."""
    at = environment(name)
    command = java(heap_mb, f"{at}/classes:{at}/libs/*", main)
    return [command[0], "-XX:+UseSerialGC", *(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in _OPENED), *command[1:]]


class Job:
    """One program with its folder, which stays over kill() and start(). Its only argument is a file of its settings."""

    def __init__(self, command, folder, settings):
        self.command, self.folder, self.settings = command, folder, settings
        self.process, self.lines, self.log = None, None, folder / "log"

    def start(self, wait=True, more=None):
        """Starts it, with more settings for this once; returns when it runs, or at once."""
        file = self.folder / "settings"
        settings = {**self.settings, **(more or {})}
        file.write_text("".join(f"{key}={value}\n" for key, value in settings.items()), encoding="utf-8")
        with open(self.log, "ab") as log:
            # In a session of its own, as it may have children: they are killed with it.
            self.process = spawn([*self.command, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                                 text=True, start_new_session=True)
        self.lines = reader_of(self.process)
        if wait:
            self.runs()

    def runs(self, seconds=240):
        """Waits until it says so; what a processor prints before goes to the log."""
        while (line := self.answer(seconds)) != "running":
            with open(self.log, "a", encoding="utf-8") as log:
                log.write(f"{line}\n")

    def ask(self, command):
        self.process.stdin.write(f"{command}\n")
        self.process.stdin.flush()
        return self.answer()

    def answer(self, seconds=240):
        """The next line that it prints."""
        def line():
            if not self.lines.empty():
                return self.lines.get()
            assert self.alive(), f"the program ended with {self.process.returncode}"
            return None

        try:
            return eventually("the program answers", line, seconds, every=0.02)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.tail()}") from None

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """kill -9, and gone when this returns."""
        if self.alive():
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def tail(self, lines=60):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
