"""Fixtures of every suite: the broker, and unique names, so that tests can share a broker."""

import itertools
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

from harness.broker import new_broker
from harness.compatibility import Table, client_of
from harness.drivers import AGAINST_KAFKA, ECOSYSTEMS, Driver

_numbers = itertools.count()


def pytest_addoption(parser):
    parser.addoption("--only", action="append", default=[], choices=ECOSYSTEMS, help="an ecosystem: its clients, and its folder's tests")
    parser.addoption("--processors", action="store_true", help="all tests of processors/, not the short ones alone")


def pytest_configure(config):
    whole = not (config.option.only or config.option.keyword or config.option.markexpr) and config.args == config.getini("testpaths")
    if whole and not AGAINST_KAFKA and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Table())


@pytest.hookimpl(tryfirst=True)  # before xdist looks for groups
def pytest_collection_modifyitems(config, items):
    for item in items:
        if "driver" in item.fixturenames:  # a client's calls are made in one worker, by one process of it
            item.add_marker(pytest.mark.xdist_group(client_of(item)))
    if not config.option.processors:
        deselect(config, items, lambda item: not item.nodeid.startswith("processors/") or item.get_closest_marker("short"))
    # Tests that take long in one worker begin first, so that the others do not wait for it at the end.
    long = ("processors/", "tools/", "streams/", "connect/", "test_round_trip.py", "test_short_sessions.py")
    items.sort(key=lambda item: not item.nodeid.startswith(long))
    only = config.option.only
    if only:
        clients = {client for ecosystem in only for client in ECOSYSTEMS[ecosystem]}
        deselect(config, items, lambda item: client_of(item) in clients or item.nodeid.split("/")[0] in only)


def deselect(config, items, wanted):
    """Leaves the items that are wanted, and reports the others as deselected."""
    config.hook.pytest_deselected(items=[item for item in items if not wanted(item)])
    items[:] = [item for item in items if wanted(item)]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A report names its client; a failed test shows the last the broker logged."""
    report = (yield).get_result()
    report.user_properties.append(("client", client_of(item)))
    one = getattr(item, "funcargs", {}).get("own_broker") or getattr(item, "funcargs", {}).get("broker")
    if report.failed and one is not None and one.log.exists():
        report.sections.append((f"log of {one.kind} ({'running' if one.alive() else 'not running'})", one.tail(40)))


@pytest.fixture(scope="session")
def broker():
    """One broker per worker process, shared by the tests that leave it running."""
    one = new_broker()
    try:
        one.start()
        yield one
        code = one.stop()
        if one.kind == "ottla":
            assert code == 0, f"exit code {code} after SIGTERM:\n{one.tail()}"
    finally:
        one.remove()


@pytest.fixture
def own_broker():
    """A broker with nothing in it, for tests that kill it or need a name for themselves."""
    one = new_broker()
    try:
        one.start()
        yield one
    finally:
        one.remove()


@pytest.fixture
def name():
    """A name no other test uses."""
    return f"t{os.getpid()}-{next(_numbers)}"


@pytest.fixture(scope="session")
def drivers(broker):
    """The clients' processes of this worker, by client: to start one takes longer than most tests."""
    running = {}
    yield running
    for one in running.values():
        one.kill()


@pytest.fixture
def driver(drivers, broker, client):
    """The parametrised client, connected to the shared broker; a new process if the last test left it in the middle of a call."""
    if client in drivers and not drivers[client].idle():
        drivers.pop(client).kill()
    if client not in drivers:
        drivers[client] = Driver(client, broker.bootstrap)
    return drivers[client]
