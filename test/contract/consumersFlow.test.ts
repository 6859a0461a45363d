/** How consumers hold events back: rateLimit and concurrencyKey, which hold for all processes together. */
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { ConsumedEvent } from '../../src/runtime/core/consumers/types'
import { versionOf } from '../../src/runtime/core/index'
import { embeddedAndServer } from '../setup/backends'
import { append, numberOf, started } from '../setup/consumers'
import { eventually } from '../setup/eventually'
import { HOUR, MODES, SUBJECTS, expectInOrder, fill, keyOf, members } from '../setup/limited'

describe.each(embeddedAndServer)('limits of consumers on $name', ({ open, available }) => {
  it.runIf(available()).each(MODES)('hand no more events to handlers than rateLimit allows, %s', async (mode, options) => {
    const { store } = await open()
    await fill(store, 4)
    const { consumers, seen, attempts } = await members(store, mode, { ...options, rateLimit: { limit: 5, perMs: HOUR } })
    await eventually(() => expect(seen).toHaveLength(5))
    await sleep(300)
    expect(seen).toHaveLength(5)
    // What was taken is in the database: another start begins with nothing.
    for (const consumer of consumers) await consumer.stop()
    for (const consumer of consumers) await consumer.start()
    await sleep(300)
    expect(seen).toHaveLength(5)
    // No event is parked for a limit that all events have in common.
    expect(await consumers[0]!.status()).toMatchObject({ parked: 0 })
    expect([...attempts]).toEqual([1])
  })

  it.runIf(available()).each(['rateLimit', 'concurrencyKey', 'debounce'] as const)('give the key of %s events whose versions are known', async (option) => {
    const { store } = await open()
    await append(store, 'a', 1, 2)
    const seen = new Set<number>()
    const key = (event: ConsumedEvent) => {
      seen.add(versionOf(event))
      return event.subject
    }
    const options = { rateLimit: { limit: 10, perMs: HOUR, key }, concurrencyKey: { limit: 10, key }, debounce: { ms: 1, key } }
    const consumer = await started(store, { name: 'versions', [option]: options[option], handler: () => {} })
    await eventually(async () => expect(await consumer.status()).toMatchObject({ lag: 0, parked: 0 }))
    expect([...seen].sort()).toEqual([1, 2])
  })

  it.runIf(available()).each(MODES)('lose none of the events that rateLimit lets wait, and keep their order, %s', async (mode, options) => {
    const { store } = await open()
    await fill(store, 4)
    const since = performance.now()
    const times: number[] = []
    const perMs = 200
    const { seen, attempts } = await members(store, mode, { ...options, rateLimit: { limit: 5, perMs } }, async () => void times.push(performance.now()))
    await eventually(() => expect(seen).toHaveLength(20))
    expectInOrder(seen, 4)
    times.sort((a, b) => a - b).forEach((time, at) => expect(time - since, `call ${at}`).toBeGreaterThanOrEqual(Math.floor(at / 5) * perMs))
    expect([...attempts]).toEqual([1])
  })

  it.runIf(available()).each(MODES.slice(0, 4))('let other keys go on where rateLimit holds one back, %s', async (mode, options) => {
    const { store } = await open()
    await fill(store, 4)
    const { consumers, seen } = await members(store, mode, {
      ...options, rateLimit: { limit: 3, perMs: HOUR, key: event => keyOf(event) === 'c' ? undefined : keyOf(event) },
    })
    await consumers[0]!.whenCaughtUp()
    await eventually(() => expect(seen).toHaveLength(3 + 3 + 4))
    await sleep(300)
    for (const [key, count] of [['a', 3], ['b', 3], ['c', 4]] as const) expect(seen.filter(event => keyOf(event) === key), key).toHaveLength(count)
    for (const subject of SUBJECTS) {
      const numbers = seen.filter(event => event.subject === subject).map(numberOf)
      expect(numbers, subject).toEqual(numbers.map((_, n) => n))
    }
  })

  it.runIf(available()).each(MODES)('handle no more events of a key at once than concurrencyKey allows, %s', async (mode, options) => {
    const { store } = await open()
    await fill(store, 4)
    const active = new Map<string, number>()
    let most = 0
    const { seen, attempts } = await members(store, mode, { ...options, concurrencyKey: { key: keyOf, limit: 1 } }, async (event) => {
      const key = keyOf(event)!
      active.set(key, (active.get(key) ?? 0) + 1)
      most = Math.max(most, active.get(key)!)
      await sleep(5)
      active.set(key, active.get(key)! - 1)
    })
    await eventually(() => expect(seen).toHaveLength(20))
    expectInOrder(seen, 4)
    expect(most).toBe(1)
    expect([...attempts]).toEqual([1])
  })

  it.runIf(available())('have room for more than one handler of a key', async () => {
    const { store } = await open()
    await fill(store, 2, ['a:1', 'a:2', 'a:3', 'a:4'])
    let active = 0
    let most = 0
    const { seen } = await members(store, 'without a transaction', { transaction: 'none', concurrency: 4, concurrencyKey: { key: keyOf, limit: 2 } }, async () => {
      most = Math.max(most, ++active)
      // Until the other one is there: without it the test would prove nothing.
      await eventually(() => expect(most).toBe(2))
      active--
    })
    await eventually(() => expect(seen).toHaveLength(8))
    expect(most).toBe(2)
  })

  it.runIf(available())('hold for several limits at once', async () => {
    const { store } = await open()
    await fill(store, 4)
    const { seen } = await members(store, '', {
      transaction: 'none', concurrency: 4, concurrencyKey: { key: keyOf, limit: 1 }, rateLimit: { limit: 6, perMs: 100, key: () => 1 }, maxParked: 4,
    })
    await eventually(() => expect(seen).toHaveLength(20))
    expectInOrder(seen, 4)
  })

  it.runIf(available())('count a further attempt, but not the wait for it', async () => {
    const { store } = await open()
    await append(store, 'a', 1, 2)
    const calls: [number, number][] = []
    await started(store, {
      name: 'failing', rateLimit: { limit: 2, perMs: 150, key: keyOf }, handler(event, { attempt }) {
        calls.push([numberOf(event), attempt])
        if (attempt < 3) throw new Error('poison')
      },
    })
    await eventually(() => expect(calls).toEqual([[1, 1], [1, 2], [1, 3], [2, 1], [2, 2], [2, 3]]))
  })

  it.runIf(available()).each([
    ['throws', () => { throw new Error('poison') }], ['is asynchronous', async () => 'a'], ['returns an object', () => ({})], ['returns nothing but a string', () => ''],
  ])('fail an event whose key function %s', async (_, broken) => {
    const { store } = await open()
    await append(store, 'bad', 1)
    await append(store, 'good', 1)
    const seen: string[] = []
    const key = (event: ConsumedEvent) => event.subject === 'bad' ? broken() as string : 'good'
    await started(store, { name: 'keys', maxAttempts: 2, rateLimit: { limit: 10, perMs: 10, key }, handler: event => void seen.push(event.subject) })
    await eventually(async () => expect((await store.deadLetters.list()).letters).toMatchObject([{ subject: 'bad', attempts: 2 }]))
    await eventually(() => expect(seen).toEqual(['good']))
  })

  it.runIf(available()).each([
    ['rateLimit', 'soon', 'options.rateLimit'], ['rateLimit', { limit: 1 }, 'options.rateLimit.perMs'], ['rateLimit', { perMs: 1 }, 'options.rateLimit.limit'],
    ['rateLimit', { limit: 0, perMs: 1 }, 'options.rateLimit.limit'], ['rateLimit', { limit: 10_001, perMs: 1 }, 'options.rateLimit.limit'],
    ['rateLimit', { limit: 1, perMs: 0 }, 'options.rateLimit.perMs'], ['rateLimit', { limit: 1, perMs: 1, key: 'a' }, 'options.rateLimit.key'],
    ['rateLimit', { limit: 1, perMs: 1, per: 1 }, 'options.rateLimit.per'], ['concurrencyKey', { limit: 1 }, 'options.concurrencyKey.key'],
    ['concurrencyKey', { key: keyOf }, 'options.concurrencyKey.limit'], ['concurrencyKey', keyOf, 'options.concurrencyKey'],
    ['debounce', 5, 'options.debounce'], ['debounce', {}, 'options.debounce.ms'], ['debounce', { ms: 0 }, 'options.debounce.ms'],
    ['debounce', { ms: 10, maxMs: 5 }, 'options.debounce.maxMs'], ['debounce', { ms: 1, key: 1 }, 'options.debounce.key'], ['debounce', { ms: 1, wait: 1 }, 'options.debounce.wait'],
  ])('refuse %s: %j', async (option, given, argument) => {
    const { store } = await open()
    expect(() => store.consume({ name: 'refused', handler: () => {}, [option]: given })).toThrowError(expect.objectContaining({ code: 'INVALID_VALUE', details: expect.objectContaining({ argument }) as unknown }) as Error)
  })
})
