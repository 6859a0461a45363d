// The process whose memory is measured: it runs only the store and its load.
import { setTimeout as sleep } from 'node:timers/promises'
import { fillEvents } from './fill.mjs'
import { randomSource, runAll } from './load.mjs'
import { mixedCall } from './mixed-load.mjs'
import { openStore } from './store.mjs'
import { eventOf, operations } from './workloads.mjs'
import { serve } from './serve.mjs'

const SAMPLE_MS = 1000

let store
let calls = 0

function sample(start) {
  const { rss, heapUsed, external } = process.memoryUsage()
  return { ms: performance.now() - start, rss, heapUsed, external, calls }
}

/** The memory that remains after garbage collection. */
async function collected() {
  await sleep(200)
  globalThis.gc()
  globalThis.gc()
  return process.memoryUsage().heapUsed
}

async function load(callers, keys, ms) {
  const random = randomSource(42)
  const deadline = performance.now() + ms
  const loop = async () => {
    while (performance.now() < deadline) await mixedCall(store, keys, random, calls++)
  }
  await Promise.all(Array.from({ length: callers }, loop))
}

const actions = {
  async open({ url, source, keys }) {
    store = await openStore(source, url)
    for (const name of ['add', 'kv-set', 'increment']) {
      const { needs } = operations[name]
      await runAll(name === 'increment' ? 1 : keys, 256, n => needs.fill(store, n, n))
    }
    await fillEvents.ours({ url, api: store }, 0, keys)
    // Creates the table of the subject type now, so that the load is constant afterwards.
    await store.stream.append('orders:shared', eventOf(0))
    await store.stream.subscribe('orders:shared', () => {})
  },
  /** Warms up, then runs the load and reports the memory every second. */
  async run({ callers, keys, warmMs, ms }) {
    await load(callers, keys, warmMs)
    const before = await collected()
    const start = performance.now()
    calls = 0
    const timer = setInterval(() => process.send({ report: sample(start) }), SAMPLE_MS)
    await load(callers, keys, ms)
    clearInterval(timer)
    process.send({ report: sample(start) })
    return { before, after: await collected() }
  },
  close: () => store?.close(),
}

serve(actions)
