// (e) The gap-safe global order compared with a reader that simply reads ids greater than the last one it has seen.
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { bundleStores, readFlags } from './lib/flags.mjs'
import { randomSource, runAll } from './lib/load.mjs'
import { describeMachine } from './lib/machine.mjs'
import { bullets, milliseconds, table, whole } from './lib/report.mjs'
import { createDatabase, startPostgres, stopAll } from './lib/servers.mjs'
import { openStore } from './lib/store.mjs'

const flags = readFlags({
  writers: { full: 16, help: 'how many transactions at a time' },
  seconds: { full: 8, quick: 3, help: 'how long each reader follows' },
  rounds: { full: 5, quick: 2, help: 'rounds of each reader' },
  events: { full: 200000, quick: 20000, help: 'events that are read back' },
  server: { full: '15', help: 'which version of PostgreSQL' },
})

const PAGE = 500
// A reader without pauses would use the CPU time of the writers.
const LOOK_MS = 2

/** The strategies: each reads events after a position, oldest first. */
function readersOf(store, pool) {
  return {
    'id > checkpoint': async function* (after) {
      for (;;) {
        const { rows } = await pool.query({
          name: 'unsafe', values: [after, PAGE],
          text: 'select id, subject, ts, type, data, rest from nvent_events where tenant_id = \'\' and id > $1 order by id limit $2',
        })
        for (const row of rows) yield (after = row.id)
        if (rows.length < PAGE) return
      }
    },
    'readAll': async function* (after) {
      for await (const { event } of store.stream.readAll({ after })) yield event.id
    },
  }
}

async function follow(name, { store, readers, url }) {
  const committed = new Map()
  const seen = new Map()
  let [writing, committing] = [true, true]
  const newest = async () => (await store.stream.append('orders:start', { type: 'start' })).id
  const start = await newest()
  const write = async (writer) => {
    const random = randomSource(writer + 1)
    while (writing) {
      await store.transaction(async (tx) => {
        if (writer % 2 === 0) await tx.query('select pg_current_xact_id()')
        const ids = []
        for (let left = 1 + random(3); left > 0; left--) ids.push((await tx.stream.append(`orders:${writer}:${random(4)}`, { type: 'placed', data: { total: writer } })).id)
        if (random(4) === 0) await sleep(random(10))
        if (random(10) === 0) throw new Error('rolled back')
        return ids
      }).then(ids => ids.forEach(id => committed.set(id, performance.now())), () => {})
    }
  }
  const stranger = new pg.Client({ connectionString: url })
  await stranger.connect()
  await stranger.query('begin; create temporary table stranger (id int)')
  const writers = Promise.all(Array.from({ length: flags.writers }, (_, writer) => write(writer)))
  const reading = (async () => {
    let after = start
    for (let last = false; !last; await sleep(LOOK_MS)) {
      last = !committing
      for await (const id of readers[name](after)) {
        seen.set(id, performance.now())
        after = id
      }
    }
  })()
  await sleep(flags.seconds * 1000)
  writing = false
  await writers
  await stranger.end()
  await sleep(100)
  committing = false
  await reading
  const lags = [...seen].filter(([id]) => committed.has(id)).map(([id, at]) => Math.max(0, at - committed.get(id))).sort((a, b) => a - b)
  return { committed: committed.size, read: [...committed.keys()].filter(id => seen.has(id)).length, lags }
}

/** Reads all events. @returns {Promise<number>} events a second */
async function readBack(read) {
  const start = performance.now()
  let events = 0
  for await (const id of read('0')) events += id ? 1 : 0
  return events / (performance.now() - start) * 1000
}

const median = values => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]
const sum = values => values.reduce((total, value) => total + value, 0)

async function measure() {
  const [source] = await bundleStores(flags)
  const server = await startPostgres(flags.server)
  const url = await createDatabase(server, 'ours')
  const store = await openStore(source, url, { poolSize: flags.writers + 4 })
  const pool = new pg.Pool({ connectionString: url, max: 2 })
  const readers = readersOf(store, pool)
  const names = Object.keys(readers)
  const live = Object.fromEntries(names.map(name => [name, []]))
  const back = Object.fromEntries(names.map(name => [name, []]))
  for (let round = 0; round < flags.rounds; round++) {
    for (const name of round % 2 ? [...names].reverse() : names) live[name].push(await follow(name, { store, readers, url }))
  }
  await runAll(flags.events / 1000, 4, n => store.stream.appendMany(`orders:${n}`, Array.from({ length: 1000 }, () => ({ type: 'placed', data: { total: n } }))))
  await pool.query('vacuum analyze nvent_events')
  for (let round = 0; round < flags.rounds; round++) {
    for (const name of round % 2 ? [...names].reverse() : names) back[name].push(await readBack(readers[name]))
  }
  await store.close()
  await pool.end()
  const ratio = results => median(results.readAll.map((value, at) => value / results['id > checkpoint'][at]))
  const rates = Object.fromEntries(names.map(name => [name, live[name].map(({ read }) => read / flags.seconds)]))
  console.log([
    bullets(describeMachine({ servers: [server], stores: [source] })),
    `${flags.writers} writers, 1 to 3 appends a transaction, 10 % rolled back, half with an earlier transaction id, a foreign transaction open.`,
    table(['reader', 'committed', 'read', 'skipped', 'lag, median', 'lag, 99 %', 'lag, worst', 'reading back'], names.map((name) => {
      const [committed, read] = ['committed', 'read'].map(member => sum(live[name].map(result => result[member])))
      const lags = live[name].flatMap(result => result.lags).sort((a, b) => a - b)
      const at = share => milliseconds(lags[Math.floor((lags.length - 1) * share)])
      return [name, whole(committed), whole(read), whole(committed - read), at(0.5), at(0.99), at(1), `${whole(median(back[name]))} events/s`]
    })),
    `readAll ÷ id > checkpoint: ${ratio(rates).toFixed(2)} while following, ${ratio(back).toFixed(2)} when reading back.`,
  ].join('\n\n'))
}

try {
  await measure()
}
finally {
  await stopAll()
}
process.exit()
