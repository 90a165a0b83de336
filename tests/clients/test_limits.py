"""Records at, below and above what a topic takes, and beyond what a consumer asks for."""

import pytest

from harness.drivers import CLIENTS, DriverError
from harness.hand import Hand
from harness.records import record

LIMIT = 20_000
# Record batch v2 of one record without key and headers: 61 bytes of header, the record's length (3), attributes, two deltas and
# the key's length (1 each), the value's length (3), the number of headers (1).
AROUND = 61 + 3 + 4 + 3 + 1
# It writes message sets of the old format, which is another arithmetic: 34 bytes around the value.
OLD_FORMAT = "sarama-1.61.1-as-0.10.2.0"


@pytest.mark.parametrize("client", CLIENTS)
def test_max_message_bytes(driver, broker, name, client):
    """The largest batch that fits is taken, with one byte more it is refused, and the producer hears so."""
    hand = Hand(broker.bootstrap)
    hand.create_topic(name, **{"max.message.bytes": str(LIMIT)})
    fits = LIMIT - AROUND
    for length in (fits - 1, fits):
        driver.produce(name, [record(value=b"x" * length)])
    above = fits + 1 + (AROUND if client == OLD_FORMAT else 0)
    with pytest.raises(DriverError, match="(?i)too.?large|larger than"):
        driver.produce(name, [record(value=b"x" * above)])
    assert hand.ends(name) == (0, 2)
    driver.produce(name, [record(value=b"goes on")])
    assert [len(one["value"]) for one in driver.consume(name, 3)] == [fits - 1, fits, len(b"goes on")]


@pytest.mark.parametrize("client", CLIENTS)
def test_larger_than_a_fetch(driver, broker, name, client):
    """A record beyond the sizes a consumer asks for (1 MiB a partition in most) comes all the same, if it is the first."""
    hand = Hand(broker.bootstrap)
    hand.create_topic(name, **{"max.message.bytes": str(4 << 20)})
    values = [b"small", b"x" * 3_000_000, b"small again"]
    hand.produce(name, values)
    assert [one["value"] for one in driver.consume(name, 3)] == values
