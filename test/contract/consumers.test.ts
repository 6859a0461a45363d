/** Consumers of one process and of several, on every database. */
import { describe, expect, it, onTestFinished } from 'vitest'
import type { ConsumeOptions, Consumer, ConsumedEvent } from '../../src/runtime/core/consumers/types'
import type { Store } from '../../src/runtime/core/types'
import { postgres15, postgres18, pglite } from '../setup/backends'
import { eventually } from '../setup/eventually'

const backends = [pglite, postgres18, postgres15]
const range = (count: number) => Array.from({ length: count }, (_, at) => at)
const SUBJECTS = range(20).map(at => `orders:${at}`)

async function started(store: Store, options: ConsumeOptions): Promise<Consumer> {
  const consumer = store.consume({ pollInterval: 20, leaseMs: 1_000, backoff: { first: 20, max: 100 }, ...options })
  await consumer.start()
  onTestFinished(() => consumer.stop())
  return consumer
}

async function fill(store: Store, each = 5): Promise<void> {
  for (let n = 0; n < each; n++) await Promise.all(SUBJECTS.map(subject => store.stream.append(subject, { type: 'numbered', data: { n } })))
}

/** What a handler saw, by subject. */
const seenBy = (events: ConsumedEvent[]) => Object.fromEntries(SUBJECTS.map(subject => [subject, events.filter(event => event.subject === subject).map(({ data }) => (data as { n: number }).n)]))

describe.each(backends)('consumers on $name', ({ open, available }) => {
  it.runIf(available()).each(['batch', 'each', 'none'] as const)('handle every event once, in the order of its subject: transaction %s', async (transaction) => {
    const { store } = await open()
    await fill(store)
    const seen: ConsumedEvent[] = []
    const consumer = await started(store, { name: 'all', transaction, handler: event => void seen.push(event) })
    await fill(store, 2)
    await consumer.whenCaughtUp()
    expect(seenBy(seen)).toEqual(Object.fromEntries(SUBJECTS.map(subject => [subject, [0, 1, 2, 3, 4, 0, 1]])))
    expect(await consumer.status()).toMatchObject({ state: 'running', lag: 0, parked: 0, shards: { all: 32, held: 32, here: 32 } })
    await consumer.stop()
    expect(await consumer.status()).toMatchObject({ state: 'stopped', shards: { held: 0, here: 0 } })
  })

  it.runIf(available())('keep what a handler writes through its transaction together with the checkpoint', async () => {
    const { store } = await open()
    await fill(store)
    let failures = 0
    const consumer = await started(store, {
      name: 'totals', batchSize: 7, handler: async ({ subject }, { tx }) => {
        await tx.kv.increment(`count:${subject}`)
        if (Math.random() < 0.05 && failures++ < 10) throw new Error('now and then')
      },
    })
    await eventually(async () => expect(await consumer.status()).toMatchObject({ lag: 0, parked: 0 }))
    expect(await store.kv.getMany(SUBJECTS.map(subject => `count:${subject}`))).toEqual(SUBJECTS.map(() => 5))
  })

  it.runIf(available())('park a subject whose event fails for the last time, in order, while others go on', async () => {
    const { store, sql } = await open()
    await fill(store)
    const seen: ConsumedEvent[] = []
    const attempts: number[] = []
    const consumer = await started(store, {
      name: 'parking', maxAttempts: 3, handler(event, { attempt }) {
        if (event.subject === 'orders:3' && (event.data as { n: number }).n === 2) {
          attempts.push(attempt)
          throw new Error('poison')
        }
        seen.push(event)
      },
    })
    await eventually(async () => expect(await sql('select subject, attempts, state from nvent_dead_letters')).toEqual([{ subject: 'orders:3', attempts: 3, state: 'parked' }]))
    await consumer.whenCaughtUp()
    const done = seenBy(seen.filter((event, at) => seen.findIndex(({ id }) => id === event.id) === at))
    expect(done).toEqual(Object.fromEntries(SUBJECTS.map(subject => [subject, subject === 'orders:3' ? [0, 1] : [0, 1, 2, 3, 4]])))
    expect(attempts).toContain(3)
  })
})
