// Settings of tables: fill factors, autovacuum, and the cost of each index on updates.
import { bundleStores, list, numbers, readFlags } from './lib/flags.mjs'
import { describeMachine } from './lib/machine.mjs'
import { report } from './lib/report.mjs'
import { QUIET, STEADY, createDatabase, startPostgres, stopAll } from './lib/servers.mjs'
import { openStore } from './lib/store.mjs'
import { compare } from './lib/tables-compare.mjs'
import { fillFactors } from './lib/tables-counts.mjs'
import { renderTables } from './lib/tables-report.mjs'
import { compareVacuum } from './lib/tables-vacuum.mjs'
import { indexCosts, workloads } from './lib/tables-workloads.mjs'

const flags = readFlags({
  parts: { full: 'fill,index,vacuum', help: 'what is varied' },
  only: { full: '', help: `workloads whose name has this in it: ${Object.keys(workloads).join(', ')}` },
  factors: { full: '50,70,85,100', help: 'fill factors' },
  callers: { full: 64, help: 'how many concurrent callers' },
  calls: { full: 10_000, quick: 2000, help: 'calls a round: a number, not a time, so that counts compare' },
  rounds: { full: 3, quick: 1, help: 'rounds, each with a vacuum behind it' },
  entries: { full: '500,50000', quick: '500', help: 'how many entries autovacuum is tried on' },
  load: { full: 200_000, quick: 20_000, help: 'calls while autovacuum works' },
  server: { full: '15', help: 'which version of PostgreSQL' },
})

// In the part that varies autovacuum, it runs every second instead of every minute.
const BRISK = { ...STEADY, autovacuum_naptime: '1s' }
const SWEEP_MS = 1000

const wanted = name => list(flags.only || name).some(part => name.includes(part))

async function varyFill(given) {
  const url = await createDatabase(given.server, 'present')
  await (await openStore(given.source, url)).close()
  const present = await fillFactors(url)
  const cases = []
  for (const workload of Object.keys(workloads).filter(wanted).map(name => workloads[name])) {
    const variants = numbers(flags.factors).map(factor => ({ name: String(factor), sql: `alter table "nvent_${workload.table}" set (fillfactor = ${factor})` }))
    for (const entries of workload.entries) {
      const outcomes = await compare(given, workload, entries, variants)
      cases.push({ table: workload.table, label: workload.label, entries, present: String(present[workload.table] ?? 100), outcomes })
      console.error(`${workload.table}, ${workload.label}, ${entries}: HOT ${outcomes.map(({ name, hot }) => `${name} ${Math.round(hot * 1000) / 10} %`).join(', ')}`)
    }
  }
  return cases
}

async function dropIndexes(given) {
  const cases = []
  for (const { workload: name, table, drops } of indexCosts.filter(({ workload }) => wanted(workload))) {
    const workload = workloads[name]
    const variants = drops.map(indexes => ({ name: indexes.join(', '), sql: `drop index ${indexes.map(index => `"idx_nvent_${index}"`).join(', ')}` }))
    const entries = workload.entries.at(-1)
    const outcomes = await compare(given, workload, entries, [{ name: '', sql: '' }, ...variants], table)
    cases.push({ table: table ?? workload.table, label: workload.label, entries, outcomes })
    console.error(`${workload.table}, ${workload.label}: WAL ${outcomes.map(({ name, wal }) => `${name || 'all'} ${Math.round(wal)}`).join(', ')}`)
  }
  return cases
}

async function onServer(own, source, work) {
  const server = await startPostgres(flags.server, own)
  const result = await work({ server, source, callers: flags.callers, calls: flags.calls, rounds: flags.rounds })
  await server.stop()
  return { server, result }
}

async function measure() {
  const [source] = await bundleStores(flags)
  const parts = list(flags.parts)
  const counted = await onServer(QUIET, source, async given => ({
    fill: parts.includes('fill') ? await varyFill(given) : [],
    index: parts.includes('index') ? await dropIndexes(given) : [],
  }))
  const vacuum = await onServer(BRISK, source, async (given) => {
    const found = []
    for (const entries of parts.includes('vacuum') ? numbers(flags.entries) : []) {
      found.push(await compareVacuum({ ...given, readCalls: flags.calls, sweepMs: SWEEP_MS }, entries, flags.load))
    }
    return found
  })
  return {
    machine: describeMachine({ servers: [counted.server], stores: [source] }),
    method: { callers: flags.callers, calls: flags.calls, rounds: flags.rounds, load: flags.load },
    ...counted.result,
    vacuum: vacuum.result,
  }
}

try {
  await report('tables', flags, measure, renderTables)
}
finally {
  await stopAll()
}
process.exit()
