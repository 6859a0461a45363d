// The cost of an append on the server, part by part: the same events are appended to databases that differ in one thing.
import pg from 'pg'
import { bundleStores, numbers, readFlags } from './lib/flags.mjs'
import { randomSource, runAll, startSlice } from './lib/load.mjs'
import { describeMachine } from './lib/machine.mjs'
import { settle } from './lib/multiply.mjs'
import { bullets, report, table } from './lib/report.mjs'
import { runRounds } from './lib/rounds.mjs'
import { withServerTime } from './lib/server-time.mjs'
import { QUIET, createDatabase, query, startPostgres, stopAll } from './lib/servers.mjs'
import { openStore } from './lib/store.mjs'
import { eventOf, operations } from './lib/workloads.mjs'

const flags = readFlags({
  callers: { full: '64,1', help: 'how many concurrent callers' },
  events: { full: 20_000, quick: 4000, help: 'events a round; a quarter of them at one caller' },
  keys: { full: 500, help: 'how many subjects' },
  rounds: { full: 7, quick: 2, help: 'rounds, in rotating order' },
  server: { full: '15', help: 'which version of PostgreSQL' },
})

const TABLE = 'nvent_flow_events'
const dropped = (...names) => `drop index ${names.map(name => `idx_${TABLE}_${name}`).join(', ')}`
const NO_PRIMARY_KEY = `alter table ${TABLE} drop constraint ${TABLE}_pkey`
const NO_INDEX = `${dropped('version', 'run', 'flow_type', 'event_id', 'correlation')}; ${NO_PRIMARY_KEY}`

/** Variants that are measured in addition to the append of each given checkout. */
const PARTS = [
  { name: 'without the index of versions', sql: dropped('version') },
  { name: 'without the index of runs', sql: dropped('run') },
  { name: 'without the index of flows and types', sql: dropped('flow_type') },
  { name: 'without those of event and correlation ids', sql: dropped('event_id', 'correlation') },
  { name: 'without the primary key', sql: NO_PRIMARY_KEY },
  { name: 'rows alone: no head, no order', byHand: true },
  { name: 'rows alone, without any index', sql: NO_INDEX, byHand: true },
]

/** Plain inserts of rows with an id, without the other work of an append; as many concurrent statements as the store sends. */
function byHand(pool, keys, perStatement) {
  const columns = { run_id: 'text', type: 'text', flow_name: 'text', step_name: 'text', step_id: 'text', attempt: 'bigint', ts: 'bigint', version: 'bigint' }
  const names = Object.keys(columns)
  const alone = perStatement === 1
  const parameters = names.map((name, at) => `$${at + 1}::${columns[name]}${alone ? '' : '[]'}`).join(', ')
  const data = `$${names.length + 1}::jsonb`
  const statement = {
    name: 'rows',
    text: `insert into ${TABLE} (tenant_id, ${names.join(', ')}, data) select '', ${alone
      ? `${parameters}, ${data}`
      : `${names.join(', ')}, data from rows from (unnest(${parameters}), jsonb_array_elements(${data})) as i(${names.join(', ')}, data)`}
      returning id::text, ts, version`,
  }
  const random = randomSource(42)
  let [next, now] = [0, Date.now()]
  return () => {
    const made = Array.from({ length: perStatement }, () => ({ ...eventOf(next++), runId: `sub-${random(keys)}` }))
    const list = valueOf => alone ? valueOf(made[0], 0) : made.map(valueOf)
    return pool.query({
      ...statement,
      values: [
        list(({ runId }) => runId), list(({ type }) => type), list(({ flowName }) => flowName), list(({ stepName }) => stepName),
        list(({ stepId }) => stepId), list(({ attempt }) => attempt), list(() => now++), list((_, at) => at + next),
        JSON.stringify(list(({ data }) => data)),
      ],
    })
  }
}

async function open(server, { source, sql, byHand: own }, at, callers) {
  const url = await createDatabase(server, `append_${callers}_${at}`)
  const store = await openStore(source, url, { sweepInterval: 0 })
  if (sql) await query(url, sql)
  const random = randomSource(42)
  let calls = 0
  // The store batches calls so that two statements are in progress.
  const perStatement = Math.max(Math.floor(callers / 2), 1)
  const pool = new pg.Pool({ connectionString: url, max: Math.min(callers, 2) })
  const insert = byHand(pool, flags.keys, perStatement)
  const run = own
    ? events => runAll(Math.ceil(events / perStatement), Math.min(callers, 2), insert)
    : events => runAll(events, callers, () => operations.append.call(store, random(flags.keys), calls++))
  // Warm-up: creates the heads and the plans before anything is counted.
  await run(2 * flags.keys)
  await settle(url)
  return { run, close: () => Promise.all([store.close(), pool.end()]) }
}

async function compare(server, lines, callers) {
  const variants = await Promise.all(lines.map((line, at) => open(server, line, at, callers)))
  const events = callers === 1 ? flags.events / 4 : flags.events
  const results = await runRounds(variants, flags.rounds, ({ run }) => withServerTime(server, async () => {
    const end = startSlice()
    await run(events)
    return end(events)
  }))
  await Promise.all(variants.map(({ close }) => close()))
  return results.map(({ server: time }) => time)
}

async function measure() {
  const stores = await bundleStores(flags)
  const server = await startPostgres(flags.server, QUIET)
  const lines = [
    ...stores.map(source => ({ name: stores.length > 1 ? `append (${source.label})` : 'append', source })),
    ...PARTS.map(part => ({ ...part, source: stores[0] })),
  ]
  const columns = []
  for (const callers of numbers(flags.callers)) columns.push({ callers, times: await compare(server, lines, callers) })
  return {
    machine: describeMachine({ servers: [server], stores }), rounds: flags.rounds, events: flags.events, columns, names: lines.map(({ name }) => name),
  }
}

function render({ machine, rounds, events, columns, names }) {
  const head = columns.flatMap(({ callers }) => [`${callers} caller${callers > 1 ? 's' : ''}`, 'difference'])
  const rows = names.map((name, at) => [name, ...columns.flatMap(({ times }) => [times[at].toFixed(1), at ? (times[at] - times[0]).toFixed(1) : ''])])
  return {
    markdown: [
      bullets([...machine, 'Also `checkpoint_timeout=1h autovacuum=off`.']),
      `${rounds} rounds of ${events.toLocaleString('en-US')} events (a quarter of that at one caller), each line in a database of its own, in rotating order: processor time of the server and all its processes, commits included.`,
      table(['the server, µs an event', ...head], rows),
    ].join('\n\n'),
    images: {},
  }
}

try {
  await report('append', flags, measure, render)
}
finally {
  await stopAll()
}
process.exit()
