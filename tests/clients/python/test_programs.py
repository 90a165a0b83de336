"""Programs as users write them (programs/), under every kafka-python in the field, each as a process of its own."""

import collections
import json
import pathlib

import pytest

from harness.drivers import KAFKA_PYTHON
from harness.hand import Hand
from harness.process import eventually
from harness.program import Program

PROGRAMS = pathlib.Path(__file__).parent / "programs"
ORDERS = [{"order": number, "cents": 100 + number % 900} for number in range(10_000)]
SENSORS = 8

pytestmark = pytest.mark.parametrize("client", KAFKA_PYTHON)


@pytest.fixture
def run(client, broker, name):
    """Starts one of the programs on a topic, and a group, of the test's own."""
    def start(program, *arguments):
        named = [broker.bootstrap, name] if program == "hello" else ["--broker", broker.bootstrap, "--topic", name, *arguments]
        return Program(client, PROGRAMS / f"{program}.py", *named)

    return start


def test_hello_reads_what_it_sent(run):
    for offset in range(2):
        with run("hello") as program:
            printed = program.ends()
        assert printed == [f"sent at offset {offset}", *[f"read at offset {read} Hello, Kafka!" for read in range(offset + 1)]]


def test_ten_thousand_json_records_come_back_in_order(run, broker, name):
    with run("json_records") as program:
        assert list(map(json.loads, program.ends())) == ORDERS
    assert Hand(broker.bootstrap).ends(name) == (0, len(ORDERS))


def test_a_consumer_that_waits_for_its_topic_reads_every_record_once(run, broker, name):
    with run("json_records", "consume") as reader, run("json_records", "produce") as writer:
        assert writer.ends() == []
        assert list(map(json.loads, reader.ends())) == ORDERS
    assert Hand(broker.bootstrap).ends(name) == (0, len(ORDERS))


def test_records_of_a_key_stay_in_order_in_one_partition(run, broker, name):
    Hand(broker.bootstrap).create_topic(name, 4)
    with run("keyed_producer", "--readings", "50") as producer:
        stored = parsed(producer.ends())
    with run("group_consumer", "--group", name) as consumer:
        read = parsed(consumer.read(len(stored)))
        assert consumer.quiet(0.5), "a record came twice"
    assert sorted(read) == sorted(stored)
    by_key = collections.defaultdict(list)
    for partition, _, key, value in read:
        by_key[key].append((partition, value))
    assert len(by_key) == SENSORS
    for key, values in by_key.items():
        assert values == [(values[0][0], str(reading)) for reading in range(50)], key
    assert len({values[0][0] for values in by_key.values()}) > 1, "all keys are in one partition"


def test_members_share_a_topic_and_the_last_one_takes_over(run, broker, name):
    hand = Hand(broker.bootstrap)
    hand.create_topic(name, 4)
    with run("group_consumer", "--group", name) as first, run("group_consumer", "--group", name) as second:
        eventually("both are members", lambda: two_members(hand, name), seconds=60)
        with run("keyed_producer", "--readings", "50") as producer:
            stored = parsed(producer.ends())
        shares = [[], []]

        def all_read():
            for share, member in zip(shares, (first, second)):
                share += parsed(member.read_so_far())
            return len(shares[0]) + len(shares[1]) >= len(stored)

        eventually("every record is read", all_read, seconds=60)
        assert sorted(shares[0] + shares[1]) == sorted(stored)
        assert {one[0] for one in shares[0]}.isdisjoint({one[0] for one in shares[1]}), "a partition had two readers"
        assert shares[0] and shares[1]

        assert first.stops() == []
        with run("keyed_producer", "--readings", "10") as producer:
            more = parsed(producer.ends())
        assert sorted(parsed(second.read(len(more)))) == sorted(more)
        assert second.stops() == []
    assert sum(hand.committed(name, name, 4).values()) == len(stored) + len(more)


def test_a_group_goes_on_where_it_committed(run, broker, name):
    for start in (0, 80):
        with run("keyed_producer", "--readings", "10") as producer:
            producer.ends()
        with run("group_consumer", "--group", name) as consumer:
            assert [offset for _, offset, *_ in parsed(consumer.read(80))] == list(range(start, start + 80))
            assert consumer.stops() == []
        assert Hand(broker.bootstrap).committed(name, name, 1) == {0: start + 80}


def parsed(lines):
    """(partition, offset, key, value) of each line."""
    return [(int(partition), int(offset), key, value) for partition, offset, key, value in map(str.split, lines)]


def two_members(hand, group):
    state, members = hand.group(group)
    return state == "STABLE" and len(members) == 2
