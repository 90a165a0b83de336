"""The admin calls that libraries have for their users, beyond topics and groups (test_api.py): each does, or truly answers, what it says."""

import pytest

from harness.drivers import CLIENTS, DriverError, can
from harness.hand import Hand
from harness.process import eventually

pytestmark = pytest.mark.parametrize("client", [client for client in CLIENTS if client != "kcat"])


def needs(client, operation):
    if not can(client, operation):
        pytest.skip(f"{client} has no call for it")


def test_alter_config(driver, broker, name, client):
    needs(client, "alter_config")
    hand = Hand(broker.bootstrap)
    hand.create_topic(name)
    driver.call("alter_config", topic=name, key="segment.ms", value="7654321")
    eventually("it is altered", lambda: hand.configs(name)["segment.ms"] == "7654321")
    with pytest.raises(DriverError, match="(?i)config"):
        driver.call("alter_config", topic=name, key="segment.ms", value="long")
    assert hand.configs(name)["segment.ms"] == "7654321"


def test_delete_records(driver, broker, name, client):
    needs(client, "delete_records")
    hand = Hand(broker.bootstrap)
    hand.create_topic(name)
    hand.produce(name, [b"x"] * 10)
    assert driver.call("delete_records", topic=name, partition=0, before=4) == 4
    assert hand.ends(name) == (4, 10)
    with pytest.raises(DriverError, match="(?i)out.?of.?range|not within the range|maintained by the server"):
        driver.call("delete_records", topic=name, partition=0, before=11)
    assert [one["offset"] for one in driver.consume(name, 6)] == list(range(4, 10))


def test_log_dirs(driver, broker, name, client):
    needs(client, "log_dirs")
    hand = Hand(broker.bootstrap)
    hand.create_topic(name)
    hand.produce(name, [b"x" * 10_000] * 10)
    sizes = driver.call("log_dirs", topic=name)
    assert len(sizes) == 1 and sizes[0] >= 100_000


def test_cluster(driver, client):
    needs(client, "describe_cluster")
    assert driver.call("describe_cluster") == 1


def test_elect_leaders(driver, broker, name, client):
    """The one replica leads already; there is no other partition to elect a leader for."""
    needs(client, "elect_leaders")
    Hand(broker.bootstrap).create_topic(name)
    try:
        driver.call("elect_leaders", topic=name, partition=0)
    except DriverError as error:
        assert "needed" in str(error).lower().replace("_", " ")
    with pytest.raises(DriverError, match="(?i)unknown.?topic|does not exist|does not host|not known"):
        driver.call("elect_leaders", topic=name, partition=7)


def test_delete_offsets(driver, broker, name, client):
    needs(client, "delete_offsets")
    hand = Hand(broker.bootstrap)
    hand.create_topic(name, 2)
    for partition in (0, 1):
        hand.commit(name, name, partition, 3)
    driver.call("delete_offsets", group=name, topic=name, partition=0)
    assert hand.committed(name, name, 2) == {0: -1001, 1: 3}


def test_reassignments(driver, broker, name, client):
    needs(client, "reassignments")
    Hand(broker.bootstrap).create_topic(name)
    assert driver.call("reassignments", topic=name) == 0


def test_acls_without_an_authorizer(driver, client):
    needs(client, "acls")
    with pytest.raises(DriverError, match="(?i)security.?(features.?are.?)?disabled|authorizer"):
        driver.call("acls")
