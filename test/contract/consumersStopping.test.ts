/** Stopping inside handlers, beside handlers that never end, and with a store that is closed. */
import { describe, expect, it } from 'vitest'
import { StoreError } from '../../src/runtime/core/index'
import type { Consumer } from '../../src/runtime/core/consumers/types'
import { embeddedAndServer } from '../setup/backends'
import { append, consumerOf, gate, numberOf, started } from '../setup/consumers'
import { eventually } from '../setup/eventually'

describe.each(embeddedAndServer)('consumers on $name, started and stopped', ({ open, available }) => {
  it.runIf(available()).each(['batch', 'each', 'none'] as const)('refuse to close their store inside a handler, which may stop them: transaction %s', async (transaction) => {
    const { store, sql } = await open()
    await append(store, 'a', 1)
    const refused = gate()
    let error: unknown
    const consumer = consumerOf(store, { name: 'closing', transaction, async handler() {
      error = await store.close().catch((error: unknown) => error)
      await consumer.stop()
      refused.open()
    } })
    await consumer.start()
    await refused.opened
    await eventually(async () => expect((await consumer.status()).state).toBe('stopped'))
    expect(error).toMatchObject({ code: 'INVALID_CALL', message: expect.stringMatching(/^close\(\) inside a handler /) as string })
    expect(await sql('select shard from nvent_consumer_shards where owner is not null')).toEqual([])
    await store.close()
  })

  it.runIf(available())('may be stopped, paused and asked inside a handler', async () => {
    const { store } = await open()
    await append(store, 'a', 1, 2, 3)
    const seen: number[] = []
    let refused: unknown
    const consumer: Consumer = consumerOf(store, {
      name: 'inside', transaction: 'each', async handler(event) {
        seen.push(numberOf(event))
        if (numberOf(event) === 1) consumer.pause()
        else if (numberOf(event) === 2) {
          await Promise.all([consumer.stop(), consumer.stop()])
          await consumer.start().catch((error: unknown) => (refused = error))
        }
      },
    })
    await consumer.start()
    await eventually(async () => expect(await consumer.status()).toMatchObject({ state: 'paused' }))
    expect(seen).toEqual([1])
    consumer.resume()
    await eventually(async () => expect(await consumer.status()).toMatchObject({ state: 'stopped' }))
    expect(refused).toMatchObject({ code: 'INVALID_CALL' })
    await consumer.start()
    await consumer.whenCaughtUp()
    expect(seen).toEqual([1, 2, 3])
  })

  it.runIf(available()).each(['batch', 'none'] as const)('stop beside a handler that never ends, and leave its event to the next start: transaction %s', async (transaction) => {
    const { store } = await open()
    await append(store, 'a', 1, 2)
    const begun = gate()
    let isStuck = true
    const seen: number[] = []
    const consumer = await started(store, {
      name: 'stuck', transaction, async handler(event) {
        begun.open()
        if (isStuck) await new Promise(() => {})
        seen.push(numberOf(event))
      },
    })
    await begun.opened
    await Promise.all([consumer.stop({ drainMs: 10_000 }), consumer.stop({ drainMs: 20 })])
    expect(await consumer.status()).toMatchObject({ state: 'stopped', parked: 0, shards: { held: 0 } })
    isStuck = false
    await consumer.start()
    await consumer.whenCaughtUp()
    expect(seen).toEqual([1, 2])
  })

  it.runIf(available())('stop at once while global order waits for an event that fails', async () => {
    const { store } = await open()
    await append(store, 'a', 1, 2)
    const failed = gate()
    const consumer = await started(store, {
      name: 'blocked', order: 'global', backoff: { first: 60_000, max: 60_000 }, handler() {
        failed.open()
        throw new Error('not now')
      },
    })
    await failed.opened
    await consumer.stop({ drainMs: 100_000 })
    expect(await consumer.status()).toMatchObject({ state: 'stopped', position: '0', shards: { held: 0 } })
  })

  it.runIf(available())('give their shards back when they fail', async () => {
    const { store } = await open()
    await append(store, 'a', 1)
    const consumer = await started(store, {
      name: 'stopping', onExhausted: 'stop', maxAttempts: 1, leaseMs: 60_000, handler() {
        throw new Error('poison')
      },
    })
    await eventually(async () => expect(await consumer.status()).toMatchObject({ state: 'failed', shards: { held: 0 } }))
    await expect(consumer.whenCaughtUp()).rejects.toThrow('has failed for the last time')
    const seen: string[] = []
    await started(store, { name: 'stopping', leaseMs: 60_000, handler: ({ subject }) => void seen.push(subject) })
    await eventually(() => expect(seen).toEqual(['a']))
  })

  it.runIf(available())('end with a store that is closed while a handler calls it', async () => {
    const { store, reopen } = await open()
    await append(store, 'a', 1)
    const begun = gate()
    const closed = gate()
    await started(store, {
      name: 'closing', transaction: 'none', maxAttempts: 1, async handler() {
        begun.open()
        await closed.opened
        await store.kv.set('a', 1)
      },
    })
    await begun.opened
    const closing = store.close()
    closed.open()
    await closing
    const { store: again } = await reopen!()
    expect((await again.deadLetters.list()).letters).toEqual([])
    const consumer = await started(again, { name: 'closing', handler: () => {} })
    await consumer.whenCaughtUp()
    await expect(store.consume({ name: 'closing', handler: () => {} }).start()).rejects.toBeInstanceOf(StoreError)
  })
})
