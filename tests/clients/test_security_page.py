"""The first chapter of docs/security.md, run as it stands except for the port."""

import os
import pathlib
import re
import signal
import subprocess

import pytest

from harness.broker import KAFKA_LIBS
from harness.drivers import AGAINST_KAFKA
from harness.process import eventually, free_port, spawn

pytestmark = pytest.mark.skipif(AGAINST_KAFKA, reason="it starts Ottla")

_PAGE = (pathlib.Path(__file__).resolve().parents[2] / "docs" / "security.md").read_text(encoding="utf-8")
_TOOLS = {
    "kafka-console-producer.sh": "org.apache.kafka.tools.ConsoleProducer",
    "kafka-console-consumer.sh": "org.apache.kafka.tools.consumer.ConsoleConsumer",
}


def _programs(folder):
    """A folder with the programs that the page names."""
    folder.mkdir()
    (folder / "ottla").symlink_to(os.environ["OTTLA_BINARY"])
    for name, main in _TOOLS.items():
        (folder / name).write_text(f'#!/bin/sh\nexec java -XX:TieredStopAtLevel=1 -Xmx256m -cp "{KAFKA_LIBS}/*" {main} "$@"\n', encoding="utf-8")
        (folder / name).chmod(0o755)
    return folder


def test_from_nothing_to_a_quota(tmp_path):
    port, folder, log = free_port(), tmp_path / "shop", tmp_path / "log"
    folder.mkdir()
    chapter = _PAGE.partition("## In ten minutes\n")[2].partition("\n## ")[0].replace(":9093", f":{port}")
    (configuration,) = re.findall(r"^```properties\n(.*?)^```", chapter, flags=re.MULTILINE | re.DOTALL)
    (folder / "broker.properties").write_text(configuration, encoding="utf-8")
    certificates, serve, *rest = re.findall(r"^```sh\n(.*?)^```", chapter, flags=re.MULTILINE | re.DOTALL)
    assert "ottla serve" in serve and len(rest) == 3
    env = {**os.environ, "PATH": f"{_programs(tmp_path / 'bin')}:{os.environ['PATH']}", "KAFKA_HTTP_LISTENER": f"127.0.0.1:{free_port()}"}

    def run(commands, code=0):
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", commands], cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == code, f"{done.returncode}\n{done.stdout}{done.stderr}\n{log.read_text() if log.exists() else ''}"
        return done.stdout

    run(certificates)
    with open(log, "wb") as out:
        broker = spawn(["bash", "-c", f"exec env {serve}"], cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        eventually("it is ready", lambda: b" is ready\n" in log.read_bytes() or broker.poll() is not None, 60)
        assert broker.poll() is None, log.read_text()
        shown = run("".join(rest))
        for said in ("nothing is wrong", "added user alice", "hello"):
            assert said in shown, shown
        # What was set is in force, and nothing beyond it.
        assert "1048576" in run("ottla quota list --command-config admin.properties")
        run("ottla acl check --principal User:alice --operation Delete --resource topic:orders --command-config admin.properties", code=1)
    finally:
        broker.send_signal(signal.SIGTERM)
        assert broker.wait(60) == 0, log.read_text()
