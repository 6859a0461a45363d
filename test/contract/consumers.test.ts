/** Consumers of one process and of several, on every database. */
import { describe, expect, it, onTestFinished } from 'vitest'
import type { ConsumeOptions, Consumer, ConsumedEvent, ConsumerContext } from '../../src/runtime/core/consumers/types'
import type { Store } from '../../src/runtime/core/types'
import { embeddedAndServer } from '../setup/backends'
import { gate } from '../setup/consumers'
import { eventually } from '../setup/eventually'

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

describe.each(embeddedAndServer)('consumers on $name', ({ open, available }) => {
  it.runIf(available()).each(['batch', 'each', 'none'] as const)('handle every event once, in the order of its subject: transaction %s', async (transaction) => {
    const { store } = await open()
    await fill(store)
    const seen: ConsumedEvent[] = []
    const consumer = await started(store, { name: 'all', leaseMs: 20_000, transaction, handler: event => void seen.push(event) })
    await fill(store, 2)
    await consumer.whenCaughtUp()
    expect(seenBy(seen)).toEqual(Object.fromEntries(SUBJECTS.map(subject => [subject, [0, 1, 2, 3, 4, 0, 1]])))
    expect(await consumer.status()).toMatchObject({ state: 'running', lag: 0, parked: 0, shards: { all: 32, held: 32, here: 32 } })
    await consumer.stop()
    expect(await consumer.status()).toMatchObject({ state: 'stopped', shards: { held: 0, here: 0 } })
  })

  it.runIf(available())('go on with the other shards while one has a slow event before more than is read ahead', async () => {
    const { store } = await open()
    await store.stream.appendMany('slow', range(4_200).map(n => ({ type: 'numbered', data: { n } })))
    await fill(store, 1)
    const { opened, open: end } = gate()
    const seen: string[] = []
    await started(store, {
      name: 'beside', transaction: 'none', concurrency: 2, leaseMs: 20_000, attemptTimeout: 0,
      handler: ({ subject }) => subject === 'slow' ? opened : void seen.push(subject),
    })
    // Those of its own shard wait behind it.
    await eventually(() => expect(seen.length).toBeGreaterThan(SUBJECTS.length / 2))
    expect(new Set(seen).size).toBe(seen.length)
    end()
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

  it.runIf(available()).each(['subject', 'global'] as const)('write their positions down while an event is under way, without a transaction: order %s', async (order) => {
    const { store } = await open()
    for (let n = 0; n < 10; n++) await store.stream.append('orders:1', { type: 'numbered', data: { n } })
    const [, , , fourth] = await store.stream.read('orders:1')
    const { opened, open: end } = gate()
    const consumer = await started(store, {
      name: 'slow', transaction: 'none', order, leaseMs: 20_000, handler: ({ data }) => (data as { n: number }).n < 4 ? undefined : opened,
    })
    await consumer.whenProcessed(fourth!.id)
    expect(await consumer.status()).toMatchObject({ state: 'running', position: fourth!.id })
    end()
    await consumer.whenCaughtUp()
  })

  it.runIf(available())('repeat nothing but what is under way when they are stopped, without a transaction', async () => {
    const { store } = await open()
    const { opened, open: end } = gate()
    const seen: string[] = []
    const options: ConsumeOptions = {
      name: 'handed over', transaction: 'none', concurrency: 4, leaseMs: 20_000, shards: 2, attemptTimeout: 0, async handler({ subject, data }, { signal }) {
        seen.push(`${subject} ${(data as { n: number }).n}`)
        if (subject.startsWith('slow') && !signal.aborted) await opened
      },
    }
    for (const subject of ['slow:1', 'slow:2', 'slow:3']) for (let n = 0; n < 3; n++) await store.stream.append(subject, { type: 'numbered', data: { n } })
    await fill(store)
    const first = await started(store, options)
    await eventually(() => expect(seen).toHaveLength(103))
    await first.stop({ drainMs: 50 })
    end()
    const next = await started(store, options)
    await eventually(async () => expect(await next.status()).toMatchObject({ lag: 0, parked: 0 }))
    const all = [...SUBJECTS.flatMap(subject => range(5).map(n => `${subject} ${n}`)), ...range(3).flatMap(at => range(3).map(n => `slow:${at + 1} ${n}`))]
    expect([...new Set(seen)].sort()).toEqual(all.sort())
    // The three that were under way.
    expect(seen).toHaveLength(all.length + 3)
    for (const slow of ['slow:1', 'slow:2', 'slow:3']) expect(seen.slice(103).filter(call => call.startsWith(slow))).toEqual(range(3).map(n => `${slow} ${n}`))
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
    await eventually(async () => expect(await sql('select subject, attempts::int, state from nvent_dead_letters')).toEqual([{ subject: 'orders:3', attempts: 3, state: 'parked' }]))
    await consumer.whenCaughtUp()
    const done = seenBy(seen.filter((event, at) => seen.findIndex(({ id }) => id === event.id) === at))
    expect(done).toEqual(Object.fromEntries(SUBJECTS.map(subject => [subject, subject === 'orders:3' ? [0, 1] : [0, 1, 2, 3, 4]])))
    expect(attempts).toContain(3)
  })

  it.runIf(available()).each(['batch', 'each', 'none'] as const)('runOnce handles what there is and gives its shards back: transaction %s', async (transaction) => {
    // One connection, as a function has it.
    const { store, sql } = await open({ poolSize: 1, notify: false })
    await fill(store)
    const seen: ConsumedEvent[] = []
    const consumer = store.consume({ name: 'once', transaction, handler: event => void seen.push(event) })
    expect(await consumer.runOnce()).toEqual({ handled: 100, caughtUp: true })
    expect(seenBy(seen)).toEqual(Object.fromEntries(SUBJECTS.map(subject => [subject, [0, 1, 2, 3, 4]])))
    expect(await sql('select shard from nvent_consumer_shards where owner is not null')).toEqual([])
    expect(await sql('select member from nvent_consumer_members')).toEqual([])
    expect(await consumer.runOnce()).toEqual({ handled: 0, caughtUp: true })
    await fill(store, 1)
    expect(await consumer.runOnce({ maxMs: 60_000 })).toEqual({ handled: 20, caughtUp: true })
    expect(await consumer.status()).toMatchObject({ state: 'stopped', lag: 0 })
  })

  it.runIf(available())('runOnce ends when its time is over, and the next one goes on from there', async () => {
    const { store } = await open()
    await fill(store)
    const seen: ConsumedEvent[] = []
    let release = () => {}
    const released = new Promise<void>(resolve => (release = resolve))
    const consumer = store.consume({
      name: 'bounded', transaction: 'each', async handler(event) {
        // Once the run begins no further event.
        if (seen.length === 3) await released
        seen.push(event)
      },
    })
    const run = consumer.runOnce({ maxMs: 1_000, drainMs: 60_000 })
    const timer = setTimeout(release, 3_000)
    const first = await run
    clearTimeout(timer)
    release()
    expect(first).toEqual({ handled: seen.length, caughtUp: false })
    expect(seen.length).toBeLessThan(100)
    const second = await consumer.runOnce({ maxMs: 60_000 })
    expect(second).toEqual({ handled: 100 - first.handled, caughtUp: true })
    expect(seenBy(seen)).toEqual(Object.fromEntries(SUBJECTS.map(subject => [subject, [0, 1, 2, 3, 4]])))
  })

  it.runIf(available())('runOnce makes the retries that are due, in order', async () => {
    const { store } = await open()
    await fill(store)
    const seen: ConsumedEvent[] = []
    let isBroken = true
    const consumer = store.consume({
      name: 'retries', backoff: { first: 200, max: 200 }, handler(event) {
        if (event.subject === 'orders:3' && isBroken) throw new Error('down')
        seen.push(event)
      },
    })
    await consumer.runOnce()
    expect(await consumer.status()).toMatchObject({ lag: 0, parked: 1 })
    isBroken = false
    seen.length = 0
    await eventually(async () => {
      await consumer.runOnce()
      expect(await consumer.status()).toMatchObject({ lag: 0, parked: 0 })
    })
    expect(seen.map(({ subject, data }) => [subject, (data as { n: number }).n])).toEqual(range(5).map(n => ['orders:3', n]))
  })

  it.runIf(available())('runOnce in two processes at once: each event is handled by one of them', async () => {
    const { store } = await open()
    await fill(store, 10)
    const options = { name: 'twice', transaction: 'each', handler: async ({ subject }: ConsumedEvent, { tx }: ConsumerContext) => tx.kv.increment(`count:${subject}`) } as const
    const consumers = [store.consume(options), store.consume(options)]
    const results = await Promise.all(consumers.map(consumer => consumer.runOnce({ maxMs: 60_000 })))
    expect(results[0]!.handled + results[1]!.handled).toBe(200)
    expect(results.some(({ caughtUp }) => caughtUp)).toBe(true)
    expect(await store.kv.getMany(SUBJECTS.map(subject => `count:${subject}`))).toEqual(SUBJECTS.map(() => 10))
  })

  it.runIf(available())('runOnce fails with the error that ends the consumer, and refuses what it can not do', async () => {
    const { store, sql } = await open()
    await fill(store, 1)
    const stopping = store.consume({ name: 'stops', maxAttempts: 1, onExhausted: 'stop', handler: () => Promise.reject(new Error('poison')) })
    await expect(stopping.runOnce()).rejects.toThrow('has failed for the last time')
    expect(await sql('select shard from nvent_consumer_shards where owner is not null')).toEqual([])
    const consumer = await started(store, { name: 'at work', handler: () => undefined })
    await expect(consumer.runOnce()).rejects.toMatchObject({ code: 'INVALID_CALL' })
    await consumer.stop()
    for (const options of [{ maxMs: -1 }, { maxMs: '5' }, { drainMs: 1.5 }, { max: 5 }, 5] as never[]) await expect(consumer.runOnce(options)).rejects.toMatchObject({ code: 'INVALID_VALUE' })
    expect(await consumer.runOnce()).toMatchObject({ caughtUp: true })
  })

  it.runIf(available())('a start that fails can be stopped, and leaves nothing under way', async () => {
    const { store } = await open()
    await store.consume({ name: 'shards', shards: 4, handler: () => undefined }).runOnce()
    const consumer = store.consume({ name: 'shards', shards: 5, handler: () => undefined })
    const start = consumer.start()
    const stop = consumer.stop({ drainMs: 0 })
    await expect(start).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    await stop
    // A signal that aborts while the consumer starts counts as well.
    const other = store.consume({ name: 'signal', handler: () => undefined })
    const signal = new AbortController()
    const begun = other.start(signal.signal)
    signal.abort()
    await begun
    await eventually(async () => expect(await other.status()).toMatchObject({ state: 'stopped' }))
  })
})
