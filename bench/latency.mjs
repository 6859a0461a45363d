// (f) The time from a commit to the callback of a subscription: in the same process, notified by another process, polling.
import { setTimeout as sleep } from 'node:timers/promises'
import { bundleStores, numbers, readFlags } from './lib/flags.mjs'
import { randomSource } from './lib/load.mjs'
import { describeMachine } from './lib/machine.mjs'
import { bullets, milliseconds, table, whole } from './lib/report.mjs'
import { createDatabase, startPostgres, stopAll } from './lib/servers.mjs'
import { openStore } from './lib/store.mjs'

const flags = readFlags({
  events: { full: 500, quick: 100, help: 'events of each case' },
  subscribers: { full: '1,1000', help: 'how many subscriptions' },
  server: { full: '15', help: 'which version of PostgreSQL' },
})

// Stores with separate pools communicate only through the database, like separate processes.
const CASES = {
  'same process': { reader: false, notify: true },
  'NOTIFY': { reader: true, notify: true },
  'polling every 250 ms': { reader: true, notify: false },
}

async function measureCase(source, server, { reader, notify }, subscribers, at) {
  const url = await createDatabase(server, `latency_${at}`)
  const writer = await openStore(source, url, { notify })
  const store = reader ? await openStore(source, url, { notify }) : writer
  const random = randomSource(at + 1)
  const committed = new Map()
  const seen = []
  for (let n = 0; n < subscribers; n++) await store.stream.subscribe(`orders:${n}`, ({ id }) => seen.push([id, performance.now()]))
  await sleep(200)
  for (let n = 0; n < flags.events; n++) {
    const { id } = await writer.stream.append(`orders:${random(subscribers)}`, { type: 'placed', data: { total: n } })
    committed.set(id, performance.now())
    await sleep(random(20))
  }
  while (seen.length < flags.events) await sleep(10)
  await Promise.all([writer.close(), store.close()])
  return seen.map(([id, at]) => Math.max(0, at - committed.get(id))).sort((a, b) => a - b)
}

async function measure() {
  const [source] = await bundleStores(flags)
  const server = await startPostgres(flags.server)
  const rows = []
  for (const subscribers of numbers(flags.subscribers)) {
    for (const [name, given] of Object.entries(CASES)) {
      const latencies = await measureCase(source, server, given, subscribers, rows.length)
      const at = share => milliseconds(latencies[Math.floor((latencies.length - 1) * share)])
      rows.push([name, whole(subscribers), at(0.5), at(0.95), at(1)])
    }
  }
  console.log([
    bullets(describeMachine({ servers: [server], stores: [source] })),
    table(['woken by', 'subscriptions', 'median', '95 %', 'worst'], rows),
  ].join('\n\n'))
}

try {
  await measure()
}
finally {
  await stopAll()
}
process.exit()
