"""Transactions by stock clients: what is committed is read, what is aborted is not, and offsets go with the records.

Java from 4.0 on and franz-go announce by writing (KIP-890); the others announce first. Readers are the same clients.
"""

import pytest

from harness.broker import new_broker
from harness.drivers import CLIENTS, Driver, DriverError, can
from harness.hand import Hand
from harness.process import eventually

TRANSACTIONAL = [client for client in CLIENTS if can(client, "init_transactions")]
WITH_OFFSETS = [client for client in CLIENTS if can(client, "send_offsets")]
# Its producer sends nothing more in a transaction during which the broker was away, against Kafka neither (FINDINGS.md).
STAYS_AWAY = {"kafka-python-2.3.3"}
FENCED = "(?i)fenced|newer producer|newer transactional|invalid.?producer.?epoch|older epoch"


def committed(driver, topic):
    return driver.call("read_values", topic=topic, isolation="read_committed", timeout=20)


def transact(driver, topic, values, commit=True):
    driver.call("begin_transaction")
    driver.call("send_in_transaction", topic=topic, values=values)
    driver.call("commit_transaction" if commit else "abort_transaction")


@pytest.mark.parametrize("client", TRANSACTIONAL)
def test_commit_and_abort(driver, broker, name, client):
    Hand(broker.bootstrap).create_topic(name)
    driver.call("init_transactions", id=name)
    for number in range(6):
        transact(driver, name, [f"{number}-a", f"{number}-b"], commit=number % 3 != 1)
    kept = [f"{number}-{one}" for number in (0, 2, 3, 5) for one in "ab"]
    assert committed(driver, name) == kept
    everything = [f"{number}-{one}" for number in range(6) for one in "ab"]
    assert driver.call("read_values", topic=name, isolation="read_uncommitted", timeout=20) == everything


@pytest.mark.parametrize("client", TRANSACTIONAL)
def test_an_open_transaction_is_not_read(driver, broker, name, client):
    Hand(broker.bootstrap).create_topic(name)
    driver.call("init_transactions", id=name)
    transact(driver, name, ["before"])
    driver.call("begin_transaction")
    driver.call("send_in_transaction", topic=name, values=["open"])
    assert committed(driver, name) == ["before"]
    driver.call("commit_transaction")
    assert committed(driver, name) == ["before", "open"]


@pytest.mark.parametrize("client", TRANSACTIONAL)
def test_a_second_instance_fences_the_first(driver, broker, name, client):
    Hand(broker.bootstrap).create_topic(name)
    driver.call("init_transactions", id=name)
    driver.call("begin_transaction")
    driver.call("send_in_transaction", topic=name, values=["lost"])
    with Driver(client, broker.bootstrap) as second:
        second.call("init_transactions", id=name)
        with pytest.raises(DriverError, match=FENCED):
            driver.call("commit_transaction")
        transact(second, name, ["kept"])
        assert committed(second, name) == ["kept"]


@pytest.mark.parametrize("client", WITH_OFFSETS)
def test_offsets_go_with_their_transaction(driver, broker, name, client):
    hand = Hand(broker.bootstrap)
    hand.create_topic(name)
    driver.call("init_transactions", id=name)
    for offset, commit, seen in ((10, True, 10), (20, False, 10), (30, True, 30)):
        driver.call("begin_transaction")
        driver.call("send_in_transaction", topic=name, values=[str(offset)])
        driver.call("send_offsets", group=name, topic=name, offset=offset)
        driver.call("commit_transaction" if commit else "abort_transaction")
        assert hand.committed(name, name, 1) == {0: seen}
    assert committed(driver, name) == ["10", "30"]


@pytest.mark.parametrize("client", [client for client in CLIENTS if can(client, "copy")])
def test_a_copy_is_the_original(driver, broker, name, client):
    hand = Hand(broker.bootstrap)
    hand.create_topic(name)
    hand.create_topic(f"{name}-copy")
    values = [str(number) for number in range(100)]
    hand.produce(name, [value.encode() for value in values])
    assert driver.call("copy", id=name, group=name, topic=name, target=f"{name}-copy", total=100, timeout=50) == 100
    assert committed(driver, f"{name}-copy") == values
    assert hand.committed(name, name, 1) == {0: 100}


@pytest.mark.parametrize("client", TRANSACTIONAL)
def test_a_transaction_goes_on_after_a_kill_of_the_broker(client, name):
    """The broker is killed between any two steps; the client comes back by itself."""
    if client in STAYS_AWAY:
        pytest.skip(f"{client} does not come back in the midst of a transaction")
    broker = new_broker()
    try:
        broker.start()
        Hand(broker.bootstrap).create_topic(name)
        with Driver(client, broker.bootstrap) as driver:
            driver.call("init_transactions", id=name)
            kill(broker)
            driver.call("begin_transaction")
            driver.call("send_in_transaction", topic=name, values=["a"])
            kill(broker)
            driver.call("send_in_transaction", topic=name, values=["b"])
            kill(broker)
            driver.call("commit_transaction")
            kill(broker)
            transact(driver, name, ["aborted"], commit=False)
            transact(driver, name, ["c"])
            assert committed(driver, name) == ["a", "b", "c"]
    finally:
        broker.remove()


def kill(broker):
    broker.kill()
    broker.start()


@pytest.mark.parametrize("client", TRANSACTIONAL)
def test_what_a_dead_producer_left_open_ends_by_its_timeout(broker, name, client):
    Hand(broker.bootstrap).create_topic(name)
    with Driver(client, broker.bootstrap) as dead:
        dead.call("init_transactions", id=name, timeout_ms=2_000)
        dead.call("begin_transaction")
        dead.call("send_in_transaction", topic=name, values=["lost"])
    with Driver(client, broker.bootstrap) as other:
        other.call("init_transactions", id=f"{name}-other")
        transact(other, name, ["kept"])
        eventually("readers go on", lambda: committed(other, name) == ["kept"], seconds=10)
