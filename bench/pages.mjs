// Reading a page of a small table: the plan and the time, before and after many updates of its rows.
import { bundleStores, numbers, readFlags } from './lib/flags.mjs'
import { randomSource, runAll } from './lib/load.mjs'
import { describeMachine } from './lib/machine.mjs'
import { bullets, report, table, whole } from './lib/report.mjs'
import { median } from './lib/rounds.mjs'
import { QUIET, createDatabase, query, startPostgres, stopAll } from './lib/servers.mjs'
import { openStore } from './lib/store.mjs'
import { record } from './lib/tape.mjs'
import { operations } from './lib/workloads.mjs'

const TABLE = 'nvent_flow_runs'
const WRITERS = 512

const flags = readFlags({
  entries: { full: 500, help: 'entries of the flow' },
  writes: { full: '0,100000,300000', quick: '0,20000', help: 'total number of writes to them before each measurement' },
  costs: { full: '4,1.1', help: 'values of random_page_cost' },
  server: { full: '15', help: 'which version of PostgreSQL' },
  rounds: { full: 9, quick: 3, help: 'rounds a state' },
  calls: { full: 300, quick: 100, help: 'calls a round, by one caller' },
})

const read = store => operations['index-read'].call(store, 0)

/** Reads pages on new connections, without cached plans, with a given random_page_cost: returns time and plan. */
async function look(source, url, cost) {
  await query(url, `alter database pages set random_page_cost = ${cost}`)
  const store = await openStore(source, url, { poolSize: 1 })
  const { statements: [{ config: { text, values } }] } = await record(() => read(store).then(() => ({ calls: 1 })))
  const times = []
  for (let round = 0; round < flags.rounds; round++) {
    const start = performance.now()
    for (let call = 0; call < flags.calls; call++) await read(store)
    times.push((performance.now() - start) / flags.calls * 1000)
  }
  await store.close()
  const [{ 'QUERY PLAN': [{ Plan: { Plans: [inner] } }] }] = await query(url, `explain (analyze, buffers, format json) ${text}`, values)
  const scan = inner.Plans?.[0] ?? inner
  return { cost, time: median(times), scan: scan['Node Type'], buffers: scan['Shared Hit Blocks'] + scan['Shared Read Blocks'] }
}

const STATES = {
  'as they left it': () => {},
  'vacuumed and analyzed': url => query(url, `vacuum analyze ${TABLE}`),
}

async function measure() {
  const [source] = await bundleStores(flags)
  const server = await startPostgres(flags.server, QUIET)
  const url = await createDatabase(server, 'pages')
  const store = await openStore(source, url)
  const { add, 'update-flat': update, 'index-read': { needs } } = operations
  const random = randomSource(42)
  await runAll(flags.entries, WRITERS, n => needs.fill(store, n))
  await query(url, `vacuum analyze ${TABLE}`)
  const rows = []
  let done = 0
  for (const writes of numbers(flags.writes)) {
    await runAll(writes - done, WRITERS, i => (i % 2 ? add : update).call(store, random(flags.entries), i + done))
    done = writes
    for (const [state, reach] of Object.entries(STATES).slice(writes > 0 ? 0 : -1)) {
      await reach(url)
      const [{ pages }] = await query(url, `select pg_relation_size('${TABLE}') / 8192 as pages`)
      for (const cost of numbers(flags.costs)) rows.push({ writes, state, pages: Number(pages), ...await look(source, url, cost) })
    }
  }
  await store.close()
  return {
    machine: [...describeMachine({ servers: [server], stores: [source] }), `Also ${Object.entries(QUIET).map(([name, value]) => `\`${name}=${value}\``).join(', ')}.`],
    method: { entries: flags.entries, rounds: flags.rounds, calls: flags.calls },
    rows,
  }
}

function render({ machine, method, rows }) {
  return {
    images: {},
    markdown: [
      bullets(machine),
      `\`index.read\` of 50 of ${whole(method.entries)} entries by one caller, ${method.rounds} rounds of ${whole(method.calls)} calls, after so many \`index.add\` and \`index.update\`, in turn, of entries at random by ${WRITERS} callers.`,
      table(['writes before', 'the table', 'its pages', '`random_page_cost`', 'plan', 'pages read', 'µs a call'], rows.map(row => [
        whole(row.writes), row.state, whole(row.pages), row.cost, row.scan, whole(row.buffers), whole(row.time),
      ])),
    ].join('\n\n'),
  }
}

try {
  await report('pages', flags, measure, render)
}
finally {
  await stopAll()
}
process.exit()
