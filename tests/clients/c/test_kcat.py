"""kcat (librdkafka 2.0.2), the command, as people type it. What it carries is compared in test_round_trip.py."""

import json
import subprocess
import time

import pytest

from harness.hand import Hand
from harness.process import eventually, spawn


def kcat(broker, *arguments, data=None, timeout=60):
    done = subprocess.run(["kcat", "-b", broker.bootstrap, *arguments], input=data, capture_output=True, timeout=timeout)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def test_list(broker, name):
    Hand(broker.bootstrap).create_topic(name, 3)
    shown = kcat(broker, "-L").decode()
    assert f"topic \"{name}\" with 3 partitions" in shown and "1 brokers" in shown
    found = json.loads(kcat(broker, "-L", "-J", "-t", name))
    assert [(p["partition"], p["leader"]) for p in found["topics"][0]["partitions"]] == [(p, found["brokers"][0]["id"]) for p in range(3)]


def test_keys_headers_and_null_come_back(broker, name):
    kcat(broker, "-P", "-t", name, "-K", ":", "-H", "trace=abc", "-H", "empty=", data=b"one:1\ntwo:2\n")
    kcat(broker, "-P", "-t", name, "-K", ":", "-Z", data=b"gone:\n")
    printed = kcat(broker, "-C", "-t", name, "-o", "beginning", "-e", "-q", "-Z", "-f", "%o|%k|%s|%S|%h\\n").decode()
    assert printed.splitlines() == ["0|one|1|1|trace=abc,empty=", "1|two|2|1|trace=abc,empty=", "2|gone|NULL|-1|"]


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_a_thousand_lines(broker, name, codec):
    lines = [f"line {n} of a file, much like the one before" for n in range(1000)]
    before = int(time.time() * 1000)
    kcat(broker, "-P", "-t", name, "-z", codec, "-l", "/dev/stdin", data="\n".join(lines).encode() + b"\n")
    after = int(time.time() * 1000)
    printed = kcat(broker, "-C", "-t", name, "-o", "beginning", "-e", "-q", "-f", "%T %s\\n").decode().splitlines()
    assert [line.split(" ", 1)[1] for line in printed] == lines
    assert all(before <= int(line.split(" ", 1)[0]) <= after for line in printed)


def test_offsets_by_time(broker, name):
    kcat(broker, "-P", "-t", name, data=b"old\n")
    time.sleep(0.05)
    between = int(time.time() * 1000)
    time.sleep(0.05)
    kcat(broker, "-P", "-t", name, data=b"new\n")
    assert kcat(broker, "-Q", "-t", f"{name}:0:{between}").decode().strip() == f"{name} [0] offset 1"
    assert kcat(broker, "-C", "-t", name, "-o", f"s@{between}", "-e", "-q").decode() == "new\n"
    assert kcat(broker, "-C", "-t", name, "-o", "-1", "-e", "-q").decode() == "new\n"


def test_a_group_continues_after_its_last_commit(broker, name):
    hand = Hand(broker.bootstrap)
    hand.create_topic(name, 2)
    kcat(broker, "-P", "-t", name, "-p", "0", data=b"first\n")
    group = ["-G", name, "-q", "-u", "-X", "auto.offset.reset=earliest", "-c", "1", name]
    assert kcat(broker, *group) == b"first\n"
    assert hand.committed(name, name, 2)[0] == 1
    kcat(broker, "-P", "-t", name, "-p", "0", data=b"second\n")
    assert kcat(broker, *group) == b"second\n"


def test_it_waits_for_records_to_come(broker, name):
    Hand(broker.bootstrap).create_topic(name)
    reader = spawn(["kcat", "-b", broker.bootstrap, "-C", "-t", name, "-o", "end", "-c", "1", "-q", "-u"], stdout=subprocess.PIPE)
    try:
        # It starts at the end: sent again until it has found its place.
        eventually("it printed a record", lambda: kcat(broker, "-P", "-t", name, data=b"now\n") == b"" and reader.poll() == 0, every=0.3)
        assert reader.stdout.read() == b"now\n"
    finally:
        reader.kill()
        reader.wait()


def test_all_lines_are_one_transaction(broker, name):
    """They are committed when standard input ends."""
    hand = Hand(broker.bootstrap)
    hand.create_topic(name)
    read = ["-C", "-t", name, "-o", "beginning", "-e", "-q", "-X"]
    for lines in b"one\ntwo\n", b"three\n":
        kcat(broker, "-P", "-t", name, "-p", "0", "-X", f"transactional.id={name}", data=lines)
    assert kcat(broker, *read, "isolation.level=read_committed") == b"one\ntwo\nthree\n"
    # A marker after the records of each.
    assert hand.ends(name) == (0, 5)
