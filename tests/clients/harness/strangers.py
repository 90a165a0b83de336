"""Clients that do not belong: connections without a login, floods of logins, and beside them the time that a user's requests take.

Each function runs in a process of its own (multiprocessing, `spawn`), so that none waits for another's interpreter.
"""

import os
import random
import selectors
import socket
import struct
import time

from . import sasl
from .wire_records import produce_request

# Bytes that a stranger sends. The broker closes the last three at once, the first two at its deadline.
KINDS = {
    "nothing": b"",
    "half a frame": struct.pack(">i", 100) + bytes(50),
    "2 GiB announced": struct.pack(">i", 2**31 - 1) + bytes(100),
    "garbage": random.Random(1).randbytes(64 << 10),
    "frames of garbage": b"".join(sasl.frame(random.Random(n).randbytes(16_000)) for n in range(4)),
}


def addresses(count):
    """Addresses of this machine that no other test uses."""
    return [f"127.0.{1 + number // 200}.{1 + number % 200}" for number in range(count)]


class _Crowd:
    """Connections under way, each with a note of when it began; `closed` is called as the broker closes one."""

    def __init__(self, port, closed):
        self.port, self.closed = port, closed
        self.selector = selectors.DefaultSelector()

    def open(self, source, message, kind):
        peer = socket.socket()
        peer.setblocking(False)
        peer.bind((source, 0))
        peer.connect_ex(("127.0.0.1", self.port))
        self.selector.register(peer, selectors.EVENT_WRITE, [message, kind, source, time.monotonic()])

    def __len__(self):
        return len(self.selector.get_map())

    def turn(self, timeout):
        """Takes what has happened: sends what can be sent, reads what has come."""
        for key, ready in self.selector.select(timeout):
            peer, state = key.fileobj, key.data
            try:
                if ready & selectors.EVENT_WRITE:
                    state[0] = state[0][peer.send(state[0]):] if state[0] else b""
                    if not state[0]:
                        self.selector.modify(peer, selectors.EVENT_READ, state)
                elif peer.recv(4096):
                    continue
                else:
                    self._gone(peer, state)
            except OSError:
                self._gone(peer, state)

    def _gone(self, peer, state):
        self.selector.unregister(peer)
        peer.close()
        self.closed(*state[1:])


def strangers(port, count, a_second, patience):
    """Opens `count` connections of all kinds, at most that many a second; {kind: seconds until each was closed}, and how many never were."""
    gone = {kind: [] for kind in KINDS}
    crowd = _Crowd(port, lambda kind, _, began: gone[kind].append(time.monotonic() - began))
    sources, kinds, began = addresses(200), list(KINDS), time.monotonic()
    opened = 0
    while opened < count:
        while opened < count and opened < (time.monotonic() - began) * a_second:
            kind = kinds[opened % len(kinds)]
            crowd.open(sources[opened % len(sources)], KINDS[kind], kind)
            opened += 1
        crowd.turn(0.002)
    deadline = time.monotonic() + patience
    while len(crowd) and time.monotonic() < deadline:
        crowd.turn(0.1)
    return gone, len(crowd)


def flood(port, sources, seconds, at_once):
    """Failed logins at full speed, `at_once` of them under way; how many connections ended in that time."""
    ended = [0]
    message = sasl.handshake("PLAIN") + sasl.authenticate(sasl.plain("nobody", "wrong"))

    def closed(*_):
        ended[0] += 1

    # The strangers' processor is not this machine's: what the broker and its users want comes first.
    os.nice(10)
    crowd, number, end = _Crowd(port, closed), 0, time.monotonic() + seconds
    while time.monotonic() < end:
        while len(crowd) < at_once:
            crowd.open(sources[number % len(sources)], message, "flood")
            number += 1
        crowd.turn(0.01)
    return ended[0]


def user(port, topic, name, password, seconds, a_second=500):
    """Logs in once, then produces one small record at a time; the seconds that each answer took."""
    times, request = [], produce_request(topic)
    with sasl.Peer(port) as peer:
        assert sasl.log_in(peer, "PLAIN", name, password)
        begun = due = time.perf_counter()
        while due < begun + seconds:
            time.sleep(max(0, due - time.perf_counter()))
            sent = time.perf_counter()
            peer.ask(request)
            times.append(time.perf_counter() - sent)
            due = max(due + 1 / a_second, time.perf_counter() - 1)
    return times


def logins(port, mechanism, name, password, seconds, every=0.05):
    """Logs in again and again; how long each took, None for one that failed."""
    times, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        try:
            with sasl.Peer(port) as peer:
                done = sasl.log_in(peer, mechanism, name, password)
            times.append(time.monotonic() - began if done else None)
        except (OSError, EOFError):
            times.append(None)
        time.sleep(every)
    return times
