"""Drives aiokafka."""

import asyncio
import contextlib
import json
import sys
import time

import aiokafka
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.structs import OffsetAndMetadata

from aio_transactions import Transactions
from lines import SETTLE, emit, is_read, leaves_at_end_of_input, packed_record, serve, unpack, unpack_headers, wanted


def refused(answer):
    """Raises what is refused of topics; the library hands over the answer as it came."""
    for _, code, *message in answer.topic_errors:
        if code:
            raise aiokafka.errors.for_code(code)(*message)


class Operations(Transactions):
    """Each operation is a coroutine of its own loop run; `serve` sees plain functions."""

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap

    def __getattribute__(self, name):
        attribute = object.__getattribute__(self, name)
        if name.startswith("_") or not asyncio.iscoroutinefunction(attribute):
            return attribute
        return lambda **arguments: asyncio.run(attribute(**arguments))

    def _consumer(self, **settings):
        settings.setdefault("enable_auto_commit", False)
        return AIOKafkaConsumer(bootstrap_servers=self.bootstrap, **settings)

    @contextlib.asynccontextmanager
    async def _admin(self):
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            yield admin
        finally:
            await admin.close()

    async def versions(self):
        return {"library": aiokafka.__version__}

    async def produce(self, topic, partition, codec, acks, records, idempotent=False, linger_ms=20, bears_ms=40_000):
        producer = AIOKafkaProducer(
            bootstrap_servers=self.bootstrap, request_timeout_ms=bears_ms, acks={"0": 0, "1": 1, "all": "all"}[acks], linger_ms=linger_ms,
            compression_type=None if codec == "none" else codec, enable_idempotence=idempotent, max_request_size=4 << 20)
        await producer.start()
        try:
            futures = [
                await producer.send(topic, partition=partition, key=unpack(r["key"]), value=unpack(r["value"]),
                                    headers=unpack_headers(r["headers"]), timestamp_ms=r["timestamp"])
                for r in records]
            done = [await future for future in futures]
            if acks == "0":
                await asyncio.sleep(SETTLE)
            return [None if one is None or one.offset < 0 else one.offset for one in done]
        finally:
            await producer.stop()

    async def consume(self, topic, counts, timeout):
        consumer = self._consumer(fetch_max_wait_ms=50)
        await consumer.start()
        try:
            left, records, deadline = wanted(counts), [], time.time() + timeout
            partitions = [TopicPartition(topic, partition) for partition in left]
            consumer.assign(partitions)
            await consumer.seek_to_beginning(*partitions)
            while not is_read(left) and time.time() < deadline:
                for tp, batch in (await consumer.getmany(timeout_ms=200)).items():
                    left[tp.partition] -= len(batch)
                    records += batch
            return [packed_record(r.partition, r.offset, r.key, r.value, r.headers, r.timestamp, r.timestamp_type)
                    for r in records]
        finally:
            await consumer.stop()

    async def seek(self, topic, partition, to):
        consumer = self._consumer()
        await consumer.start()
        try:
            tp = TopicPartition(topic, partition)
            consumer.assign([tp])
            seen = []
            for offset in to:
                consumer.seek(tp, offset)
                seen.append((await asyncio.wait_for(consumer.getone(tp), 10)).offset)
            return seen
        finally:
            await consumer.stop()

    async def read_at(self, topic, partition, offset, timeout):
        """The offsets of the first records from there on, none if nothing comes in time; a wrong offset is not mended."""
        consumer = self._consumer(auto_offset_reset="none")
        await consumer.start()
        try:
            tp = TopicPartition(topic, partition)
            consumer.assign([tp])
            consumer.seek(tp, offset)
            return [r.offset for r in (await consumer.getmany(tp, timeout_ms=timeout * 1000)).get(tp, [])]
        finally:
            await consumer.stop()

    async def ends(self, topic, partition):
        consumer = self._consumer()
        await consumer.start()
        try:
            tp = TopicPartition(topic, partition)
            return [(await consumer.beginning_offsets([tp]))[tp], (await consumer.end_offsets([tp]))[tp]]
        finally:
            await consumer.stop()

    async def offsets_for_times(self, topic, partition, timestamps):
        consumer = self._consumer()
        await consumer.start()
        try:
            tp = TopicPartition(topic, partition)
            found = [(await consumer.offsets_for_times({tp: timestamp}))[tp] for timestamp in timestamps]
            return [None if one is None else [one.offset, one.timestamp] for one in found]
        finally:
            await consumer.stop()

    async def pause(self, topic):
        consumer = self._consumer(auto_offset_reset="earliest")
        await consumer.start()
        try:
            first, second = TopicPartition(topic, 0), TopicPartition(topic, 1)
            consumer.assign([first, second])
            consumer.pause(second)
            seen = []
            for _ in range(2):
                partitions, deadline = set(), time.time() + 2
                while time.time() < deadline:
                    partitions |= {tp.partition for tp in await consumer.getmany(timeout_ms=200)}
                seen.append(sorted(partitions))
                consumer.resume(second)
            return seen
        finally:
            await consumer.stop()

    async def commit(self, group, topic, partition, offset, metadata):
        consumer = self._consumer(group_id=group)
        await consumer.start()
        try:
            tp = TopicPartition(topic, partition)
            consumer.assign([tp])
            await consumer.commit({tp: OffsetAndMetadata(offset, metadata)})
            return [await consumer.committed(tp), metadata]
        finally:
            await consumer.stop()

    async def list_topics(self):
        async with self._admin() as admin:
            return sorted(await admin.list_topics())

    async def partitions_for_topic(self, topic):
        async with self._admin() as admin:
            found = await admin.describe_topics([topic])
            return sorted(p["partition"] for p in found[0]["partitions"])

    async def create_topic(self, topic, partitions, configs):
        async with self._admin() as admin:
            refused(await admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=configs)]))

    async def check_topic(self, topic, partitions):
        async with self._admin() as admin:
            refused(await admin.create_topics([NewTopic(topic, partitions, 1)], validate_only=True))

    async def delete_topic(self, topic):
        async with self._admin() as admin:
            answer = await admin.delete_topics([topic])
            for _, code, *message in answer.topic_error_codes:
                if code:
                    raise aiokafka.errors.for_code(code)(*message)

    async def check_partitions(self, topic, total):
        async with self._admin() as admin:
            refused(await admin.create_partitions({topic: NewPartitions(total)}, validate_only=True))

    async def create_partitions(self, topic, total):
        async with self._admin() as admin:
            refused(await admin.create_partitions({topic: NewPartitions(total)}))

    async def describe_configs(self, topic, kind="topic"):
        async with self._admin() as admin:
            answers = await admin.describe_configs([ConfigResource(ConfigResourceType[kind.upper()], topic)])
            return {entry[0]: entry[1] for answer in answers for resource in answer.resources for entry in resource[4]}

    async def alter_config(self, topic, key, value, kind="topic"):
        await self._replace(ConfigResource(ConfigResourceType[kind.upper()], topic, {key: value}))

    async def replace_configs(self, topic, configs):
        await self._replace(ConfigResource(ConfigResourceType.TOPIC, topic, configs))

    async def _replace(self, resource):
        async with self._admin() as admin:
            for answer in await admin.alter_configs([resource]):
                for code, message, *_ in answer.resources:
                    if code:
                        raise aiokafka.errors.for_code(code)(message)

    async def delete_records(self, topic, partition, before):
        tp = TopicPartition(topic, partition)
        async with self._admin() as admin:
            return (await admin.delete_records({tp: RecordsToDelete(before_offset=before)}))[tp]

    async def describe_cluster(self):
        async with self._admin() as admin:
            return len((await admin.describe_cluster())["brokers"])

    async def group_offsets(self, group, topic):
        async with self._admin() as admin:
            return {tp.partition: one.offset for tp, one in (await admin.list_consumer_group_offsets(group)).items()}

    async def coordinator(self, group):
        async with self._admin() as admin:
            return await admin.find_coordinator(group)

    async def list_groups(self):
        async with self._admin() as admin:
            return sorted(group[0] for group in await admin.list_consumer_groups())

    async def describe_group(self, group):
        async with self._admin() as admin:
            answer = (await admin.describe_consumer_groups([group]))[0]
            _, _, state, _, _, members = answer.groups[0][:6]
            return {"state": state, "members": len(members)}

    async def delete_group(self, group):
        async with self._admin() as admin:
            answer = await admin.delete_consumer_groups([group])
            return str(answer)


class Reporter(ConsumerRebalanceListener):
    def __init__(self, consumer):
        self.consumer = consumer

    async def on_partitions_revoked(self, revoked):
        pass

    async def on_partitions_assigned(self, assigned):
        generation = self.consumer._coordinator.generation
        emit({"event": "assigned", "partitions": [tp.partition for tp in assigned], "generation": generation})


async def member(bootstrap, group, topic, session_ms, reset="earliest"):
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False, auto_offset_reset=reset,
        session_timeout_ms=session_ms, heartbeat_interval_ms=500, max_poll_records=50)
    consumer.subscribe([topic], listener=Reporter(consumer))
    await consumer.start()
    leaving = leaves_at_end_of_input()
    while not leaving.is_set():
        got = await consumer.getmany(timeout_ms=100)
        if not got:
            continue
        emit({"event": "read", "offsets": {tp.partition: [r.offset for r in records] for tp, records in got.items()}})
        offsets = {tp: records[-1].offset + 1 for tp, records in got.items()}
        try:
            await consumer.commit(offsets)
        except aiokafka.errors.CommitFailedError:
            continue
        emit({"event": "committed", "offsets": {tp.partition: offset for tp, offset in offsets.items()}})
    await consumer.stop()


if __name__ == "__main__":
    mode, bootstrap, settings = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    if mode == "member":
        asyncio.run(member(bootstrap, **settings))
    else:
        serve(Operations(bootstrap))
