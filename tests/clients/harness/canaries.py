"""Secrets whose texts appear nowhere else, and the search for them; and what makes a broker panic and crash while it has them in hand."""

import base64
import os
import pathlib
import subprocess

import pytest

from .sasl import Peer, authenticate, handshake, plain

_PANIC = pathlib.Path(__file__).with_name("panic.c")


def forms(text):
    """The text, or bytes, as a leak may show it: as it is, in hexadecimal, as the numbers of its bytes, and within a longer text in Base64."""
    raw = text.encode() if isinstance(text, str) else text
    yield from (raw, raw.hex().encode(), ", ".join(map(str, raw)).encode())
    # At each of the three positions that it can have there; without the characters that depend on its neighbours.
    for before, foreign in enumerate((0, 2, 3)):
        encoded = base64.b64encode(bytes(before) + raw).rstrip(b"=")[foreign:-1]
        yield from (encoded, encoded.translate(bytes.maketrans(b"+/", b"-_")))


def found(secret, where):
    """Names of the secrets (`secret` is {name: text}) in these bytes."""
    return [kind for kind, text in secret.items() if any(form in where for form in forms(text))]


def tells_none(secret, places):
    """Fails if a secret is in one of the places, {name: text or bytes}, with the lines."""
    places = {place: text.encode() if isinstance(text, str) else text for place, text in places.items()}
    kinds = {place: told for place, text in places.items() if (told := found(secret, text))}
    lines = [line[:400] for place, told in kinds.items() for line in places[place].splitlines() if found({one: secret[one] for one in told}, line)]
    assert not kinds, f"{kinds}: {lines[:20]}"


def command(*arguments, **environment):
    """Exit code and output of that command of the binary."""
    done = subprocess.run([os.environ["OTTLA_BINARY"], *arguments], capture_output=True, timeout=60, text=True, check=False,
                          env={**os.environ, **environment})
    return done.returncode, done.stdout + done.stderr


def files(folder):
    """The contents of all files below the folder."""
    return b"\n".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def panicking(folder, argv, **environment):
    """The command that runs `argv` so that it panics and crashes where panic.c says, and shows as much of that as it can."""
    library = folder / "panic.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), str(_PANIC)], check=True)
    return ["env", f"LD_PRELOAD={library}", "RUST_BACKTRACE=full", *(f"{key}={value}" for key, value in environment.items()), *argv]


def plain_login_breaks(port, user, password):
    """A login by PLAIN whose user name is one of the texts of panic.c: the connection ends without an answer."""
    with Peer(port) as peer:
        peer.ask(handshake("PLAIN"))
        with pytest.raises((EOFError, ConnectionError)):
            peer.ask(authenticate(plain(user, password)))
