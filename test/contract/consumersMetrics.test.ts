/** What a process counts and traces of its consumers. */
import { tracingChannel } from 'node:diagnostics_channel'
import { describe, expect, it, onTestFinished } from 'vitest'
import { embeddedAndServer } from '../setup/backends'
import { gate } from '../setup/consumers'
import { append, started } from '../setup/deadLetters'
import { eventually } from '../setup/eventually'

describe.each(embeddedAndServer)('the consumers of a database on $name', ({ open, available }) => {
  it.runIf(available())('are counted in the metrics of the process that works for them', async () => {
    const { store } = await open()
    const of = (name: string) => store.admin.metrics().consumers[name]!
    await append(store, 'orders:1', { n: 1 })
    for (const n of [2, 3]) await append(store, `orders:${n}`, { n: 1 }, { n: 2 })
    const consumer = await started(store, {
      maxAttempts: 2, backoff: { first: 1 }, handler: ({ subject }) => {
        if (subject === 'orders:1') throw new Error('poison')
      },
    })
    await eventually(() => expect(of('fulfilment')).toMatchObject({ handled: 4, failed: 2, parked: 1, deadLetters: 1, fenced: 0, shards: 32, lag: 0 }))
    const { handler } = of('fulfilment')
    expect(handler).toMatchObject({ active: 0, errors: { OTHER: expect.any(Number) as number } })
    expect(handler.calls).toBeGreaterThanOrEqual(3)
    expect(handler.buckets.at(-1)).toBe(handler.calls)
    await consumer.stop()
    expect(of('fulfilment')).toMatchObject({ shards: 0, lag: null })

    const results = await started(store, { name: 'results', from: 'now', transaction: 'none', batchHandler: events => events.map(({ data }) => data.n === 5 ? { dead: 'unfit' } : 'done'), onExhausted: 'skip' })
    await append(store, 'orders:4', { n: 4 }, { n: 5 }, { n: 6 })
    await eventually(() => expect(of('results')).toMatchObject({ handled: 2, failed: 1, parked: 0, deadLetters: 1 }))
    await results.stop()

    let attempts = 0
    await started(store, {
      name: 'all in order', order: 'global', from: 'now', backoff: { first: 1 }, handler: () => {
        if (++attempts < 3) throw new Error('not yet')
      },
    })
    await append(store, 'orders:5', { n: 1 })
    await eventually(() => expect(of('all in order')).toMatchObject({ handled: 1, failed: 2, parked: 0, deadLetters: 0, shards: 1 }))
    expect(store.admin.metrics().consumers).not.toHaveProperty('never started')
  })

  it.runIf(available())('count work that was refused, because another process had taken its shard', async () => {
    const { store, sql } = await open()
    const { opened, open: go } = gate()
    await started(store, { transaction: 'none', handler: () => opened })
    await append(store, 'orders:1', { n: 1 })
    await eventually(() => expect(store.admin.metrics().consumers.fulfilment).toMatchObject({ handler: { active: 1 } }))
    await sql('update nvent_consumer_shards set owner = \'another\', token = 99999, leased_until = now() + interval \'1 hour\'')
    await eventually(() => expect(store.admin.metrics().consumers.fulfilment!.fenced).toBeGreaterThan(0))
    go()
  })

  it.runIf(available())('have each call of a handler traced, with what it does inside of it', async () => {
    const { store } = await open()
    const calls: Record<string, unknown>[] = []
    const channel = tracingChannel('nvent-store-postgres:operation')
    const onEnd = (call: unknown) => void calls.push({ ...call as object })
    channel.asyncEnd.subscribe(onEnd)
    onTestFinished(() => channel.asyncEnd.unsubscribe(onEnd))
    await append(store, 'orders:1', { n: 1 })
    const error = new Error('poison')
    let isBroken = true
    const consumer = await started(store, {
      maxAttempts: 5, backoff: { first: 1 }, handler: async (_, { tx }) => {
        await tx.kv.set('handled', 1)
        if (isBroken) throw error
      },
    })
    await eventually(() => expect(calls).toContainEqual({ operation: 'consumer.handle', table: undefined, transaction: true, consumer: 'fulfilment', error: expect.objectContaining({ cause: error }) as Error }))
    isBroken = false
    await eventually(() => expect(calls).toContainEqual({ operation: 'consumer.handle', table: undefined, transaction: true, consumer: 'fulfilment' }))
    expect(calls.map(({ operation }) => operation)).toEqual(expect.arrayContaining(['kv.set', 'consume']))
    await consumer.stop()
  })
})
