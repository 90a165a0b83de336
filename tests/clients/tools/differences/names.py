"""Lines that the tools of `ottla` by Kafka's names print differently than Kafka's own with the same broker, and why. `kafka` is Kafka's tool."""

from compare import Lines

_LOG = "A log line of Java's, which repeats the error with its class."
_TRACE = "The first line of a stack trace of Java's, which repeats the error."
_THREAD = "Flags that cannot be read end Kafka's tool by an exception that it does not catch."

NAMES = [
    Lines("*", kafka=("joptsimple.*Exception: *", "Caused by: *"), reason=_TRACE),

    Lines("kafka-topics*", kafka=("ERROR *", "(org.apache.kafka.tools.TopicCommand)"), reason=_LOG),
    Lines("kafka-topics --list=yes", kafka=("equals", "[exit status 0]"),
          ottla=("Option list does not allow arguments", "[exit status 1]"), reason="Kafka ignores the value, which hides a mistake."),

    Lines("kafka-consumer-groups*", kafka=("java.*Exception: *", "org.apache.kafka.common.errors.*Exception: *"), reason=_TRACE),
    Lines("kafka-consumer-groups --reset-offsets*--from-file*", kafka=("com.fasterxml.*Exception: *", "at [Source: *"), reason=_TRACE),
    Lines(("kafka-consumer-groups --list --members", "kafka-consumer-groups --zork"), kafka=('Exception in thread "main" joptsimple.*',),
          ottla=("Option(s) [members] are unavailable*", "zork is not a recognized option"), reason=_THREAD),
    Lines("kafka-consumer-groups --reset-offsets*", ottla=("WARN New offset (*",),
          reason="Kafka logs the same line as a warning; the JVM of these tests logs errors alone."),

    Lines("kafka-console-consumer*", kafka=("ERROR * (org.apache.kafka.tools.consumer.ConsoleConsumer)",),
          ottla=("ERROR Error processing message, terminating consumer process:",), reason="The name of Java's logger."),

    Lines("kafka-console-producer*", kafka=("org.apache.kafka.common.KafkaException: No *", "org.apache.kafka.common.KafkaException: Header keys *"),
          ottla=("org.apache.kafka.common.KafkaException: No * (acknowledged records: *)",
                 "org.apache.kafka.common.KafkaException: Header keys * (acknowledged records: *)"),
          reason="The tool says how many records are safe."),
]
