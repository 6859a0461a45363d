// (c) Flat columns compared with one table with a single big jsonb column and deep merge.
import { createHash } from 'node:crypto'
import { bundleStores, numbers, readFlags } from './lib/flags.mjs'
import { openJsonbTable } from './lib/jsonb-table.mjs'
import { renderJsonb } from './lib/jsonb-report.mjs'
import { randomSource, runAll, runCallers } from './lib/load.mjs'
import { describeMachine } from './lib/machine.mjs'
import { settle } from './lib/multiply.mjs'
import { report } from './lib/report.mjs'
import { runRounds } from './lib/rounds.mjs'
import { createDatabase, startPostgres, stopAll } from './lib/servers.mjs'
import { openStore } from './lib/store.mjs'

const flags = readFlags({
  kilobytes: { full: '1,10,50', quick: '1,10', help: 'how big the metadata of an entry is' },
  entries: { full: 1000, quick: 100, help: 'how many entries' },
  callers: { full: '1,64', help: 'how many concurrent callers' },
  server: { full: '15', help: 'which version of PostgreSQL' },
  rounds: { full: 9, quick: 3, help: 'rounds a case' },
  slice: { full: 400, quick: 100, help: 'milliseconds a contestant runs in a round' },
})

const POOL_SIZE = 10
const START = 1_750_000_000_000
const keyOf = kilobytes => `nvent:flow:runs:flow-${kilobytes}`

// Realistic, distinct ids: PostgreSQL compresses repeated text before it stores it.
const step = i => ({ at: START + i, attempt: 1, by: `worker-${i % 7}`, request: createHash('sha1').update(String(i)).digest('hex') })
const STEP_BYTES = JSON.stringify(step(0)).length + 12

/** Metadata: half of it in emitted events, a quarter in waiting steps, a quarter in fields without a column. */
function metadataOf(kilobytes, seed) {
  const steps = Math.max(4, Math.round(kilobytes * 1024 / STEP_BYTES))
  const some = (share, name) => Object.fromEntries(Array.from({ length: Math.round(steps * share) }, (_, at) => [`${name}${at}`, step(at + seed * steps)]))
  return {
    status: 'running', startedAt: START, stepCount: steps, completedSteps: 0, lastActivityAt: START,
    emittedEvents: some(0.5, 'event'), awaitingSteps: some(0.25, 'step'), input: some(0.25, 'field'),
  }
}

const updates = {
  status: { label: 'simple: status', patch: i => ({ status: i % 2 ? 'running' : 'awaiting' }) },
  hot: { label: 'simple: status, counters, time', patch: i => ({ status: i % 2 ? 'running' : 'awaiting', stepCount: i, completedSteps: i, lastActivityAt: START + i }) },
  nested: { label: 'complex: one of the emitted events', patch: i => ({ emittedEvents: { [`event${i % 2}`]: { at: START + i } } }) },
  everywhere: {
    label: 'complex: in four places',
    patch: i => ({ status: i % 2 ? 'running' : 'awaiting', emittedEvents: { event0: { at: START + i } }, awaitingSteps: { step0: { at: START + i } }, input: { field0: { at: START + i } } }),
  },
}

async function openContestants(server, source) {
  const [ours, alone, jsonb] = await Promise.all(['ours', 'alone', 'jsonb'].map(name => createDatabase(server, name)))
  return [
    { id: 'ours', url: ours, api: await openStore(source, ours, { poolSize: POOL_SIZE }) },
    { id: 'alone', url: alone, api: await openStore(source, alone, { poolSize: POOL_SIZE, batching: false }) },
    { id: 'jsonb', url: jsonb, api: await openJsonbTable(jsonb, POOL_SIZE) },
  ]
}

let calls = 0

async function measure() {
  const [source] = await bundleStores(flags)
  const server = await startPostgres(flags.server)
  const contestants = await openContestants(server, source)
  const cases = []
  for (const kilobytes of numbers(flags.kilobytes)) {
    const key = keyOf(kilobytes)
    for (const { api, url } of contestants) {
      await runAll(flags.entries, 64, n => api.index.add(key, `run-${n}`, START + n, metadataOf(kilobytes, n)))
      await settle(url)
    }
    for (const callers of numbers(flags.callers)) {
      for (const [update, { patch }] of Object.entries(updates)) {
        const random = randomSource(42)
        const callOf = ({ api }) => () => api.index.update(key, `run-${random(flags.entries)}`, patch(calls++))
        for (const contestant of contestants) await runCallers(callOf(contestant), callers, flags.slice)
        const results = await runRounds(contestants, flags.rounds, contestant => runCallers(callOf(contestant), callers, flags.slice))
        cases.push({ kilobytes, callers, update, rates: Object.fromEntries(results.map(({ rates }, at) => [contestants[at].id, rates])) })
        console.error(`${updates[update].label}, ${kilobytes} kB, ${callers} callers`)
      }
    }
  }
  for (const { api } of contestants) await api.close()
  return {
    machine: describeMachine({ servers: [server], stores: [source] }),
    method: { rounds: flags.rounds, slice: flags.slice, entries: flags.entries },
    labels: Object.fromEntries(Object.entries(updates).map(([name, { label }]) => [name, label])),
    cases,
  }
}

try {
  await report('jsonb', flags, measure, renderJsonb)
}
finally {
  await stopAll()
}
process.exit()
