// How long it takes to adopt a database of the published adapter. Prints a table; docs/adoption.md has it.
import { bundleStores, numbers, readFlags } from './lib/flags.mjs'
import { openPeer } from './lib/peers.mjs'
import { createDatabase, query, startPostgres, stopAll } from './lib/servers.mjs'
import { openStore } from './lib/store.mjs'

const flags = readFlags({
  rows: { full: '100000,3000000', quick: '10000', help: 'how many rows' },
  servers: { full: '15,18', help: 'which versions of PostgreSQL' },
})

const START = 1_750_000_000_000
// Of ten rows, seven are events of runs, one is an event of a trigger, one a run and one a key.
const FILL = [
  [0.7, `insert into nvent_flow_events (run_id, flow_name, ts, type, step_name, step_id, attempt, data)
    select 'run-' || n / 20, 'flow-' || n % 20, ${START} + n, 'step.completed', 'step', 'id-' || n, 1, '{"order": 42, "text": "some text of some length"}'`],
  [0.1, `insert into nvent_trigger_events (trigger_name, ts, type, data) select 'trigger-' || n % 50, ${START} + n, 'fired', '{"a": 1}'`],
  [0.1, `insert into nvent_flow_runs (flow_name, run_id, started_at, emitted_events)
    select 'flow-' || n % 20, 'run-' || n, ${START} + n, '{"a": ${START}, "completedSteps": 3}'`],
  [0.1, `insert into nvent_kv (key, value) select 'key-' || n, '{"a": 1}'`],
]

const [source] = await bundleStores(flags)
try {
  for (const major of String(flags.servers).split(',')) {
    const server = await startPostgres(major)
    for (const rows of numbers(flags.rows)) {
      const url = await createDatabase(server, `adopt${rows}`)
      await (await openPeer('postgres', url)).close()
      for (const [share, insert] of FILL) await query(url, `${insert} from generate_series(1, $1::integer) n`, [Math.round(rows * share)])
      await query(url, 'vacuum analyze')
      const [{ size }] = await query(url, 'select pg_size_pretty(pg_database_size(current_database())) as size')
      const began = performance.now()
      const store = await openStore(source, url)
      console.log(`PostgreSQL ${server.version}: ${rows} rows (${size}) adopted in ${((performance.now() - began) / 1000).toFixed(1)} s`)
      await store.close()
    }
  }
}
finally {
  await stopAll()
}
