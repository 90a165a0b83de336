"""Stock clients on listeners with TLS and logins: many cases by one process of each client, all at the same time.

The drivers are {python,node}/…/session.*, go/session and java's class Session; python/drivers/session.py tells what a case is.
"""

import json
import os
import pathlib
import subprocess

from .drivers import GO_DRIVERS, JAVA_CLIENTS, JVM, NODE_DRIVERS, python_of

_PYTHON = pathlib.Path(__file__).parent.parent / "python" / "drivers" / "session.py"
# What a case that reads shows, in any language.
WHOLE = sorted([*(f"record {number}" for number in range(19)), "300000 bytes"])
STEPS = ("create", "produce", "consume")


def _command(client):
    if client.startswith("java"):
        home = JAVA_CLIENTS / client.removeprefix("java-")
        return [*JVM, "-XX:+UseSerialGC", "-cp", f"{home}/classes:{home}/libs/*", "Session"]
    if client in ("kafkajs", "kafka-javascript"):
        return ["node", str(NODE_DRIVERS / "session.js"), client]
    if client in ("franz-go", "kafka-go") or client.startswith("sarama"):
        return [str(GO_DRIVERS / "session"), client]
    library = client if client == "kcat" else client.rsplit("-", 1)[0]
    return [python_of("suite" if client == "kcat" else client), str(_PYTHON), library]


def run(client, cases, seconds=240):
    """{name: answer} of {name: case}. Each is one of `steps` on a topic and group named after client and case, unless it says otherwise."""
    lines = []
    for name, case in cases.items():
        topic = case.get("topic", f"{client}-{name}")
        lines.append(json.dumps({"case": name, "steps": STEPS, "patience": 60, "topic": topic, "group": f"group-{topic}", **case}))
    # kafka-javascript holds a thread of Node's four for as long as it connects.
    done = subprocess.run(_command(client), input="\n".join(lines) + "\n", stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=seconds, text=True, check=False, env={**os.environ, "UV_THREADPOOL_SIZE": "64"})
    answers = {answer.pop("case"): answer for answer in map(json.loads, done.stdout.splitlines())}
    assert set(answers) == set(cases), f"no answer for {set(cases) - set(answers)}\n{done.stderr[-4000:]}"
    return answers


def run_one(client, **case):
    """The answer of one case."""
    return run(client, {"one": case})["one"]
