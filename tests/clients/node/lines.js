// The drivers' side of the conversation: requests in, answers out, one line of JSON each (python/drivers/lines.py has the same).
'use strict'

const readline = require('node:readline')

// With acks=0 a client closes without an answer to wait for, and some close the socket on bytes not yet sent.
const SETTLE = 300

const emit = message => process.stdout.write(JSON.stringify(message) + '\n')
const say = text => process.stderr.write(text + '\n')
const pack = data => (data === null || data === undefined ? null : Buffer.from(data).toString('base64'))
const unpack = text => (text === null ? null : Buffer.from(text, 'base64'))
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))

// A header whose name comes several times is one name with several values.
function headersIn(headers) {
  const found = {}
  for (const [name, value] of headers) {
    const one = unpack(value)
    found[name] = name in found ? [].concat(found[name], [one]) : one
  }
  return found
}

// Answers each request by the function of its name, until stdin ends.
async function serve(operations) {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { op, ...request } = JSON.parse(line)
    try {
      if (!operations[op]) throw new Error(`${op}: this library has no call for it`)
      const answer = await operations[op](request)
      emit({ ok: answer === undefined ? null : answer })
    } catch (error) {
      say(error.stack)
      // What failed in detail is in different places.
      const details = [error.errors, error.groups, error.partitions, (error.cause || {}).partitions].flatMap(found => found || [])
      const parts = details.map(one => one.error || one).map(one => `; ${one.type}: ${one.message}`)
      emit({ error: `${error.name}: ${error.message}${parts.join('')}` })
    }
  }
  process.exit(0)
}

// DRIVER calls|member BOOTSTRAP SETTINGS
function main(calls, member) {
  const [mode, bootstrap, settings] = process.argv.slice(2)
  if (mode === 'member') {
    member(bootstrap, JSON.parse(settings)).catch(error => emit({ error: `${error.name}: ${error.message}` }))
  } else {
    serve(calls(bootstrap))
  }
}

// A logger as kafka-javascript takes it: warnings and errors go to stderr.
const logger = {
  info: () => {}, debug: () => {}, warn: say, error: say, setLogLevel: () => {}, namespace: () => logger,
}

module.exports = { SETTLE, emit, say, logger, pack, unpack, headersIn, sleep, main }
