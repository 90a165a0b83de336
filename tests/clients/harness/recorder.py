"""A proxy before a listener that keeps every byte of both ways."""

import threading

from .relay import Relay


class Recorder(Relay):
    def __init__(self):
        self._kept, self._lock = [], threading.Lock()
        super().__init__()

    def streams(self):
        """The bytes of each connection in each direction, whole: no text is cut where a piece ended."""
        with self._lock:
            return [b"".join(chunks) for chunks in self._kept]

    def _requests(self, number, client, broker):
        self._copy(client, broker)

    def _answers(self, number, client, broker):
        self._copy(broker, client)

    def _copy(self, one, other):
        chunks = []
        with self._lock:
            self._kept.append(chunks)
        while data := one.recv(65536):
            chunks.append(data)
            other.sendall(data)
