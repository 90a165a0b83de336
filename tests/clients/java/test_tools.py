"""Kafka 4.3's own command-line tools where their words are not all: tools/ compares these with Kafka's."""

import json
import subprocess

import pytest

from harness.broker import KAFKA_LIBS
from harness.drivers import JVM
from harness.hand import Hand


def tool(class_name, *arguments, data=None, timeout=90, status=0):
    """Runs a tool's class; returns what it printed, on both channels."""
    done = subprocess.run(
        [*JVM, "-cp", f"{KAFKA_LIBS}/*", class_name, *arguments],
        input=data, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout)
    output = "\n".join(line for line in done.stdout.splitlines() if not line.startswith("SLF4J"))
    assert done.returncode == status, f"{class_name} {' '.join(arguments)}: {done.returncode}\n{output}"
    return output


def test_delete_records_and_log_dirs(broker, name, tmp_path):
    hand = Hand(broker.bootstrap)
    hand.create_topic(name)
    hand.produce(name, [b"x" * 1000] * 10)
    at = ["--bootstrap-server", broker.bootstrap]

    def size():
        printed = tool("org.apache.kafka.tools.LogDirsCommand", *at, "--describe", "--topic-list", name)
        (folder,) = json.loads(printed[printed.index("{"):])["brokers"][0]["logDirs"]
        assert folder["error"] is None
        (partition,) = folder["partitions"]
        assert partition["partition"] == f"{name}-0"
        return partition["size"]

    before = size()
    assert 10_000 < before < 12_000
    wanted = tmp_path / "delete.json"
    wanted.write_text(json.dumps({"version": 1, "partitions": [{"topic": name, "partition": 0, "offset": -1}]}))
    printed = tool("org.apache.kafka.tools.DeleteRecordsCommand", *at, "--offset-json-file", str(wanted))
    assert f"partition: {name}-0\tlow_watermark: 10" in printed, printed
    # Kafka keeps the segment until it next looks for old ones (log.retention.check.interval.ms).
    assert size() == 0 or broker.kind == "kafka"


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_kcat_reads_what_java_compressed(broker, name, codec):
    """The console producer's records, without Java on the reading side."""
    tool("org.apache.kafka.tools.ConsoleProducer", "--bootstrap-server", broker.bootstrap, "--topic", name, "--compression-codec", codec,
         data="".join(f"line {n}\n" for n in range(200)))
    printed = subprocess.run(["kcat", "-C", "-b", broker.bootstrap, "-t", name, "-o", "beginning", "-e", "-q"],
                             check=True, capture_output=True, text=True, timeout=60).stdout
    assert printed.splitlines() == [f"line {n}" for n in range(200)]
