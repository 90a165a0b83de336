// Drives KafkaJS. It reads in groups only: to read one partition is to join a group of one's own and seek.
'use strict'

const {
  Kafka, CompressionTypes, CompressionCodecs, ConfigResourceTypes, AclResourceTypes, AclOperationTypes, AclPermissionTypes,
  ResourcePatternTypes, logLevel,
} = require('kafkajs')
const lz4 = require('lz4-napi')
const { ZstdCodec } = require('zstd-codec')
const transactions = require('./kafkajs_transactions')
const { SETTLE, emit, say, pack, unpack, headersIn, sleep, main } = require('./lines')

// KafkaJS has gzip; the others are left to its users.
CompressionCodecs[CompressionTypes.Snappy] = require('kafkajs-snappy')
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: encoder => lz4.compressFrame(encoder.buffer),
  decompress: buffer => lz4.decompressFrame(buffer),
})
const zstd = new Promise(resolve => ZstdCodec.run(codec => resolve(new codec.Streaming())))
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async encoder => Buffer.from((await zstd).compress(encoder.buffer)),
  decompress: async buffer => Buffer.from((await zstd).decompress(buffer)),
})
const CODECS = {
  none: CompressionTypes.None, gzip: CompressionTypes.GZIP, snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4, zstd: CompressionTypes.ZSTD,
}

const client = bootstrap => new Kafka({
  brokers: [bootstrap], logLevel: logLevel.WARN, retry: { initialRetryTime: 50 },
  logCreator: () => ({ label, log }) => say(`${label} ${JSON.stringify(log)}`),
})

let groups = 0

class Reading {
  // Joins a group of its own and hands every record to `take`.
  constructor(kafka, topic, take, more = {}, settings = {}) {
    this.consumer = kafka.consumer({ groupId: `kafkajs-${process.pid}-${Date.now()}-${groups++}`, maxWaitTimeInMs: 50, ...settings })
    this.topic = topic
    this.take = take
    this.more = more
    // A batch it cannot decode ends its run with a crash, after which it starts again, and crashes again.
    this.consumer.on(this.consumer.events.CRASH, ({ payload }) => { this.crash = payload.error })
  }

  // A group's member is given all partitions: those not asked for are held back as soon as it has them.
  only(partitions) {
    this.consumer.on(this.consumer.events.GROUP_JOIN, ({ payload }) => {
      const others = (payload.memberAssignment[this.topic] || []).filter(partition => !partitions.includes(partition))
      this.consumer.pause([{ topic: this.topic, partitions: others }])
    })
  }

  async start() {
    await this.consumer.connect()
    await this.consumer.subscribe({ topic: this.topic, fromBeginning: true })
    await this.consumer.run({
      autoCommit: false,
      eachBatch: async ({ batch }) => {
        for (const message of batch.messages) this.take(batch.partition, message)
      },
      ...this.more,
    })
  }

  stop() {
    return this.consumer.disconnect()
  }
}

// Waits until `done` is true; false if it is not within that many milliseconds.
async function until(done, ms) {
  const deadline = Date.now() + ms
  while (!done()) {
    if (Date.now() > deadline) return false
    await sleep(20)
  }
  return true
}

// A header whose name comes several times is one name with several values.
function headersOut(headers) {
  return Object.entries(headers || {}).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map(one => [name, pack(one)]))
}

function calls(bootstrap) {
  const kafka = client(bootstrap)
  const admin = async call => {
    const one = kafka.admin()
    await one.connect()
    try {
      return await call(one)
    } finally {
      await one.disconnect()
    }
  }
  return {
    ...transactions(kafka, Reading),

    versions: () => ({ library: require('kafkajs/package.json').version, node: process.version }),

    async produce({ topic, partition, codec, acks, records, idempotent = false }) {
      const producer = kafka.producer({ idempotent, allowAutoTopicCreation: true })
      await producer.connect()
      try {
        const messages = records.map(r => ({
          partition, key: unpack(r.key), value: unpack(r.value), headers: headersIn(r.headers), timestamp: String(r.timestamp),
        }))
        const sent = await producer.send({ topic, messages, acks: { 0: 0, 1: 1, all: -1 }[acks], compression: CODECS[codec] })
        if (acks === '0') await sleep(SETTLE)
        // One batch, of which it tells the first offset.
        const first = acks === '0' ? null : Number(sent[0].baseOffset)
        return records.map((_, n) => (first === null ? null : first + n))
      } finally {
        await producer.disconnect()
      }
    },

    async consume({ topic, counts, timeout }) {
      const records = []
      const left = { ...counts }
      const reading = new Reading(kafka, topic, (partition, m) => {
        left[partition]--
        records.push({
          partition, offset: Number(m.offset), key: pack(m.key), value: pack(m.value), headers: headersOut(m.headers),
          timestamp: Number(m.timestamp), timestamp_type: null,
        })
      })
      reading.only(Object.keys(counts).map(Number))
      try {
        await reading.start()
        await until(() => reading.crash || Object.values(left).every(count => count <= 0), timeout * 1000)
        if (reading.crash) throw reading.crash
        return records
      } finally {
        await reading.stop()
      }
    },

    async seek({ topic, partition, to }) {
      let wanted, found
      const reading = new Reading(kafka, topic, () => {}, {
        eachBatchAutoResolve: false,
        eachBatch: async ({ batch, isStale }) => {
          // What was fetched before the seek is told apart by its offset.
          if (!isStale() && batch.partition === partition && Number(batch.fetchedOffset) === wanted) found = Number(batch.messages[0].offset)
        },
      })
      try {
        await reading.start()
        const seen = []
        for (wanted of to) {
          found = null
          reading.consumer.seek({ topic, partition, offset: String(wanted) })
          await until(() => found !== null, 10_000)
          seen.push(found)
        }
        return seen
      } finally {
        await reading.stop()
      }
    },

    // The offsets of the first records after the seek, none if nothing comes in time; a wrong offset it mends by itself.
    async read_at({ topic, partition, offset, timeout }) {
      let sought = false
      let found = []
      const reading = new Reading(kafka, topic, () => {}, {
        eachBatch: async ({ batch, isStale }) => {
          if (sought && !isStale() && batch.partition === partition && !found.length) found = batch.messages.map(m => Number(m.offset))
        },
      })
      try {
        await reading.start()
        reading.consumer.seek({ topic, partition, offset: String(offset) })
        sought = true
        await until(() => reading.crash || found.length, timeout * 1000)
        if (reading.crash) throw reading.crash
        return found
      } finally {
        await reading.stop()
      }
    },

    ends: ({ topic, partition }) => admin(async one => {
      const found = (await one.fetchTopicOffsets(topic)).find(p => p.partition === partition)
      return [Number(found.low), Number(found.high)]
    }),

    // It answers with the end of the log where there is no record so late, and keeps the timestamp found to itself.
    offsets_for_times: ({ topic, partition, timestamps }) => admin(async one => {
      const end = Number((await one.fetchTopicOffsets(topic)).find(p => p.partition === partition).high)
      const found = []
      for (const at of timestamps) {
        const { offset } = (await one.fetchTopicOffsetsByTimestamp(topic, at)).find(p => p.partition === partition)
        found.push(Number(offset) === end ? null : [Number(offset), null])
      }
      return found
    }),

    async pause({ topic }) {
      let partitions = new Set()
      const reading = new Reading(kafka, topic, partition => partitions.add(partition))
      try {
        const started = reading.start()
        await reading.consumer.connect()
        reading.consumer.on(reading.consumer.events.GROUP_JOIN, () => reading.consumer.pause([{ topic, partitions: [1] }]))
        await started
        const seen = []
        for (let round = 0; round < 2; round++) {
          // The first round begins with a group to join.
          if (round === 0) await until(() => partitions.size > 0, 20_000)
          await sleep(2000)
          seen.push([...partitions].sort())
          partitions.clear()
          reading.consumer.resume([{ topic, partitions: [1] }])
        }
        return seen
      } finally {
        await reading.stop()
      }
    },

    async commit({ group, topic, partition, offset, metadata }) {
      // The offset is committed by a member, as the admin's setOffsets takes no metadata.
      const consumer = kafka.consumer({ groupId: group, maxWaitTimeInMs: 50 })
      await consumer.connect()
      await consumer.subscribe({ topic })
      const joined = new Promise(resolve => consumer.on(consumer.events.GROUP_JOIN, resolve))
      await consumer.run({ autoCommit: false, eachBatch: async () => {}, eachBatchAutoResolve: false })
      await joined
      await consumer.commitOffsets([{ topic, partition, offset: String(offset), metadata }])
      await consumer.disconnect()
      return admin(async one => {
        const found = await one.fetchOffsets({ groupId: group, topics: [topic] })
        const again = found[0].partitions.find(p => p.partition === partition)
        return [Number(again.offset), again.metadata]
      })
    },

    list_topics: () => admin(async one => (await one.listTopics()).sort()),

    partitions_for_topic: ({ topic }) => admin(async one =>
      (await one.fetchTopicMetadata({ topics: [topic] })).topics[0].partitions.map(p => p.partitionId).sort((a, b) => a - b)),

    create_topic: ({ topic, partitions, configs }) => admin(async one => {
      // It answers false, not an error, if the topic exists.
      const configEntries = Object.entries(configs).map(([name, value]) => ({ name, value }))
      const made = await one.createTopics({ topics: [{ topic, numPartitions: partitions, configEntries }], waitForLeaders: false })
      if (!made) throw new Error('exists already')
    }),

    delete_topic: ({ topic }) => admin(one => one.deleteTopics({ topics: [topic] })),

    create_partitions: ({ topic, total, validateOnly = false }) => admin(async one => {
      try {
        await one.createPartitions({ topicPartitions: [{ topic, count: total }], validateOnly })
      } catch (error) {
        throw new Error(`${error.type || (error.errors || []).map(e => e.type)} ${error.message}`)
      }
    }),

    describe_configs: ({ topic, kind = 'topic' }) => admin(async one => {
      const type = ConfigResourceTypes[kind.toUpperCase()]
      const answer = await one.describeConfigs({ resources: [{ type, name: topic }], includeSynonyms: false })
      return Object.fromEntries(answer.resources[0].configEntries.map(entry => [entry.configName, entry.configValue]))
    }),

    list_groups: () => admin(async one => (await one.listGroups()).groups.map(g => g.groupId).sort()),

    describe_group: ({ group }) => admin(async one => {
      const found = (await one.describeGroups([group])).groups[0]
      return { state: found.state, members: found.members.length }
    }),

    replace_configs: ({ topic, configs, kind = 'topic', validateOnly = false }) => admin(async one => {
      const configEntries = Object.entries(configs).map(([name, value]) => ({ name, value }))
      await one.alterConfigs({ validateOnly, resources: [{ type: ConfigResourceTypes[kind.toUpperCase()], name: topic, configEntries }] })
    }),

    alter_config({ key, value, ...request }) {
      return this.replace_configs({ ...request, configs: { [key]: value } })
    },

    check_config(request) {
      return this.alter_config({ ...request, validateOnly: true })
    },

    check_partitions(request) {
      return this.create_partitions({ ...request, validateOnly: true })
    },

    check_topic: ({ topic, partitions }) => admin(async one => {
      await one.createTopics({ topics: [{ topic, numPartitions: partitions }], validateOnly: true, waitForLeaders: false })
    }),

    group_offsets: ({ group, topic }) => admin(async one => {
      const [found] = await one.fetchOffsets({ groupId: group, topics: [topic] })
      return Object.fromEntries(found.partitions.filter(p => Number(p.offset) >= 0).map(p => [p.partition, Number(p.offset)]))
    }),

    set_group_offset: ({ group, topic, partition, offset }) => admin(async one => {
      await one.setOffsets({ groupId: group, topic, partitions: [{ partition, offset: String(offset) }] })
    }),

    // All partitions of the topic, not one alone.
    reset_group_offset: ({ group, topic }) => admin(async one => { await one.resetOffsets({ groupId: group, topic, earliest: true }) }),

    reassign: ({ topic, partition, replicas }) => admin(async one => {
      await one.alterPartitionReassignments({ topics: [{ topic, partitionAssignment: [{ partition, replicas }] }] })
    }),

    create_acl: () => admin(async one => {
      await one.createAcls({ acl: [{
        resourceType: AclResourceTypes.TOPIC, resourceName: 'any', resourcePatternType: ResourcePatternTypes.LITERAL,
        principal: 'User:me', host: '*', operation: AclOperationTypes.READ, permissionType: AclPermissionTypes.ALLOW,
      }] })
    }),

    delete_acls: () => admin(async one => {
      await one.deleteAcls({ filters: [{
        resourceType: AclResourceTypes.ANY, resourcePatternType: ResourcePatternTypes.ANY,
        operation: AclOperationTypes.ANY, permissionType: AclPermissionTypes.ANY,
      }] })
    }),

    // It keeps the low watermark to itself: the answer is where the partition begins afterwards.
    delete_records: ({ topic, partition, before }) => admin(async one => {
      await one.fetchTopicOffsets(topic) // or its metadata is "not loaded"
      await one.deleteTopicRecords({ topic, partitions: [{ partition, offset: String(before) }] })
      return Number((await one.fetchTopicOffsets(topic)).find(p => p.partition === partition).low)
    }),

    describe_cluster: () => admin(async one => (await one.describeCluster()).brokers.length),

    reassignments: () => admin(async one => (await one.listPartitionReassignments({})).topics.length),

    acls: () => admin(async one =>
      (await one.describeAcls({ resourceType: 1, resourcePatternType: 1, operation: 1, permissionType: 1 })).resources.length),

    delete_group: ({ group }) => admin(async one => { await one.deleteGroups([group]) }),
  }
}

async function member(bootstrap, { group, topic, session_ms: sessionTimeout, reset }) {
  const consumer = client(bootstrap).consumer({ groupId: group, sessionTimeout, heartbeatInterval: 500, maxWaitTimeInMs: 100, retry: { retries: 100, initialRetryTime: 50, maxRetryTime: 500 } })
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) =>
    emit({ event: 'assigned', partitions: payload.memberAssignment[topic] || [], generation: null }))
  process.stdin.resume().on('end', () => consumer.disconnect().then(() => process.exit(0)))
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: reset !== 'latest' })
  await consumer.run({
    autoCommit: false,
    eachBatch: async ({ batch: { partition, messages } }) => {
      const offsets = messages.map(m => Number(m.offset))
      const next = offsets[offsets.length - 1] + 1
      emit({ event: 'read', offsets: { [partition]: offsets } })
      await consumer.commitOffsets([{ topic, partition, offset: String(next) }])
      emit({ event: 'committed', offsets: { [partition]: next } })
    },
  })
}

main(calls, member)
