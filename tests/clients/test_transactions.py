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
STAYS_AWAY = pytest.mark.xfail(strict=True, raises=DriverError, reason="does not come back in the midst of a transaction")
FAULTS = {"kafka-python-2.3.3": STAYS_AWAY}
# Sarama has no name for PRODUCER_FENCED (90).
FENCED = "(?i)fenced|newer producer|newer transactional|invalid.?producer.?epoch|old(er)? epoch|Error code = 90$"
# A producer that commits after its timeout is fenced. By KIP-890 it is told that it has no transaction any more.
OVERSLEPT = {client: "(?i)invalid.?txn.?state" for client in ("java-4.3.0", "java-4.4.0", "franz-go-1.22.2")}


def committed(driver, topic):
    return driver.call("read_values", topic=topic, isolation="read_committed", timeout=20)


def everything(driver, topic):
    return driver.call("read_values", topic=topic, isolation="read_uncommitted", timeout=20)


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
    assert everything(driver, name) == [f"{number}-{one}" for number in range(6) for one in "ab"]


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


@pytest.mark.parametrize("client", [pytest.param(client, marks=FAULTS.get(client, ())) for client in TRANSACTIONAL])
def test_a_transaction_goes_on_after_a_kill_of_the_broker(client, name):
    """The broker is killed between any two steps that it takes part in; the client comes back by itself."""
    broker = new_broker()
    try:
        broker.start()
        hand = Hand(broker.bootstrap)
        hand.create_topic(name)
        with Driver(client, broker.bootstrap) as driver:
            for number, (op, arguments) in enumerate(steps(client, name)):
                if number and op != "begin_transaction":  # which stays within the client
                    broker.kill()
                    broker.start()
                    # By its answer the client has noticed that its connection is closed: KafkaJS does not repeat an end (FINDINGS.md).
                    driver.call("versions")
                driver.call(op, **arguments)
            assert committed(driver, name) == ["a", "b", "c"]
            assert everything(driver, name) == ["a", "b", "aborted", "c"]
        if client in WITH_OFFSETS:
            assert hand.committed(name, name, 1) == {0: 1}
    finally:
        broker.remove()


def steps(client, name):
    """Calls of three transactions, of which the second is aborted."""
    # Longer than Kafka takes to start a few times.
    yield "init_transactions", {"id": name, "timeout_ms": 600_000}
    for values, offset, end in (["a", "b"], 1, "commit"), (["aborted"], 2, "abort"), (["c"], None, "commit"):
        yield "begin_transaction", {}
        for value in values:
            yield "send_in_transaction", {"topic": name, "values": [value]}
        if offset and client in WITH_OFFSETS:
            yield "send_offsets", {"group": name, "topic": name, "offset": offset}
        yield f"{end}_transaction", {}


@pytest.mark.parametrize("client", TRANSACTIONAL)
def test_what_is_left_open_ends_by_its_timeout(driver, broker, name, client):
    """Of a producer that died, and of one that let its time pass and is told so when it commits."""
    Hand(broker.bootstrap).create_topic(name)
    with Driver(client, broker.bootstrap) as dead, Driver(client, broker.bootstrap) as late:
        for one, number in (dead, 1), (late, 2):
            one.call("init_transactions", id=f"{name}-{number}", timeout_ms=2_000)
            one.call("begin_transaction")
            one.call("send_in_transaction", topic=name, values=["lost"])
        dead.kill()
        driver.call("init_transactions", id=name)
        transact(driver, name, ["kept"])
        # Kafka looks for such transactions every ten seconds.
        eventually("readers go on", lambda: committed(driver, name) == ["kept"], seconds=20, slowest=1)
        with pytest.raises(DriverError, match=OVERSLEPT.get(client, FENCED)):
            late.call("commit_transaction")
    assert committed(driver, name) == ["kept"]
