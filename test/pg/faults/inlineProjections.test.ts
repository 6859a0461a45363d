/** Processes that append with inline projections and are killed at any moment: each state is the fold of the log. */
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Store } from '../../../src/runtime/core/index'
import { compiled } from '../../setup/compiled'
import { freshDatabase, openStore } from '../../setup/database'
import { eventually } from '../../setup/eventually'
import { servers } from '../servers'
import { countOf, counters, parityOf } from './inlineCounters'
import type { Count } from './inlineCounters'
import type { InlinePlan } from './inlineWorker'

// More rounds: INLINE_ROUNDS=30 npx vitest run --project pg test/pg/faults/inlineProjections.test.ts
const ROUNDS = Number(process.env.INLINE_ROUNDS ?? 6)
const SUBJECTS = Array.from({ length: 8 }, (_, at) => `counted:${at}`)

type Message = { ready?: true, ids?: string[], failed?: string }

async function start(plan: InlinePlan, confirmed: Set<string>, failures: string[]): Promise<ChildProcess> {
  const child = fork(compiled('test/pg/faults/inlineWorker.ts'), [JSON.stringify(plan)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  await new Promise<void>((resolve, reject) => {
    child.once('exit', code => reject(new Error(`a worker has ended with ${code} before it was ready`)))
    child.on('message', ({ ready, ids, failed }: Message) => {
      if (ready) resolve()
      if (failed) failures.push(failed)
      for (const id of ids ?? []) confirmed.add(id)
    })
  })
  return child
}

async function folds(store: Store): Promise<{ ids: Set<string>, states: Record<string, Record<string, Count>> }> {
  const states: Record<string, Record<string, Count>> = { 'by-subject': {}, 'by-parity': {} }
  const ids = new Set<string>()
  for await (const { subject, event } of store.stream.readAll({ subjects: ['counted:*'] })) {
    ids.add(event.id)
    for (const [name, key] of [['by-subject', subject], ['by-parity', parityOf({ subject })]] as const) states[name]![key] = countOf(states[name]![key] ?? { sum: 0, count: 0 }, event)
  }
  return { ids, states }
}

async function served(store: Store, name: string): Promise<Record<string, Count>> {
  const states: Record<string, Count> = {}
  for await (const { key, state } of store.projections.all<Count>(name)) states[key] = state
  return states
}

describe.each(servers)('inline projections on $name', ({ server }) => {
  it('of processes that are killed at any moment, also in a change of versions: every state is the fold of the log', { timeout: 120_000 + ROUNDS * 20_000 }, async () => {
    const { url } = await freshDatabase(server)
    const store = openStore({ connection: url })
    for (const version of [1, 2]) counters(version).forEach(options => store.project<Count>(options))
    await store.ready()
    const confirmed = new Set<string>()
    const failures: string[] = []
    let started = 0
    const begin = () => start({ url, worker: ++started, subjects: SUBJECTS }, confirmed, failures)
    const workers = [await begin(), await begin()]
    for (let round = 0; round < ROUNDS; round++) {
      await sleep(50 + Math.random() * 400)
      const gone = workers[round % 2]!
      gone.kill('SIGKILL')
      await once(gone, 'exit')
      workers[round % 2] = await begin()
    }
    await eventually(async () => {
      for (const name of ['by-subject', 'by-parity']) expect(await store.projections.checkpoint(name)).toMatchObject({ serving: { version: 2, mode: 'inline' } })
    })
    await Promise.all(workers.map(async (worker) => {
      worker.kill('SIGKILL')
      await once(worker, 'exit')
    }))
    // What a killed process had under way ends on the server a moment later.
    let before = -1
    await eventually(async () => {
      const { size } = (await folds(store)).ids
      const isQuiet = size === before
      before = size
      expect(isQuiet).toBe(true)
    })
    const { ids, states } = await folds(store)
    console.info(`${ROUNDS} rounds: ${ids.size} events, ${confirmed.size} confirmed`)
    expect(failures).toEqual([])
    for (const id of confirmed) expect(ids).toContain(id)
    expect(await served(store, 'by-subject')).toEqual(states['by-subject'])
    expect(await served(store, 'by-parity')).toEqual(states['by-parity'])
  })
})
