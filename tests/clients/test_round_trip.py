"""Every client reads what every client wrote, byte for byte: keys, values, headers, timestamps, under every codec.

Each client writes the same awkward records once per codec; each then reads all of it. So a record that a broker bends
shows up with everyone, and one that a single library bends shows up in its row or its column.
"""

import pytest

from harness.drivers import CLIENTS, Driver, DriverError
from harness.hand import Hand
from harness.records import CODECS, edge_cases, record

pytestmark = pytest.mark.xdist_group("round-trip")

# A null header value has a parcel of its own, as some libraries trip over it.
PARCELS = [*CODECS, "null-header"]

OLD_SARAMA = "sarama-1.61.1-as-0.10.2.0"

# What a library cannot do by itself, with the words it says so (FINDINGS.md).
CANNOT_WRITE = {
    ("kafka-python-1.4.7", "zstd"): "Not supported codec: zstd",
    ("kafka-python-1.4.7", "null-header"): "AssertionError",
    ("kafka-python-2.0.2", "null-header"): "AssertionError",
    ("kafka-python-2.3.3", "null-header"): "AssertionError",
    ("kafka-python-3.0.12", "null-header"): "All headers items must be (str, bytes) tuples",
    ("kafkajs-2.2.4", "null-header"): "Received null",
    (OLD_SARAMA, "zstd"): "zstd compression requires Version >= V2_1_0_0",
    (OLD_SARAMA, "null-header"): "Producing headers requires Kafka at least v0.11",
}
CANNOT_READ = {
    ("kafka-python-1.4.7", "null-header"): "object of type 'NoneType' has no len()",
    ("kafka-python-1.4.7", "zstd"): "cannot access local variable 'checker'",
    # The broker's answer to a Fetch below version 10.
    (OLD_SARAMA, "zstd"): "does not support the compression type",
}
# Kafka 0.10.2 had no headers: a fetch of its time brings records without.
READS_NO_HEADERS = {OLD_SARAMA}
# Hands over null for keys, values and header values that are empty.
READS_EMPTY_AS_NULL = {"kafka-go-0.4.51"}
# Hands over headers as an object: those of one name together, where the first of them was.
READS_HEADERS_BY_NAME = {"kafkajs-2.2.4"}


def cases(client, parcel):
    """What this client is asked to write."""
    if parcel == "null-header":
        one = record(key=b"key", value=b"null header", headers=[("name", None)], timestamp=1_234_567)
        return [{**one, "timestamp": None} if client == "kcat" else one]
    if client == "kcat":
        return kcat_cases()
    if client == OLD_SARAMA:  # Kafka had no headers then
        return [one for one in edge_cases() if not one["headers"]]
    # kafka-python and aiokafka refuse a record with neither key nor value: "Need at least one: key or value".
    refuses_nothing = client.startswith(("kafka-python", "aiokafka"))
    return [one for one in edge_cases() if not refuses_nothing or one["key"] is not None or one["value"] is not None]


def kcat_cases():
    """kcat takes lines of text and headers as words, and dates records itself."""
    undated = [
        record(key=None, value=b"value alone"),
        record(key=b"key", value=b"value"),
        record(key=b"tombstone", value=None),
        record(key=b"key", value=b""),
        record(key=b"headers", value=b"some", headers=[("name", b"value"), ("empty", b""), ("name", b"again")]),
        record(key=b"long", value=b"the same again and again " * 4_000),
    ]
    return [{**one, "timestamp": None} for one in undated]


@pytest.fixture(scope="module")
def written(broker):
    """{(client, parcel): (topic, records, offsets)}, or the error in place of the three."""
    hand, found = Hand(broker.bootstrap), {}
    for client in CLIENTS:
        with Driver(client, broker.bootstrap) as driver:
            for parcel in PARCELS:
                topic, records = f"round-trip-{client}-{parcel}", cases(client, parcel)
                codec = parcel if parcel in CODECS else "none"
                hand.create_topic(topic)
                try:
                    found[client, parcel] = topic, records, driver.produce(topic, records, codec=codec)
                except DriverError as error:
                    found[client, parcel] = error
    return found


@pytest.fixture(scope="module", params=CLIENTS)
def read(request, broker, written):
    """(reading client, {(writer, parcel): records or error}): one reader after the other reads everything."""
    found = {}
    with Driver(request.param, broker.bootstrap) as driver:
        for (client, parcel), outcome in written.items():
            if isinstance(outcome, DriverError):
                continue
            topic, records, _ = outcome
            try:
                found[client, parcel] = driver.consume(topic, len(records), timeout=10)
            except DriverError as error:
                found[client, parcel] = error
    return request.param, found


@pytest.mark.parametrize("parcel", PARCELS)
@pytest.mark.parametrize("writer", CLIENTS)
def test_is_acknowledged_at_the_next_offsets(written, writer, parcel):
    outcome = written[writer, parcel]
    if (writer, parcel) in CANNOT_WRITE:
        assert CANNOT_WRITE[writer, parcel] in str(outcome)
        return
    assert not isinstance(outcome, DriverError), outcome
    _, records, offsets = outcome
    if writer != "kcat":  # kcat reports no offsets
        assert offsets == list(range(len(records)))


@pytest.mark.parametrize("parcel", PARCELS)
@pytest.mark.parametrize("writer", CLIENTS)
def test_comes_back_byte_for_byte(written, read, writer, parcel):
    reader, found = read
    if (writer, parcel) in CANNOT_WRITE:
        pytest.skip(f"{writer} cannot write {parcel}")
    got = found.get((writer, parcel))
    if (reader, parcel) in CANNOT_READ:
        assert CANNOT_READ[reader, parcel] in str(got)
        return
    assert got is not None, "was not written"
    assert not isinstance(got, DriverError), got
    compare(got, written[writer, parcel][1], reader)


def compare(got, expected, reader):
    assert [one["offset"] for one in got] == list(range(len(expected)))
    for one, wanted in zip(got, expected, strict=True):
        if reader in READS_NO_HEADERS:
            wanted = {**wanted, "headers": []}
        if reader in READS_EMPTY_AS_NULL:
            wanted = {**wanted, "key": wanted["key"] or None, "value": wanted["value"] or None,
                      "headers": [(name, value or None) for name, value in wanted["headers"]]}
        if reader in READS_HEADERS_BY_NAME:
            names = [name for name, _ in wanted["headers"]]
            wanted = {**wanted, "headers": sorted(wanted["headers"], key=lambda header: names.index(header[0]))}
        for field in ("key", "value", "headers", "timestamp"):
            if wanted[field] is None and field == "timestamp":
                continue
            if field == "headers" and reader == "kcat" and not printable(wanted["headers"]):
                continue
            assert one[field] == wanted[field], f"{field} at offset {one['offset']}"
        if one["timestamp_type"] is not None:
            assert one["timestamp_type"] == 0, "CreateTime"


def printable(headers):
    """kcat prints headers as text between commas; those with other bytes cannot be told apart in its output."""
    return all(value is None or (value.isascii() and b"," not in value and value.decode().isprintable()) for _, value in headers)
