import { itemOf } from './consume-store.mjs'
import { intercept } from './intercept.mjs'
import { multiply, settle, withoutIndexes } from './multiply.mjs'
import { median } from './rounds.mjs'
import { createDatabase, query } from './servers.mjs'
import { openStore } from './store.mjs'

const PENDING = 10
const MOST_PARKED = 100_000
/** The statements of a consumer, by what only they contain. */
const KINDS = { claim: /for update skip locked/, page: /hashtextextended.*order by id/s, checkpoint: /\(shard, token, since, upto\)/ }

/** Events of so many subjects, ten each, in turns; a tenth of the subjects is parked. */
async function fill({ url, store, subjects }) {
  const { id, ts } = await store.stream.append('orders:template', { type: 'order.placed', data: itemOf(0) })
  const series = `select subject, nth, nth * ${subjects} + subject as position
    from generate_series(0, ${PENDING - 1}) as nth, generate_series(0, ${subjects - 1}) as subject order by nth, subject`
  const table = 'nvent_stream_orders'
  await withoutIndexes(url, table, () => multiply(url, table, 'subject = \'orders:template\'', series, {
    id: `${id} + 1 + made.position`, subject: '\'orders:\' || made.subject', version: 'made.nth + 1', ts: 'copy.ts + made.position',
  }))
  await multiply(url, 'nvent_heads', 'subject = \'orders:template\'', `select subject from generate_series(0, ${subjects - 1}) as subject`, {
    subject: '\'orders:\' || made.subject', version: String(PENDING), first_id: `${id} + 1 + made.subject`, last_ts: String(ts + PENDING * subjects),
  })
  await query(url, `select setval('nvent_events_id_seq', ${id} + ${PENDING * subjects})`)
  await query(url, `insert into nvent_consumer_parked (consumer, subject, shard, from_id, attempts, due_at, error)
    select 'bench', subject, hashtextextended(subject, 0) & 31, ${id} + 1 + n, 1, 'infinity', '{}'
    from (select n, 'orders:' || n as subject from generate_series(0, ${Math.min(MOST_PARKED, subjects / 10) - 1}) as n) as parked`)
  await settle(url)
}

/** Times each statement of a consumer while `work` runs, from where it enters `pg` to its result. */
const timed = (times, work) => intercept((config) => {
  const kind = Object.keys(KINDS).find(name => KINDS[name].test(config.text ?? ''))
  const start = performance.now()
  return () => times[kind]?.push(performance.now() - start)
}, work)

/** What a consumer asks the server for, among few and many subjects. */
export async function measureGrowth(sizes, { server, source, rounds, slice }) {
  const cases = []
  for (const [at, subjects] of sizes.entries()) {
    const url = await createDatabase(server, `growth_${at}`)
    const store = await openStore(source, url, { sweepInterval: 0 })
    const start = performance.now()
    await fill({ url, store, subjects })
    console.error(`filled ${subjects} subjects: ${Math.round((performance.now() - start) / 1000)} s`)
    const consumer = store.consume({ name: 'bench', batchSize: 100, batchHandler: () => {} })
    cases.push({ subjects, store, consumer, times: { claim: [], page: [], checkpoint: [] } })
  }
  for (let round = 0; round <= rounds; round++) {
    for (const { store, consumer, times } of cases) {
      // The first one warms up.
      const { caughtUp } = await timed(round === 0 ? { claim: [], page: [], checkpoint: [] } : times, () => consumer.runOnce({ maxMs: slice }))
      if (caughtUp) await store.admin.consumers.reset('bench', { to: 'start' })
    }
  }
  for (const { store } of cases) await store.close()
  return cases.map(({ subjects, times }) => ({
    subjects, ...Object.fromEntries(Object.entries(times).map(([kind, values]) => [kind, values.length > 0 ? median(values) : Number.NaN])),
  }))
}
