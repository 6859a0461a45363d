/** Starting, stopping and pausing at any moment. */
import { getEventListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import type { ConsumeOptions } from '../../src/runtime/core/consumers/types'
import { embeddedAndServer } from '../setup/backends'
import { append, consumerOf, numberOf, started } from '../setup/consumers'
import { eventually } from '../setup/eventually'

describe.each(embeddedAndServer)('consumers on $name, started and stopped', ({ open, available }) => {
  it.runIf(available())('are started once by two calls, which both wait for it', async () => {
    const { store } = await open()
    const consumer = consumerOf(store, { name: 'twice', handler: () => {} })
    const second = Promise.all([consumer.start(), consumer.start()])
    await consumer.start()
    expect((await consumer.status()).state).toBe('running')
    await second
    // Both learn why it can't start.
    const other = consumerOf(store, { name: 'twice', shards: 3, handler: () => {} })
    const outcomes = await Promise.allSettled([other.start(), other.start()])
    for (const outcome of outcomes) expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'INVALID_OPTION' } })
    expect((await other.status()).state).toBe('idle')
  })

  it.runIf(available())('stop with an error when they were removed while their process was away, and can be started again', async () => {
    const { store, sql } = await open()
    const consumer = await started(store, { name: 'removed', leaseMs: 600, handler: (_, { tx }) => tx.kv.increment('handled') })
    // As an operator can when the leases have run out.
    for (const table of ['consumers', 'consumer_shards', 'consumer_members']) await sql(`delete from nvent_${table} where consumer = 'removed'`)
    await append(store, 'a', 1)
    await expect(consumer.whenCaughtUp()).rejects.toMatchObject({ code: 'NOT_FOUND', details: { consumer: 'removed' }, message: expect.stringContaining('start()') as string })
    expect(await consumer.status()).toMatchObject({ state: 'failed', error: { code: 'NOT_FOUND' } })
    expect(await sql('select * from nvent_consumer_members where consumer = \'removed\'')).toEqual([])
    await consumer.start()
    await consumer.whenCaughtUp()
    expect(await store.kv.get('handled')).toBe(1)
  })

  it.runIf(available())('stop while they start, also where they can\'t', async () => {
    const { store } = await open()
    await append(store, 'a', 1)
    const seen: number[] = []
    const consumer = consumerOf(store, { name: 'life', handler: event => void seen.push(numberOf(event)) })
    await Promise.all([consumer.start(), consumer.stop(), consumer.stop()])
    expect((await consumer.status()).state).toBe('stopped')
    const other = consumerOf(store, { name: 'life', shards: 3, handler: () => {} })
    const start = other.start()
    await Promise.all([expect(start).rejects.toMatchObject({ code: 'INVALID_OPTION' }), other.stop()])
    await consumer.start()
    await consumer.whenCaughtUp()
    expect(seen).toEqual([1])
  })

  it.runIf(available())('are forgotten by the store when they have stopped, however they do', async () => {
    const { store } = await open()
    await append(store, 'a', 1)
    const signal = new AbortController()
    const handlers: WeakRef<() => unknown>[] = []
    const consume = (handle: () => unknown, options: Partial<ConsumeOptions> = {}) => {
      // A function of its own for each of them.
      const handler = () => handle()
      handlers.push(new WeakRef(handler))
      return store.consume({ name: 'again', maxAttempts: 1, ...options, handler })
    }
    // Without expect(), which keeps what it was given until the test ends.
    const ends: (() => Promise<unknown>)[] = [
      async () => {
        const consumer = consume(() => {})
        await consumer.start()
        await consumer.stop()
      },
      () => consume(() => {}).runOnce(),
      async () => {
        const consumer = consume(() => {})
        await consumer.start(signal.signal)
        signal.abort()
        while ((await consumer.status()).state !== 'stopped') await sleep(20)
      },
      () => consume(() => {}, { shards: 5 }).start().catch(() => {}),
      () => consume(() => Promise.reject(new Error('poison')), { from: 'start', onExhausted: 'stop' }).runOnce().catch(() => {}),
    ]
    for (const end of ends) await end()
    expect(handlers).toHaveLength(5)
    // The last one of a name is what previews take.
    const last = consumerOf(store, { name: 'again', handler: () => {} })
    await last.start()
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    await eventually(() => {
      collect()
      expect(handlers.filter(handler => handler.deref() !== undefined)).toEqual([])
    })
    await last.stop()
  })

  it.runIf(available())('start again when they are started while they stop', async () => {
    const { store } = await open()
    const seen: number[] = []
    const consumer = await started(store, { name: 'life', handler: event => void seen.push(numberOf(event)) })
    for (const n of [1, 2, 3]) {
      const stopped = consumer.stop()
      await Promise.all([consumer.start(), stopped])
      await append(store, 'a', n)
      await consumer.whenCaughtUp()
    }
    expect(seen).toEqual([1, 2, 3])
  })

  it.runIf(available())('stop by the signal of their start, at any moment, and by no earlier one', async () => {
    const { store } = await open()
    const consumer = consumerOf(store, { name: 'life', handler: () => {} })
    await consumer.start(AbortSignal.abort())
    expect((await consumer.status()).state).toBe('idle')
    const first = new AbortController()
    const starting = consumer.start(first.signal)
    first.abort()
    await starting
    await eventually(async () => expect((await consumer.status()).state).toBe('stopped'))

    const second = new AbortController()
    await consumer.start(second.signal)
    await consumer.stop()
    const third = new AbortController()
    await consumer.start(third.signal)
    second.abort()
    await append(store, 'a', 1)
    await consumer.whenCaughtUp()
    expect((await consumer.status()).state).toBe('running')
    third.abort()
    await eventually(async () => expect((await consumer.status()).state).toBe('stopped'))
  })

  it.runIf(available())('stop by the signal of any of their starts, also of one while they are at work', async () => {
    const { store } = await open()
    const consumer = consumerOf(store, { name: 'life', handler: () => {} })
    for (const first of [undefined, new AbortController().signal]) {
      const second = new AbortController()
      await Promise.all([consumer.start(first), consumer.start(), consumer.start(second.signal), consumer.start(second.signal)])
      expect((await consumer.status()).state).toBe('running')
      second.abort()
      await eventually(async () => expect((await consumer.status()).state).toBe('stopped'))
      expect(getEventListeners(second.signal, 'abort')).toEqual([])
      if (first) expect(getEventListeners(first, 'abort')).toEqual([])
    }
  })

  it.runIf(available())('stay paused over a start until they are resumed', async () => {
    const { store } = await open()
    await append(store, 'a', 1)
    const seen: number[] = []
    const consumer = consumerOf(store, { name: 'paused', handler: event => void seen.push(numberOf(event)) })
    consumer.pause()
    await consumer.start()
    await eventually(async () => expect(await consumer.status()).toMatchObject({ state: 'paused', shards: { here: 32 } }))
    expect(seen).toEqual([])
    consumer.resume()
    await consumer.whenCaughtUp()
    expect(seen).toEqual([1])
  })
})
