"""Differences that are intended."""

from compare import Lines, Words

_DESCRIBE = "kafka-configs --describe --broker 1 --all"


def _keys(*names):
    return tuple(f"{name}=*" for name in names)


_TOPICS = [
    Words("kafka-topics --describe*", "min.insync.replicas=1,", "",
          reason="Kafka's feature for eligible leader replicas sets this key for all brokers when a cluster is formatted; "
                 "with one replica it means nothing."),
    Words("kafka-topics --describe*", "Configs: min.insync.replicas=1", "Configs:", reason="As above."),
    Lines("kafka-topics --describe --topics-with-overrides --topic two", kafka=("Topic: two*Configs:",),
          reason="As above: a topic without configurations of its own has none."),
    Lines("kafka-topics --list", kafka=("__consumer_offsets", "__share_group_state"),
          reason="Ottla keeps the state of its coordinators beside the topics, not in topics that users can read, write and delete."),
    Lines("kafka-get-offsets --topic-partitions :-1", kafka=("__consumer_offsets:0:*",), reason="As above."),
    Lines("kafka-console-consumer --topic __consumer_offsets*", kafka=("Processed a total of 1 messages",),
          ottla=("Processed a total of 0 messages", "ERROR Error processing message, terminating consumer process: *",
                 "org.apache.kafka.common.errors.TimeoutException"),
          reason="As above; they are reported as missing, like any other topic."),
    Words("kafka-topics --create --topic many*", " or some brokers have all their log directories cordoned.",
          ". Ask for replication factor 1 or -1 (the default).", reason="Ottla's message says what to do; it never cordons a folder."),
    Words("kafka-topics --create --topic dotted_name.x", "existing topic: dotted.name_x",
          "existing topic: dotted.name_x. Names that differ only in '.' and '_' would share their metrics; choose another name.",
          reason="Says why, and what to do."),
    Words("kafka-topics*--replica-assignment*", "but no such broker is registered.",
          "but no such broker is registered. The only broker is 1.", reason="Says what to do."),
]

_CONFIGS = [
    Lines("kafka-configs --describe --topic keyed --all", kafka=("flush.ms=9223372036854775807 *",), ottla=("flush.ms=1000 *",),
          reason="Kafka leaves syncing to the operating system; Ottla syncs its write-ahead log every second and says so."),
    Words("kafka-configs --describe*", "DYNAMIC_DEFAULT_BROKER_CONFIG:min.insync.replicas=1, ", "",
          reason="Kafka's feature for eligible leader replicas sets this key when a cluster is formatted."),
    Lines("kafka-configs --describe*broker*", kafka=("min.insync.replicas=1 *{DYNAMIC_DEFAULT_BROKER_CONFIG:min.insync.replicas=1}",),
          reason="As above."),
    Lines(_DESCRIBE, ottla=_keys("audit.log.accepted.logins", "audit.log.location", "audit.log.max.bytes", "audit.log.max.files", "flush.policy",
                                 "http.authentication", "http.basic.users.location", "http.bearer.token.location", "http.listener", "ottla.ssl.crl.location",
                                 "log.format", "log.level"), reason="Keys of Ottla's own."),
    Lines(_DESCRIBE, ottla=_keys("sasl.oauthbearer.allow.unverified.audience", "sasl.oauthbearer.allow.unverified.issuer"),
          reason="Keys that Kafka has from its next version on."),
    Lines(_DESCRIBE, ottla=_keys("producer.id.expiration.check.interval.ms"), reason="Kafka knows this key too, and hides it."),
    Lines(_DESCRIBE, kafka=_keys("controller.listener.names", "controller.quorum.voters", "listeners", "process.roles"),
          ottla=_keys("controller.listener.names", "controller.quorum.voters", "listeners", "process.roles"),
          reason="There is no controller with a listener of its own."),
    Lines(_DESCRIBE, kafka=_keys("log.dir"), ottla=_keys("log.dir"), reason="By default not below /tmp."),
    Lines(_DESCRIBE, kafka=_keys("log.flush.interval.ms"), ottla=_keys("log.flush.interval.ms"), reason="See flush.ms above."),
    Lines(_DESCRIBE, kafka=_keys("max.connection.creation.rate", "max.connections", "max.connections.per.ip", "queued.max.request.bytes"),
          ottla=_keys("max.connection.creation.rate", "max.connections", "max.connections.per.ip", "queued.max.request.bytes"),
          reason="Limited by default."),
    Lines(_DESCRIBE, kafka=_keys("sasl.server.max.receive.size"), ottla=_keys("sasl.server.max.receive.size"),
          reason="That much memory a stranger may take."),
    Lines(_DESCRIBE, kafka=_keys("socket.listen.backlog.size"), ottla=_keys("socket.listen.backlog.size"),
          reason="Room for the clients that connect at once after a restart, and beside a flood."),
    Lines(_DESCRIBE, kafka=_keys("socket.receive.buffer.bytes", "socket.send.buffer.bytes"),
          ottla=_keys("socket.receive.buffer.bytes", "socket.send.buffer.bytes"), reason="Left to the operating system, which sizes them better."),
    Words(_DESCRIBE, "STATIC_BROKER_CONFIG:node.id=1}", "STATIC_BROKER_CONFIG:node.id=1, DEFAULT_CONFIG:node.id=1}",
          reason="Starts without a configuration, so the key has a default."),
    Words(_DESCRIBE, "DEFAULT_CONFIG:group.initial.rebalance.delay.ms=3000", "DEFAULT_CONFIG:group.initial.rebalance.delay.ms=250",
          reason="Long enough for clients to learn of their topics; a group on one broker need not wait longer."),
    Words(_DESCRIBE, "topic.replication.factor=3}", "topic.replication.factor=1}", reason="The default fits one broker."),
    Words(_DESCRIBE, "log.replication.factor=3}", "log.replication.factor=1}", reason="As above."),
    Words(_DESCRIBE, "min.isr=2}", "min.isr=1}", reason="As above."),
    Words("kafka-configs --alter --broker 1 --add-config log.dirs=*", "Cannot update these configs dynamically: [log.dirs]",
          "Cannot update these configs dynamically: [log.dirs]. Set them in the broker's configuration and restart it.", reason="Says what to do."),
    Lines("kafka-configs --alter --broker 1 --add-config no.such.key=1", kafka=("Completed updating config for broker 1.", "[exit status 0]"),
          ottla=("Error while executing config command with args *", "*InvalidRequestException: Cannot update these configs dynamically: [no.such.key].*",
                 "[exit status 1]"),
          reason="Kafka takes any name for a key of some plug-in; Ottla has no plug-ins, so it is a mistake."),
    Words("kafka-client-metrics --alter --name mine --interval 5", "3600000 (1 hour)", "3600000 ms", reason="In the key's own unit."),
    Lines("kafka-configs --describe --broker-logger 1", kafka=("org.apache.kafka.server.logger.LoggingController=*", "root=*"),
          ottla=_keys("broker", "broker.*", "coordinator", "coordinator.*", "ottla", "root", "storage"), reason="The loggers are named after the parts of each program."),
]

_CLUSTER = [
    Lines("kafka-features describe",
          kafka=("Feature: eligible.leader.replicas.version*", "Feature: kraft.version*", "Feature: share.version*"),
          reason="A feature exists once its function is served; kraft and eligible leader replicas are for several nodes."),
    Lines("kafka-features upgrade --release-version 4.3 --dry-run",
          kafka=("*.version can be upgraded to *.", "[exit status 0]"),
          ottla=("Can not upgrade *.version to *. *Invalid update version 1 for feature kraft.version. Local controller 1 does not support this feature.",
                 "7 out of 7 operation(s) failed.", "[exit status 1]"),
          reason="As above. Ottla is upgraded by starting the new one: no feature level has to be raised afterwards."),
    Lines("kafka-features downgrade --feature group.version=0 --dry-run",
          kafka=("group.version can be downgraded to 0.", "[exit status 0]"),
          ottla=("Can not downgrade group.version to 0. *Here the level is always 1.", "1 out of 1 operation(s) failed.", "[exit status 1]"),
          reason="As above: the consumer protocol cannot be switched off."),
    Lines("kafka-features disable --feature share.version --dry-run",
          kafka=("share.version can be disabled.", "[exit status 0]"),
          ottla=("Can not disable share.version. *does not support this feature.", "1 out of 1 operation(s) failed.", "[exit status 1]"),
          reason="As above."),
    Lines("kafka-metadata-quorum describe --status", kafka=("CurrentVoters: *CONTROLLER://localhost:*",), ottla=("CurrentVoters: *PLAINTEXT://HOST:PORT*",),
          reason="The endpoint is the one that clients use: there is no other."),
    Words("kafka-metadata-quorum remove-controller*", "Cluster doesn't support removing voter because the kraft.version feature is 0",
          "The node does not support REMOVE_RAFT_VOTER", reason="Controllers of one node cannot be added or removed."),
]

_TRANSACTIONS = [
    Lines("kafka-transactions describe-producers --topic open --partition 0", kafka=("PID*0*0*0*TIME*None",), ottla=("PID*1*0*-1*TIME*None",),
          reason="After an abort by the tool: Ottla ends the whole transaction and fences its producer with the next epoch, as forceTerminateTransaction does. "
                 "Kafka writes a marker into this one partition and leaves the transaction open everywhere else."),
]

_ACLS = [
    Lines(("kafka-acls --add --deny-principal User:eve --deny-host example.org *", "kafka-acls --add --deny-principal User:a --deny-host * --topic odd"),
          kafka=("[exit status 0]",),
          ottla=("*InvalidRequestException: The host of a DENY entry is an IP address or *; names and networks fit no client.", "[exit status 1]"),
          reason="An entry that denies and can never fit would be taken for protection."),
    Lines("kafka-acls --add --allow-principal :a *", kafka=("[exit status 0]",),
          ottla=("*InvalidRequestException: The principal is not of the form Type:name, such as User:alice.", "[exit status 1]"),
          reason="A principal without a type fits no client."),
    Words("kafka-acls --add *", "Invalid empty resource name", "The name of the resource is empty.", reason="The same in a whole sentence."),
    Lines(("kafka-acls *", "kafka-configs *"), kafka=("*ClusterAuthorizationException: Request Request(*) needs DESCRIBE permission.",
                                 "*ClusterAuthorizationException: Request Request(*) needs ALTER permission."),
          ottla=("*ClusterAuthorizationException: not authorized for the cluster",),
          reason="Kafka's text shows its own objects for the request and the connection to the controller; Ottla's shows nothing of its inside."),
]

_QUOTAS = [
    Lines("kafka-configs --describe --ip 0:0:0:0:0:0:0:1", ottla=("Quota configs for ip '::1' are *",),
          reason="Addresses are compared as addresses; Kafka compares texts."),
    Words("kafka-configs --alter --user-defaults --add-config producer_byte_rate=61 *", "Ignoring duplicate entity ClientQuotaEntity(entries={user=null})",
          "Duplicate quota key producer_byte_rate not updating quota for this entity",
          reason="Kafka writes the text of another mistake over its own of this one."),
    Lines("kafka-configs --alter --client values --add-config consumer_byte_rate=NaN",
          kafka=("Completed updating config for client values.", "[exit status 0]"),
          ottla=("Error while executing config command with args *", "*InvalidRequestException: Quota consumer_byte_rate must be a finite number",
                 "[exit status 1]"), reason="In Kafka a quota of NaN throttles no client."),
    Words("kafka-configs --alter --client values --add-config consumer_byte_rate=Infinity", "Proposed value for consumer_byte_rate is too large for a LONG.",
          "Quota consumer_byte_rate must be a finite number", reason="The same check as for NaN."),
    Words("kafka-configs *", "ClusterAuthorizationException: Cluster authorization failed.",
          "ClusterAuthorizationException: not authorized for the cluster", reason="The same in other words."),
]

INTENDED = [*_TOPICS, *_CONFIGS, *_CLUSTER, *_TRANSACTIONS, *_ACLS, *_QUOTAS]
