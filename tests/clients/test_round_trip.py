"""Every client reads what every client wrote, byte for byte: keys, values, headers, timestamps, under every codec.

Each client writes the same awkward records once per codec; each then reads all of it. So a record that a broker bends
shows up with everyone, and one that a single library bends shows up with its name as the writer or the reader.

A codec is a topic and a writer a partition of it, so one consumer reads a codec of everybody at once. The clients
are processes that write, then read; a few of them at a time, as starting them and waiting is what takes longest.
"""

import concurrent.futures
import contextlib
import dataclasses

import pytest

from harness.drivers import CLIENTS, Driver, DriverError
from harness.hand import Hand
from harness.records import CODECS, edge_cases, record

pytestmark = pytest.mark.xdist_group("round-trip")

# A null header value has a parcel of its own, as some libraries trip over it.
PARCELS = [*CODECS, "null-header"]
AT_A_TIME = 4

OLD_SARAMA = "sarama-1.61.1-as-0.10.2.0"
NODE_LIBRDKAFKA = "kafka-javascript-1.10.1"

# What a library cannot do by itself, with the words it says so (FINDINGS.md).
CANNOT_WRITE = {
    ("kafka-python-1.4.7", "zstd"): "Not supported codec: zstd",
    ("kafka-python-1.4.7", "null-header"): "AssertionError",
    ("kafka-python-2.0.2", "null-header"): "AssertionError",
    ("kafka-python-2.3.3", "null-header"): "AssertionError",
    ("kafka-python-3.0.12", "null-header"): "All headers items must be (str, bytes) tuples",
    # zstd came with 2.1 (KIP-110).
    ("java-0.11.0.3", "zstd"): "Unknown compression name: zstd",
    ("java-1.1.1", "zstd"): "Unknown compression name: zstd",
    ("kafkajs-2.2.4", "null-header"): "Received null",
    (NODE_LIBRDKAFKA, "null-header"): "Header value must be a string or buffer",
    (OLD_SARAMA, "zstd"): "zstd compression requires Version >= V2_1_0_0",
    (OLD_SARAMA, "null-header"): "Producing headers requires Kafka at least v0.11",
}
CANNOT_READ = {
    ("kafka-python-1.4.7", "null-header"): "object of type 'NoneType' has no len()",
    ("kafka-python-1.4.7", "zstd"): "cannot access local variable 'checker'",
    # The broker hands the batch over as it is, as it has to convert nothing.
    ("java-0.11.0.3", "zstd"): "Unknown compression type id: 4",
    ("java-1.1.1", "zstd"): "Unknown compression type id: 4",
    # The broker's answer to a Fetch below version 10.
    (OLD_SARAMA, "zstd"): "does not support the compression type",
}
# Kafka 0.10.2 had no headers: a fetch of its time brings records without.
READS_NO_HEADERS = {OLD_SARAMA}
# Hands over null for keys, values and header values that are empty.
READS_EMPTY_AS_NULL = {"kafka-go-0.4.51"}
# Writes what is empty as null, and hands over null header values as empty.
EMPTY_IS_NULL = {NODE_LIBRDKAFKA}
# Hands over headers as an object: those of one name together, where the first of them was.
READS_HEADERS_BY_NAME = {"kafkajs-2.2.4"}


def cases(client, parcel):
    """The records that this client writes."""
    if parcel == "null-header":
        one = record(key=b"key", value=b"null header", headers=[("name", None)], timestamp=1_234_567)
        return [{**one, "timestamp": None} if client == "kcat" else one]
    if client == "kcat":
        return kcat_cases()
    if client == OLD_SARAMA:  # Kafka had no headers then
        return [one for one in edge_cases() if not one["headers"]]
    if client == NODE_LIBRDKAFKA:  # its empty header value would be a null one, which kafka-python 1.4.7 cannot read
        return [one for one in edge_cases() if all(value for _, value in one["headers"])]
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


# As asked for: records without a timestamp of their own are dated when this is made.
CASES = {(client, parcel): cases(client, parcel) for client in CLIENTS for parcel in PARCELS}


@dataclasses.dataclass
class Seen:
    """The outcome: offsets by (writer, parcel), {writer: records} by (reader, parcel); an error in place of either."""
    written: dict = dataclasses.field(default_factory=dict)
    read: dict = dataclasses.field(default_factory=dict)


@pytest.fixture(scope="module")
def seen(broker):
    hand, found = Hand(broker.bootstrap), Seen()
    for parcel in PARCELS:
        hand.create_topic(topic_of(parcel), len(CLIENTS))
    with contextlib.ExitStack() as stack, concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as pool:
        drivers = [stack.enter_context(Driver(client, broker.bootstrap)) for client in CLIENTS]
        for work in (write, read):
            for done in [pool.submit(work, driver, found) for driver in drivers]:
                done.result()
    return found


def topic_of(parcel):
    return f"round-trip-{parcel}"


def write(driver, found):
    for parcel in PARCELS:
        try:
            found.written[driver.client, parcel] = driver.produce(
                topic_of(parcel), CASES[driver.client, parcel], CLIENTS.index(driver.client), parcel if parcel in CODECS else "none")
        except DriverError as error:
            found.written[driver.client, parcel] = error


def read(driver, found):
    for parcel in PARCELS:
        counts = {CLIENTS.index(writer): len(CASES[writer, parcel]) for writer in CLIENTS
                  if not isinstance(found.written[writer, parcel], DriverError)}
        found.read[driver.client, parcel] = consume(driver, parcel, counts)


def consume(driver, parcel, counts):
    """All writers' records at once; then one writer's at a time of those that are missing, to tell whose it stumbles over."""
    try:
        found = driver.consume_all(topic_of(parcel), counts, timeout=20)
    except DriverError as error:
        if (driver.client, parcel) in CANNOT_READ:
            return dict.fromkeys(CLIENTS, error)
        found = {}
    for partition, count in counts.items():
        if len(found.get(partition, [])) < count:
            try:
                found[partition] = driver.consume(topic_of(parcel), count, partition, timeout=5)
            except DriverError as error:
                found[partition] = error
    return {CLIENTS[partition]: outcome for partition, outcome in found.items()}


@pytest.mark.parametrize("parcel", PARCELS)
@pytest.mark.parametrize("writer", CLIENTS)
def test_is_acknowledged_at_the_next_offsets(seen, writer, parcel):
    outcome = seen.written[writer, parcel]
    if (writer, parcel) in CANNOT_WRITE:
        assert CANNOT_WRITE[writer, parcel] in str(outcome)
        return
    assert not isinstance(outcome, DriverError), outcome
    if writer != "kcat":  # kcat reports no offsets
        assert outcome == list(range(len(CASES[writer, parcel])))


@pytest.mark.parametrize("parcel", PARCELS)
@pytest.mark.parametrize("reader", CLIENTS)
def test_comes_back_byte_for_byte(seen, reader, parcel):
    bent, outcomes = [], seen.read[reader, parcel]
    writers = [writer for writer in CLIENTS if (writer, parcel) not in CANNOT_WRITE]
    for writer in writers:
        got = outcomes.get(writer)
        known = CANNOT_READ.get((reader, parcel))
        if known:
            if known not in str(got):
                bent.append(f"{writer}: {got!r:.200} instead of {known}")
        elif got is None:
            bent.append(f"{writer} wrote nothing")
        elif isinstance(got, DriverError):
            bent.append(f"{writer}: {got}")
        else:
            written = CASES[writer, parcel]
            if writer in EMPTY_IS_NULL:
                written = [empty_as_null(one) for one in written]
            bent += [f"{writer}: {one}" for one in differences(got, written, reader)]
    assert len(writers) > len(CLIENTS) / 2 and not bent, "\n".join(bent)


def empty_as_null(one):
    return {**one, "key": one["key"] or None, "value": one["value"] or None,
            "headers": [(name, value or None) for name, value in one["headers"]]}


def differences(got, expected, reader):
    """A line for each difference from the records that were written."""
    offsets = [one["offset"] for one in got]
    if offsets != list(range(len(expected))):
        yield f"offsets {offsets} instead of {len(expected)} records"
        return
    for one, wanted in zip(got, expected, strict=True):
        if reader in READS_NO_HEADERS:
            wanted = {**wanted, "headers": []}
        if reader in READS_EMPTY_AS_NULL:
            wanted = empty_as_null(wanted)
        if reader in EMPTY_IS_NULL:
            wanted = {**wanted, "headers": [(name, value or b"") for name, value in wanted["headers"]]}
        if reader in READS_HEADERS_BY_NAME:
            names = [name for name, _ in wanted["headers"]]
            wanted = {**wanted, "headers": sorted(wanted["headers"], key=lambda header: names.index(header[0]))}
        for field in ("key", "value", "headers", "timestamp"):
            if wanted[field] is None and field == "timestamp":
                continue
            if field == "headers" and reader == "kcat" and not printable(wanted["headers"]):
                continue
            if one[field] != wanted[field]:
                yield f"{field} at offset {one['offset']}: {one[field]!r:.200} instead of {wanted[field]!r:.200}"
        if one["timestamp_type"] not in (None, 0):
            yield f"timestamp type {one['timestamp_type']} at offset {one['offset']} instead of CreateTime"


def printable(headers):
    """kcat prints headers as text between commas; those with other bytes cannot be told apart in its output."""
    return all(value is None or (value.isascii() and b"," not in value and value.decode().isprintable()) for _, value in headers)
