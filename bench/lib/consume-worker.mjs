// One process of a contestant: executes the messages of its parent, one after the other.
import { setTimeout as sleep } from 'node:timers/promises'
import { openConsumingStore } from './consume-store.mjs'
import { clock, createTally } from './consume-tally.mjs'
import { serve } from './serve.mjs'

let contestant
let tally

async function open(description) {
  if (description.kind === 'store') return openConsumingStore(description)
  // Only the processes of peers load them.
  const peers = await import('./consume-peers.mjs')
  return peers[description.kind](description)
}

/** Adds items at a steady rate. @returns {Promise<[number, number][]>} each with the time when it was committed */
async function produce({ from, count, rate }) {
  const start = clock()
  const adding = []
  for (let n = 0; n < count; n++) {
    const early = start + n * 1000 / rate - clock()
    if (early > 1) await sleep(early)
    adding.push(contestant.add(from + n).then(() => [from + n, clock()]))
  }
  return Promise.all(adding)
}

const actions = {
  async open(description) {
    contestant = await open(description)
  },
  fill: (from, count) => contestant.fill(from, count),
  produce,
  async join(work) {
    tally = createTally(work)
    await contestant.join(work, tally.handle)
  },
  isReady: processes => contestant.isReady?.(processes) ?? true,
  async resume() {
    tally.begin()
    await contestant.resume()
  },
  handled: () => tally.handled(),
  async pause() {
    await contestant.pause()
  },
  take: () => tally.take(),
  close: () => contestant?.close(),
}

serve(actions)
