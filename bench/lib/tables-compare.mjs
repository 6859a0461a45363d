// The same number of calls on the same table with several settings, each in a new database.
import { randomSource, runAll, startSlice } from './load.mjs'
import { settle } from './multiply.mjs'
import { runRounds } from './rounds.mjs'
import { createDatabase, query } from './servers.mjs'
import { openStore } from './store.mjs'
import { tableCounts, untilAlone, walBytes } from './tables-counts.mjs'

let databases = 0

/**
 * @typedef {{ name: string, sql: string }} Variant `sql` runs before anything is written
 * @param {{ server: any, source: any, callers: number, calls: number, rounds: number }} setting
 * @param {import('./tables-workloads.mjs').Workload} workload
 * @param {number} entries
 * @param {Variant[]} variants
 */
export async function compare({ server, source, callers, calls, rounds }, workload, entries, variants, table = workload.table) {
  const opened = []
  for (const { name, sql } of variants) {
    const url = await createDatabase(server, `tables_${databases++}`)
    const store = await openStore(source, url, { sweepInterval: 0 })
    if (sql) await query(url, sql)
    if (workload.fill) await runAll(entries, callers, n => workload.fill(store, n))
    opened.push({ name, url, store, random: randomSource(42), wal: 0, made: 0 })
  }
  // After a checkpoint, each page is written to the WAL as a whole once, as in production.
  for (const { url } of opened) await settle(url)
  const before = await Promise.all(opened.map(({ url }) => tableCounts(url, table)))
  const results = await runRounds(opened, rounds, async (variant) => {
    const { url, store, random } = variant
    const wal = await walBytes(url)
    const end = startSlice()
    await runAll(calls, callers, () => workload.call(store, random(entries), entries + variant.made++))
    const slice = end(calls)
    // Vacuum is part of the cost of the writes.
    await query(url, `vacuum "nvent_${table}"`)
    variant.wal += await walBytes(url) - wal
    return slice
  })
  for (const { store, url } of opened) await store.close().then(() => untilAlone(url))
  const outcomes = []
  for (const [at, { name, url, wal }] of opened.entries()) {
    const after = await tableCounts(url, table)
    const updated = after.updated - before[at].updated
    outcomes.push({
      name, rates: results[at].rates, wal: wal / calls / rounds, hot: updated ? (after.hot - before[at].hot) / updated : undefined,
      filled: before[at].size + before[at].indexes, size: after.size, indexes: after.indexes,
    })
  }
  for (const { url } of opened) await query(server.url, `drop database "${new URL(url).pathname.slice(1)}"`)
  return outcomes
}
