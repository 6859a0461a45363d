// What a consumer does all the time, with few and with many parked subjects: each is due once, or waits for an operator.
import { createJiti } from 'jiti'
import { numbers, readFlags } from './lib/flags.mjs'
import { describeMachine } from './lib/machine.mjs'
import { median } from './lib/rounds.mjs'
import { createDatabase, query, startPostgres, stopAll } from './lib/servers.mjs'
import { bundleStore, openStore } from './lib/store.mjs'

const flags = readFlags({
  parked: { full: '10000,100000', quick: '1000,10000', help: 'how many parked subjects; the others are compared with the first' },
  turns: { full: 20_000, quick: 5_000, help: 'attempts that begin and end in each round' },
  rounds: { full: 9, quick: 3, help: 'rounds a size' },
  server: { full: '15', help: 'which version of PostgreSQL' },
})

const jiti = createJiti(import.meta.url)
const { createParkedSubjects } = await jiti.import('../src/runtime/core/consumers/parkedSubjects.ts')
const { readChanged } = await jiti.import('../src/runtime/core/consumers/parkedSql.ts')
const { createStatementCache } = await jiti.import('../src/runtime/core/sql/statement.ts')
const { namesOf } = await jiti.import('../src/runtime/core/shared/identifier.ts')

const context = { names: namesOf('public', 'nvent'), cache: createStatementCache(false), tenant: '' }
const shards = Array.from({ length: 32 }, (_, shard) => shard)

function fill(count) {
  const parked = createParkedSubjects()
  for (let n = 0; n < count; n++) parked.set({ subject: `waiting:${n}`, shard: n % 32, fromId: 1n, attempts: 1, delayMs: n % 2 === 0 ? 0 : undefined })
  return parked
}

/** Microseconds for one turn of the loop with an attempt that fails. */
function turns(parked) {
  const start = performance.now()
  for (let turn = 0; turn < flags.turns; turn++) {
    parked.keep(() => true)
    const waiting = parked.due()
    parked.begin(waiting)
    parked.set({ ...waiting, delayMs: 0 })
    parked.end(waiting)
    parked.nextIn()
  }
  return (performance.now() - start) / flags.turns * 1000
}

/** Milliseconds for what is read again each second, and taken over. */
async function refresh(parked, pool) {
  const start = performance.now()
  const { changes } = parked
  const subjects = parked.next(500)
  const { text, values } = readChanged(context, 'many', { shards, subjects })
  const { rows } = await pool.query({ text, values })
  parked.refresh(rows.map(row => ({ ...row, shard: Number(row.shard), fromId: BigInt(row.fromId), delayMs: row.delayMs ?? undefined })), subjects, changes)
  return performance.now() - start
}

try {
  const server = await startPostgres(flags.server, { autovacuum: 'off' })
  const { Pool } = (await import('pg')).default
  const source = await bundleStore()
  const cases = []
  for (const [at, count] of numbers(flags.parked).entries()) {
    const url = await createDatabase(server, `parked_${at}`)
    const store = await openStore(source, url)
    await store.ready()
    await store.close()
    await query(url, `insert into nvent_consumer_parked (consumer, subject, shard, from_id, attempts, due_at, error)
      select 'many', 'waiting:' || n, n % 32, 1, 1, case when n % 2 = 0 then now() else 'infinity' end, '{}' from generate_series(0, ${count - 1}) n`)
    cases.push({ count, pool: new Pool({ connectionString: url, max: 1 }), parked: fill(count), turn: [], refresh: [] })
  }
  // In turns, so that other load on the machine affects all sizes.
  for (let round = 0; round <= flags.rounds; round++) {
    for (const each of cases) {
      const taken = [turns(each.parked), await refresh(each.parked, each.pool)]
      // The first one warms up.
      if (round > 0) each.turn.push(taken[0]) && each.refresh.push(taken[1])
    }
  }
  console.log(describeMachine({ servers: [server], stores: [source] }))
  for (const { count, turn, refresh, pool } of cases) {
    const ratio = (own, first) => (median(own) / median(first)).toFixed(2)
    console.log(`${count} parked: ${median(turn).toFixed(2)} µs a turn (× ${ratio(turn, cases[0].turn)}), ${median(refresh).toFixed(1)} ms a refresh (× ${ratio(refresh, cases[0].refresh)})`)
    await pool.end()
  }
}
finally {
  await stopAll()
}
process.exit()
