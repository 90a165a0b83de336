"""The one request the harness makes by itself: is anybody there who answers ApiVersions?"""

import socket
import struct


def answers_api_versions(port, host="127.0.0.1", timeout=1.0):
    """True once the whole answer to ApiVersions v0 has come: how every client begins."""
    body = struct.pack(">hhih", 18, 0, 1, 5) + b"ready"
    try:
        with socket.create_connection((host, port), timeout) as peer:
            peer.settimeout(timeout)
            peer.sendall(struct.pack(">i", len(body)) + body)
            (length,) = struct.unpack(">i", exactly(peer, 4))
            answer = exactly(peer, length)
            correlation, error = struct.unpack(">ih", answer[:6])
            return correlation == 1 and error == 0
    except (OSError, EOFError):
        return False


def exactly(peer, count):
    data = b""
    while len(data) < count:
        chunk = peer.recv(count - len(data))
        if not chunk:
            raise EOFError
        data += chunk
    return data
