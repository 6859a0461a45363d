// A mixed load with several autovacuum settings, and the cost of reads afterwards.
import { setTimeout as sleep } from 'node:timers/promises'
import { randomSource, runAll, startSlice } from './load.mjs'
import { runRounds } from './rounds.mjs'
import { createDatabase, query } from './servers.mjs'
import { openStore } from './store.mjs'
import { pagesSeen, tableCounts, untilAlone, walBytes } from './tables-counts.mjs'
import { workloads } from './tables-workloads.mjs'
import { operations } from './workloads.mjs'

export const UPDATED = ['heads', 'kv', 'flow_runs', 'flows', 'entry_counts']
const APPENDED = ['flow_events']
const TABLES = [...UPDATED, ...APPENDED]
const FLOWS = 200
const SAMPLE_MS = 500

/** Storage parameters of the updated tables, and of the append-only one. */
export const settings = [
  { name: 'defaults' },
  // Shows the effect of autovacuum as such.
  { name: 'no autovacuum', updated: { autovacuum_enabled: false } },
  { name: 'scale factor 0.05', updated: { autovacuum_vacuum_scale_factor: 0.05 } },
  { name: 'scale factor 0.01, threshold 200', updated: { autovacuum_vacuum_scale_factor: 0.01, autovacuum_vacuum_threshold: 200 } },
  { name: 'cost delay 0', updated: { autovacuum_vacuum_cost_delay: 0 } },
  { name: 'scale factor 0.01, threshold 200, cost delay 0', updated: { autovacuum_vacuum_scale_factor: 0.01, autovacuum_vacuum_threshold: 200, autovacuum_vacuum_cost_delay: 0 } },
  { name: 'analyze scale factor 0.02', updated: { autovacuum_analyze_scale_factor: 0.02 } },
  { name: 'insert scale factor 0.05 of events', appended: { autovacuum_vacuum_insert_scale_factor: 0.05 } },
  { name: 'insert scale factor 0.01 of events', appended: { autovacuum_vacuum_insert_scale_factor: 0.01 } },
]

/** How many of twenty calls are of each kind. New entries add rows to entry_counts. */
const mix = (entries) => {
  const { call: append } = workloads.append
  const fresh = (store, n, i) => store.index.add(`orders-${n % FLOWS}`, `order-${i}`, i, { status: 'placed' })
  const flow = workloads['flow-run'].call
  const parts = [[workloads['kv-set'].call, 7], [append, 5], [workloads['run-status'].call, 4], [(store, n, i) => flow(store, n % FLOWS, i), 2], [fresh, 2]]
  const deck = parts.flatMap(([call, share]) => Array.from({ length: share }, () => call))
  return (store, random, i) => deck[random(deck.length)](store, random(entries), i)
}

/** Page reads are slow: a fifth of the calls is enough for a count. */
export const reads = {
  'kv.get': { share: 1, call: (store, n) => operations['kv-get'].call(store, n) },
  'index.get': { share: 1, call: (store, n) => operations.get.call(store, n) },
  'index.read 50': { share: 0.2, call: (store, n) => operations['index-read'].call(store, n) },
  'stream.read 10': { share: 0.2, call: (store, n) => store.stream.read(`nvent:flow:run:sub-${n}`, { limit: 10 }) },
  'index.count': { share: 0.2, call: (store, n) => store.index.count(`orders-${n % FLOWS}`) },
}

let databases = 0

/** @param {{ server: any, source: any, callers: number, sweepMs: number }} given */
async function load({ server, source, callers, sweepMs }, { name, updated, appended }, entries, calls) {
  const url = await createDatabase(server, `vacuum_${databases++}`)
  const store = await openStore(source, url, { sweepInterval: sweepMs })
  await setAll(url, UPDATED, updated)
  await setAll(url, APPENDED, appended)
  await runAll(FLOWS, callers, n => workloads['flow-run'].fill(store, n))
  for (const of of ['append', 'run-status', 'kv-set']) await runAll(entries, callers, n => workloads[of].fill(store, n))
  await query(url, 'vacuum analyze')
  await query(url, 'checkpoint')
  const before = await countAll(url)
  const samples = []
  let ended = false
  const sampling = (async () => {
    while (!ended) {
      samples.push(await countAll(url))
      await sleep(SAMPLE_MS)
    }
  })()
  const wal = await walBytes(url)
  const random = randomSource(7)
  const call = mix(entries)
  await runAll(calls, callers, i => call(store, random, entries + i))
  ended = true
  await sampling
  const written = await walBytes(url) - wal
  // From here on, the tables stay as the load has left them.
  await setAll(url, TABLES, { autovacuum_enabled: false })
  await store.close()
  await untilAlone(url)
  const after = await countAll(url)
  const tables = Object.fromEntries(TABLES.map((table) => {
    const dead = samples.map(sample => sample[table].dead)
    const grown = member => after[table][member] - before[table][member]
    return [table, {
      dead: dead.reduce((sum, n) => sum + n, 0) / dead.length, most: Math.max(...dead), live: after[table].live,
      vacuums: grown('vacuums'), analyzes: grown('analyzes'), hot: grown('updated') ? grown('hot') / grown('updated') : undefined,
      filled: before[table].size + before[table].indexes, size: after[table].size, indexes: after[table].indexes,
    }]
  }))
  return { name, url, tables, wal: written / calls }
}

/**
 * Runs the load on one database after the other, then reads from all of them in rounds.
 * @param {{ server: any, source: any, callers: number, rounds: number, readCalls: number, sweepMs: number }} given
 */
export async function compareVacuum(given, entries, calls) {
  const loaded = []
  for (const setting of settings) {
    loaded.push(await load(given, setting, entries, calls))
    console.error(`${setting.name}, ${entries} entries: ${Math.round(loaded.at(-1).wal)} bytes of WAL a call`)
  }
  const stores = await Promise.all(loaded.map(({ url }) => openStore(given.source, url, { sweepInterval: 0 })))
  const read = {}
  for (const [name, { share, call }] of Object.entries(reads)) {
    const count = given.readCalls * share
    const run = async (at) => {
      const random = randomSource(11)
      const end = startSlice()
      await runAll(count, given.callers, () => call(stores[at], random(entries)))
      return end(count)
    }
    for (const at of stores.keys()) await run(at)
    const results = await runRounds([...stores.keys()], given.rounds, run)
    read[name] = results.map(({ rates }) => ({ rates }))
  }
  for (const store of stores) await store.close()
  for (const [at, { url }] of loaded.entries()) await countPages(given, url, entries, name => read[name][at])
  for (const { url } of loaded) await query(given.server.url, `drop database "${new URL(url).pathname.slice(1)}"`)
  return { entries, calls, loaded: loaded.map(({ name, tables, wal }) => ({ name, tables, wal })), read }
}

/** Uses a separate store for each kind of read, as the counters of sessions are complete only after these have ended. */
async function countPages({ source, callers, readCalls }, url, entries, resultOf) {
  for (const [name, { share, call }] of Object.entries(reads)) {
    await untilAlone(url)
    const pages = await pagesSeen(url)
    const store = await openStore(source, url, { sweepInterval: 0 })
    const random = randomSource(11)
    await runAll(readCalls * share, callers, () => call(store, random(entries)))
    await store.close()
    await untilAlone(url)
    resultOf(name).pages = (await pagesSeen(url) - pages) / readCalls / share
  }
}

const countAll = async url => Object.fromEntries(await Promise.all(TABLES.map(async table => [table, await tableCounts(url, table)])))

async function setAll(url, tables, options) {
  if (!options) return
  const list = Object.entries(options).map(([name, value]) => `${name} = ${value}`).join(', ')
  for (const table of tables) await query(url, `alter table "nvent_${table}" set (${list})`)
}
