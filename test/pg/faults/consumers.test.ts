import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import { compiled } from '../../setup/compiled'
import { freshDatabase, openStore } from '../../setup/database'
import { eventually } from '../../setup/eventually'
import { servers } from '../servers'
import type { ConsumerPlan } from './consumerWorker'
import { EFFECTS, READ_EFFECTS } from './effects'
import type { Effect } from './effects'
import { appending, checkEffects } from './numbered'

// Fifty rounds: CONSUMER_ROUNDS=50 npx vitest run --project pg test/pg/faults/consumers.test.ts
const ROUNDS = Number(process.env.CONSUMER_ROUNDS ?? 6)
const WORKERS = 3
const LEASE_MS = 800

interface Worker {
  child: ChildProcess
  logs: string[]
}

async function start(plan: ConsumerPlan): Promise<Worker> {
  const child = fork(compiled('test/pg/faults/consumerWorker.ts'), [JSON.stringify(plan)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  const logs: string[] = []
  await new Promise<void>((resolve, reject) => {
    child.once('exit', code => reject(new Error(`a worker has ended with ${code} before it was ready`)))
    child.on('message', (message: { ready?: true, log?: string }) => message.ready ? resolve() : logs.push(message.log!))
  })
  return { child, logs }
}

const CASES: [name: string, options: ConsumerPlan['options']][] = [
  ['in batches', { name: 'totals', transaction: 'batch', batchSize: 20, concurrency: 2 }],
  ['one by one', { name: 'totals', transaction: 'each', concurrency: 3 }],
  ['in global order', { name: 'totals', order: 'global', onExhausted: 'block' }],
  ['without a transaction', { name: 'totals', transaction: 'none', concurrency: 8 }],
  ['in global order without a transaction', { name: 'totals', transaction: 'none', order: 'global', onExhausted: 'block', concurrency: 1 }],
]

describe.each(servers)('consumers on $name whose processes are killed, frozen and cut off', ({ server }) => {
  it.each(CASES)('handle every event, in order, %s', { timeout: 300_000 + ROUNDS * 20_000 }, async (_, given) => {
    const { url, sql } = await freshDatabase(server)
    const store = openStore({ connection: url })
    await store.ready()
    await sql(EFFECTS)
    const plan = (at: number): ConsumerPlan => ({
      url, worker: String(at), failures: 10,
      options: { ...given, leaseMs: LEASE_MS, pollInterval: 50, backoff: { first: 20, max: 200 }, maxAttempts: 100 },
    })
    let started = 0
    const workers = await Promise.all(Array.from({ length: WORKERS }, () => start(plan(started++))))
    const events = appending(store)
    for (let round = 0; round < ROUNDS; round++) {
      await sleep(100 + Math.random() * 500)
      const at = round % WORKERS
      const { child } = workers[at]!
      const kind = round % 3
      if (kind === 0) {
        child.kill('SIGKILL')
        await once(child, 'exit')
        workers[at] = await start(plan(started++))
      }
      else if (kind === 1) {
        child.kill('SIGSTOP')
        await sleep(LEASE_MS * 1.5)
        child.kill('SIGCONT')
      }
      else {
        await sql('select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() order by random() limit 3')
      }
    }
    await events.stop()
    const consumer = store.consume({ ...plan(-1).options, handler: () => {} })
    await eventually(async () => expect(await consumer.status()).toMatchObject({ lag: 0, parked: 0 }))
    await Promise.all(workers.map(async ({ child }) => {
      child.send('stop')
      await once(child, 'exit')
    }))

    const { all, doubled } = checkEffects(await sql<Effect>(READ_EFFECTS), events.next)
    console.info(`${given.transaction ?? 'batch'} ${given.order ?? 'subject'}: ${all} events, ${ROUNDS} rounds, ${doubled} doubled`)
    // What a handler does outside of a transaction may happen again where its process was killed, frozen or cut off.
    if (given.transaction === 'none') expect(doubled).toBeLessThanOrEqual(ROUNDS * 3 * given.concurrency! * 20)
    else expect(doubled).toBe(0)
  })
})
