// Claims of keys beside the plain insert that anyone would write, in one run, with a pool of the same size.
import { numbers, readFlags } from './lib/flags.mjs'
import { runCallers } from './lib/load.mjs'
import { describeMachine } from './lib/machine.mjs'
import { median, ratio, runRounds } from './lib/rounds.mjs'
import { createDatabase, query, startPostgres, stopAll } from './lib/servers.mjs'
import { bundleStore, openStore } from './lib/store.mjs'

const TTL_MS = 3_600_000
const POOL_SIZE = 10
const GOAL = 5

const flags = readFlags({
  callers: { full: '64,1', help: 'numbers of callers' },
  rounds: { full: 9, quick: 3, help: 'rounds a case' },
  slice: { full: 2_000, quick: 500, help: 'milliseconds for each contestant in a round' },
  repeats: { full: '0,90', help: 'per cent of claims whose key is taken' },
  server: { full: '18', help: 'which version of PostgreSQL' },
})

const PLAIN = 'insert into claims (key, expires_at) values ($1, now() + $2 * interval \'1 millisecond\') on conflict (key) do nothing'

/** Keys that are new, but for some per cent, which are among the first hundred. */
function keysOf(repeats) {
  let n = 0
  return () => n++ % 100 < repeats ? `taken:${n % 100}` : `webhook:${n}:3f2b8c1e-aa10`
}

const rate = rates => `${Math.round(median(rates)).toLocaleString('en-US')}/s`

try {
  const server = await startPostgres(flags.server)
  const source = await bundleStore()
  console.log(describeMachine({ servers: [server], stores: [source] }))
  const { Pool } = (await import('pg')).default
  for (const repeats of numbers(flags.repeats)) {
    const url = await createDatabase(server, `dedupe_${repeats}`)
    const store = await openStore(source, url, { poolSize: POOL_SIZE, sweepInterval: 0 })
    await query(url, 'create table claims (key text primary key, expires_at timestamptz not null)')
    const pool = new Pool({ connectionString: url, max: POOL_SIZE })
    const [own, plain] = [keysOf(repeats), keysOf(repeats)]
    const contestants = [
      { call: () => store.dedupe.claim(own(), TTL_MS) },
      { call: () => pool.query({ name: 'claim', text: PLAIN, values: [plain(), TTL_MS] }).then(({ rowCount }) => rowCount > 0) },
    ]
    for (const callers of numbers(flags.callers)) {
      const run = ({ call }) => runCallers(call, callers, flags.slice)
      await runRounds(contestants, 1, run)
      const [claim, insert] = await runRounds(contestants, flags.rounds, run)
      const times = ratio(claim.rates, insert.rates)
      const goal = callers === 64 && repeats === 0 ? ` (goal ≥ ${GOAL})` : ''
      console.log(`${repeats} % taken, ${callers} callers: dedupe.claim ${rate(claim.rates)}, a plain insert ${rate(insert.rates)}, × ${times.toFixed(1)}${goal}; refused ${Math.round(claim.refused * 100)} and ${Math.round(insert.refused * 100)} %; ${claim.cpu.toFixed(0)} and ${insert.cpu.toFixed(0)} µs of the client a call`)
    }
    await store.close()
    await pool.end()
  }
}
finally {
  await stopAll()
}
process.exit()
