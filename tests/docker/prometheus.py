"""A real Prometheus that scrapes brokers on this machine, and answers of its HTTP API."""

import json
import pathlib
import signal
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tests" / "clients"))

from harness.process import eventually, free_port, spawn  # noqa: E402

DOCKER = REPOSITORY / "docker"
# A busy machine answers a scrape within this time, which is also the time between two.
EVERY_SECONDS = 2


def leave_at_sigterm():
    """Lets SIGTERM end every `with`, so that no mount and no folder is left. A second one does not end that work."""

    def leave(*_):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sys.exit(128 + signal.SIGTERM)

    signal.signal(signal.SIGTERM, leave)


class Prometheus:
    """Scrapes the brokers in the job `ottla`; each is an instance with the name that it has in `brokers`: {name: HTTP port}."""

    def __init__(self, brokers, rules=""):
        self.port = free_port()
        self.folder = tempfile.TemporaryDirectory(prefix="prometheus-")
        folder = pathlib.Path(self.folder.name)
        (folder / "rules.yml").write_text(rules, encoding="utf-8")
        targets = [{"targets": [f"127.0.0.1:{port}"], "labels": {"instance": name, "kafka_cluster": "ottla"}} for name, port in brokers.items()]
        every = f"{EVERY_SECONDS}s"
        config = {
            "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": "1s"},
            "rule_files": ["rules.yml"] if rules else [],
            "scrape_configs": [{"job_name": "ottla", "static_configs": targets}],
        }
        # JSON is YAML.
        (folder / "prometheus.yml").write_text(json.dumps(config), encoding="utf-8")
        self.log = folder / "log"
        argv = ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{self.port}"]
        with open(self.log, "wb") as log:
            self.process = spawn(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def __enter__(self):
        try:
            eventually("Prometheus is ready", self.is_ready)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        # Its data is of no use any more.
        self.process.kill()
        self.process.wait()
        self.folder.cleanup()

    def is_ready(self):
        assert self.process.poll() is None, self.log.read_text(encoding="utf-8")
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=10).status == 200
        except OSError:
            return False

    def ask(self, path, **parameters):
        """The data of an answer; an error of the query is one of the test."""
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from None

    def query(self, expression):
        """The series that an expression has now, each with its labels and value."""
        return [(one["metric"], float(one["value"][1])) for one in self.ask("query", query=expression)["result"]]

    def scrapes(self):
        """The number of scrapes so far that brokers answered."""
        return sum(value for _, value in self.query("sum_over_time(up[1h])"))

    def firing(self, instance):
        """Names of the alerts that fire for an instance."""
        alerts = self.ask("alerts")["alerts"]
        return {one["labels"]["alertname"] for one in alerts if one["state"] == "firing" and one["labels"].get("instance") == instance}
