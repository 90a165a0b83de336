// The step `traffic` of session.js: one producer and one consumer of a group that work side by side. python/drivers/traffic.py tells how,
// and what is answered.
'use strict'

// Between two records, and before what failed is sent again.
const EVERY = 70
const BACKOFF = 200

const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))

class Traffic {
  constructor({ duration, patience }) {
    this.duration = duration * 1000
    this.patience = patience * 1000
    // It begins when the first record is acknowledged, which must be soon.
    this.until = Date.now() + this.patience
    this.answer = { sent: 0, read: [], errors: [], again: [] }
    this.seen = new Set()
  }

  failed(which, { name, message }) {
    this.answer.errors.push(`${which}: ${name}: ${message}`)
  }

  isLate() {
    return Date.now() > this.until + this.patience
  }

  take(value) {
    this.answer.read.push(Number(value.toString()))
    this.seen.add(Number(value.toString()))
  }

  // Writes as long as the traffic lasts; send(value) resolves once the record is acknowledged.
  async write(send) {
    while (Date.now() < this.until) {
      await this.acknowledged(send)
      if (this.answer.sent === 0) this.until = Date.now() + this.duration
      this.answer.sent++
      await sleep(EVERY)
    }
  }

  async acknowledged(send) {
    for (;;) {
      try {
        return await send(`${this.answer.sent}`)
      } catch (error) {
        this.failed('producer', error)
        if (this.isLate()) throw error
        this.answer.again.push(this.answer.sent)
        await sleep(BACKOFF)
      }
    }
  }

  // Resolves once everything that was acknowledged is read, or it is late.
  async readAll() {
    while (!this.isLate() && this.seen.size < this.answer.sent) await sleep(50)
  }
}

module.exports = { Traffic }
