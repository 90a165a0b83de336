"""Programs that a scene needs beside the tools: one that leaves a transaction open, one whose transaction hangs, one of Kafka Streams."""

import socket
import struct
import tempfile
import time

from confluent_kafka import KafkaException, Producer

from harness.drivers import Driver
from harness.hand import Hand
from harness.process import eventually

_SECONDS = 30


def open_transaction(broker, identity, topic):
    """Begins a transaction, writes a record to partition 0 of the topic, and leaves it open. The program goes on until it is let go."""
    producer = Producer({"bootstrap.servers": broker.bootstrap, "transactional.id": identity, "log_level": 0})
    producer.init_transactions(_SECONDS)
    producer.begin_transaction()
    producer.produce(topic, b"in a transaction", partition=0)
    assert producer.flush(_SECONDS) == 0
    return producer


def hang(broker, identity, topic):
    """Writes a record to partition 0 of the topic in a transaction that its coordinator is never told of.

    Clients announce a partition first, so this one speaks for itself. Brokers take such a record only with
    transaction.partition.verification.enable=false.
    """
    Producer({"bootstrap.servers": broker.bootstrap, "transactional.id": identity}).init_transactions(_SECONDS)
    with socket.create_connection(("127.0.0.1", broker.port), _SECONDS) as peer:
        answer = _ask(peer, 22, 1, _text(identity) + struct.pack(">i", 60_000))  # InitProducerId
        _, error, pid, epoch = struct.unpack(">ihqh", answer)
        assert error == 0, f"InitProducerId is refused: {error}"
        batch = _batch(pid, epoch, int(time.time() * 1000), b"hangs")
        answer = _ask(peer, 0, 7, _text(identity) + struct.pack(">hii", -1, 10_000, 1) + _text(topic)  # Produce
                      + struct.pack(">iii", 1, 0, len(batch)) + batch)
        (error,) = struct.unpack_from(">h", answer, 4 + 2 + len(topic) + 4 + 4)
        assert error == 0, f"Produce is refused: {error}"


def count_words(broker, identity, topic, folder):
    """A word count of Kafka Streams over the topic, by the streams protocol, once it runs and has committed all that is there."""
    hand = Hand(broker.bootstrap)
    hand.create_topic(f"{identity}-output")
    program = Driver("streams-4.3.0", broker.bootstrap, "count", lines=topic, counts=f"{identity}-output", config={
        "application.id": identity, "group.protocol": "streams", "num.stream.threads": 1, "commit.interval.ms": 100,
        "auto.offset.reset": "earliest", "state.dir": tempfile.mkdtemp(dir=folder)})

    def committed(one):
        try:
            return hand.committed(identity, one, 1) == {0: hand.ends(one)[1]}
        except KafkaException:
            return False

    eventually(f"{identity} runs", lambda: program.call("state")["state"] == "RUNNING", seconds=90)
    # The words come after the lines.
    for one in topic, f"{identity}-words-repartition":
        eventually(f"{identity} has committed all of {one}", lambda: committed(one), seconds=60)
    return program


def close(program):
    """Ends the word count as its users do: its member leaves the group."""
    assert program.call("close") is True
    program.kill()


def _text(text):
    return struct.pack(">h", len(text)) + text.encode()


def _ask(peer, key, version, body):
    """The body of the answer."""
    request = struct.pack(">hhi", key, version, 1) + _text("hangs") + body
    peer.sendall(struct.pack(">i", len(request)) + request)
    (length,) = struct.unpack(">i", peer.recv(4, socket.MSG_WAITALL))
    return peer.recv(length, socket.MSG_WAITALL)[4:]


def _batch(pid, epoch, at_ms, value):
    """A batch of one record, transactional, by the first sequence."""
    record = b"\0\0\0\1" + _varint(len(value)) + value + b"\0"
    record = _varint(len(record)) + record
    rest = struct.pack(">hiqqqhii", 0x10, 0, at_ms, at_ms, pid, epoch, 0, 1) + record
    return struct.pack(">qiibI", 0, 4 + 1 + 4 + len(rest), -1, 2, _crc32c(rest)) + rest


def _varint(number):
    """Of a number below 64, zigzag."""
    return bytes([number << 1])


def _crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF
