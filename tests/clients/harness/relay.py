"""A proxy before a broker, which advertises the proxy's port: every connection of every client passes here."""

import socket
import threading

from .process import free_port


class Relay:
    """Passes the bytes of each connection on. A subclass says how, by the two ways that run beside each other in threads until either ends."""

    def __init__(self):
        self.port = free_port()
        self._target, self._connections = None, 0
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=100)
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def bootstrap(self):
        return f"localhost:{self.port}"

    def lead_to(self, port):
        """The broker's own port, on 127.0.0.1."""
        self._target = port

    def close(self):
        self._listener.close()

    def _requests(self, number, client, broker):
        """Passes on what the client sends, by the connection of that number."""
        raise NotImplementedError

    def _answers(self, number, client, broker):
        """Passes on what the broker sends."""
        raise NotImplementedError

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                broker = socket.create_connection(("127.0.0.1", self._target), 5)
            except OSError:
                client.close()
                continue
            for one in client, broker:
                one.settimeout(None)
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connections += 1
            for way in self._requests, self._answers:
                threading.Thread(target=_until_closed, args=(way, self._connections, client, broker), daemon=True).start()


def _until_closed(way, number, client, broker):
    try:
        way(number, client, broker)
    except (OSError, EOFError):
        pass
    finally:
        for one in client, broker:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
