"""Every command and program of the README, run as it stands except for the port. A command without a case here fails."""

import os
import pathlib
import re
import signal
import subprocess
import time

import pytest

from harness.broker import KAFKA_LIBS
from harness.drivers import CLIENTS, python_of
from harness.process import eventually, free_port, spawn
from harness.wire import answers_api_versions

ROOT = pathlib.Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
# Those that other parts of `make test` are, or that are shown below with options of their own.
ELSEWHERE = {"make test", "make run"}


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def test_only_known_languages():
    assert set(re.findall(r"^```(\w+)$", README, flags=re.MULTILINE)) == {"sh", "python", "java"}


def test_shell_commands(broker):
    expected = {
        "echo hello | kcat -P -b localhost:9092 -t greetings": "",
        "kcat -C -b localhost:9092 -t greetings -e": "hello\n",
        'echo "alice:42" | kcat -P -b localhost:9092 -t scores -K : -H source=readme -z zstd': "",
        r"kcat -C -b localhost:9092 -t scores -e -f '%o %k=%s (%h)\n'": "0 alice=42 (source=readme)\n",
        "kcat -G readers -b localhost:9092 -X auto.offset.reset=earliest -e scores": "42\n",
    }
    commands = [line for block in blocks("sh") for line in block.splitlines() if line not in ELSEWHERE]
    assert commands == list(expected)
    for command in commands:
        done = subprocess.run(["bash", "-c", command.replace("localhost:9092", broker.bootstrap)], capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stdout) == (0, expected[command]), f"{command}\n{done.stderr}"


def prints(argv, line, seconds=60):
    """Runs a program that reads for ever until it prints that line."""
    process = spawn(argv, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True)
    timer = time.monotonic() + seconds
    try:
        for got in process.stdout:
            if got.rstrip("\n").endswith(line):
                return True
            assert time.monotonic() < timer
        return False
    finally:
        process.kill()
        process.wait()


def test_python_program(broker, tmp_path):
    (source,) = blocks("python")
    program = tmp_path / "hello.py"
    program.write_text(source.replace("localhost:9092", broker.bootstrap))
    assert prints([python_of("kafka-python-3.0.12"), "-u", str(program)], "b'hello from Python'")


def test_java_program(broker, tmp_path):
    (source,) = blocks("java")
    program = tmp_path / "Hello.java"
    program.write_text(source.replace("localhost:9092", broker.bootstrap))
    assert prints(["java", "-cp", f"{KAFKA_LIBS}/*", str(program)], "hello from Java")


def test_table_of_clients():
    """The versions named are those that are pinned here."""
    for client in CLIENTS:
        assert client.rsplit("-", 1)[-1].replace("kcat", "1.7.1") in README, client


@pytest.mark.skipif(os.environ.get("BROKER") == "kafka", reason="starts Ottla")
def test_make_run_starts_and_control_c_stops(tmp_path):
    port = free_port()
    arguments = f"--data {tmp_path}/data --listen 127.0.0.1:{port} --http 127.0.0.1:{free_port()}"
    log = open(tmp_path / "log", "w+")
    process = spawn(["make", "run", f"ARGS={arguments}"], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    try:
        eventually("the broker answers", lambda: answers_api_versions(port), seconds=120)
        said = eventually("its banner", lambda: (tmp_path / "log").read_text(), seconds=5)
        for part in (f"localhost:{port}", str(tmp_path / "data"), "kcat -P", "kcat -C"):
            assert part in said, said
        os.killpg(process.pid, signal.SIGINT)  # what Ctrl-C does: to make as well
        process.wait(20)
        assert not answers_api_versions(port)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_make_binary_prints_a_path_alone():
    if os.environ.get("BROKER") == "kafka":
        pytest.skip("builds Ottla")
    printed = subprocess.run(["make", "-s", "binary"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True, timeout=200).stdout
    assert os.access(printed.strip(), os.X_OK) and printed.count("\n") == 1
