"""Kafka 4.3's command-line tools against Ottla and against Kafka 4.3 at once: the same commands, the same words.

scenes/ has the commands, differences/ what may differ and why. Any other difference fails, and so does an entry of the
list that nothing meets any more. OTTLA_SHOW=1 (with -s) prints what both said.
"""

import concurrent.futures
import os
import pathlib
import time

import pytest

import logins
from compare import lines_of, unexplained
from differences import DIFFERENCES
from harness.broker import Kafka, Ottla
from jvm import Jvm
from listing import PAGE, page
from scene import Stage, parse

SCENES = sorted((pathlib.Path(__file__).parent / "scenes").glob("*.scene"))
# On brokers with an authorizer and logins.
WITH_AUTHORIZER = sorted((pathlib.Path(__file__).parent / "scenes" / "authorizer").glob("*.scene"))
# What the harness sets for Kafka, so that the descriptions of the two can be compared.
SET_FOR_BOTH = [
    "node.id=1", "num.partitions=1", "group.initial.rebalance.delay.ms=0", "offsets.topic.replication.factor=1",
    "transaction.state.log.replication.factor=1", "transaction.state.log.min.isr=1",
    "share.coordinator.state.topic.replication.factor=1", "share.coordinator.state.topic.min.isr=1",
]
_played = set()

pytestmark = [
    pytest.mark.xdist_group("tools"),
    pytest.mark.skipif(os.environ.get("BROKER", "ottla") != "ottla", reason="compares Ottla with Kafka by itself"),
]


def _both(settings, listeners=None):
    """The JVM, a broker of each kind, and a thread for each."""
    brokers = [Kafka(overrides=settings, listeners=listeners), Ottla(overrides=SET_FOR_BOTH + settings, listeners=listeners)]
    try:
        with concurrent.futures.ThreadPoolExecutor(2) as pool, Jvm() as jvm:
            list(pool.map(lambda one: one.start(), brokers))
            yield jvm, brokers, pool
    finally:
        for one in brokers:
            one.remove()


@pytest.fixture(scope="module")
def both():
    yield from _both([])


@pytest.fixture(scope="module")
def both_with_authorizer():
    yield from _both(logins.AUTHORIZER, logins.LISTENERS)


@pytest.mark.parametrize("scene", SCENES, ids=lambda path: path.stem)
def test_tools_print_the_same(both, scene, tmp_path):
    _play(both, scene, tmp_path)


@pytest.mark.parametrize("scene", WITH_AUTHORIZER, ids=lambda path: path.stem)
def test_tools_print_the_same_with_an_authorizer(both_with_authorizer, scene, tmp_path):
    _play(both_with_authorizer, scene, tmp_path)


def _play(both, scene, tmp_path):
    jvm, brokers, pool = both
    stages = [Stage(jvm, one, tmp_path / one.kind) for one in brokers]
    found = []
    for step in parse(scene.read_text()):
        played = list(pool.map(lambda stage: stage.play(step), stages))
        if played[0] is None:
            continue
        kafka, ottla = (lines_of(*said, stage, step) for said, stage in zip(played, stages))
        left = unexplained(step.text, kafka, ottla, DIFFERENCES)
        deadline = time.monotonic() + 3
        while left and step.only_looks and time.monotonic() < deadline:
            # Kafka applies some of what it has acknowledged later; Ottla's first answer has to be right.
            kafka = lines_of(*stages[0].play(step), stages[0], step)
            left = unexplained(step.text, kafka, ottla, DIFFERENCES)
        if os.environ.get("OTTLA_SHOW"):
            print(f"$ {step.text}", *kafka, *(["--- ottla", *ottla] if kafka != ottla else []), "", sep="\n")
        if left:
            found += [f"$ {step.text}", *left]
    _played.add(scene)
    assert not found, "not in the list of differences:\n" + "\n".join(found)


def test_every_listed_difference_occurs():
    if _played != {*SCENES, *WITH_AUTHORIZER}:
        pytest.skip("not all scenes were played to their end")
    never = [f"{one.command}: {line}" for one in DIFFERENCES for line in sorted(one.unmet)]
    assert not never, "never met:\n" + "\n".join(never)


def test_the_page_of_differences_is_up_to_date():
    assert PAGE.read_text() == page(), f"python {PAGE.with_name('listing.py')} > {PAGE}"
