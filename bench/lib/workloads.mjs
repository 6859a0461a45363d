// The measured operations: the same calls with the same values for all contestants, through the public API that the
// store and both peers share ({ stream, index, kv }).

/** Entries of one flow, from which a call of index.read selects 50. */
const RUNS_PER_FLOW = 500
export const EVENTS_PER_SUBJECT = 50

/** The words in values that identify what a call touches; `tape.mjs` looks for them in recorded statements. */
export const KEY_PATTERN = /\b(?:sub|log|run|item)-\d+/g

export const readSubject = run => `nvent:flow:run:${run}`
const runKey = n => `nvent:flow:runs:flow-${Math.floor(n / RUNS_PER_FLOW)}`
const appendSubject = n => `nvent:flow:run:sub-${n}`
const runId = n => `run-${n}`
const kvKey = n => `session:item-${n}`

const TYPES = ['flow.started', 'step.started', 'emit', 'step.completed', 'flow.completed']
const STATUSES = ['running', 'awaiting', 'completed']
const START = 1_750_000_000_000

export function eventOf(i) {
  return {
    type: TYPES[i % TYPES.length],
    flowName: 'checkout',
    stepName: 'charge',
    stepId: `step-${i % 10}`,
    attempt: 1,
    data: { orderId: i, total: 99.5, currency: 'EUR', items: ['book', 'pen'], customer: { name: 'Ada', city: 'London' } },
  }
}

const metadataOf = i => ({
  status: STATUSES[i % STATUSES.length],
  startedAt: START + i,
  stepCount: 5,
  completedSteps: i % 5,
  lastActivityAt: START + i,
  emittedEvents: { charged: { at: START + i, attempt: 1 } },
  awaitingSteps: {},
})

const valueOf = i => ({ user: `user-${i}`, roles: ['admin', 'editor'], cart: { items: i % 7, total: 12.5 }, seen: START + i })

const addEntry = (api, n, i) => api.index.add(runKey(n), runId(n), START + i, metadataOf(i))

/** The data that operations need: `fill(api, n, i)` creates number `n` of `keys`. */
const entries = { name: 'entries', fill: (api, n) => addEntry(api, n, n) }
const values = { name: 'values', fill: (api, n) => api.kv.set(kvKey(n), valueOf(n)) }
const hot = { name: 'hot', fill: (api, n) => api.index.add('nvent:flows', `hot-${n}`, 0, { displayName: 'hot', stats: { total: 0 } }) }
/** Filled by SQL: 50 events for each of 100,000 subjects are five million (fill.mjs). */
const events = { name: 'events' }

/**
 * @typedef {{ label: string, needs?: { name: string, fill?: Function }, single?: boolean, check?: (result: any) => boolean,
 *   call: (api: any, n: number, i: number) => Promise<any> }} Operation `n` is the key, `i` counts calls; `single`
 *   operations have one key; `check` returns whether a result is correct
 */

/** @type {Record<string, Operation>} */
export const operations = {
  'append': {
    label: 'append',
    call: (api, n, i) => api.stream.append(appendSubject(n), eventOf(i)),
    check: record => typeof record.id === 'string',
  },
  'read': {
    label: 'read 50 events',
    needs: events,
    call: (api, n) => api.stream.read(readSubject(`log-${n}`)),
    check: records => records.length === EVENTS_PER_SUBJECT && records[0].data.customer.name === 'Ada',
  },
  'add': {
    label: 'index.add',
    needs: entries,
    call: addEntry,
  },
  'get': {
    label: 'index.get',
    needs: entries,
    call: (api, n) => api.index.get(runKey(n), runId(n)),
    check: entry => entry.id.startsWith('run-') && typeof entry.metadata.status === 'string',
  },
  'update-flat': {
    label: 'index.update flat',
    needs: entries,
    call: (api, n, i) => api.index.update(runKey(n), runId(n), {
      status: STATUSES[i % STATUSES.length], completedSteps: i % 5, lastActivityAt: START + i,
    }),
    check: updated => updated === true,
  },
  'update-nested': {
    label: 'index.update nested',
    needs: entries,
    call: (api, n, i) => api.index.update(runKey(n), runId(n), {
      emittedEvents: { [`step${i % 5}`]: { at: START + i, attempt: 1 } },
    }),
    check: updated => updated === true,
  },
  'increment': {
    label: 'index.increment, one hot entry',
    needs: hot,
    single: true,
    call: api => api.index.increment('nvent:flows', 'hot-0', 'stats.total'),
    check: total => total > 0,
  },
  'index-read': {
    label: 'index.read 50',
    needs: entries,
    call: (api, n) => api.index.read(runKey(n), { limit: 50 }),
    check: found => found.length === 50 && typeof found[0].metadata.status === 'string',
  },
  'kv-set': {
    label: 'kv.set',
    needs: values,
    call: (api, n, i) => api.kv.set(kvKey(n), valueOf(i)),
  },
  'kv-get': {
    label: 'kv.get',
    needs: values,
    call: (api, n) => api.kv.get(kvKey(n)),
    check: value => value.roles.length === 2,
  },
}
