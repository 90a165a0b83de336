"""The consumer protocol (KIP-848) with the clients that speak it: `group.protocol=consumer`.

Three members share six partitions; one is killed, the broker is restarted, one leaves. Then groups that migrate from
the classic protocol and back, a subscription by regular expression, and what Kafka's own tool shows and deletes.
"""

import re
import subprocess

import pytest

from harness.broker import KAFKA_LIBS, new_broker
from harness.drivers import Member
from harness.hand import Hand
from harness.process import eventually

PARTITIONS = 6
JAVA, CONFLUENT = ["java-4.3.0", "java-4.4.0"], "confluent-kafka-2.16.1"
ALL = pytest.mark.parametrize("client", [*JAVA, CONFLUENT])
# Short, so that a dead member is noticed soon.
QUICK = ["group.consumer.heartbeat.interval.ms=500", "group.consumer.min.heartbeat.interval.ms=500",
         "group.consumer.session.timeout.ms=6000", "group.consumer.min.session.timeout.ms=6000"]


@pytest.fixture
def quick_broker():
    one = new_broker(overrides=QUICK)
    try:
        one.start()
        yield one
    finally:
        one.remove()


@pytest.fixture
def members():
    """Members to be put in by the test, all of whom are gone when it ends."""
    all_of_them = []
    yield all_of_them
    for member in all_of_them:
        member.kill()


def join(members, client, broker, name, topic=None, protocol="consumer"):
    members.append(Member(client, broker.bootstrap, name, topic or name, 6_000, protocol=protocol))
    return members[-1]


def shared(members, total=PARTITIONS):
    """Waits until the members own all partitions, each one, and as evenly as can be."""
    def is_shared():
        owned = [member.pump().assigned or [] for member in members]
        even = max(map(len, owned)) - min(map(len, owned)) <= 1
        return even and sorted(sum(owned, [])) == list(range(total))

    try:
        eventually(f"{len(members)} members share {total} partitions", is_shared, seconds=60)
    except AssertionError as error:
        raise AssertionError(f"{error}: {[(member.assignments, member.diagnosis()) for member in members]}") from None


def commits(hand, name, offset, members):
    def committed():
        for member in members:
            member.pump()
        return set(hand.committed(name, name, PARTITIONS).values()) == {offset}

    eventually(f"offset {offset} committed in all partitions", committed, seconds=60)
    for member in members:
        member.pump(0.5)


def produce(hand, topic, count):
    for partition in range(PARTITIONS):
        hand.produce(topic, [b"%d" % n for n in range(count)], partition)


def run(*arguments):
    return subprocess.run(
        ["java", "-XX:TieredStopAtLevel=1", "-Xmx256m", "-cp", f"{KAFKA_LIBS}/*",
         "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=90)


def tool(*arguments):
    done = run(*arguments)
    assert done.returncode == 0, done.stdout
    return done.stdout


@ALL
def test_three_members_of_whom_one_dies_and_one_leaves(quick_broker, name, members, client):
    hand = Hand(quick_broker.bootstrap)
    hand.create_topic(name, PARTITIONS)
    produce(hand, name, 100)
    dead, leaver, survivor = (join(members, client, quick_broker, name) for _ in range(3))
    shared(members)
    commits(hand, name, 100, members)

    dead.kill()
    produce(hand, name, 50)
    shared([leaver, survivor])
    commits(hand, name, 150, [leaver, survivor])

    before = [list(member.assignments) for member in (leaver, survivor)]
    quick_broker.kill()
    quick_broker.start()
    hand = Hand(quick_broker.bootstrap)
    assert hand.committed(name, name, PARTITIONS) == dict.fromkeys(range(PARTITIONS), 150), "a committed offset is lost"
    produce(hand, name, 50)
    commits(hand, name, 200, [leaver, survivor])
    assert [list(member.assignments) for member in (leaver, survivor)] == before, "a restart of the broker was a rebalance"

    leaver.leave()
    shared([survivor])
    produce(hand, name, 50)
    commits(hand, name, 250, [survivor])
    for partition in range(PARTITIONS):
        seen = [offset for member in members for offset in member.read.get(partition, [])]
        assert set(seen) == set(range(250)), f"skipped records of partition {partition}"
    survivor.leave()
    assert hand.group(name)[0] == "EMPTY"


@ALL
def test_a_group_migrates_up_and_down_while_it_reads(quick_broker, name, members, client):
    hand = Hand(quick_broker.bootstrap)
    hand.create_topic(name, PARTITIONS)
    produce(hand, name, 50)
    old = join(members, client, quick_broker, name, protocol="classic")
    shared([old])
    commits(hand, name, 50, [old])
    new = join(members, client, quick_broker, name)
    shared([old, new])
    produce(hand, name, 50)
    commits(hand, name, 100, [old, new])
    new.leave()
    shared([old])
    produce(hand, name, 50)
    commits(hand, name, 150, [old])
    for partition in range(PARTITIONS):
        seen = {*old.read.get(partition, []), *new.read.get(partition, [])}
        assert seen == set(range(150)), f"skipped records of partition {partition}"


@ALL
def test_a_regular_expression_finds_topics_that_are_created_later(quick_broker, name, members, client):
    hand = Hand(quick_broker.bootstrap)
    hand.create_topic(f"{name}-a", 2)
    member = join(members, client, quick_broker, name, f"^{name}-[ab]")
    shared([member], 2)
    hand.create_topic(f"{name}-c", 7)
    hand.create_topic(f"{name}-b", 4)
    eventually("it has the partitions of b, and not those of c", lambda: member.pump().assigned == list(range(4)), seconds=60)


def test_an_invalid_regular_expression_is_reported_to_the_program(quick_broker, name, members):
    member = join(members, JAVA[-1], quick_broker, name, "^(unclosed")
    with pytest.raises(AssertionError, match="InvalidRegularExpression"):
        eventually("it ends", lambda: member.pump() and False, seconds=30)


def test_kafkas_tool_shows_members_and_deletes_offsets(quick_broker, name, members):
    hand = Hand(quick_broker.bootstrap)
    hand.create_topic(name, PARTITIONS)
    produce(hand, name, 10)
    first, second = (join(members, JAVA[0], quick_broker, name) for _ in range(2))
    shared(members)
    commits(hand, name, 10, members)
    at = ["--bootstrap-server", quick_broker.bootstrap, "--group", name]
    shown = tool(*at, "--describe")
    assert len(re.findall(rf"{name}\s+{name}\s+\d\s+10\s+10\s+0\s+\S+\s+/127.0.0.1", shown)) == PARTITIONS, shown
    shown = tool(*at, "--describe", "--members", "--verbose")
    assert len(re.findall(rf"{name}\s+.*{name}:\d,\d,\d", shown)) == 2, shown
    shown = tool(*at, "--describe", "--state", "--verbose")
    assert re.search(rf"{name}\s+.*uniform\s+Stable\s+\d+\s+\d+\s+2", shown), shown
    assert re.search(rf"{name}\s+Consumer", tool("--bootstrap-server", quick_broker.bootstrap, "--list", "--type", "consumer"))
    assert name not in tool("--bootstrap-server", quick_broker.bootstrap, "--list", "--type", "classic")

    delete = [*at, "--delete-offsets", "--topic", f"{name}:0"]
    assert "subscribed" in run(*delete).stdout
    first.leave()
    second.leave()
    assert "successful" in tool(*delete).lower()
    assert hand.committed(name, name, 2) == {0: -1001, 1: 10}
    assert "successful" in tool(*at, "--delete")

