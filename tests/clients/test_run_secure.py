"""`make run SECURE=1`, without make and the build: certificates and an administrator are made, and nothing else is let in."""

import os
import pathlib
import shutil
import signal
import subprocess

import pytest

from harness.broker import KAFKA_LIBS, answers_api_versions
from harness.drivers import AGAINST_KAFKA, JVM
from harness.process import eventually, free_port, spawn

pytestmark = pytest.mark.skipif(AGAINST_KAFKA, reason="it is a script of this project")

_RUN = pathlib.Path(__file__).resolve().parents[2] / "tools" / "run.sh"


def _topics(folder, port, *arguments):
    settings = folder / "tool.properties"
    settings.write_text((folder / "admin.properties").read_text().replace(":9093", f":{port}"))
    argv = [*JVM, "-cp", f"{KAFKA_LIBS}/*", "org.apache.kafka.tools.TopicCommand", "--bootstrap-server", f"localhost:{port}", "--command-config", settings]
    return subprocess.run([*argv, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=180, text=True, check=False).stdout


def test_it_serves_its_administrator_within_tls_alone(tmp_path):
    folder, log, port = tmp_path / "secure", tmp_path / "log", free_port()
    env = {**os.environ, "SECURE": "1", "OTTLA_SECURE": str(folder), "OTTLA_CACHE_OWNED": "yes"}
    argv = [_RUN, "--data", tmp_path / "data", "--http", "127.0.0.1:0", "--override", f"listeners=SASL_SSL://127.0.0.1:{port}"]

    def run():
        with open(log, "wb") as out:
            process = spawn(argv, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        eventually("it is ready", lambda: b" is ready\n" in log.read_bytes() or process.poll() is not None, 60)
        assert process.poll() is None, log.read_text()
        return process

    def stop(process):
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, log.read_text()

    process = run()
    try:
        assert f"settings of an administrator: {folder}/admin.properties" in log.read_text()
        assert not answers_api_versions(port), "it speaks plaintext"
        shown = _topics(folder, port, "--create", "--topic", "orders")
        assert "Created topic orders." in shown, shown
        private = {path.name for path in folder.iterdir() if path.is_file() and not path.stat().st_mode & 0o077}
        assert {"admin", "admin.properties", "ca.key", "server.pem"} <= private
        stop(process)
        # The next run keeps authority and password.
        before = [(folder / name).read_bytes() for name in ("ca.pem", "admin")]
        process = run()
        assert before == [(folder / name).read_bytes() for name in ("ca.pem", "admin")]
        assert "orders" in _topics(folder, port, "--list")
    finally:
        if process.poll() is None:
            stop(process)


def test_no_password_is_made_without_random_bytes(tmp_path):
    folder, broken = tmp_path / "secure", tmp_path / "bin"
    broken.mkdir()
    (broken / "od").symlink_to(shutil.which("false"))
    env = {**os.environ, "SECURE": "1", "OTTLA_SECURE": str(folder), "OTTLA_CACHE_OWNED": "yes", "PATH": f"{broken}:{os.environ['PATH']}"}
    ended = subprocess.run([_RUN, "--data", tmp_path / "data"], env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
    assert ended.returncode != 0 and (folder / "ca.pem").exists(), ended
    assert not (folder / "admin").exists()
