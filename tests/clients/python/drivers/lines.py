"""The drivers' side of the conversation: requests in, answers out, one line of JSON each."""

import base64
import json
import sys
import threading
import traceback

# With acks=0 a client closes without an answer to wait for, and some close the socket on bytes not yet sent.
SETTLE = 0.3

_lock = threading.Lock()


def emit(message):
    with _lock:
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()


def leaves_at_end_of_input():
    """An event that is set when stdin ends: a member is to leave its group."""
    leaving = threading.Event()

    def wait():
        sys.stdin.read()
        leaving.set()

    threading.Thread(target=wait, daemon=True).start()
    return leaving


def serve(operations):
    """Answers each request by the function of its name, until stdin ends."""
    for line in sys.stdin:
        request = json.loads(line)
        try:
            operation = getattr(operations, request.pop("op"))
            emit({"ok": operation(**request)})
        except Exception as error:  # whatever the library raises is what the test wants to see
            traceback.print_exc()
            emit({"error": "%s: %s" % (type(error).__name__, error)})


def pack(data):
    return None if data is None else base64.b64encode(data).decode()


def unpack(text):
    return None if text is None else base64.b64decode(text)


def unpack_headers(headers):
    return [(name, unpack(value)) for name, value in headers]


def wanted(counts):
    """{partition: how many records of it are still to come}, from the request's form of it."""
    return {int(partition): count for partition, count in counts.items()}


def is_read(left):
    return all(count <= 0 for count in left.values())


def packed_record(partition, offset, key, value, headers, timestamp, timestamp_type):
    return {"partition": partition, "offset": offset, "key": pack(key), "value": pack(value),
            "headers": [[name, pack(value)] for name, value in headers or []],
            "timestamp": timestamp, "timestamp_type": timestamp_type}
