"""Kafka 4.3's own command-line tools, run as their scripts run them, and what they print."""

import json
import re
import subprocess

import pytest

from harness.broker import KAFKA_LIBS
from harness.hand import Hand
from harness.process import eventually

TOPICS = "org.apache.kafka.tools.TopicCommand"
CONFIGS = "kafka.admin.ConfigCommand"
GROUPS = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"


def tool(class_name, *arguments, data=None, timeout=90, status=0):
    """Runs a tool's class; returns what it printed, on both channels."""
    done = subprocess.run(
        ["java", "-XX:TieredStopAtLevel=1", "-Xmx256m", "-cp", f"{KAFKA_LIBS}/*", class_name, *arguments],
        input=data, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout)
    output = "\n".join(line for line in done.stdout.splitlines() if not line.startswith("SLF4J"))
    assert done.returncode == status, f"{class_name} {' '.join(arguments)}: {done.returncode}\n{output}"
    return output


def test_topics(broker, name):
    at = ["--bootstrap-server", broker.bootstrap]
    assert f"Created topic {name}." in tool(TOPICS, *at, "--create", "--topic", name, "--partitions", "3", "--config", "retention.ms=60000")
    assert name in tool(TOPICS, *at, "--list").splitlines()
    described = tool(TOPICS, *at, "--describe", "--topic", name)
    assert re.search(rf"Topic: {name}\s+TopicId: \S{{22}}\s+PartitionCount: 3\s+ReplicationFactor: 1\s+Configs: .*retention.ms=60000", described), described
    assert len(re.findall(r"Partition: \d+\s+Leader: (\d+)\s+Replicas: \1\s+Isr: \1", described)) == 3, described
    tool(TOPICS, *at, "--alter", "--topic", name, "--partitions", "5")
    assert "PartitionCount: 5" in tool(TOPICS, *at, "--describe", "--topic", name)
    refused = tool(TOPICS, *at, "--create", "--topic", name, status=1)
    assert "already exists" in refused
    tool(TOPICS, *at, "--delete", "--topic", name)
    eventually("it is gone", lambda: name not in tool(TOPICS, *at, "--list").splitlines())


def test_configs(broker, name):
    at = ["--bootstrap-server", broker.bootstrap]
    topic = ["--entity-type", "topics", "--entity-name", name]
    tool(TOPICS, *at, "--create", "--topic", name, "--config", "segment.ms=60000")
    tool(CONFIGS, *at, "--alter", *topic, "--add-config", "retention.ms=1234,cleanup.policy=[compact,delete]")
    described = tool(CONFIGS, *at, "--describe", *topic)
    for pair in ("retention.ms=1234", "cleanup.policy=compact,delete", "segment.ms=60000"):
        assert f"  {pair} sensitive=false synonyms={{DYNAMIC_TOPIC_CONFIG:{pair}" in described, described
    tool(CONFIGS, *at, "--alter", *topic, "--delete-config", "retention.ms,segment.ms")
    described = tool(CONFIGS, *at, "--describe", *topic)
    assert "cleanup.policy=compact,delete" in described and "retention.ms" not in described, described
    refused = tool(CONFIGS, *at, "--alter", *topic, "--add-config", "retention.ms=soon", status=1)
    assert "InvalidConfigurationException" in refused and "Not a number of type LONG" in refused, refused
    broker_key = ["--entity-type", "brokers", "--entity-name", "1", "--add-config", "log.dirs=/elsewhere"]
    assert "Cannot update these configs dynamically" in tool(CONFIGS, *at, "--alter", *broker_key, status=1)


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
    assert size() == 0


def test_console_producer_and_consumer(broker, name):
    at = ["--bootstrap-server", broker.bootstrap]
    tool("org.apache.kafka.tools.ConsoleProducer", *at, "--topic", name, "--property", "parse.key=true", "--property", "key.separator=:",
         "--compression-codec", "zstd", data="a:first\nb:second\nc:third \u2713\n")
    printed = tool("org.apache.kafka.tools.consumer.ConsoleConsumer", *at, "--topic", name, "--from-beginning", "--max-messages", "3",
                   "--timeout-ms", "30000", "--property", "print.key=true", "--property", "print.offset=true")
    for line in ("Offset:0\ta\tfirst", "Offset:1\tb\tsecond", "Offset:2\tc\tthird \u2713"):
        assert line in printed
    assert "Processed a total of 3 messages" in printed


def test_consumer_groups(broker, name):
    hand = Hand(broker.bootstrap)
    hand.create_topic(name)
    hand.produce(name, [b"%d" % n for n in range(10)])
    at = ["--bootstrap-server", broker.bootstrap]
    tool("org.apache.kafka.tools.consumer.ConsoleConsumer", *at, "--topic", name, "--group", name, "--from-beginning", "--max-messages", "4", "--timeout-ms", "30000")
    assert name in tool(GROUPS, *at, "--list").splitlines()
    described = tool(GROUPS, *at, "--describe", "--group", name)
    row = next(line.split() for line in described.splitlines() if line.split()[:3] == [name, name, "0"])
    current, end, lag = int(row[3]), int(row[4]), int(row[5])
    assert end == 10 and current + lag == 10
    assert re.search(rf"{name}\s+.*Empty\s+0", tool(GROUPS, *at, "--describe", "--group", name, "--state"))
    reset = tool(GROUPS, *at, "--reset-offsets", "--group", name, "--topic", name, "--to-offset", "2", "--execute")
    assert re.search(rf"{name}\s+{name}\s+0\s+2", reset), reset
    assert hand.committed(name, name, 1) == {0: 2}
    assert "successful" in tool(GROUPS, *at, "--delete", "--group", name)
    assert name not in tool(GROUPS, *at, "--list").splitlines()


def test_describing_a_live_group_shows_its_members(broker, name):
    hand = Hand(broker.bootstrap)
    hand.create_topic(name, 2)
    from harness.drivers import Member
    with Member("java-4.3.0", broker.bootstrap, name, name, 10_000) as member:
        eventually("it owns both", lambda: member.pump().assigned == [0, 1], seconds=60)
        shown = tool(GROUPS, "--bootstrap-server", broker.bootstrap, "--describe", "--group", name, "--members", "--verbose")
        assert re.search(rf"{name}\s+consumer-\S+\s+/127.0.0.1\s+consumer-\S+\s+2\s+.*{name}\S*[0,1]", shown), shown


def test_producer_and_consumer_performance(broker, name):
    Hand(broker.bootstrap).create_topic(name)
    sent = tool("org.apache.kafka.tools.ProducerPerformance", "--topic", name, "--num-records", "20000", "--record-size", "100",
                "--throughput", "-1", "--bootstrap-server", broker.bootstrap)
    assert re.search(r"20000 records sent, .* records/sec", sent), sent
    read = tool("org.apache.kafka.tools.ConsumerPerformance", "--topic", name, "--num-records", "20000", "--bootstrap-server", broker.bootstrap,
                "--timeout", "60000")
    figures = read.splitlines()[-1].split(",")
    assert int(figures[4]) == 20_000, read


def test_get_offset_shell(broker, name):
    hand = Hand(broker.bootstrap)
    hand.create_topic(name, 2)
    hand.produce(name, [b"x"] * 7, 1, timestamps=[10, 20, 30, 90, 40, 50, 60])
    shell = ["org.apache.kafka.tools.GetOffsetShell", "--bootstrap-server", broker.bootstrap, "--topic", name, "--time"]
    assert tool(*shell, "latest").splitlines() == [f"{name}:0:0", f"{name}:1:7"]
    assert tool(*shell, "earliest").splitlines() == [f"{name}:0:0", f"{name}:1:0"]
    assert f"{name}:1:3" in tool(*shell, "max-timestamp").splitlines()


def test_configs(broker, name):
    hand = Hand(broker.bootstrap)
    hand.create_topic(name, **{"max.message.bytes": "2000000"})
    configs = ["kafka.admin.ConfigCommand", "--bootstrap-server", broker.bootstrap, "--describe", "--all"]
    topic = tool(*configs, "--entity-type", "topics", "--entity-name", name)
    assert re.search(r"max.message.bytes=2000000 sensitive=false synonyms=\{DYNAMIC_TOPIC_CONFIG:max.message.bytes=2000000, DEFAULT_CONFIG:message.max.bytes=1048588\}", topic), topic
    assert "retention.ms=-1" in topic and "segment.bytes=1073741824" in topic
    node = hand.admin.list_topics(timeout=10).brokers
    server = tool(*configs, "--entity-type", "brokers", "--entity-name", str(next(iter(node))))
    assert "num.partitions=1" in server and "auto.create.topics.enable=true" in server


def test_broker_api_versions(broker):
    shown = tool("org.apache.kafka.tools.BrokerApiVersionsCommand", "--bootstrap-server", broker.bootstrap)
    for api in ("Produce(0)", "Fetch(1)", "Metadata(3)", "ApiVersions(18)", "InitProducerId(22)"):
        line = next((line for line in shown.splitlines() if line.strip().startswith(api)), None)
        assert line and "UNSUPPORTED" not in line and "usable" in line, f"{api}: {line}"


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_what_java_compressed_kcat_reads(broker, name, codec):
    """The console producer's records, without Java on the reading side."""
    tool("org.apache.kafka.tools.ConsoleProducer", "--bootstrap-server", broker.bootstrap, "--topic", name, "--compression-codec", codec,
         data="".join(f"line {n}\n" for n in range(200)))
    printed = subprocess.run(["kcat", "-C", "-b", broker.bootstrap, "-t", name, "-o", "beginning", "-e", "-q"],
                             check=True, capture_output=True, text=True, timeout=60).stdout
    assert printed.splitlines() == [f"line {n}" for n in range(200)]
