"""`ottla kafka-topics` and the like against Kafka's own tools: the same commands to two Ottla brokers, the same words.

scenes/names/ has the commands, differences/names.py what may differ and why; lines of both are compared as test_comparison.py does.
OTTLA_TOOLS_BINARY names another binary for the tools than OTTLA_BINARY, which is the broker.
"""

import concurrent.futures
import os
import pathlib
import re
import subprocess

import pytest

import logins
from compare import lines_of, unexplained
from differences.names import NAMES as DIFFERENCES
from harness.broker import Ottla
from jvm import Jvm
from named import BINARY, Named, linked
from scene import Stage, parse

SCENES = sorted((pathlib.Path(__file__).parent / "scenes" / "names").glob("*.scene"))
# On brokers with an authorizer and logins.
WITH_AUTHORIZER = sorted((pathlib.Path(__file__).parent / "scenes" / "names" / "authorizer").glob("*.scene"))
# Kafka's tools print all their flags after a mistake, with a description of each; Ottla's print those that they serve.
_HELP = re.compile(r"^Option(s:| +Description)\s*$[\s\S]*", re.MULTILINE)
_played = set()

pytestmark = [
    pytest.mark.xdist_group("tools"),
    pytest.mark.skipif(os.environ.get("BROKER", "ottla") != "ottla", reason="compares Ottla's tools with Kafka's"),
]


def _both(settings, listeners=None):
    """A broker for Kafka's tools and one for Ottla's, each with what runs them, and a thread for each."""
    settings = ["node.id=1", "num.partitions=1", "group.initial.rebalance.delay.ms=0", *settings]
    brokers = [Ottla(overrides=settings, listeners=listeners) for _ in range(2)]
    try:
        with concurrent.futures.ThreadPoolExecutor(2) as pool, Jvm() as jvm:
            list(pool.map(lambda one: one.start(), brokers))
            yield list(zip([jvm, Named(jvm)], brokers, ["kafka", "ottla"])), pool
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
def test_named_tools_print_the_same(both, scene, tmp_path):
    _play(both, scene, tmp_path)


@pytest.mark.parametrize("scene", WITH_AUTHORIZER, ids=lambda path: path.stem)
def test_named_tools_print_the_same_with_an_authorizer(both_with_authorizer, scene, tmp_path):
    _play(both_with_authorizer, scene, tmp_path)


def _play(both, scene, tmp_path):
    sides, pool = both
    stages = [Stage(runner, broker, tmp_path / name) for runner, broker, name in sides]
    found = []
    for step in parse(scene.read_text()):
        played = list(pool.map(lambda stage: stage.play(step), stages))
        if played[0] is None:
            continue
        kafka, ottla = (lines_of(status, _HELP.sub("", printed), stage, step)
                        for (status, printed), stage in zip(played, stages))
        left = unexplained(step.text, kafka, ottla, DIFFERENCES)
        if os.environ.get("OTTLA_SHOW"):
            print(f"$ {step.text}", *kafka, *(["--- ottla", *ottla] if kafka != ottla else []), "", sep="\n")
        if left:
            found += [f"$ {step.text}", *left]
    _played.add(scene)
    assert not found, "not in the list of differences:\n" + "\n".join(found)


def test_every_listed_difference_of_the_named_tools_occurs():
    if _played != {*SCENES, *WITH_AUTHORIZER}:
        pytest.skip("not all scenes were played to their end")
    never = [f"{one.command}: {line}" for one in DIFFERENCES for line in sorted(one.unmet)]
    assert not never, "never met:\n" + "\n".join(never)


@pytest.mark.parametrize("name", ["kafka-topics", "kafka-topics.sh"])
def test_a_link_by_the_name_of_a_tool_is_that_tool(both, name, tmp_path):
    broker = both[0][1][1]
    command = ["--bootstrap-server", broker.bootstrap, "--list", "--exclude-internal"]
    said = [subprocess.run(program + command, capture_output=True, timeout=60, check=True).stdout
            for program in ([linked(tmp_path, name)], [BINARY, name])]
    assert said[0] == said[1]
