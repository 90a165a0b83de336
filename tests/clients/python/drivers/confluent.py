"""Drives confluent-kafka (librdkafka)."""

import json
import sys
import time

import confluent_kafka
from confluent_kafka import (
    OFFSET_BEGINNING, Consumer, ConsumerGroupState, ConsumerGroupTopicPartitions, ConsumerGroupType, ElectionType, KafkaException,
    Producer, TopicCollection, TopicPartition)
from confluent_kafka.admin import (
    AclBinding, AclBindingFilter, AclOperation, AclPermissionType, AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource,
    NewPartitions, NewTopic, OffsetSpec, ResourcePatternType, ResourceType)

from confluent_transactions import Transactions
from lines import emit, is_read, leaves_at_end_of_input, packed_record, serve, unpack, unpack_headers, wanted


class Operations(Transactions):
    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        self._admin = None

    @property
    def admin(self):
        if self._admin is None:
            self._admin = AdminClient({"bootstrap.servers": self.bootstrap})
        return self._admin

    def consumer(self, group="unused", **settings):
        return Consumer({"bootstrap.servers": self.bootstrap, "group.id": group, "enable.auto.commit": False, **settings})

    def versions(self):
        return {"library": confluent_kafka.__version__, "librdkafka": confluent_kafka.libversion()[0]}

    def produce(self, topic, partition, codec, acks, records, idempotent=False, linger_ms=20, bears_ms=30_000):
        producer = Producer({"bootstrap.servers": self.bootstrap, "acks": acks, "compression.type": codec,
                             "enable.idempotence": idempotent, "linger.ms": linger_ms, "topic.metadata.propagation.max.ms": bears_ms})
        outcome = {}
        for number, r in enumerate(records):
            producer.produce(topic, value=unpack(r["value"]), key=unpack(r["key"]), partition=partition,
                             headers=unpack_headers(r["headers"]), timestamp=r["timestamp"],
                             on_delivery=lambda error, message, number=number: outcome.update({number: (error, message.offset())}))
        left = producer.flush(30)
        if left:
            raise TimeoutError("%d records not acknowledged" % left)
        for error, _ in outcome.values():
            if error is not None:
                raise KafkaException(error)
        offsets = [outcome[number][1] for number in range(len(records))]
        return [None if acks == "0" or offset is None or offset < 0 else offset for offset in offsets]

    def consume(self, topic, counts, timeout):
        # Short waits at the end of the log, as close() waits for the fetch that is out.
        consumer = self.consumer(**{"fetch.wait.max.ms": 50})
        try:
            left, records, deadline = wanted(counts), [], time.time() + timeout
            consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in left])
            while not is_read(left) and time.time() < deadline:
                message = consumer.poll(0.2)
                if message is None:
                    continue
                if message.error():
                    raise KafkaException(message.error())
                left[message.partition()] -= 1
                kind, timestamp = message.timestamp()
                records.append(packed_record(message.partition(), message.offset(), message.key(), message.value(),
                                             message.headers(), timestamp, kind - 1))
            return records
        finally:
            consumer.close()

    def seek(self, topic, partition, to):
        consumer = self.consumer()
        try:
            consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING)])
            consumer.poll(10)
            seen = []
            for offset in to:
                consumer.seek(TopicPartition(topic, partition, offset))
                message = consumer.poll(10)
                seen.append(None if message is None or message.error() else message.offset())
            return seen
        finally:
            consumer.close()

    def read_at(self, topic, partition, offset, timeout):
        """The offset of the first record from there on, none if nothing comes in time; a wrong offset is not mended."""
        consumer = self.consumer(**{"auto.offset.reset": "error"})
        try:
            consumer.assign([TopicPartition(topic, partition, offset)])
            message = consumer.poll(timeout)
            if message is not None and message.error():
                raise KafkaException(message.error())
            return [] if message is None else [message.offset()]
        finally:
            consumer.close()

    def ends(self, topic, partition):
        consumer = self.consumer()
        try:
            return list(consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10))
        finally:
            consumer.close()

    def offsets_for_times(self, topic, partition, timestamps):
        """librdkafka gives no timestamp back, and -1 (the end) where there is none so late."""
        consumer = self.consumer()
        try:
            found = [consumer.offsets_for_times([TopicPartition(topic, partition, t)], timeout=10)[0] for t in timestamps]
            return [None if one.offset < 0 else [one.offset, None] for one in found]
        finally:
            consumer.close()

    def pause(self, topic):
        consumer = self.consumer()
        try:
            consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in (0, 1)])
            consumer.pause([TopicPartition(topic, 1)])
            seen = []
            for _ in range(2):
                partitions, deadline = set(), time.time() + 2
                while time.time() < deadline:
                    message = consumer.poll(0.2)
                    if message is not None and not message.error():
                        partitions.add(message.partition())
                seen.append(sorted(partitions))
                consumer.resume([TopicPartition(topic, 1)])
            return seen
        finally:
            consumer.close()

    def commit(self, group, topic, partition, offset, metadata):
        consumer = self.consumer(group)
        try:
            consumer.commit(offsets=[TopicPartition(topic, partition, offset, metadata)], asynchronous=False)
            again = consumer.committed([TopicPartition(topic, partition)], timeout=10)[0]
            return [again.offset, again.metadata]
        finally:
            consumer.close()

    def list_topics(self):
        return sorted(self.admin.list_topics(timeout=10).topics)

    def partitions_for_topic(self, topic):
        return sorted(self.admin.list_topics(topic, timeout=10).topics[topic].partitions)

    def create_topic(self, topic, partitions, configs):
        self.admin.create_topics([NewTopic(topic, partitions, 1, config=configs)])[topic].result(10)

    def delete_topic(self, topic):
        self.admin.delete_topics([topic])[topic].result(10)

    def create_partitions(self, topic, total):
        self.admin.create_partitions([NewPartitions(topic, total)])[topic].result(10)

    def describe_configs(self, topic, kind="topic"):
        resource = ConfigResource(ConfigResource.Type[kind.upper()], topic)
        entries = self.admin.describe_configs([resource])[resource].result(10)
        return {name: entry.value for name, entry in entries.items()}

    def alter_config(self, topic, key, value, kind="topic"):
        self._alter(topic, ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET), kind)

    def reset_config(self, topic, key):
        self._alter(topic, ConfigEntry(key, None, incremental_operation=AlterConfigOpType.DELETE))

    def append_config(self, topic, key, value):
        self._alter(topic, ConfigEntry(key, value, incremental_operation=AlterConfigOpType.APPEND))

    def subtract_config(self, topic, key, value):
        self._alter(topic, ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SUBTRACT))

    def check_config(self, topic, key, value):
        self._alter(topic, ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET), validate_only=True)

    def _alter(self, name, entry, kind="topic", **options):
        resource = ConfigResource(ConfigResource.Type[kind.upper()], name, incremental_configs=[entry])
        self.admin.incremental_alter_configs([resource], **options)[resource].result(10)

    def replace_configs(self, topic, configs):
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic, set_config=configs)
        self.admin.alter_configs([resource])[resource].result(10)

    def check_topic(self, topic, partitions):
        self.admin.create_topics([NewTopic(topic, partitions, 1)], validate_only=True)[topic].result(10)

    def check_partitions(self, topic, total):
        self.admin.create_partitions([NewPartitions(topic, total)], validate_only=True)[topic].result(10)

    def _described(self, topic):
        return self.admin.describe_topics(TopicCollection([topic]))[topic].result(10)

    def describe_topic(self, topic):
        """The leader of each partition."""
        return [one.leader.id for one in sorted(self._described(topic).partitions, key=lambda one: one.id)]

    def topic_id(self, topic):
        return str(self._described(topic).topic_id)

    def list_offsets(self, topic, partition):
        tp = TopicPartition(topic, partition)
        return [self.admin.list_offsets({tp: spec})[tp].result(10).offset
                for spec in (OffsetSpec.earliest(), OffsetSpec.latest(), OffsetSpec.max_timestamp())]

    def group_offsets(self, group, topic):
        # Without request_timeout, which crashes the interpreter (FINDINGS.md).
        found = self.admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])[group].result(10)
        return {one.partition: one.offset for one in found.topic_partitions}

    def set_group_offset(self, group, topic, partition, offset):
        wanted = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, partition, offset)])
        for one in self.admin.alter_consumer_group_offsets([wanted])[group].result(10).topic_partitions:
            if one.error is not None:
                raise KafkaException(one.error)

    def groups_in_state(self, state):
        found = self.admin.list_consumer_groups(states={ConsumerGroupState[state.upper()]}).result(10)
        return sorted(group.group_id for group in found.valid)

    def groups_of_type(self, type):
        found = self.admin.list_consumer_groups(types={ConsumerGroupType[type.upper()]}).result(10)
        return sorted(group.group_id for group in found.valid)

    def create_acl(self):
        self.acls()

    def delete_acls(self):
        everything = AclBindingFilter(ResourceType.ANY, None, ResourcePatternType.ANY, None, None, AclOperation.ANY, AclPermissionType.ANY)
        self.admin.delete_acls([everything])[everything].result(10)

    def delete_records(self, topic, partition, before):
        tp = TopicPartition(topic, partition, before)
        return self.admin.delete_records([tp])[tp].result(10).low_watermark

    def describe_cluster(self):
        return len(self.admin.describe_cluster().result(10).nodes)

    def elect_leaders(self, topic, partition):
        tp = TopicPartition(topic, partition)
        error = self.admin.elect_leaders(ElectionType.PREFERRED, [tp]).result(10)[tp]
        if error is not None:
            raise KafkaException(error)

    def acls(self):
        # describe_acls answers with an empty list where the broker answers with an error.
        acl = AclBinding(ResourceType.TOPIC, "any", ResourcePatternType.LITERAL, "User:me", "*", AclOperation.READ, AclPermissionType.ALLOW)
        self.admin.create_acls([acl])[acl].result(10)

    def list_groups(self):
        found = self.admin.list_consumer_groups().result(10)
        if found.errors:
            raise KafkaException(found.errors[0])
        return sorted(group.group_id for group in found.valid)

    def describe_group(self, group):
        found = self.admin.describe_consumer_groups([group])[group].result(10)
        return {"state": found.state.name.title().replace("_", ""), "members": len(found.members)}

    def delete_group(self, group):
        self.admin.delete_consumer_groups([group])[group].result(10)


def member(bootstrap, group, topic, session_ms, protocol="classic", reset="earliest"):
    settings = {"bootstrap.servers": bootstrap, "group.id": group, "enable.auto.commit": False,
                "auto.offset.reset": reset, "group.protocol": protocol}
    if protocol == "classic":  # with the consumer protocol both are the broker's
        settings.update({"session.timeout.ms": session_ms, "heartbeat.interval.ms": 500})
    consumer = Consumer(settings)

    def assigned(_, partitions):
        emit({"event": "assigned", "partitions": [tp.partition for tp in partitions]})

    def owns(added, gone):
        """The consumer protocol hands over only what changes."""
        now = {tp.partition for tp in consumer.assignment()} | {tp.partition for tp in added}
        emit({"event": "assigned", "partitions": sorted(now - {tp.partition for tp in gone})})

    if protocol == "classic":
        consumer.subscribe([topic], on_assign=assigned)
    else:
        consumer.subscribe([topic], on_assign=lambda _, added: owns(added, []), on_revoke=lambda _, gone: owns([], gone))
    leaving = leaves_at_end_of_input()
    while not leaving.is_set():
        read = {}
        for message in consumer.consume(50, 0.1):
            if message.error():
                sys.stderr.write("poll: %s\n" % message.error())
            else:
                read.setdefault(message.partition(), []).append(message.offset())
        if not read:
            continue
        emit({"event": "read", "offsets": read})
        offsets = [TopicPartition(topic, p, offsets[-1] + 1) for p, offsets in read.items()]
        try:
            committed = consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            sys.stderr.write("commit: %s\n" % error)
            continue
        emit({"event": "committed", "offsets": {tp.partition: tp.offset for tp in committed if tp.error is None}})
    consumer.close()


if __name__ == "__main__":
    mode, bootstrap, settings = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    if mode == "member":
        member(bootstrap, **settings)
    else:
        serve(Operations(bootstrap))
