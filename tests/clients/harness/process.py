"""Processes that cannot outlive the run, and ports that no other process gets meanwhile."""

import ctypes
import os
import pathlib
import random
import signal
import socket
import subprocess
import time

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def _die_with_parent():
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def spawn(argv, **options):
    """Popen whose process is killed when the thread that started it ends, however it ends."""
    return subprocess.Popen(argv, preexec_fn=_die_with_parent, **options)


def resident_bytes(process):
    """Bytes of memory that the process occupies."""
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) << 10


def descriptors(process):
    """Files and sockets that the process has open."""
    return len(os.listdir(f"/proc/{process.pid}/fd"))


def free_port():
    """A port below the ephemeral range, so that no outgoing connection takes it between asking and listening."""
    while True:
        port = random.randrange(12000, 31000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


# A busy machine, or one whose memory its host has yet to fetch, takes three times as long. Only a failure waits for that.
SLOWEST = 3


def eventually(what, check, seconds=20, every=0.1, slowest=SLOWEST):
    """The first true value of check(); fails, naming what was awaited, after that many seconds, times `slowest`: 1 where the time is promised."""
    seconds *= slowest
    deadline = time.monotonic() + seconds
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(every)
