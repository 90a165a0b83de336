// Clients of Node on listeners with TLS and logins: cases in and answers out, as python/drivers/session.py has them.
//
//   session.js LIBRARY <cases >answers
'use strict'

const fs = require('fs')
const { Traffic } = require('./traffic')

const RECORDS = 20
// The last one is longer than TLS takes at a time.
const MESSAGES = Array.from({ length: RECORDS }, (_, number) => ({ value: number < RECORDS - 1 ? `record ${number}` : Buffer.alloc(300_000) }))

const read = file => file && fs.readFileSync(file, 'utf8')
const encrypted = asked => asked.protocol.endsWith('SSL')

function login(asked) {
  if (!asked.mechanism) return undefined
  const mechanism = asked.mechanism.toLowerCase()
  if (mechanism !== 'oauthbearer') return { mechanism, username: asked.user, password: asked.password }
  // The second library wants to know who it is, and until when.
  const oauthBearerProvider = async () => ({ value: read(asked.token), principal: 'client', lifetime: Date.now() + 600_000 })
  return { mechanism, oauthBearerProvider }
}

function kafkajs(asked) {
  const { Kafka, logLevel } = require('kafkajs')
  const ssl = encrypted(asked) && { ca: [read(asked.ca)], cert: read(asked.cert), key: read(asked.key) }
  // It logs in again when less than this is left, 10 s by default: before every request if a login is shorter.
  const reauthenticationThreshold = asked.life_ms && Math.round(asked.life_ms / 3)
  const kafka = new Kafka({ brokers: [asked.bootstrap], ssl, sasl: login(asked), logLevel: logLevel.NOTHING, reauthenticationThreshold })
  return {
    kafka,
    consumer: () => kafka.consumer({ groupId: asked.group, maxWaitTimeInMs: 100 }),
    subscription: { topic: asked.topic, fromBeginning: true },
  }
}

function confluent(asked) {
  const { Kafka } = require('@confluentinc/kafka-javascript').KafkaJS
  const files = { 'ssl.ca.location': asked.ca, 'ssl.certificate.location': asked.cert, 'ssl.key.location': asked.key }
  const given = Object.fromEntries(Object.entries(files).filter(([, file]) => file))
  // It takes a key without a value for a login.
  const sasl = login(asked)
  // Its consumer logs what keeps it from its group, and tries again.
  const logged = []
  const logger = { setLogLevel() {}, info() {}, warn() {}, error: text => logged.push(text), debug() {}, namespace: () => logger }
  const kafka = new Kafka({ kafkaJS: { brokers: [asked.bootstrap], ssl: encrypted(asked), ...(sasl && { sasl }), logger }, ...given })
  return {
    logged,
    kafka,
    consumer: () => kafka.consumer({ kafkaJS: { groupId: asked.group, fromBeginning: true } }),
    subscription: { topic: asked.topic },
  }
}

async function create({ kafka }, asked) {
  const admin = kafka.admin()
  await admin.connect()
  try {
    await admin.createTopics({ topics: [{ topic: asked.topic, numPartitions: 1 }], timeout: 30_000 })
  } finally {
    await admin.disconnect()
  }
}

async function produce({ kafka }, asked) {
  const producer = kafka.producer()
  await producer.connect()
  try {
    await producer.send({ topic: asked.topic, messages: MESSAGES })
  } finally {
    await producer.disconnect()
  }
}

async function consume({ consumer: make, subscription }) {
  const consumer = make()
  await consumer.connect()
  await consumer.subscribe(subscription)
  const values = []
  await new Promise((resolve, reject) => {
    const eachMessage = async ({ message: { value } }) => {
      values.push(value.length > 100 ? `${value.length} bytes` : value.toString())
      if (values.length === RECORDS) resolve()
    }
    // An error that ends the run, which KafkaJS tells of by this event alone; the other library has none.
    if (process.argv[2] === 'kafkajs') consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error))
    consumer.run({ eachMessage }).catch(reject)
  })
  await consumer.disconnect()
  return values.sort()
}

async function traffic({ kafka, consumer: make, subscription }, asked) {
  const producer = kafka.producer()
  const consumer = make()
  await Promise.all([producer.connect(), consumer.connect()])
  await consumer.subscribe(subscription)
  const flow = new Traffic(asked)
  // What ends the run of KafkaJS's consumer, which it begins again by itself if that may help.
  if (process.argv[2] === 'kafkajs') consumer.on(consumer.events.CRASH, ({ payload }) => flow.failed('consumer', payload.error))
  consumer.run({ eachMessage: async ({ message }) => flow.take(message.value) }).catch(error => flow.failed('consumer', error))
  await flow.write(value => producer.send({ topic: asked.topic, messages: [{ value }] }))
  await flow.readAll()
  await Promise.all([producer.disconnect(), consumer.disconnect()])
  return flow.answer
}

const STEPS = { create, produce, consume }

function patiently(promise, seconds) {
  const late = new Promise((_, reject) => setTimeout(() => reject(new Error(`not within ${seconds} s`)), seconds * 1000))
  return Promise.race([promise, late])
}

async function run(asked) {
  const answer = { case: asked.case }
  const began = Date.now()
  let step = 'start'
  let client = {}
  try {
    client = { kafkajs, 'kafka-javascript': confluent }[process.argv[2]](asked)
    for (step of asked.steps) {
      if (step === 'traffic') {
        Object.assign(answer, await traffic(client, asked))
        continue
      }
      const values = await patiently(STEPS[step](client, asked), asked.patience)
      if (values) answer.read = values
    }
  } catch (error) {
    // Errors of several topics are in one.
    const told = [error, ...(error.errors || [])].map(({ name, message }) => `${name}: ${message}`)
    if (client.logged?.length) told.push(`logged: ${client.logged.at(-1)}`)
    Object.assign(answer, { error: told.join(' / '), step })
  }
  answer.seconds = (Date.now() - began) / 1000
  process.stdout.write(`${JSON.stringify(answer)}\n`)
}

// A client that failed to connect keeps trying, and rejects what no one awaits any more.
process.on('unhandledRejection', () => {})
const cases = fs.readFileSync(0, 'utf8').trim().split('\n').map(line => JSON.parse(line))
Promise.all(cases.map(run)).then(() => process.stdout.write('', () => process.exit()))
