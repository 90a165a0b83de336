"""Transactions by kafka-python, which has them since 2.1."""

import time

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from kafka_python_admin import offset_and_metadata

SECONDS = 20


class Transactions:
    """Calls of one producer; `init_transactions` makes it."""

    def init_transactions(self, id, timeout_ms=60_000):
        self._producer = KafkaProducer(bootstrap_servers=self.bootstrap, transactional_id=id, transaction_timeout_ms=timeout_ms)
        self._producer.init_transactions()

    def begin_transaction(self):
        self._producer.begin_transaction()

    def send_in_transaction(self, topic, values, partition=0):
        futures = [self._producer.send(topic, value.encode(), partition=partition) for value in values]
        self._producer.flush(SECONDS)
        for future in futures:
            future.get(SECONDS)

    def send_offsets(self, group, topic, offset):
        """Of partition 0, for a group with which only this producer has to do."""
        self._producer.send_offsets_to_transaction({TopicPartition(topic, 0): offset_and_metadata(offset, "")}, group)

    def commit_transaction(self):
        self._producer.commit_transaction()

    def abort_transaction(self):
        self._producer.abort_transaction()

    def read_values(self, topic, isolation, timeout):
        """The values of partition 0 up to the end that a consumer of that isolation level knows."""
        consumer = KafkaConsumer(bootstrap_servers=self.bootstrap, group_id=None, isolation_level=isolation, fetch_max_wait_ms=50)
        try:
            tp = TopicPartition(topic, 0)
            consumer.assign([tp])
            consumer.seek_to_beginning()
            end, values, deadline = consumer.end_offsets([tp])[tp], [], time.time() + timeout
            while time.time() < deadline:
                for records in consumer.poll(timeout_ms=200).values():
                    values += [record.value.decode() for record in records]
                if consumer.position(tp) >= end:
                    return values
            raise TimeoutError("the end was not reached")
        finally:
            consumer.close()
