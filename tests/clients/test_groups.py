"""Two members of a group share six partitions; one dies, or the broker does. Nothing is skipped, nothing rebalances for nothing.

Every client runs each scenario with two processes of its own. What a member was given to read, and what the broker
acknowledged of its commits, is compared with what was produced.
"""

import time

import pytest

from harness.drivers import CLIENTS, Member
from harness.hand import Hand
from harness.process import eventually

PARTITIONS = 6
# The shortest that brokers accept (group.min.session.timeout.ms).
SESSION_MS = 6_000
# A dead member is noticed at the end of its session; the one that lives hears of it with its next heartbeat (each 0.5 s).
REBALANCE_S = 2.5
# The default of today's clients; longer than a restart of any broker here, JVM and recovery included.
RESTART_SESSION_MS = 45_000

# They join anew when their broker is away, against Apache Kafka as against Ottla (FINDINGS.md): nothing may be lost by it.
REJOINS = ("kafka-go", "sarama", "kafkajs")
# Joins anew if that takes as long as Kafka's restart does.
REJOINS_KAFKA = ("franz-go",)

pytestmark = pytest.mark.parametrize("client", CLIENTS)


def produce(hand, topic, count):
    for partition in range(PARTITIONS):
        hand.produce(topic, [b"%d" % n for n in range(count)], partition)


def pair(client, broker, group, topic, session_ms):
    """Two members, each owning three partitions."""
    members = [Member(client, broker.bootstrap, group, topic, session_ms) for _ in range(2)]

    def shared():
        first, second = (member.pump().assigned or [] for member in members)
        return len(first) == len(second) == 3 and sorted(first + second) == list(range(PARTITIONS))

    try:
        eventually("each member owns three of six partitions", shared, seconds=60)
    except AssertionError as error:
        said = [(member.assignments, member.diagnosis()) for member in members]
        end(members)
        raise AssertionError(f"{error}: {said}") from None
    return members


def shares(members):
    """How many partitions each of them owns."""
    return [len(member.pump().assigned or []) for member in members]


def end(members):
    for member in members:
        member.kill()


def wait_for_commits(hand, group, topic, offset, members, seconds=30):
    def committed():
        for member in members:
            member.pump()
        return set(hand.committed(group, topic, PARTITIONS).values()) == {offset}

    eventually(f"offset {offset} committed in all partitions", committed, seconds=seconds)


def wait_for_records(count, members, *gone):
    """`members` have told of what they read, if not before they committed it: with what `gone` read that is every record."""
    def skipped():
        for member in members:
            member.pump()
        return {partition: missing for partition in range(PARTITIONS)
                if (missing := set(range(count)).difference(*(member.read.get(partition, []) for member in (*members, *gone))))}

    try:
        eventually("every record is read", lambda: not skipped())
    except AssertionError as error:
        raise AssertionError(f"{error}, skipped: {skipped()}") from None


def test_the_survivor_takes_over_where_the_dead_member_committed(broker, name, client):
    hand = Hand(broker.bootstrap)
    hand.create_topic(name, PARTITIONS)
    produce(hand, name, 100)
    dead, survivor = members = pair(client, broker, name, name, SESSION_MS)
    try:
        wait_for_commits(hand, name, name, 100, members)
        produce(hand, name, 300)  # it dies among these
        dead.kill()
        died = time.monotonic()
        produce(hand, name, 100)
        lost = drained(dead).assigned
        eventually("the survivor owns all six", lambda: survivor.pump().assigned == list(range(PARTITIONS)), seconds=60)
        took = survivor.assignments[-1][0] - died
        assert took <= SESSION_MS / 1000 + REBALANCE_S, f"took over {took:.1f} s after the kill"

        wait_for_commits(hand, name, name, 500, [survivor])
        wait_for_records(500, [survivor], dead)
        for partition in lost:
            began = min(offset for offset in survivor.read[partition] if offset >= 100)
            # Not before what the dead member heard committed, not beyond what it was given to read.
            assert began >= dead.committed.get(partition, 0), f"partition {partition} went back"
            assert began <= max([99, *dead.read.get(partition, [])]) + 1, f"partition {partition} went ahead"
    finally:
        end(members)


def test_members_join_and_leave(broker, name, client):
    """A third member takes its share; when it closes its consumer the others have it at once, long before any session ends."""
    hand = Hand(broker.bootstrap)
    hand.create_topic(name, PARTITIONS)
    produce(hand, name, 50)
    members = pair(client, broker, name, name, RESTART_SESSION_MS)
    try:
        members.append(Member(client, broker.bootstrap, name, name, RESTART_SESSION_MS))
        eventually("each of three owns two", lambda: shares(members) == [2, 2, 2], seconds=30)
        wait_for_commits(hand, name, name, 50, members)
        third = members.pop()
        third.leave()
        drained(third)
        eventually("each of two owns three", lambda: shares(members) == [3, 3], seconds=15)
        produce(hand, name, 50)
        wait_for_commits(hand, name, name, 100, members)
        wait_for_records(100, members, third)
    finally:
        end(members)


def drained(member):
    """A dead member, once all it said before it died is taken in."""
    try:
        while True:
            member.pump(1)
    except AssertionError:  # its output has ended
        return member


def test_a_restart_of_the_broker_is_no_rebalance(own_broker, name, client):
    rejoins = client.startswith(REJOINS if own_broker.kind == "ottla" else REJOINS + REJOINS_KAFKA)
    hand = Hand(own_broker.bootstrap)
    hand.create_topic(name, PARTITIONS)
    produce(hand, name, 100)
    members = pair(client, own_broker, name, name, RESTART_SESSION_MS)
    try:
        wait_for_commits(hand, name, name, 100, members)
        before = hand.group(name)
        assert before[0] == "STABLE" and len(before[1]) == 2
        assigned = [list(member.assignments) for member in members]

        own_broker.kill()
        own_broker.start()

        hand = Hand(own_broker.bootstrap)
        assert hand.committed(name, name, PARTITIONS) == dict.fromkeys(range(PARTITIONS), 100), "a committed offset is lost"
        produce(hand, name, 50)
        wait_for_commits(hand, name, name, 150, members, seconds=60)
        wait_for_records(150, members)
        if rejoins:
            eventually("both are members", lambda: stable_pair(hand, name), seconds=30)
        else:
            assert hand.group(name) == before, "state or member ids have changed"
        for member, before_restart in zip(members, assigned, strict=True):
            member.pump(1)
            # An assignment carries its generation where the library shows it: no new one, so the same generation.
            assert rejoins or member.assignments == before_restart, "was rebalanced"
        for partition in range(PARTITIONS):
            seen = [offset for member in members for offset in member.read.get(partition, [])]
            assert rejoins or len(seen) == 150, f"partition {partition} was read twice"
    finally:
        end(members)


def stable_pair(hand, group):
    state, members = hand.group(group)
    return state == "STABLE" and len(members) == 2
