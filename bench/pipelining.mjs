// What pipelining would give: the reads the store sends, on ten connections, and on two that are pipelined.
import pg from 'pg'
import { bundleStores, numbers, readFlags } from './lib/flags.mjs'
import { table, times, whole } from './lib/report.mjs'
import { median, ratio, runRounds } from './lib/rounds.mjs'
import { randomSource, runAll, runCallers } from './lib/load.mjs'
import { createDatabase, startPostgres, stopAll } from './lib/servers.mjs'
import { openStore } from './lib/store.mjs'

const flags = readFlags({
  callers: { full: '1,64', help: 'how many concurrent callers' },
  keys: { full: 500, help: 'how many keys' },
  server: { full: '15', help: 'which version of PostgreSQL' },
  rounds: { full: 9, quick: 3, help: 'rounds a case' },
  slice: { full: 300, quick: 100, help: 'milliseconds a contestant runs in a round' },
})
const TEXT = 'select key, value from nvent_kv where tenant_id = $1::text and key = $2::text'

/** Clients that take turns, each with as many statements under way as come. */
async function openClients(url, count, pipeline) {
  const clients = Array.from({ length: count }, () => new pg.Client({ connectionString: url, pipeline }))
  await Promise.all(clients.map(client => client.connect()))
  let next = 0
  return {
    read: key => clients[next++ % count].query({ name: 'read', text: TEXT, values: ['', key] }),
    close: () => Promise.all(clients.map(client => client.end())),
  }
}

try {
  const [source] = await bundleStores(flags)
  const url = await createDatabase(await startPostgres(flags.server), 'pipelining')
  const store = await openStore(source, url)
  await runAll(flags.keys, 64, i => store.kv.set(`key-${i}`, { user: i, roles: ['admin'] }))
  const contestants = {
    '10 connections': await openClients(url, 10, false),
    '2 pipelined connections': await openClients(url, 2, true),
    'the store, in batches': { read: key => store.kv.get(key), close: () => store.close() },
  }
  const rows = []
  for (const callers of numbers(flags.callers)) {
    const random = randomSource(1)
    const results = await runRounds(Object.values(contestants), flags.rounds, ({ read }) =>
      runCallers(() => read(`key-${random(flags.keys)}`), callers, flags.slice))
    Object.keys(contestants).forEach((name, at) => rows.push([name, callers, whole(median(results[at].rates)), times(ratio(results[at].rates, results[0].rates))]))
  }
  console.log(`\n${table(['kv.get by', 'callers', 'calls a second', '÷ 10 connections'], rows)}`)
  for (const { close } of Object.values(contestants)) await close()
}
finally {
  await stopAll()
}
process.exit()
