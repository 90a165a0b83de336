"""Users and ACLs under kill -9 at random times: an answered change is there afterwards, one that was not answered is whole or missing.

OTTLA_SECURITY_KILLS=500 is the long form.
"""

import os
import random
import threading
import time

import pytest

from harness import security_requests as requests
from harness.broker import Ottla
from harness.drivers import AGAINST_KAFKA
from harness.sasl import Peer

pytestmark = pytest.mark.skipif(AGAINST_KAFKA, reason="Kafka takes seconds to start again, and its change of a user is not one record")

KILLS = int(os.environ.get("OTTLA_SECURITY_KILLS", "15"))
NAMES = [f"u{number}" for number in range(30)]


class Known:
    """The state that the broker has confirmed, and the one after a change that it has not answered."""

    def __init__(self):
        self.users, self.acls = {}, set()
        self.pending = None

    def possible(self):
        """The states that it may be in."""
        states = [(self.users, self.acls)]
        if self.pending:
            states.append(self.pending)
        return states


def _change(draw, known):
    """A random change: its request, the state after it, and how to read the codes of its answer."""
    some = draw.sample(NAMES, draw.choice([1, 1, 2, 5]))
    users, acls = dict(known.users), set(known.acls)
    if draw.random() < 0.5:
        wanted = {name: None if name in users and draw.random() < 0.4 else draw.randrange(4096, 16384) for name in some}
        users.update(wanted)
        users = {name: count for name, count in users.items() if count is not None}
        return requests.alter_users(wanted), (users, acls), lambda body: requests.user_codes(body).values()
    if draw.random() < 0.6:
        return requests.create_acls(some), (users, acls | set(some)), requests.acl_codes
    return requests.delete_acls(some), (users, acls - set(some)), lambda _: []


def _changes_until_killed(port, draw, known):
    """Makes changes one after another until the connection breaks; how many were answered."""
    answered = 0
    with Peer(port) as peer:
        while True:
            request, known.pending, codes = _change(draw, known)
            try:
                body = peer.ask(request)
            except (OSError, EOFError):
                return answered
            assert not any(codes(body)), body
            (known.users, known.acls), known.pending = known.pending, None
            answered += 1


def test_answered_changes_survive_kills():
    draw, known = random.Random(KILLS), Known()
    broker = Ottla(overrides=("authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer", "super.users=User:ANONYMOUS"))
    answered = applied = 0
    try:
        for _ in range(KILLS):
            broker.start()
            with Peer(broker.port) as peer:
                found = requests.users(peer.ask(requests.describe_users())), requests.acls(peer.ask(requests.describe_acls()))
            assert found in known.possible(), (found, known.possible())
            applied += found == known.pending
            (known.users, known.acls), known.pending = found, None
            killer = threading.Thread(target=lambda: (time.sleep(draw.random() / 3), broker.kill()))
            killer.start()
            answered += _changes_until_killed(broker.port, draw, known)
            killer.join()
        print(f"{KILLS} kills, {answered} answered changes, {applied} of those not answered were there")
        assert answered > KILLS
    finally:
        broker.remove()
