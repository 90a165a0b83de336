"""A gate before a broker: clients reach the broker through it alone. It notes requests that end transactions, and can hold them back.

All bytes pass unchanged.
"""

import collections
import struct
import threading

from .relay import Relay

END_TXN = 26
_FLEXIBLE_FROM = 3  # EndTxn's first version with compact strings and tagged fields


class End:
    """One EndTxn: the connection it came by, its fields, whether it was held back, and the error of its answer (None: no answer)."""

    def __init__(self, connection, version, body):
        self.connection, self.version, self.held, self.error = connection, version, False, None
        length = _varint(body) - 1 if version >= _FLEXIBLE_FROM else _take(body, ">h")
        self.id = bytes(body.popleft() for _ in range(length)).decode()
        self.producer, self.epoch, self.commit = _take(body, ">q"), _take(body, ">h"), _take(body, ">?")

    def __repr__(self):
        return (f"{'commit' if self.commit else 'abort'} v{self.version} of {self.id} ({self.producer}, {self.epoch}) "
                f"by connection {self.connection}: {self.error}")


class Gate(Relay):
    def __init__(self):
        self.ends = []
        self._at_end = self._prefix = None
        self._waiting, self._lock = {}, threading.Lock()
        super().__init__()

    def at_next_commit(self, prefix, call):
        """Makes that call instead of passing on the next EndTxn that commits an id with that prefix; holds back all such until `open()`."""
        with self._lock:
            self._at_end, self._prefix = call, prefix

    def open(self):
        with self._lock:
            self._at_end = None

    def _requests(self, number, client, broker):
        while True:
            frame = _frame(client)
            key, version, correlation = struct.unpack(">hhi", frame[4:12])
            if key == END_TXN and not self._passes(number, version, correlation, frame):
                continue
            broker.sendall(frame)

    def _passes(self, number, version, correlation, frame):
        """Notes an EndTxn; false if it is to go no further."""
        body = collections.deque(frame[12:])
        for _ in range(max(0, _take(body, ">h"))):  # the client's id
            body.popleft()
        if version >= _FLEXIBLE_FROM:
            body.popleft()
        end = End(number, version, body)
        with self._lock:
            self.ends.append(end)
            call = self._at_end
            end.held = call is not None and end.commit and end.id.startswith(self._prefix)
            if end.held:
                self._at_end = _nothing
            else:
                self._waiting[number, correlation] = end
        if end.held:
            call()
        return not end.held

    def _answers(self, number, client, broker):
        while True:
            frame = _frame(broker)
            (correlation,) = struct.unpack(">i", frame[4:8])
            with self._lock:
                end = self._waiting.pop((number, correlation), None)
            if end:
                at = 13 if end.version >= _FLEXIBLE_FROM else 12  # after the header's tags and the throttle time
                (end.error,) = struct.unpack(">h", frame[at:at + 2])
            client.sendall(frame)


def _nothing():
    pass


def _frame(peer):
    """One frame, with its length."""
    head = _exactly(peer, 4)
    return head + _exactly(peer, *struct.unpack(">i", head))


def _exactly(peer, count):
    data = bytearray()
    while len(data) < count:
        chunk = peer.recv(min(count - len(data), 1 << 20))
        if not chunk:
            raise EOFError
        data += chunk
    return bytes(data)


def _take(body, form):
    (value,) = struct.unpack(form, bytes(body.popleft() for _ in range(struct.calcsize(form))))
    return value


def _varint(body):
    value = shift = 0
    while True:
        byte = body.popleft()
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value
