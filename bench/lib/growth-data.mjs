import { literal, multiply, settle, withoutIndexes } from './multiply.mjs'
import { query } from './servers.mjs'

// Half of all events belong to one subject, the others to subjects of 50 events each.
export const BIG = 'orders:big'
const PER_SUBJECT = 50
// The number of subjects that write concurrently.
const CONCURRENT = 500
export const TYPES = { usual: 'order.updated', rare: 'order.refunded', old: 'order.audited' }
/** Every 100th event of the big subject is of the rare type; only its first events are of the old one. */
const RARE_EVERY = 100
const OLD_EVENTS = 50

const START = 1_750_000_000_000

export const orderKey = { generic: 'customers', flat: 'nvent:flow:runs:checkout' }
export const smallSubject = n => `orders:log-${n}`
export const entryId = n => `entry-${n}`
export const kvKey = n => `session:item-${n}`
export const subjectsOf = events => events / 2 / PER_SUBJECT
export const idAt = (first, event) => String(first + 2 * event)
export const timeAt = event => START + 2 * event
export const scoreOf = n => START + n
export const RARE_CITY = 'Reykjavik'
const RARE_ENTRIES = 50

export const event = {
  type: TYPES.usual, flowName: 'checkout', stepName: 'charge', stepId: 'step-1', attempt: 1,
  data: { total: 99.5, currency: 'EUR', items: ['book', 'pen'], customer: { name: 'Ada', city: 'London' } },
}
export const metadata = {
  generic: n => ({ status: 'active', name: `Customer ${n}`, address: { city: 'London', street: 'High Street' }, orders: { total: 3 } }),
  flat: n => ({
    status: 'running', startedAt: START + n, stepCount: 5, completedSteps: 1, lastActivityAt: START + n,
    emittedEvents: { charged: { at: START + n, attempt: 1 } }, awaitingSteps: {},
  }),
}
export const value = n => ({ user: `user-${n}`, roles: ['admin', 'editor'], cart: { items: 3, total: 12.5 }, seen: START })

/**
 * Writes the rows that the store would have written for a number of events: even positions belong to the big subject.
 * @returns {Promise<{ first: number }>} the first event's id
 */
export async function fillEvents({ url, store }, events) {
  const template = await store.stream.append('orders:template', event)
  const first = Number(template.id) + 1
  const subjects = subjectsOf(events)
  const concurrent = Math.min(CONCURRENT, subjects)
  const series = `
    select position, ord, position % 2 = 0 as big,
      case when position % 2 = 0 then ord + 1 else ord % ${concurrent * PER_SUBJECT} / ${concurrent} + 1 end as nth,
      ord / ${concurrent * PER_SUBJECT} * ${concurrent} + ord % ${concurrent} as subject
    from (select position, position / 2 as ord from generate_series(0, ${events - 1}) as position) as numbered`
  await withoutIndexes(url, 'nvent_stream_orders', () =>
    multiply(url, 'nvent_stream_orders', 'subject = \'orders:template\'', series, {
      id: `${first} + made.position`,
      subject: `case when made.big then ${literal(BIG)} else 'orders:log-' || made.subject end`,
      version: 'made.nth',
      ts: `${START} + made.position`,
      type: `case when not made.big then copy.type when made.ord < ${OLD_EVENTS} then ${literal(TYPES.old)}
        when made.ord % ${RARE_EVERY} = 0 then ${literal(TYPES.rare)} else copy.type end`,
    }))
  const heads = `select 'orders:log-' || n as subject, ${PER_SUBJECT} as version from generate_series(0, ${subjects - 1}) as n
    union all select ${literal(BIG)}, ${events / 2}`
  await multiply(url, 'nvent_heads', 'subject = \'orders:template\'', heads, {
    subject: 'made.subject', version: 'made.version', first_id: String(first - 1), last_ts: String(START + events),
  })
  await query(url, `select setval('nvent_events_id_seq', ${first + events})`)
  await settle(url)
  return { first }
}

/** Writes entries under one key of a table with columns and under one of the generic table, and as many values. */
export async function fillEntries({ url, store }, entries) {
  const series = `select n from generate_series(0, ${entries - 1}) as n`
  await store.index.add(orderKey.generic, 'template', START, metadata.generic(0))
  await store.index.add(orderKey.flat, 'template', START, metadata.flat(0))
  await store.kv.set('template', value(0))
  const seq = 'nextval(\'nvent_entries_seq\')'
  const score = `${START} + made.n`
  // The rare entries are spread evenly, whatever the total number.
  const isRare = `made.n % ${entries / RARE_ENTRIES} = 0`
  await withoutIndexes(url, 'nvent_index', () => multiply(url, 'nvent_index', 'id = \'template\'', series, {
    id: '\'entry-\' || made.n', score, seq,
    metadata: `jsonb_set(copy.metadata, '{name}', to_jsonb('Customer ' || made.n))
      || case when ${isRare} then ${literal(JSON.stringify({ address: { city: RARE_CITY } }))}::jsonb else '{}' end`,
  }))
  await withoutIndexes(url, 'nvent_flow_runs', () => multiply(url, 'nvent_flow_runs', 'run_id = \'template\'', series, {
    run_id: '\'entry-\' || made.n', score, seq, started_at: score, last_activity_at: score,
    status: `case when ${isRare} then 'cancelled' else copy.status end`,
  }))
  await withoutIndexes(url, 'nvent_kv', () => multiply(url, 'nvent_kv', 'key = \'template\'', series, {
    key: '\'session:item-\' || made.n', value: 'jsonb_set(copy.value, \'{user}\', to_jsonb(\'user-\' || made.n))',
  }))
  await settle(url)
}
