"""Logins by hand: frames of SaslHandshake and SaslAuthenticate, and the client's half of SCRAM (RFC 5802)."""

import base64
import hashlib
import hmac
import socket
import struct

HANDSHAKE, AUTHENTICATE = 17, 36
HASHES = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}


def frame(body):
    return struct.pack(">i", len(body)) + body


def request(key, version, body, correlation=1, client_id=b"login"):
    """A frame with header version 1."""
    return frame(struct.pack(">hhih", key, version, correlation, len(client_id)) + client_id + body)


def handshake(mechanism, version=1):
    name = mechanism.encode()
    return request(HANDSHAKE, version, struct.pack(">h", len(name)) + name)


def authenticate(token, version=1):
    return request(AUTHENTICATE, version, struct.pack(">i", len(token)) + token)


def plain(user, password):
    return f"\0{user}\0{password}".encode()


class Answer:
    """An answer to SaslAuthenticate version 1."""

    def __init__(self, body):
        code, length = struct.unpack(">hh", body[4:8])
        self.code, at = code, 8 + max(length, 0)
        (length,) = struct.unpack(">i", body[at:at + 4])
        self.token = body[at + 4:at + 4 + length]


class Peer:
    """A connection on which frames are sent and received one at a time."""

    def __init__(self, port, source=None, timeout=20):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout, source_address=(source, 0) if source else None)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def ask(self, sent):
        """Sends bytes; the next frame without its length. EOFError if the broker closes instead."""
        self.socket.sendall(sent)
        (length,) = struct.unpack(">i", self._exactly(4))
        return self._exactly(length)

    def _exactly(self, count):
        data = b""
        while len(data) < count:
            chunk = self.socket.recv(count - len(data))
            if not chunk:
                raise EOFError("closed by the broker")
            data += chunk
        return data


class Scram:
    """A client's login. Salted passwords are kept: they take most of a login's time."""

    _salted = {}

    def __init__(self, mechanism, user, nonce="fyko+d2lbbFgONRv9qkxdawL"):
        self.hash, self.nonce = HASHES[mechanism], nonce
        self.bare = f"n={user.replace('=', '=3D').replace(',', '=2C')},r={nonce}"
        self.first = f"n,,{self.bare}".encode()

    def final(self, challenge, password):
        """The second message, which answers the broker's first."""
        fields = dict(part.split("=", 1) for part in challenge.decode().split(","))
        key = (self.hash, password, fields["s"], fields["i"])
        if key not in self._salted:
            self._salted[key] = hashlib.pbkdf2_hmac(self.hash, password.encode(), base64.b64decode(fields["s"]), int(fields["i"]))
        without_proof = f"c=biws,r={fields['r']}"
        message = f"{self.bare},{challenge.decode()},{without_proof}".encode()
        client = hmac.digest(self._salted[key], b"Client Key", self.hash)
        signature = hmac.digest(hashlib.new(self.hash, client).digest(), message, self.hash)
        proof = bytes(a ^ b for a, b in zip(client, signature))
        return f"{without_proof},p={base64.b64encode(proof).decode()}".encode()


def log_in(peer, mechanism, user, password):
    """True if the broker takes user and password, false if it refuses them; EOFError if it closes without an answer."""
    assert peer.ask(handshake(mechanism))[4:6] == b"\0\0"
    if mechanism == "PLAIN":
        return Answer(peer.ask(authenticate(plain(user, password)))).code == 0
    login = Scram(mechanism, user)
    challenge = Answer(peer.ask(authenticate(login.first)))
    return challenge.code == 0 and Answer(peer.ask(authenticate(login.final(challenge.token, password)))).code == 0
