"""The harness's own hand on a broker, by confluent-kafka: sets the scene and looks at the outcome."""

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic

from .process import eventually


# Answers of a coordinator that has just started.
_LATER = (KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
          KafkaError._TIMED_OUT, KafkaError._TRANSPORT)


def patiently(call):
    """The coordinator's answer, once it is ready to give one."""
    def answered():
        try:
            return call()
        except KafkaException as error:
            if error.args[0].code() not in _LATER:
                raise
            return None

    return eventually("the coordinator answers", answered, seconds=40)


class Hand:
    def __init__(self, bootstrap):
        # Without its own log: brokers are killed on purpose here.
        self.config = {"bootstrap.servers": bootstrap, "log_level": 0}
        self.admin = AdminClient(self.config)

    def create_topic(self, topic, partitions=1, **configs):
        # Nothing here is to be deleted for its age: some records are dated 1970.
        configs.setdefault("retention.ms", "-1")
        self.admin.create_topics([NewTopic(topic, partitions, 1, config=configs)])[topic].result(30)
        eventually(f"{topic} is listed", lambda: topic in self.admin.list_topics(timeout=10).topics)

    def produce(self, topic, values, partition=0, timestamps=None):
        """Sends values (bytes) to one partition, dated now or as given, and waits until all are acknowledged."""
        errors = []
        producer = Producer({**self.config, "linger.ms": 5, "message.max.bytes": 8 << 20})
        for number, value in enumerate(values):
            producer.produce(topic, value=value, partition=partition, timestamp=timestamps[number] if timestamps else 0,
                             on_delivery=lambda error, _: error and errors.append(error))
        assert producer.flush(30) == 0 and not errors, errors

    def delete_records(self, topic, before, partition=0):
        """Moves the start of the log."""
        tp = TopicPartition(topic, partition, before)
        self.admin.delete_records([tp])[tp].result(10)

    def newest(self, topic, partitions=1):
        """The newest value by key, as a compacted topic would keep it; read to where each partition ends now."""
        consumer = Consumer({**self.config, "group.id": "hand", "enable.partition.eof": True})
        try:
            consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in range(partitions)])
            found, ended = {}, set()
            while len(ended) < partitions:
                message = consumer.poll(10)
                assert message is not None, f"{topic} cannot be read to its end"
                if not message.error():
                    found[message.key()] = message.value()
                elif message.error().code() == KafkaError._PARTITION_EOF:
                    ended.add(message.partition())
                else:
                    raise KafkaException(message.error())
            return found
        finally:
            consumer.close()

    def configs(self, name, kind=ConfigResource.Type.TOPIC):
        """Every config of a topic, or a broker, as DescribeConfigs tells it."""
        resource = ConfigResource(kind, name)
        return {name: entry.value for name, entry in self.admin.describe_configs([resource])[resource].result(10).items()}

    def broker_configs(self):
        return self.configs("1", ConfigResource.Type.BROKER)

    def topic_id(self, topic):
        """Kafka's way to write it: base64 for file names, without the padding."""
        found = str(self.admin.describe_topics(TopicCollection([topic]))[topic].result(10).topic_id)
        return found.translate(str.maketrans("+/", "-_", "="))

    def ends(self, topic, partition=0):
        """Log start and high watermark; None while there is no such topic."""
        consumer = Consumer({**self.config, "group.id": "hand"})
        try:
            return consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
        except KafkaException as error:
            if error.args[0].code() in (KafkaError._UNKNOWN_PARTITION, KafkaError._UNKNOWN_TOPIC, KafkaError.UNKNOWN_TOPIC_OR_PART):
                return None
            raise
        finally:
            consumer.close()

    def commit(self, group, topic, partition, offset):
        """As a program commits that is no member."""
        consumer = Consumer({**self.config, "group.id": group})
        try:
            patiently(lambda: consumer.commit(offsets=[TopicPartition(topic, partition, offset)], asynchronous=False))
        finally:
            consumer.close()

    def committed(self, group, topic, partitions):
        """Next offset by partition; -1001 where nothing was committed."""
        # The consumer's call: the admin client's (2.16.1) crashes the interpreter when given a timeout.
        consumer = Consumer({**self.config, "group.id": group})
        try:
            found = patiently(lambda: consumer.committed([TopicPartition(topic, p) for p in range(partitions)], timeout=10))
            return {tp.partition: tp.offset for tp in found}
        finally:
            consumer.close()

    def group(self, group):
        """State and sorted member ids; DEAD if there is no such group, which newer versions answer with an error."""
        try:
            found = self.admin.describe_consumer_groups([group])[group].result(10)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
                return "DEAD", []
            raise
        return found.state.name, sorted(member.member_id for member in found.members)
