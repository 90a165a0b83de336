"""Transactions by aiokafka. The producer lives in an event loop of its own, as it has to go on between two calls."""

import asyncio
import threading
import time

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

SECONDS = 30


class Transactions:
    """Calls of one producer; `init_transactions` makes it."""

    _loop = None

    def _run(self, coroutine):
        """The coroutine's result; it runs in the loop that outlives this call."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            threading.Thread(target=self._loop.run_forever, daemon=True).start()
        return asyncio.run_coroutine_threadsafe(asyncio.wait_for(coroutine, SECONDS), self._loop).result()

    async def _started(self, id, timeout_ms):
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap, transactional_id=id, transaction_timeout_ms=timeout_ms)
        await producer.start()
        return producer

    async def _sent(self, topic, values, partition):
        futures = [await self._producer.send(topic, value.encode(), partition=partition) for value in values]
        for future in futures:
            await future

    def init_transactions(self, id, timeout_ms=60_000):
        self._producer = self._run(self._started(id, timeout_ms))

    def begin_transaction(self):
        self._run(self._producer.begin_transaction())

    def send_in_transaction(self, topic, values, partition=0):
        self._run(self._sent(topic, values, partition))

    def send_offsets(self, group, topic, offset):
        """Of partition 0, for a group with which only this producer has to do."""
        self._run(self._producer.send_offsets_to_transaction({TopicPartition(topic, 0): offset}, group))

    def commit_transaction(self):
        self._run(self._producer.commit_transaction())

    def abort_transaction(self):
        self._run(self._producer.abort_transaction())

    async def read_values(self, topic, isolation, timeout):
        """The values of partition 0 up to the end that a consumer of that isolation level knows."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, isolation_level=isolation, fetch_max_wait_ms=50)
        await consumer.start()
        try:
            tp = TopicPartition(topic, 0)
            consumer.assign([tp])
            await consumer.seek_to_beginning(tp)
            end, values, deadline = (await consumer.end_offsets([tp]))[tp], [], time.time() + timeout
            while time.time() < deadline:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    values += [record.value.decode() for record in records]
                if await consumer.position(tp) >= end:
                    return values
            raise TimeoutError("the end was not reached")
        finally:
            await consumer.stop()
