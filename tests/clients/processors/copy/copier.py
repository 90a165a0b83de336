"""Copies one topic to another exactly once with confluent-kafka (librdkafka): Kafka's TransactionalMessageCopier in group mode.

It takes the same options. Each record keeps its partition; the offsets go with the records. With --enable-random-aborts one
transaction in three is aborted and copied again. It runs until it is killed, or ends with 1 after an error that it cannot mend.
"""

import argparse
import random
import sys
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Producer, TopicPartition


class Copier:
    def __init__(self, options):
        self.options = options
        self.batch = []
        self.membership = None
        # Its default, to begin again at the bootstrap servers, makes TxnOffsetCommit wait for ever after a restart (FINDINGS.md).
        shared = {"bootstrap.servers": options.broker_list, "log_level": 3, "metadata.recovery.strategy": "none",
                  # Its default, 10 s, is as long as the wait for committed offsets: after several kills no connection is tried in that time.
                  "reconnect.backoff.max.ms": 500}
        self.consumer = Consumer({
            **shared, "group.id": options.consumer_group, "isolation.level": "read_committed", "enable.auto.commit": False,
            "auto.offset.reset": "earliest", "session.timeout.ms": 6_000, "heartbeat.interval.ms": 1_000})
        self.producer = Producer({
            **shared, "transactional.id": options.transactional_id, "transaction.timeout.ms": options.transaction_timeout})

    def run(self):
        patiently(self.producer.init_transactions, 30)
        self.consumer.subscribe([self.options.input_topic], on_assign=self.assigned, on_revoke=self.revoked, on_lost=self.revoked)
        while True:
            self.read()
            if self.batch:
                self.transact()

    # Callbacks run within poll() only, so never while a transaction is open. The membership is that of the assignment: once
    # librdkafka has lost its place in the group it would name none, and a broker does not check a commit that names none.
    def assigned(self, consumer, partitions):
        consumer.assign(partitions)
        self.membership = consumer.consumer_group_metadata()

    def revoked(self, consumer, _partitions):
        self.batch = []
        consumer.unassign()

    def read(self):
        """Fills the batch: as many records as fit in a transaction, or those of 200 ms."""
        self.batch = []
        deadline = time.monotonic() + 0.2
        while len(self.batch) < self.options.transaction_size and time.monotonic() < deadline:
            message = self.consumer.poll(0.2)
            if message is not None and not message.error():
                self.batch.append(message)

    def transact(self):
        try:
            self.producer.begin_transaction()
            for one in self.batch:
                self.producer.produce(self.options.output_topic, one.value(), one.key(), partition=one.partition())
            after = {one.partition(): one.offset() + 1 for one in self.batch}
            offsets = [TopicPartition(self.options.input_topic, partition, offset) for partition, offset in after.items()]
            patiently(self.producer.send_offsets_to_transaction, offsets, self.membership, 30)
            if self.options.enable_random_aborts and random.randrange(3) == 0:
                self.abort()
            else:
                patiently(self.producer.commit_transaction, 30)
        except KafkaException as failed:
            error = failed.args[0]
            if not error.txn_requires_abort():
                raise
            print(f"aborted: {error}", file=sys.stderr, flush=True)
            self.abort()

    def abort(self):
        """Ends the transaction without effect, and goes back to what is committed."""
        patiently(self.producer.abort_transaction, 30)
        assigned = self.consumer.assignment()
        if not assigned:
            return
        for one in patiently(self.consumer.committed, assigned, 10):
            self.consumer.seek(TopicPartition(one.topic, one.partition, one.offset if one.offset >= 0 else OFFSET_BEGINNING))


def patiently(call, *arguments):
    """The call's result; made again as long as librdkafka says that this may help, for two minutes."""
    deadline = time.monotonic() + 120
    while True:
        try:
            return call(*arguments)
        except KafkaException as failed:
            if not failed.args[0].retriable() or time.monotonic() > deadline:
                raise


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in "broker-list", "input-topic", "output-topic", "consumer-group", "transactional-id":
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--transaction-size", type=int, default=200)
    parser.add_argument("--transaction-timeout", type=int, default=60_000)
    parser.add_argument("--enable-random-aborts", action="store_true")
    Copier(parser.parse_args()).run()


if __name__ == "__main__":
    main()
