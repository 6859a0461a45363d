// Workloads of one operation each: the calls of the other measurements, and a few that change other columns.
import { operations } from './workloads.mjs'

const START = 1_750_000_000_000
const [FEW, MANY] = [500, 10_000]
const TTL_SECONDS = 3600

const runs = operations.add.needs.fill
const values = operations['kv-set'].needs.fill
const flowKey = 'nvent:flows'
const flow = (store, n) => store.index.add(flowKey, `flow-${n}`, n, { displayName: `Flow ${n}`, registeredAt: START, stats: { total: 0 } })
const triggerKey = 'nvent:triggers'
const trigger = (store, n) => store.index.add(triggerKey, `trigger-${n}`, n, { type: 'webhook', status: 'active', registeredAt: START, stats: { totalFires: 0 } })
const jobKey = 'nvent:scheduler:jobs'
const job = (store, n, i = n) => store.index.add(jobKey, `job-${n}`, n, { name: `job ${n}`, type: 'cron', cron: '* * * * *', status: 'pending', nextRunAt: START + i })
const genericKey = 'customers'
const customer = (store, n, i = n) => store.index.add(genericKey, `item-${n}`, START + i, {
  status: 'active', name: `Customer ${n}`, address: { city: `City ${n % 50}`, street: 'High Street' }, orders: { total: i },
})

/** The key and id of a run: workloads.mjs puts 500 runs in a flow. */
const runOf = n => [`nvent:flow:runs:flow-${Math.floor(n / 500)}`, `run-${n}`]

// The lifecycle of subjects and runs: ACTIVE of them at a time are written a few times each, then never again.
const ACTIVE = 1000
const [EVENTS, CHANGES] = [10, 8]
const callCounts = new WeakMap()

/** The number of the subject or run that is active in a slot now, and the index of this call in its lifecycle. */
function stepOf(store, place, calls) {
  if (!callCounts.has(store)) callCounts.set(store, [])
  const counts = callCounts.get(store)
  // At first, each slot is at another point of the lifecycle.
  const count = counts[place] ?? place % calls
  counts[place] = count + 1
  return [Math.floor(count / calls) * ACTIVE + place, count % calls]
}

function startRun(store, n, i) {
  return store.index.add(...runOf(n), START + i, { status: 'running', startedAt: START + i, stepCount: CHANGES - 2, completedSteps: 0 })
}

/** Advances a run: it is added, updated after each step, and completed. */
function advanceRun(store, place, i) {
  const [n, change] = stepOf(store, place, CHANGES)
  if (change === 0) return startRun(store, n, i)
  if (change === CHANGES - 1) return store.index.update(...runOf(n), { status: 'completed', completedAt: START + i })
  return store.index.update(...runOf(n), { completedSteps: change, lastActivityAt: START + i, emittedEvents: { [`step${change}`]: { at: START + i } } })
}

/**
 * @typedef {{ table: string, label: string, entries: number[], fill?: (store: any, n: number) => Promise<any>,
 *   call: (store: any, n: number, i: number) => Promise<any> }} Workload `n` is the entry, `i` counts calls
 */

/** @type {Record<string, Workload>} */
export const workloads = {
  'append': { table: 'heads', label: 'append', entries: [FEW, MANY], fill: (store, n) => operations.append.call(store, n, n), call: operations.append.call },
  'append-life': {
    table: 'heads', label: `append, ${EVENTS} to each new subject`, entries: [ACTIVE],
    call: (store, n, i) => operations.append.call(store, stepOf(store, n, EVENTS)[0], i),
  },
  'run-status': { table: 'flow_runs', label: 'update: status, steps, time', entries: [FEW, MANY], fill: runs, call: operations['update-flat'].call },
  'run-progress': {
    table: 'flow_runs', label: 'update: steps, time', entries: [FEW, MANY], fill: runs,
    call: (store, n, i) => store.index.update(...runOf(n), { completedSteps: i % 5, lastActivityAt: START + i }),
  },
  'run-nested': { table: 'flow_runs', label: 'update: emitted events', entries: [FEW, MANY], fill: runs, call: operations['update-nested'].call },
  'run-increment': {
    table: 'flow_runs', label: 'increment', entries: [FEW, MANY], fill: runs,
    call: (store, n) => store.index.increment(...runOf(n), 'completedSteps'),
  },
  'run-add': { table: 'flow_runs', label: 'add again', entries: [FEW, MANY], fill: runs, call: operations.add.call },
  'run-life': {
    table: 'flow_runs', label: `a life: add, ${CHANGES - 2} steps, status`, entries: [ACTIVE], fill: (store, n) => startRun(store, n, n), call: advanceRun,
  },
  'flow-hot': { table: 'flows', label: 'increment, one hot entry', entries: [1], fill: flow, call: (store, n) => store.index.increment(flowKey, `flow-${n}`, 'stats.total') },
  'flow-run': {
    table: 'flows', label: 'update: last run, counters', entries: [FEW], fill: flow,
    call: (store, n, i) => store.index.update(flowKey, `flow-${n}`, { lastRunAt: START + i, stats: { total: i, running: i % 5 } }),
  },
  'trigger-fire': {
    table: 'triggers', label: 'update: last fired, counters', entries: [FEW], fill: trigger,
    call: (store, n, i) => store.index.update(triggerKey, `trigger-${n}`, { lastActivityAt: START + i, stats: { totalFires: i, lastFiredAt: START + i } }),
  },
  'job-run': {
    table: 'scheduler_jobs', label: 'update: last and next run', entries: [FEW], fill: job,
    call: (store, n, i) => store.index.update(jobKey, `job-${n}`, { lastRunAt: START + i, nextRunAt: START + i + 60_000 }),
  },
  'kv-set': { table: 'kv', label: 'set', entries: [FEW, MANY], fill: values, call: operations['kv-set'].call },
  'kv-ttl': {
    table: 'kv', label: 'set with a time to live', entries: [FEW, MANY], fill: (store, n) => store.kv.set(`key-${n}`, n, TTL_SECONDS),
    call: (store, n, i) => store.kv.set(`key-${n}`, { user: i, seen: START + i }, TTL_SECONDS),
  },
  'kv-increment': { table: 'kv', label: 'increment', entries: [FEW, MANY], fill: (store, n) => store.kv.set(`key-${n}`, n), call: (store, n) => store.kv.increment(`key-${n}`) },
  'generic-update': {
    table: 'index', label: 'update', entries: [FEW, MANY], fill: customer,
    call: (store, n, i) => store.index.update(genericKey, `item-${n}`, { status: ['active', 'asleep'][i % 2], seen: START + i }),
  },
  'generic-increment': {
    table: 'index', label: 'increment', entries: [FEW, MANY], fill: customer,
    call: (store, n) => store.index.increment(genericKey, `item-${n}`, 'orders.total'),
  },
  'generic-add': { table: 'index', label: 'add again', entries: [FEW, MANY], fill: customer, call: customer },
}

/** Which indexes are dropped for which calls; the promised ones are those that nvent's documentation lists. */
export const indexCosts = [
  { workload: 'run-status', drops: [['flow_runs_status'], ['flow_runs_active'], ['flow_runs_status', 'flow_runs_active'], ['flow_runs_score']] },
  { workload: 'run-add', drops: [['flow_runs_status', 'flow_runs_active'], ['flow_runs_score'], ['flow_runs_status', 'flow_runs_active', 'flow_runs_score']] },
  { workload: 'flow-run', drops: [['flows_last_run'], ['flows_score']] },
  { workload: 'trigger-fire', drops: [['triggers_score']] },
  { workload: 'job-run', drops: [['scheduler_jobs_next_run'], ['scheduler_jobs_score']] },
  { workload: 'kv-ttl', drops: [['kv_expires']] },
  { workload: 'generic-update', drops: [['index_metadata'], ['index_score']] },
  { workload: 'generic-add', drops: [['index_metadata'], ['index_score'], ['index_metadata', 'index_score']] },
  {
    workload: 'append', table: 'flow_events',
    drops: [['flow_events_run'], ['flow_events_flow_type'], ['flow_events_version'], ['flow_events_event_id', 'flow_events_correlation']],
  },
]
/** Indexes without which reads in order of score and by version would sort; the others are promised. */
export const OWN_INDEXES = ['score', 'version', 'event_id', 'correlation']
