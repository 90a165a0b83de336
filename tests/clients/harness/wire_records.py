"""A request with one record, as bytes: Produce version 7, acks=1."""

import struct
import time

from .sasl import request

PRODUCE = 0


def produce_request(topic, value=b"a record", client_id=b"login"):
    record = b"\0\0\0\x01" + _varint(len(value)) + value + b"\0"
    records = _varint(len(record)) + record
    now = int(time.time() * 1000)
    checked = struct.pack(">hiqqqhii", 0, 0, now, now, -1, -1, -1, 1) + records
    batch = struct.pack(">iBI", 0, 2, _crc32c(checked)) + checked
    batch = struct.pack(">qi", 0, len(batch)) + batch
    name = topic.encode()
    body = struct.pack(">hhiih", -1, 1, 10_000, 1, len(name)) + name + struct.pack(">iii", 1, 0, len(batch)) + batch
    return request(PRODUCE, 7, body, client_id=client_id)


def _varint(number):
    """Of a length, with the sign in the lowest bit."""
    number <<= 1
    encoded = b""
    while number > 0x7F:
        encoded += bytes([number & 0x7F | 0x80])
        number >>= 7
    return encoded + bytes([number])


def _crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF
