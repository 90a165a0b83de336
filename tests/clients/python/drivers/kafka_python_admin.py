"""The admin calls of kafka-python for those who keep a cluster; version 3 has nearly all that Kafka has."""

import kafka
from kafka.admin import ConfigResource, ConfigResourceType, NewPartitions, NewTopic
from kafka.structs import OffsetAndMetadata, TopicPartition

VERSION = tuple(int(part) for part in kafka.__version__.split(".")[:2])


def offset_and_metadata(offset, metadata):
    return OffsetAndMetadata(offset, metadata) if len(OffsetAndMetadata._fields) == 2 else OffsetAndMetadata(offset, metadata, -1)


def resource(kind, name, configs=None):
    return ConfigResource(ConfigResourceType[kind.upper()], name, configs=configs)


def checked(error):
    """Raises what is an error: a class of them, or the words of one."""
    if error not in (None, "OK", kafka.errors.NoError):
        raise error() if isinstance(error, type) else RuntimeError(error)


class Maintenance:
    """Mixed into the driver, whose `admin` it uses."""

    def describe_configs(self, topic, kind="topic"):
        resources = [resource(kind, topic)]
        if VERSION >= (3, 0):  # returns plain values, by default only those that were set
            return _flat_configs(self.admin.describe_configs(resources, config_filter="all"))
        found = self.admin.describe_configs(resources)
        responses = found if isinstance(found, list) else [found]
        return {entry[0]: entry[1] for response in responses for resource in response.resources for entry in resource[4]}

    def alter_config(self, topic, key, value, kind="topic"):
        self._altered(self.admin.alter_configs([resource(kind, topic, {key: value})]), kind, topic)

    def replace_configs(self, topic, configs):
        """Before version 3 only: since then it keeps what is not named."""
        self._altered(self.admin.alter_configs([resource("topic", topic, configs)]), "topic", topic)

    def reset_config(self, topic, key):
        self._altered(self.admin.reset_configs([resource("topic", topic, {key: None})]), "topic", topic)

    def append_config(self, topic, key, value):
        self._altered(self.admin.alter_configs([resource("topic", topic, {key: ("APPEND", value)})]), "topic", topic)

    def subtract_config(self, topic, key, value):
        self._altered(self.admin.alter_configs([resource("topic", topic, {key: ("SUBTRACT", value)})]), "topic", topic)

    def check_config(self, topic, key, value):
        self._altered(self.admin.alter_configs([resource("topic", topic, {key: value})], validate_only=True), "topic", topic)

    def _altered(self, answer, kind, name):
        if VERSION >= (3, 0):
            if answer[kind][name] != "OK":
                raise RuntimeError(answer[kind][name])
            return
        for code, message, *_ in answer.resources:
            if code:
                raise kafka.errors.for_code(code)(message)

    def delete_records(self, topic, partition, before):
        tp = TopicPartition(topic, partition)
        return value_of(self.admin.delete_records({tp: before})[tp], "low_watermark")

    def describe_cluster(self):
        return len(self.admin.describe_cluster()["brokers"])

    def elect_leaders(self, topic, partition):
        if VERSION >= (3, 0):
            self.admin.elect_leaders(0, {topic: [partition]})
            return
        for _, results in self.admin.perform_leader_election(0, {topic: [partition]}).replication_election_results:
            for _, code, message, *_ in results:
                if code:
                    raise kafka.errors.for_code(code)(message)

    def log_dirs(self, topic):
        """Bytes of each of the topic's partitions."""
        found = self.admin.describe_log_dirs()
        if VERSION < (3, 0):
            return [size for directory in found.log_dirs for name, partitions in directory[2] if name == topic for _, size, *_ in partitions]
        return [partition["partition_size"] for broker in found for directory in broker["log_dirs"]
                for one in directory["topics"] if one["name"] == topic for partition in one["partitions"]]

    def delete_offsets(self, group, topic, partition):
        for error in self.admin.delete_group_offsets(group, [TopicPartition(topic, partition)]).values():
            if error is not kafka.errors.NoError:
                raise error()

    def reassignments(self, topic):
        return len(self.admin.list_partition_reassignments())

    def acls(self):
        from kafka.admin import ACLFilter, ACLOperation, ACLPermissionType, ResourcePatternFilter, ResourceType
        from kafka.admin import ACLResourcePatternType
        pattern = ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY)
        found, error = self.admin.describe_acls(ACLFilter(None, None, ACLOperation.ANY, ACLPermissionType.ANY, pattern))
        if error is not kafka.errors.NoError:
            raise error()
        return len(found)

    def create_acl(self):
        from kafka.admin import ACL, ACLOperation, ACLPermissionType, ResourcePattern, ResourceType
        acl = ACL("User:me", "*", ACLOperation.READ, ACLPermissionType.ALLOW, ResourcePattern(ResourceType.TOPIC, "any"))
        for failed in self.admin.create_acls([acl])["failed"]:
            checked(failed[1] if isinstance(failed, tuple) else failed)

    def delete_acls(self):
        from kafka.admin import ACLFilter, ACLOperation, ACLPermissionType, ACLResourcePatternType, ResourcePatternFilter, ResourceType
        pattern = ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY)
        for _, _, error in self.admin.delete_acls([ACLFilter(None, None, ACLOperation.ANY, ACLPermissionType.ANY, pattern)]):
            checked(error)

    def check_topic(self, topic, partitions):
        self.admin.create_topics([NewTopic(topic, partitions, 1)], validate_only=True)

    def check_partitions(self, topic, total):
        self.admin.create_partitions({topic: NewPartitions(total)}, validate_only=True)

    def describe_topic(self, topic):
        """The leader of each partition."""
        one = self.admin.describe_topics([topic])[0]
        if one["error_code"]:
            raise kafka.errors.for_code(one["error_code"])()
        number = "partition_index" if VERSION >= (3, 0) else "partition"
        leader = "leader_id" if VERSION >= (3, 0) else "leader"
        return [partition[leader] for partition in sorted(one["partitions"], key=lambda partition: partition[number])]

    def topic_id(self, topic):
        """By the call that pages through partitions (KIP-966)."""
        return str(self.admin.describe_topic_partitions([topic])["topics"][0]["topic_id"])

    def list_offsets(self, topic, partition):
        from kafka.admin import OffsetSpec
        tp = TopicPartition(topic, partition)
        specs = OffsetSpec.EARLIEST, OffsetSpec.LATEST, OffsetSpec.MAX_TIMESTAMP
        return [self.admin.list_partition_offsets({tp: spec})[tp].offset for spec in specs]

    def group_offsets(self, group, topic):
        found = self.admin.list_group_offsets(group)[group] if VERSION >= (3, 0) else self.admin.list_consumer_group_offsets(group)
        return {tp.partition: one.offset for tp, one in found.items()}

    def set_group_offset(self, group, topic, partition, offset):
        tp = TopicPartition(topic, partition)
        checked(self.admin.alter_group_offsets(group, {tp: offset_and_metadata(offset, "")})[tp])

    def reset_group_offset(self, group, topic, partition):
        from kafka.admin import OffsetSpec
        tp = TopicPartition(topic, partition)
        checked(self.admin.reset_group_offsets(group, {tp: OffsetSpec.EARLIEST})[tp]["error"])

    def remove_member(self, group, instance):
        from kafka.admin import MemberToRemove
        for error in self.admin.remove_group_members(group, [MemberToRemove(group_instance_id=instance)]).values():
            checked(error)

    def groups_in_state(self, state):
        return sorted(group["group_id"] for group in self.admin.list_groups(states_filter=[state]))

    def groups_of_type(self, type):
        return sorted(group["group_id"] for group in self.admin.list_groups(types_filter=[type]))

    def reassign(self, topic, partition, replicas):
        tp = TopicPartition(topic, partition)
        checked(self.admin.alter_partition_reassignments({tp: replicas or None})[tp])

    def producers(self, topic, partition):
        tp = TopicPartition(topic, partition)
        return [one.last_sequence for one in self.admin.describe_producers([tp])[tp].active_producers]

    def features(self):
        # By feature, not as its documentation says.
        return {name: one["finalized"][1] for name, one in self.admin.describe_features().items() if "finalized" in one}

    def update_feature(self, feature, level):
        checked(self.admin.update_features({feature: level})[feature])

    def quorum_leader(self):
        return self.admin.describe_metadata_quorum()["topics"][0]["partitions"][0]["leader_id"]

    def metrics_subscriptions(self):
        return [name for names in self.admin.list_config_resources(["CLIENT_METRICS"]).values() for name in names]


def value_of(one, name):
    return one[name] if isinstance(one, dict) else getattr(one, name)


def _flat_configs(found):
    """3.x: {resource type: {name: {key: {"value": …}}}} in some order of nesting; the keys with a value are what counts."""
    flat = {}
    for key, value in found.items():
        if isinstance(value, dict):
            if "value" in value or "config_value" in value:
                flat[str(key)] = value.get("value", value.get("config_value"))
            else:
                flat.update(_flat_configs(value))
    return flat
