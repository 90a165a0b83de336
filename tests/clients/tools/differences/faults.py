"""Faults of Ottla's that the comparison found. An entry goes when its fault is mended: the run fails as long as it stays."""

from compare import Lines, Words

_KIND = "fault"
_TOPIC = "kafka-configs --describe *topic*"
_BROKER = "kafka-configs --describe --broker 1 --all"
_NOT_DYNAMIC = "*InvalidRequestException: Cannot update these configs dynamically: [*]. Set them in the broker's configuration and restart it."
_SYNONYMS = "Kafka leaves out synonyms up to the first of the asked name, so a default of log.roll.hours is none of segment.ms."
_THROTTLES = ("The tool sets and clears the three rates of KIP-73 on every broker; they mean nothing here, but refusing them makes --verify, "
              "--cancel and --throttle fail, and the throttles of the topic stay.")

FAULTS = [
    Words(_TOPIC, "DYNAMIC_TOPIC_CONFIG:segment.ms=60000}", "DYNAMIC_TOPIC_CONFIG:segment.ms=60000, DEFAULT_CONFIG:log.roll.hours=168}",
          kind=_KIND, reason=_SYNONYMS),
    Words(_TOPIC, "DYNAMIC_TOPIC_CONFIG:retention.ms=1234}", "DYNAMIC_TOPIC_CONFIG:retention.ms=1234, DEFAULT_CONFIG:log.retention.hours=168}",
          kind=_KIND, reason="As above."),
    Lines(_TOPIC, kafka=("retention.ms=604800000 * synonyms={}", "segment.jitter.ms=0 * synonyms={}", "segment.ms=604800000 * synonyms={}"),
          ottla=("retention.ms=604800000 *{DEFAULT_CONFIG:log.retention.hours=168}", "segment.jitter.ms=0 *{DEFAULT_CONFIG:log.roll.jitter.hours=0}",
                 "segment.ms=604800000 *{DEFAULT_CONFIG:log.roll.hours=168}"),
          kind=_KIND, reason="As above."),
    Lines(_BROKER, kafka=("log.retention.ms=null * synonyms={}", "log.roll.jitter.ms=null * synonyms={}", "log.roll.ms=null * synonyms={}"),
          ottla=("log.retention.ms=null *{DEFAULT_CONFIG:log.retention.hours=168}", "log.roll.jitter.ms=null *{DEFAULT_CONFIG:log.roll.jitter.hours=0}",
                 "log.roll.ms=null *{DEFAULT_CONFIG:log.roll.hours=168}"),
          kind=_KIND, reason="As above."),
    Lines(_BROKER, kafka=("broker.id=1 *",), ottla=("broker.id=-1 *",), kind=_KIND, reason="It is another name of node.id, and has its value."),
    Lines("kafka-configs --describe --client-metrics mine*",
          kafka=("interval.ms=30000 *{DYNAMIC_CLIENT_METRICS_CONFIG:interval.ms=30000}", "match=*_CONFIG:match=client_id=abc,client_software_name=apache-kafka-java}",
                 "metrics=*_CONFIG:metrics=org.apache.kafka.producer.,org.apache.kafka.consumer.}", "interval.ms=300000 *{}", "metrics= *{}"),
          ottla=("interval.ms=30000 *, DEFAULT_CONFIG:interval.ms=300000}", "match=*, DEFAULT_CONFIG:match=}", "metrics=*, DEFAULT_CONFIG:metrics=}",
                 "interval.ms=300000 *{DEFAULT_CONFIG:interval.ms=300000}", "metrics= *{DEFAULT_CONFIG:metrics=}"),
          kind=_KIND, reason="The only synonym of a key is what it was set to; one that is not set has none."),
    Lines(("kafka-reassign-partitions --verify*", "kafka-reassign-partitions --cancel*", "kafka-reassign-partitions*--throttle*"),
          kafka=("Clearing topic-level throttles on topic *", "The inter-broker throttle limit was set to 1000000 B/s",
                 "Successfully started partition reassignment for placed-0", "[exit status 0]", "*UnknownTopicOrPartitionException: The topic 'nowhere' does not exist."),
          ottla=(_NOT_DYNAMIC, "[exit status 1]"), kind=_KIND, reason=_THROTTLES),
    Lines("kafka-configs --alter --broker 1*leader.replication.throttled.rate*", kafka=("Completed updating config for broker 1.", "[exit status 0]"),
          ottla=("Error while executing config command with args *", _NOT_DYNAMIC, "[exit status 1]"), kind=_KIND, reason=_THROTTLES),
    Lines("kafka-configs --describe --topic placed", ottla=("follower.replication.throttled.replicas=*", "leader.replication.throttled.replicas=*"),
          kind=_KIND, reason=_THROTTLES),
    Lines("kafka-configs --describe --broker 1", kafka=("leader.replication.throttled.rate=1000 *",), kind=_KIND, reason=_THROTTLES),
    Lines("kafka-configs --alter --broker 1*log.cleaner.threads*", kafka=("Completed updating config for broker 1.", "[exit status 0]"),
          ottla=("Error while executing config command with args *", _NOT_DYNAMIC, "[exit status 1]"), kind=_KIND,
          reason="A key that is accepted without effect at the start should be accepted so while the broker runs."),
    Lines("kafka-configs --describe --broker 1", kafka=("log.cleaner.threads=2 *",), kind=_KIND, reason="As above."),
]
