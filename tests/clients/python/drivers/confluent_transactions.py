"""Transactions by confluent-kafka (librdkafka)."""

import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Producer, TopicPartition

SECONDS = 30


class Transactions:
    """Calls of one producer; `init_transactions` makes it."""

    def init_transactions(self, id, timeout_ms=60_000):
        settings = {"bootstrap.servers": self.bootstrap, "transactional.id": id, "transaction.timeout.ms": timeout_ms}
        # With `rebootstrap`, the default, a commit of offsets may wait for ever after a restart of the broker (FINDINGS.md).
        self._producer = Producer({**settings, "metadata.recovery.strategy": "none"})
        self._producer.init_transactions(SECONDS)

    def begin_transaction(self):
        self._producer.begin_transaction()

    def send_in_transaction(self, topic, values, partition=0):
        errors = []
        for value in values:
            self._producer.produce(topic, value.encode(), partition=partition, on_delivery=lambda error, _: error and errors.append(error))
        left = self._producer.flush(SECONDS)
        if errors or left:
            raise KafkaException(errors[0]) if errors else TimeoutError("%d records not acknowledged" % left)

    def send_offsets(self, group, topic, offset):
        """Of partition 0, for a group with which only this producer has to do."""
        consumer = self.consumer(group)
        try:
            metadata = consumer.consumer_group_metadata()
            self._producer.send_offsets_to_transaction([TopicPartition(topic, 0, offset)], metadata, SECONDS)
        finally:
            consumer.close()

    def commit_transaction(self):
        self._producer.commit_transaction(SECONDS)

    def abort_transaction(self):
        self._producer.abort_transaction(SECONDS)

    def read_values(self, topic, isolation, timeout):
        """The values of partition 0 up to the end that a consumer of that isolation level knows."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "unused", "enable.auto.commit": False,
                             "isolation.level": isolation, "enable.partition.eof": True, "fetch.wait.max.ms": 50})
        try:
            consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
            values, deadline = [], time.time() + timeout
            while time.time() < deadline:
                message = consumer.poll(0.2)
                if message is None:
                    continue
                if message.error():
                    return values  # the end
                values.append(message.value().decode())
            raise TimeoutError("the end was not reached")
        finally:
            consumer.close()
