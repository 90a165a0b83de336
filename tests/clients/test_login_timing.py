"""The time and the shape of a refused login tell nothing: neither whether the user exists, nor how much of a password was right.

Failed logins of known and of unknown users follow each other in a random order; the passwords share from none to all but the last
byte with the right one. Measured is the time from sending a message to its answer, for each message of the login, by the clock of
this process over loopback, with the delay of failed logins off (connection.failed.authentication.delay.ms=0).

OTTLA_TIMED_LOGINS=20000 is the long form, with that many logins for each mechanism: medians within 2 %, and no test tells the
distributions apart at p < 0.001. The short form has few logins beside a busy machine, so only what is far apart fails it.
"""

import gc
import os
import random
import statistics
import time

import pytest

from harness import sasl
from harness.drivers import AGAINST_KAFKA
from harness.safe import Safe
from harness.samples import kolmogorov_smirnov, mann_whitney, medians_apart

pytestmark = pytest.mark.skipif(AGAINST_KAFKA, reason="Kafka refuses an unknown user of SCRAM at the first message")

LOGINS = int(os.environ.get("OTTLA_TIMED_LOGINS", "600"))
LONG = LOGINS >= 20_000
# With few values, only p-values that chance never gives in years of runs.
LEAST_P = 0.001 if LONG else 1e-7
MOST_APART = 0.02 if LONG else 1
PASSWORD = "correct horse battery"
KNOWN = [f"known-{number:02}" for number in range(20)]
UNKNOWN = [f"other-{number:02}" for number in range(20)]


@pytest.fixture(scope="module")
def broker():
    one = Safe(KNOWN, PASSWORD, ["connection.failed.authentication.delay.ms=0"])
    try:
        one.start()
        one.add_scram_users()
        yield one
    finally:
        one.remove()


def _wrong(shared):
    """As long as the right password, and the same in its first `shared` bytes."""
    return PASSWORD[:shared] + "#" * (len(PASSWORD) - shared)


def _timed(peer, message, times):
    before = time.perf_counter_ns()
    answer = peer.ask(message)
    times.append(time.perf_counter_ns() - before)
    return answer


def _refused(port, mechanism, user, password):
    """A failed login: the times of its answers in ns, and its shape: number and lengths of answers, codes, and the end of the connection."""
    times, shape = [], []
    with sasl.Peer(port) as peer:
        shape.append(_timed(peer, sasl.handshake(mechanism), times))
        if mechanism == "PLAIN":
            answers = [_timed(peer, sasl.authenticate(sasl.plain(user, password)), times)]
        else:
            login = sasl.Scram(mechanism, user)
            answers = [_timed(peer, sasl.authenticate(login.first), times)]
            final = sasl.authenticate(login.final(sasl.Answer(answers[0]).token, password))
            answers.append(_timed(peer, final, times))
        shape += [(sasl.Answer(answer).code, len(answer)) for answer in answers]
        shape.append(peer.socket.recv(1))
    return times[1:], shape


def _measure(port, mechanism):
    """(known, shared bytes, times) of each login, and the shapes by whether the user is known."""
    draw = random.Random(LOGINS)
    plan = [(number % 2 == 0, draw.randrange(20), draw.randrange(len(PASSWORD))) for number in range(LOGINS)]
    draw.shuffle(plan)
    for is_known, number, shared in plan[:100]:  # the first ones are slower
        _refused(port, mechanism, (KNOWN if is_known else UNKNOWN)[number], _wrong(shared))
    rows, shapes = [], {True: set(), False: set()}
    gc.disable()
    try:
        for is_known, number, shared in plan:
            times, shape = _refused(port, mechanism, (KNOWN if is_known else UNKNOWN)[number], _wrong(shared))
            rows.append((is_known, shared, times))
            # A salt of SCRAM in Base64 has a length of its own.
            shapes[is_known].add(str(shape))
    finally:
        gc.enable()
    return rows, shapes


def _told_apart(one, other):
    """How two sets of times differ; empty if they do not."""
    found = {"medians": medians_apart(one, other), "rank sum": mann_whitney(one, other), "shape": kolmogorov_smirnov(one, other)}
    medians = " and ".join(f"{statistics.median(times) / 1000:.1f} µs" for times in (one, other))
    print(f"  {medians} of {len(one)} and {len(other)} logins:", ", ".join(f"{name} {value:.3g}" for name, value in found.items()))
    return [f"{name} {value:.3g}" for name, value in found.items() if (value > MOST_APART if name == "medians" else value < LEAST_P)]


@pytest.mark.parametrize("mechanism", ["PLAIN", *sasl.HASHES])
def test_a_refused_login_tells_nothing(broker, mechanism):
    rows, shapes = _measure(broker.safe_port, mechanism)
    assert shapes[True] == shapes[False], shapes
    told, half = [], len(PASSWORD) // 2
    for message in range(len(rows[0][2])):
        def times(wanted):
            return [times[message] for is_known, shared, times in rows if wanted(is_known, shared)]

        print(f"{mechanism}, answer {message + 1}: known and unknown users, less and more of the password right, a planted early return")
        known, unknown = times(lambda is_known, _: is_known), times(lambda is_known, _: not is_known)
        told += _told_apart(known, unknown)
        told += _told_apart(times(lambda is_known, shared: is_known and shared < half), times(lambda is_known, shared: is_known and shared >= half))
        # An early return would be found: 5 % less, or in the short form a fifth of the time.
        less = 0.95 if LONG else 0.2
        assert _told_apart(known, [value * less for value in unknown]), "the comparison finds nothing"
    assert not told, told
