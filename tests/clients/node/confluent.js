// Drives @confluentinc/kafka-javascript. What it took over from KafkaJS writes, reads in groups and administers; to read by
// assignment, and to add partitions, it has only what it took over from node-rdkafka.
'use strict'

const { promisify } = require('node:util')
const RdKafka = require('@confluentinc/kafka-javascript')
const transactions = require('./confluent_transactions')
const { SETTLE, emit, say, logger, pack, unpack, headersIn, sleep, main } = require('./lines')

const { Kafka } = RdKafka.KafkaJS
const TIMEOUT = 10_000
const ASSIGN = RdKafka.CODES.ERRORS.ERR__ASSIGN_PARTITIONS

// `use` is handed a consumer that owns these partitions, from their beginning on, without being a member of its group.
async function assigned(bootstrap, partitions, use, { group = 'assigned', reset = 'earliest', isolation = 'read_committed' } = {}) {
  const consumer = new RdKafka.KafkaConsumer({
    'bootstrap.servers': bootstrap, 'group.id': group, 'enable.auto.commit': false, 'fetch.wait.max.ms': 50,
    'isolation.level': isolation, 'enable.partition.eof': true,
  }, { 'auto.offset.reset': reset })
  consumer.setDefaultConsumeTimeout(200)
  await promisify(consumer.connect).call(consumer, {})
  try {
    consumer.assign(partitions.map(one => ({ offset: 0, ...one })))
    return await use(consumer, promisify(consumer.consume).bind(consumer))
  } finally {
    await promisify(consumer.disconnect).call(consumer)
  }
}

const headersOut = headers => (headers || []).flatMap(one => Object.entries(one)).map(([name, value]) => [name, pack(value)])

function calls(bootstrap) {
  const kafka = new Kafka({ kafkaJS: { brokers: [bootstrap], logger } })
  let connected
  // One for all calls, as programs have it.
  const admin = () => {
    connected = connected || (async () => {
      const one = kafka.admin()
      await one.connect()
      return one
    })()
    return connected
  }
  return {
    ...transactions(kafka, (partitions, use, settings) => assigned(bootstrap, partitions, use, settings)),

    versions: () => ({ library: require('@confluentinc/kafka-javascript/package.json').version, librdkafka: RdKafka.librdkafkaVersion, node: process.version }),

    async produce({ topic, partition, codec, acks, records, idempotent = false, bears_ms: bearsMs = 30_000 }) {
      const producer = kafka.producer({
        kafkaJS: { idempotent, acks: { 0: 0, 1: 1, all: -1 }[acks], compression: codec, allowAutoTopicCreation: true },
        'linger.ms': 20, 'message.max.bytes': 4 << 20, 'topic.metadata.propagation.max.ms': bearsMs,
      })
      await producer.connect()
      try {
        const messages = records.map(r => ({
          partition, key: unpack(r.key), value: unpack(r.value), headers: headersIn(r.headers), timestamp: String(r.timestamp),
        }))
        const sent = await producer.send({ topic, messages })
        if (acks === '0') await sleep(SETTLE)
        // It tells the first offset.
        const first = acks === '0' ? null : Number(sent[0].baseOffset)
        return records.map((_, n) => (first === null ? null : first + n))
      } finally {
        await producer.disconnect()
      }
    },

    consume: ({ topic, counts, timeout }) => assigned(bootstrap, Object.keys(counts).map(one => ({ topic, partition: Number(one) })), async (_, read) => {
      const records = []
      const left = { ...counts }
      const deadline = Date.now() + timeout * 1000
      while (Object.values(left).some(count => count > 0) && Date.now() < deadline) {
        for (const m of await read(100)) {
          left[m.partition]--
          records.push({
            partition: m.partition, offset: m.offset, key: pack(m.key), value: pack(m.value), headers: headersOut(m.headers),
            timestamp: m.timestamp, timestamp_type: null,
          })
        }
      }
      return records
    }),

    seek: ({ topic, partition, to }) => assigned(bootstrap, [{ topic, partition }], async (consumer, read) => {
      const next = async () => {
        for (const deadline = Date.now() + TIMEOUT; Date.now() < deadline;) {
          const [found] = await read(1)
          if (found) return found.offset
        }
        return null
      }
      await next()
      const seen = []
      for (const offset of to) {
        await promisify(consumer.seek).call(consumer, { topic, partition, offset }, TIMEOUT)
        seen.push(await next())
      }
      return seen
    }),

    // The offset of the first record from there on, none if nothing comes in time; a wrong offset is not mended.
    read_at: ({ topic, partition, offset, timeout }) => assigned(bootstrap, [{ topic, partition, offset }], async (_, read) => {
      for (const deadline = Date.now() + timeout * 1000; Date.now() < deadline;) {
        const found = await read(1)
        if (found.length) return found.map(one => one.offset)
      }
      return []
    }, { reset: 'error' }),

    ends: async ({ topic, partition }) => {
      const found = (await (await admin()).fetchTopicOffsets(topic)).find(p => p.partition === partition)
      return [Number(found.low), Number(found.high)]
    },

    // As KafkaJS does, it answers with the end of the log where there is no record so late, and keeps the timestamp to itself.
    async offsets_for_times({ topic, partition, timestamps }) {
      const of = found => Number(found.find(p => p.partition === partition).offset)
      const one = await admin()
      const end = of(await one.fetchTopicOffsets(topic))
      const found = []
      for (const at of timestamps) found.push(of(await one.fetchTopicOffsetsByTimestamp(topic, at)))
      return found.map(offset => (offset === end ? null : [offset, null]))
    },

    pause: ({ topic }) => assigned(bootstrap, [{ topic, partition: 0 }, { topic, partition: 1 }], async (consumer, read) => {
      consumer.pause([{ topic, partition: 1 }])
      const seen = []
      for (let round = 0; round < 2; round++) {
        const partitions = new Set()
        for (const deadline = Date.now() + 2000; Date.now() < deadline;) {
          for (const m of await read(50)) partitions.add(m.partition)
        }
        seen.push([...partitions].sort())
        consumer.resume([{ topic, partition: 1 }])
      }
      return seen
    }),

    async commit({ group, topic, partition, offset, metadata }) {
      await assigned(bootstrap, [], consumer => consumer.commitSync([{ topic, partition, offset, metadata }]), { group })
      const found = await (await admin()).fetchOffsets({ groupId: group, topics: [topic] })
      const again = found[0].partitions.find(p => p.partition === partition)
      return [Number(again.offset), again.metadata]
    },

    list_topics: async () => (await (await admin()).listTopics()).sort(),

    partitions_for_topic: async ({ topic }) =>
      (await (await admin()).fetchTopicMetadata({ topics: [topic] }))[0].partitions.map(p => p.partitionId).sort((a, b) => a - b),

    async create_topic({ topic, partitions, configs }) {
      // It answers false, not an error, if the topic exists.
      const configEntries = Object.entries(configs).map(([name, value]) => ({ name, value }))
      const made = await (await admin()).createTopics({ topics: [{ topic, numPartitions: partitions, configEntries }] })
      if (!made) throw new Error('exists already')
    },

    delete_topic: async ({ topic }) => (await admin()).deleteTopics({ topics: [topic] }),

    async create_partitions({ topic, total }) {
      const one = RdKafka.AdminClient.create({ 'bootstrap.servers': bootstrap })
      try {
        await promisify(one.createPartitions).call(one, topic, total, TIMEOUT)
      } finally {
        one.disconnect()
      }
    },

    // It keeps the low watermark to itself: the answer is where the partition begins afterwards.
    async delete_records({ topic, partition, before }) {
      const one = await admin()
      await one.deleteTopicRecords({ topic, partitions: [{ partition, offset: String(before) }] })
      return Number((await one.fetchTopicOffsets(topic)).find(p => p.partition === partition).low)
    },

    async describe_topic({ topic }) {
      const [found] = await (await admin()).fetchTopicMetadata({ topics: [topic] })
      return found.partitions.sort((a, b) => a.partitionId - b.partitionId).map(p => p.leader)
    },

    topic_id: async ({ topic }) => (await (await admin()).fetchTopicMetadata({ topics: [topic] }))[0].topicId.base64,

    // Only in the interface it took over from node-rdkafka.
    async list_offsets({ topic, partition }) {
      const one = RdKafka.AdminClient.create({ 'bootstrap.servers': bootstrap })
      const { EARLIEST, LATEST, MAX_TIMESTAMP } = RdKafka.OffsetSpec
      try {
        const found = []
        for (const offset of [EARLIEST, LATEST, MAX_TIMESTAMP]) {
          const [listed] = await promisify(one.listOffsets).call(one, [{ topic, partition, offset }], { timeout: TIMEOUT })
          found.push(listed.offset)
        }
        return found
      } finally {
        one.disconnect()
      }
    },

    async group_offsets({ group, topic }) {
      const [found] = await (await admin()).fetchOffsets({ groupId: group, topics: [topic] })
      return Object.fromEntries((found ? found.partitions : []).filter(p => Number(p.offset) >= 0).map(p => [p.partition, Number(p.offset)]))
    },

    async groups_in_state({ state }) {
      const matchConsumerGroupStates = [RdKafka.KafkaJS.ConsumerGroupStates[state.toUpperCase()]]
      return (await (await admin()).listGroups({ matchConsumerGroupStates })).groups.map(g => g.groupId).sort()
    },

    async groups_of_type({ type }) {
      const matchConsumerGroupTypes = [RdKafka.KafkaJS.ConsumerGroupTypes[type.toUpperCase()]]
      return (await (await admin()).listGroups({ matchConsumerGroupTypes })).groups.map(g => g.groupId).sort()
    },

    list_groups: async () => (await (await admin()).listGroups()).groups.map(g => g.groupId).sort(),

    async describe_group({ group }) {
      const found = (await (await admin()).describeGroups([group])).groups[0]
      const states = Object.entries(RdKafka.AdminClient.ConsumerGroupStates || RdKafka.KafkaJS.ConsumerGroupStates)
      const name = states.find(([, number]) => number === found.state)[0].toLowerCase()
      return { state: name.replace(/(^|_)./g, start => start.slice(-1).toUpperCase()), members: found.members.length }
    },

    delete_group: async ({ group }) => (await admin()).deleteGroups([group]),
  }
}

async function member(bootstrap, { group, topic, session_ms: sessionTimeout, reset }) {
  const consumer = new Kafka({ kafkaJS: { brokers: [bootstrap], logger } }).consumer({
    kafkaJS: { groupId: group, sessionTimeout, heartbeatInterval: 500, maxWaitTimeInMs: 100, autoCommit: false, fromBeginning: reset !== 'latest' },
    rebalance_cb: ({ code }, assignment) => {
      if (code === ASSIGN) emit({ event: 'assigned', partitions: assignment.map(one => one.partition), generation: null })
    },
  })
  process.stdin.resume().on('end', () => consumer.disconnect().then(() => process.exit(0)))
  await consumer.connect()
  await consumer.subscribe({ topic })
  await consumer.run({
    eachBatch: async ({ batch: { partition, messages } }) => {
      const offsets = messages.map(m => Number(m.offset))
      emit({ event: 'read', offsets: { [partition]: offsets } })
      await consumer.commitOffsets([{ topic, partition, offset: String(offsets[offsets.length - 1] + 1) }])
      // That does not wait for the broker's answer: what was committed is known once the broker says it.
      try {
        const [known] = await consumer.committed([{ topic, partition }], TIMEOUT)
        if (Number(known.offset) >= 0) emit({ event: 'committed', offsets: { [partition]: Number(known.offset) } })
      } catch (error) {
        say(`committed: ${error}`)
      }
    },
  })
}

main(calls, member)
