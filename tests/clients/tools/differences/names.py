"""Lines that the tools of `ottla` by Kafka's names print differently than Kafka's own with the same broker, and why. `kafka` is Kafka's tool."""

from compare import Lines

_LOG = "A log line of Java's, which repeats the error with its class."
_TRACE = "The first line of a stack trace of Java's, which repeats the error."
_THREAD = "Flags that cannot be read end Kafka's tool by an exception that it does not catch."
_IGNORED = "Kafka ignores a flag, which hides a mistake."

NAMES = [
    Lines("*", kafka=("joptsimple.*Exception: *", "Caused by: *"), reason=_TRACE),

    Lines("kafka-acls*", kafka=("java.*Exception: *",), reason=_TRACE),
    Lines("kafka-acls --add --allow-principal --topic t", kafka=("Error while executing ACL command: * but got --topic",),
          ottla=("Option allow-principal requires an argument",), reason="Kafka takes the next flag for the value."),
    Lines("kafka-acls --list --bootstrap-controller *", kafka=("Error while executing ACL command: *",),
          ottla=("kafka-acls: --bootstrap-controller is not served here: *",), reason="Every broker of Ottla is asked by --bootstrap-server."),
    Lines("kafka-acls --list --command-config *", kafka=("Error while executing ACL command: missing.properties",),
          ottla=("Error while executing ACL command: *missing.properties*No such file*",), reason="Kafka's text is the path alone."),
    Lines("kafka-acls --list --bootstrap-server {logins} *", kafka=("Error while executing ACL command: *SaslAuthenticationException: *", "ERROR *"),
          ottla=("Error while executing ACL command: *refuses the login by PLAIN: *",), reason="Ottla's text says more, and Kafka's is in its log, too."),
    Lines("kafka-acls --remove --topic orders", kafka=("Error while executing ACL command: Cannot invoke *",),
          ottla=("Error while executing ACL command: no terminal to answer that on; *",), reason="Kafka's tool fails without a terminal."),
    Lines("kafka-acls --remove --topic orders --resource-pattern-type match", kafka=("Error while executing ACL command: Cannot invoke *",),
          ottla=("Error while executing ACL command: the question has no answer",), reason="Kafka's tool fails at the end of its input."),
    Lines("kafka-acls --list --operation Read *", kafka=("Error while executing ACL command: *SecurityDisabledException: *",),
          ottla=("Option \"[list]\" can't be used with option \"[operation]\"",), reason=_IGNORED),
    Lines("kafka-acls --list --resource-pattern-type prefixed", kafka=("Error while executing ACL command: *SecurityDisabledException: *",),
          ottla=("You must provide at least one resource: *",), reason=_IGNORED),
    Lines("kafka-acls --add --allow-principal User:a --producer --topic t --group g", kafka=("Error while executing ACL command: *SecurityDisabledException: *",),
          ottla=("Option \"[producer]\" can't be used with option \"[group]\"",), reason=_IGNORED),
    Lines("kafka-acls --add --allow-principal User:a --deny-host *", kafka=("Error while executing ACL command: *SecurityDisabledException: *",),
          ottla=("The --deny-host option is only available if --deny-principal is set",), reason=_IGNORED),
    Lines("kafka-acls --remove --force --topic t --operation Read", kafka=("Error while executing ACL command: *SecurityDisabledException: *",),
          ottla=("The --operation option is only available if --allow-principal is set",), reason=_IGNORED + " Here it removes all entries."),
    Lines("kafka-acls --add --allow-principal User:a --resource-pattern-type prefixed --cluster", kafka=("You must provide at least one resource: *",),
          ottla=("A '--resource-pattern-type' value of 'PREFIXED' is not valid with --cluster.",), reason=_IGNORED),

    Lines("kafka-topics*", kafka=("ERROR *", "(org.apache.kafka.tools.TopicCommand)"), reason=_LOG),
    Lines("kafka-topics --list=yes", kafka=("equals", "[exit status 0]"),
          ottla=("Option list does not allow arguments", "[exit status 1]"), reason="Kafka ignores the value, which hides a mistake."),

    Lines("kafka-configs --alter*--add-config*", kafka=("Error while executing config command with args *",),
          ottla=("Error while executing config command with args *",), reason="A value of --add-config may be a password, so that it is left out."),
    Lines("kafka-configs --alter --user carol --add-config SCRAM-SHA-256=secret", kafka=("Invalid credential property SCRAM_SHA_256=secret",),
          ottla=("Invalid credential property SCRAM_SHA_256=(hidden)",), reason="As above."),
    Lines("kafka-configs --describe --topic a --add-config-file b", kafka=("The topic 'a' doesn't exist and doesn't have dynamic config.", "[exit status 0]"),
          ottla=("Option \"[describe]\" can't be used with option \"[add-config-file]\"", "[exit status 1]"),
          reason="Kafka ignores the file, which hides a mistake."),
    Lines("kafka-configs --alter --all *", kafka=("Invalid config(s): consumer_byte_rate",),
          ottla=("Option \"[all]\" can't be used with option \"[alter]\"",), reason="Kafka ignores the flag."),
    Lines("kafka-configs --describe * --entity-name a --entity-name b", kafka=("The topic 'a' doesn't exist and doesn't have dynamic config.", "[exit status 0]"),
          ottla=("More entity names specified than entity types", "[exit status 1]"), reason="Kafka ignores the second topic; of two users it says the same."),
    Lines("kafka-configs --describe --user all", kafka=("Quota configs for user-principal 'all' are producer_byte_rate=4.0, consumer_byte_rate=3.0, *",),
          ottla=("Quota configs for user-principal 'all' are consumer_byte_rate=3.0, controller_mutation_rate=1.0, *",),
          reason="Sorted by name; Kafka's order is that of hashes, which differs where an entity has all four."),
    Lines("kafka-configs --describe --topic a --bootstrap-controller *",
          kafka=("Error while executing config command with args *", "*UnsupportedEndpointTypeException: *"),
          ottla=("kafka-configs: --bootstrap-controller is not served here: *",), reason="Brokers pass changes on to the controller."),

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
