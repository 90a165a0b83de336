"""The records that every client has to carry unchanged, and the form they travel in between harness and drivers.

A record is a dict: key and value (bytes or None), headers (list of (str, bytes or None)), timestamp (ms since 1970).
In JSON, bytes are base64, so that "identical" means byte for byte.
"""

import base64
import random
import time

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
_ALL_BYTES = bytes(range(256))


def encode_bytes(data):
    return None if data is None else base64.b64encode(data).decode()


def decode_bytes(text):
    return None if text is None else base64.b64decode(text)


def to_json(record):
    return {**record, "key": encode_bytes(record["key"]), "value": encode_bytes(record["value"]),
            "headers": [[name, encode_bytes(value)] for name, value in record["headers"]]}


def from_json(record):
    return {**record, "key": decode_bytes(record["key"]), "value": decode_bytes(record["value"]),
            "headers": [(name, decode_bytes(value)) for name, value in record["headers"]]}


def record(key=None, value=None, headers=(), timestamp=None):
    return {"key": key, "value": value, "headers": list(headers),
            "timestamp": int(time.time() * 1000) if timestamp is None else timestamp}


def numbered(count, start=0, width=0):
    """Records whose value is their number, padded to `width` bytes."""
    return [record(key=b"%d" % n, value=(b"%d" % n).ljust(width, b".")) for n in range(start, start + count)]


def edge_cases():
    """Every shape that clients have been seen to bend: empty against null, bytes that are no text, old timestamps."""
    noise = random.Random(20_000).randbytes(20_000)
    return [
        record(),
        record(key=b"", value=b""),
        record(key=b"tombstone", value=None),
        record(key=None, value=b""),
        record(key=_ALL_BYTES, value=_ALL_BYTES),
        record(key=b"long", value=b"the same again and again " * 4_000),
        record(key=b"noise", value=noise),
        record(value=b"one header", headers=[("name", b"value")]),
        record(value=b"empty header", headers=[("name", b"")]),
        record(value=b"same name twice", headers=[("name", b"first"), ("name", b"second")]),
        record(value=b"header that is no text", headers=[("n\u00e4me \u2713", _ALL_BYTES)]),
        record(value=b"many headers", headers=[(f"name-{n}", b"%d" % n) for n in range(40)]),
        record(value=b"first millisecond", timestamp=1),
        record(value=b"before the one ahead of it", timestamp=1_000_000_000_000),
        record(value=b"odd millisecond", timestamp=1_600_000_000_123),
    ]
