// The gain of pipelining: single reads on ten connections, on two with pipelining, and as the store sends them.
import pg from 'pg'
import { bundleStores, numbers, readFlags } from './lib/flags.mjs'
import { table, times, whole } from './lib/report.mjs'
import { median, ratio, runRounds } from './lib/rounds.mjs'
import { randomSource, runAll, runCallers } from './lib/load.mjs'
import { createDatabase, startPostgres, stopAll } from './lib/servers.mjs'
import { openStore } from './lib/store.mjs'
import { eventOf, readSubject } from './lib/workloads.mjs'

const flags = readFlags({
  callers: { full: '1,64', help: 'how many concurrent callers' },
  keys: { full: 500, help: 'how many keys' },
  server: { full: '15', help: 'which version of PostgreSQL' },
  rounds: { full: 9, quick: 3, help: 'rounds a case' },
  slice: { full: 300, quick: 100, help: 'milliseconds a contestant runs in a round' },
})
const WARM_UP_ROUNDS = 3
const EVENTS = 50
/** Does not decode the rows: that is work of the store. */
const CASES = [
  {
    label: 'kv.get',
    text: 'select key, value from nvent_kv where tenant_id = $1::text and key = $2::text',
    fill: (store, n) => store.kv.set(`key-${n}`, { user: n, roles: ['admin'] }),
    keyOf: n => `key-${n}`,
    read: (store, key) => store.kv.get(key),
  },
  {
    label: `read ${EVENTS} events`,
    text: `select id, ts, version, type, flow_name, step_name, step_id, attempt, data::text as data, meta::text as meta, rest::text as rest
      from nvent_flow_events where tenant_id = $1::text and run_id = $2::text and dismissed is null order by version`,
    fill: (store, n) => store.stream.appendMany(readSubject(`run-${n}`), Array.from({ length: EVENTS }, (_, i) => eventOf(i))),
    keyOf: n => `run-${n}`,
    read: (store, key) => store.stream.read(readSubject(key)),
  },
]

/** Distributes calls round-robin over the clients; each may have any number of statements in progress. */
async function openClients(url, count, pipeline) {
  const clients = Array.from({ length: count }, () => new pg.Client({ connectionString: url, pipeline }))
  await Promise.all(clients.map(client => client.connect()))
  let next = 0
  return {
    read: ({ label, text }, key) => clients[next++ % count].query({ name: label, text, values: ['', key] }),
    close: () => Promise.all(clients.map(client => client.end())),
  }
}

try {
  const [source] = await bundleStores(flags)
  const url = await createDatabase(await startPostgres(flags.server), 'pipelining')
  const store = await openStore(source, url)
  for (const { fill } of CASES) await runAll(flags.keys, 64, i => fill(store, i))
  const contestants = {
    '10 connections': await openClients(url, 10, false),
    '2 pipelined connections': await openClients(url, 2, true),
    'the store': { read: ({ read }, key) => read(store, key), close: () => store.close() },
  }
  const rows = []
  for (const one of CASES) {
    for (const callers of numbers(flags.callers)) {
      const random = randomSource(1)
      const slice = ({ read }) => runCallers(() => read(one, one.keyOf(random(flags.keys))), callers, flags.slice)
      await runRounds(Object.values(contestants), WARM_UP_ROUNDS, slice)
      const results = await runRounds(Object.values(contestants), flags.rounds, slice)
      Object.keys(contestants).forEach((name, at) => rows.push([
        one.label, name, callers, whole(median(results[at].rates)), times(ratio(results[at].rates, results[0].rates)), results[at].cpu.toFixed(1),
      ]))
    }
  }
  console.log(`\n${table(['call', 'by', 'callers', 'calls a second', '÷ 10 connections', 'client, µs a call'], rows)}`)
  for (const { close } of Object.values(contestants)) await close()
}
finally {
  await stopAll()
}
process.exit()
