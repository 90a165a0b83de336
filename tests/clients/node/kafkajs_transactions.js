// Transactions by KafkaJS: the calls of one producer, which `init_transactions` makes.
'use strict'

const { sleep } = require('./lines')

const FETCHES = 5

// `kafka` is its client; `Reading` joins a group of its own and hands over every record of a topic.
module.exports = function transactions(kafka, Reading) {
  let producer, open
  return {
    async init_transactions({ id, timeout_ms: transactionTimeout = 60_000 }) {
      producer = kafka.producer({ transactionalId: id, transactionTimeout, idempotent: true, maxInFlightRequests: 1 })
      await producer.connect()
      // Its id is taken when its first transaction begins, not when it connects: this one is empty, and sends no more than that.
      await (await producer.transaction()).abort()
    },

    async begin_transaction() {
      open = await producer.transaction()
    },

    async send_in_transaction({ topic, values, partition = 0 }) {
      await open.send({ topic, messages: values.map(value => ({ partition, value })) })
    },

    // Of partition 0, for a group with which only this producer has to do.
    send_offsets: ({ group, topic, offset }) =>
      open.sendOffsets({ consumerGroupId: group, topics: [{ topic, partitions: [{ partition: 0, offset: String(offset) }] }] }),

    commit_transaction: () => open.commit(),

    abort_transaction: () => open.abort(),

    // The values of partition 0 up to the end that a consumer of that isolation level knows. It is not told of markers and aborted
    // records: the end is where several fetches in a row bring nothing.
    async read_values({ topic, isolation, timeout }) {
      const values = []
      let empty = 0
      const take = (_, message) => {
        empty = 0
        values.push(message.value.toString())
      }
      const reading = new Reading(kafka, topic, take, {}, { readUncommitted: isolation === 'read_uncommitted' })
      reading.only([0])
      reading.consumer.on(reading.consumer.events.FETCH, () => { empty++ })
      try {
        await reading.start()
        for (const deadline = Date.now() + timeout * 1000; Date.now() < deadline; await sleep(20)) {
          if (reading.crash) throw reading.crash
          if (empty >= FETCHES) return values
        }
        throw new Error('the end was not reached')
      } finally {
        await reading.stop()
      }
    },
  }
}
