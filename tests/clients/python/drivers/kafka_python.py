"""Drives kafka-python, from 1.4.7 to 3.x, by what all of them have; where they differ, the difference is spelled out."""

import sys
import time

import json
import kafka
from kafka import ConsumerRebalanceListener, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewPartitions, NewTopic

from kafka_python_admin import VERSION, Maintenance, offset_and_metadata
from kafka_python_transactions import Transactions
from lines import SETTLE, emit, is_read, leaves_at_end_of_input, packed_record, serve, unpack, unpack_headers, wanted


class Operations(Maintenance, Transactions):
    def __init__(self, bootstrap, api_version=None):
        """`api_version`: the release of Kafka to take the broker for, as programs of its time pin it; None asks it."""
        self.bootstrap = bootstrap
        self.pinned = {"api_version": tuple(api_version)} if api_version else {}
        self._admin = None

    @property
    def admin(self):
        if self._admin is None:
            self._admin = KafkaAdminClient(bootstrap_servers=self.bootstrap, **self.pinned)
        return self._admin

    def consumer(self, **settings):
        settings.setdefault("enable_auto_commit", False)
        settings.setdefault("group_id", None)
        return KafkaConsumer(bootstrap_servers=self.bootstrap, **self.pinned, **settings)

    def versions(self):
        return {"library": kafka.__version__, "python": "%d.%d" % sys.version_info[:2]}

    def produce(self, topic, partition, codec, acks, records, linger_ms=20, bears_ms=60_000):
        producer = KafkaProducer(
            bootstrap_servers=self.bootstrap, max_block_ms=bears_ms, acks={"0": 0, "1": 1, "all": "all"}[acks], linger_ms=linger_ms,
            compression_type=None if codec == "none" else codec, max_request_size=4 << 20, **self.pinned)
        try:
            futures = [
                producer.send(topic, partition=partition, key=unpack(r["key"]), value=unpack(r["value"]),
                              headers=unpack_headers(r["headers"]), timestamp_ms=r["timestamp"])
                for r in records]
            producer.flush(30)
            offsets = [future.get(30).offset for future in futures]
            if acks == "0":
                time.sleep(SETTLE)
            # Version 3 makes up offsets from 0 where there was no acknowledgement.
            return [None if acks == "0" or offset < 0 else offset for offset in offsets]
        finally:
            producer.close(5)

    def consume(self, topic, counts, timeout):
        # Short waits at the end of the log, as close() waits for the fetch that is out.
        consumer = self.consumer(fetch_max_wait_ms=50)
        try:
            left, records, deadline = wanted(counts), [], time.time() + timeout
            consumer.assign([TopicPartition(topic, partition) for partition in left])
            consumer.seek_to_beginning()
            while not is_read(left) and time.time() < deadline:
                for tp, batch in consumer.poll(timeout_ms=200).items():
                    left[tp.partition] -= len(batch)
                    records += batch
            return [packed_record(r.partition, r.offset, r.key, r.value, r.headers, r.timestamp, r.timestamp_type)
                    for r in records]
        finally:
            consumer.close()

    def seek(self, topic, partition, to):
        consumer = self.consumer()
        try:
            tp = TopicPartition(topic, partition)
            consumer.assign([tp])
            seen = []
            for offset in to:
                consumer.seek(tp, offset)
                deadline = time.time() + 10
                got = {}
                while not got and time.time() < deadline:
                    got = consumer.poll(timeout_ms=500, max_records=1)
                seen.append(got[tp][0].offset if got else None)
            return seen
        finally:
            consumer.close()

    def read_at(self, topic, partition, offset, timeout):
        """The offsets of the first records from there on, none if nothing comes in time; a wrong offset is not mended."""
        consumer = self.consumer(auto_offset_reset="none")
        try:
            tp = TopicPartition(topic, partition)
            consumer.assign([tp])
            consumer.seek(tp, offset)
            deadline = time.time() + timeout
            while time.time() < deadline:
                got = consumer.poll(timeout_ms=200)
                if got:
                    return [r.offset for r in got[tp]]
            return []
        finally:
            consumer.close()

    def ends(self, topic, partition):
        consumer = self.consumer()
        try:
            tp = TopicPartition(topic, partition)
            return [consumer.beginning_offsets([tp])[tp], consumer.end_offsets([tp])[tp]]
        finally:
            consumer.close()

    def offsets_for_times(self, topic, partition, timestamps):
        consumer = self.consumer()
        try:
            tp = TopicPartition(topic, partition)
            found = [consumer.offsets_for_times({tp: timestamp})[tp] for timestamp in timestamps]
            return [None if one is None else [one.offset, one.timestamp] for one in found]
        finally:
            consumer.close()

    def pause(self, topic):
        """Two partitions, the second paused: which deliver, then which do once it is resumed."""
        consumer = self.consumer(auto_offset_reset="earliest")
        try:
            first, second = TopicPartition(topic, 0), TopicPartition(topic, 1)
            consumer.assign([first, second])
            consumer.pause(second)
            seen = []
            for _ in range(2):
                partitions, deadline = set(), time.time() + 2
                while time.time() < deadline:
                    partitions |= {tp.partition for tp in consumer.poll(timeout_ms=200)}
                seen.append(sorted(partitions))
                consumer.resume(second)
            return seen
        finally:
            consumer.close()

    def commit(self, group, topic, partition, offset, metadata):
        consumer = self.consumer(group_id=group)
        try:
            tp = TopicPartition(topic, partition)
            consumer.assign([tp])
            consumer.commit({tp: offset_and_metadata(offset, metadata)})
            again = consumer.committed(tp, metadata=True) if VERSION >= (2, 0) else None
            return [consumer.committed(tp), again.metadata if again else metadata]
        finally:
            consumer.close()

    def list_topics(self):
        consumer = self.consumer()
        try:
            return sorted(consumer.topics())
        finally:
            consumer.close()

    def partitions_for_topic(self, topic):
        consumer = self.consumer()
        try:
            return sorted(consumer.partitions_for_topic(topic) or [])
        finally:
            consumer.close()

    def create_topic(self, topic, partitions, configs):
        self.admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=configs)])

    def delete_topic(self, topic):
        self.admin.delete_topics([topic])

    def create_partitions(self, topic, total):
        self.admin.create_partitions({topic: NewPartitions(total)})

    def list_groups(self):
        found = self.admin.list_consumer_groups() if VERSION < (3, 0) else self.admin.list_groups()
        return sorted(g[0] if isinstance(g, tuple) else g["group_id"] if isinstance(g, dict) else g.group_id for g in found)

    def describe_group(self, group):
        if VERSION >= (3, 0):
            one = self.admin.describe_groups([group])[group]
            return {"state": one["group_state"], "members": len(one["members"])}
        one = self.admin.describe_consumer_groups([group])[0]
        # A plain tuple (error, group, state, protocol type, protocol, members) before 2.0, a named one since.
        return {"state": one[2], "members": len(one[5])}

    def delete_group(self, group):
        if VERSION < (2, 0):
            raise NotImplementedError("kafka-python 1.4 cannot delete groups")
        deleted = self.admin.delete_consumer_groups([group]) if VERSION < (3, 0) else self.admin.delete_groups([group])
        for _, error in deleted.items() if isinstance(deleted, dict) else deleted:
            if error not in (kafka.errors.NoError, "OK"):
                raise error if isinstance(error, type) else RuntimeError(error)


class Reporter(ConsumerRebalanceListener):
    def __init__(self, consumer):
        self.consumer = consumer

    def on_partitions_revoked(self, revoked):
        pass

    def on_partitions_assigned(self, assigned):
        generation = self.consumer._coordinator._generation.generation_id
        emit({"event": "assigned", "partitions": [tp.partition for tp in assigned], "generation": generation})


def member(bootstrap, group, topic, session_ms, reset="earliest"):
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False, auto_offset_reset=reset,
        session_timeout_ms=session_ms, heartbeat_interval_ms=500, max_poll_records=50)
    consumer.subscribe([topic], listener=Reporter(consumer))
    leaving = leaves_at_end_of_input()
    # Version 3 is given the time to join in: it forgets a rejoin during which a poll ends (FINDINGS.md).
    patience_ms = 100 if VERSION < (3, 0) else 2000
    while not leaving.is_set():
        got = consumer.poll(timeout_ms=patience_ms)
        if not got:
            continue
        emit({"event": "read", "offsets": {tp.partition: [r.offset for r in records] for tp, records in got.items()}})
        offsets = {tp: records[-1].offset + 1 for tp, records in got.items()}
        try:
            consumer.commit({tp: offset_and_metadata(offset, "") for tp, offset in offsets.items()})
        except kafka.errors.CommitFailedError:
            continue  # a rebalance took the partitions: their new owner reads again from the last commit
        emit({"event": "committed", "offsets": {tp.partition: offset for tp, offset in offsets.items()}})
    consumer.close()


if __name__ == "__main__":
    mode, bootstrap, settings = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    if mode == "member":
        member(bootstrap, **settings)
    else:
        serve(Operations(bootstrap, **settings))
