// Transactions by @confluentinc/kafka-javascript: the calls of one producer, which `init_transactions` makes.
'use strict'

const { logger } = require('./lines')

// Each call waits for five seconds, which no setting changes. What can be asked again after that says so.
async function patiently(call) {
  for (const deadline = Date.now() + 30_000; ;) {
    try {
      return await call()
    } catch (error) {
      if (!error.retriable || Date.now() > deadline) throw error
    }
  }
}

// `kafka` is its client; `assigned` hands over a consumer that owns some partitions.
module.exports = function transactions(kafka, assigned) {
  let producer, open
  const consumers = {}
  // Offsets are sent for a consumer, which tells its group.
  const consumer = group => {
    consumers[group] = consumers[group] || (async () => {
      const one = kafka.consumer({ kafkaJS: { groupId: group, autoCommit: false, logger } })
      await one.connect()
      return one
    })()
    return consumers[group]
  }
  return {
    // One that failed to connect cannot be connected again.
    init_transactions: ({ id, timeout_ms: transactionTimeout = 60_000 }) => patiently(async () => {
      producer = kafka.producer({
        kafkaJS: { transactionalId: id, transactionTimeout, idempotent: true, logger },
        'linger.ms': 5, 'reconnect.backoff.max.ms': 500, // by default up to 10 s, in which offsets that are sent fail for good
      })
      await producer.connect()
    }),

    async begin_transaction() {
      open = await producer.transaction()
    },

    async send_in_transaction({ topic, values, partition = 0 }) {
      await open.send({ topic, messages: values.map(value => ({ partition, value })) })
    },

    // Of partition 0, for a group with which only this producer has to do.
    async send_offsets({ group, topic, offset }) {
      const topics = [{ topic, partitions: [{ partition: 0, offset: String(offset) }] }]
      const offsets = { consumer: await consumer(group), topics }
      await patiently(() => open.sendOffsets(offsets))
    },

    commit_transaction: () => patiently(() => open.commit()),

    abort_transaction: () => patiently(() => open.abort()),

    // The values of partition 0 up to the end that a consumer of that isolation level knows.
    read_values: ({ topic, isolation, timeout }) => assigned([{ topic, partition: 0 }], async (reader, read) => {
      let ended = false
      reader.on('partition.eof', () => { ended = true })
      const values = []
      for (const deadline = Date.now() + timeout * 1000; Date.now() < deadline && !ended;) {
        for (const message of await read(100)) values.push(message.value.toString())
      }
      if (!ended) throw new Error('the end was not reached')
      return values
    }, { isolation }),
  }
}
