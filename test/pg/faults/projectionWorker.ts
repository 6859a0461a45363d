import { setTimeout as sleep } from 'node:timers/promises'
import { createStore } from '../../../src/runtime/core/index'
import { NOTE_SUM, step } from './ledger'

export interface ProjectionPlan {
  url: string
  version: number
}

/** One process of a projection: a state for each subject, and a sum in a table of its own for each build. */
const { url, version } = JSON.parse(process.argv[2]!) as ProjectionPlan
const store = createStore({
  connection: `${url}?application_name=projecting`, poolSize: 6,
  logger: { info() {}, warn: message => process.send!({ log: message }), error: message => process.send!({ log: message }) },
})
const projection = store.project({
  name: 'ledger', version, subjects: ['s:*'], init: { count: 0, chain: 0 }, batchSize: 20, buildConcurrency: 3,
  leaseMs: 800, pollInterval: 50, backoff: { first: 20, max: 200 }, maxAttempts: 100,
  async handle(state, event, { tx, build }) {
    await tx.query(NOTE_SUM, [build, event.subject])
    // At work for most of the time, whenever it is killed.
    await sleep(1)
    if (Math.random() < 0.01) throw new Error('now and then')
    return step(state, event)
  },
})
process.on('message', () => {
  void projection.stop().then(() => store.close()).then(() => process.disconnect())
})
await projection.start()
process.send!({ ready: true })
