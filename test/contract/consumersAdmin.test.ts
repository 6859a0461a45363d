/** What operators see and change of consumers, on every database. */
import { describe, expect, it } from 'vitest'
import type { ConsumeOptions } from '../../src/runtime/core/index'
import { embeddedAndServer } from '../setup/backends'
import { append, started } from '../setup/deadLetters'
import { eventually } from '../setup/eventually'

describe.each(embeddedAndServer)('the consumers of a database on $name', ({ open, available }) => {
  it.runIf(available())('are listed with what they have done, by whichever process', async () => {
    const { store } = await open()
    expect(await store.admin.consumers.list()).toEqual([])
    expect(await store.admin.consumers.get('fulfilment')).toBeNull()
    await append(store, 'orders:1', { n: 1 }, { n: 2 })
    await append(store, 'orders:2', { n: 1 })
    const consumer = await started(store, {
      handler: ({ subject }) => {
        if (subject === 'orders:1') throw new Error('poison')
      },
    })
    await started(store, { name: 'another', shards: 4, handler: () => {} })
    await consumer.whenCaughtUp()
    await eventually(async () => expect(await store.admin.consumers.list()).toMatchObject([
      { name: 'another', lag: 0, shards: { all: 4, held: 4 }, members: 1, parked: 0, deadLetters: 0 },
      { name: 'fulfilment', lag: 0, shards: { all: 32, held: 32 }, members: 1, parked: 1, deadLetters: 1 },
    ]))
    await consumer.stop()
    await append(store, 'orders:2', { n: 2 })
    const found = await store.admin.consumers.get('fulfilment')
    expect(found).toMatchObject({ shards: { held: 0 }, members: 0, staleMs: expect.any(Number) as number, createdAt: expect.any(Number) as number })
    expect(found!.lag).toBeGreaterThan(0)
    expect(found!.head).toBe((await store.stream.read('orders:2')).at(-1)!.id)
  })

  it.runIf(available())('are removed and reset while they are stopped, and refuse it while a process works for them', async () => {
    const { store } = await open()
    const { consumers } = store.admin
    await append(store, 'orders:1', { n: 1 }, { n: 2 }, { n: 3 })
    let isBroken = true
    const seen: number[] = []
    const options: Partial<ConsumeOptions> = {
      handler: ({ data }) => {
        if (isBroken && data.n === 2) throw new Error('poison')
        seen.push(data.n as number)
      },
      transaction: 'each',
    }
    const consumer = await started(store, options)
    const [letter] = await eventually(async () => {
      const { letters } = await store.deadLetters.list()
      expect(letters).toHaveLength(1)
      return letters
    })
    await expect(consumers.remove('fulfilment')).rejects.toMatchObject({ code: 'INVALID_CALL', details: { held: 32, members: 1 } })
    await expect(consumers.reset('fulfilment', { to: 'start' })).rejects.toMatchObject({ code: 'INVALID_CALL' })
    await consumer.stop()

    // Behind the parked event: it counts as handled, and its letter stays to be read.
    expect(await consumers.reset('fulfilment', { to: letter!.event.id })).toBe(true)
    expect(await store.deadLetters.get(letter!.id)).toMatchObject({ state: 'skipped' })
    expect(await consumers.get('fulfilment')).toMatchObject({ position: letter!.event.id, parked: 0 })
    await consumer.start()
    await eventually(() => expect(seen).toEqual([1, 3]))
    await consumer.stop()

    // From the start: all of them come again.
    isBroken = false
    expect(await consumers.reset('fulfilment', { to: 'start' })).toBe(true)
    expect(await store.deadLetters.get(letter!.id)).toBeNull()
    await consumer.start()
    await eventually(() => expect(seen).toEqual([1, 3, 1, 2, 3]))
    await consumer.stop()

    expect(await consumers.remove('fulfilment')).toBe(true)
    expect(await consumers.remove('fulfilment')).toBe(false)
    expect(await consumers.reset('fulfilment', { to: 'start' })).toBe(false)
    expect(await consumers.list()).toEqual([])
    await consumer.start()
    await eventually(() => expect(seen).toEqual([1, 3, 1, 2, 3, 1, 2, 3]))
  })

  it.runIf(available())('refuse what is no position', async () => {
    const { store } = await open()
    for (const options of [undefined, {}, { to: 'end' }, { to: null }, { from: 'start' }]) {
      await expect(store.admin.consumers.reset('fulfilment', options as never), JSON.stringify(options)).rejects.toMatchObject({ code: 'INVALID_VALUE' })
    }
    await expect(store.admin.consumers.remove('')).rejects.toMatchObject({ code: 'INVALID_VALUE' })
  })

  const WRONG = ['-1', '-5', -1, '-0', '9223372036854775808', '99999999999999999999999', '1'.repeat(400), '', 'later', '1.5', 1.5, null, undefined]

  it.runIf(available()).each(WRONG)('are neither reset to nor begun at a position that can not be one: %j', async (position) => {
    const { store } = await open()
    await append(store, 'orders:1', { n: 1 })
    const consumer = await started(store, { handler: () => {} })
    await consumer.whenCaughtUp()
    await consumer.stop()
    const before = (await store.admin.consumers.get('fulfilment'))!.position
    await expect(store.admin.consumers.reset('fulfilment', { to: position as never })).rejects.toMatchObject({ code: 'INVALID_VALUE', details: { argument: 'options.to' } })
    expect((await store.admin.consumers.get('fulfilment'))!.position).toBe(before)
    if (position === undefined || position === null) return
    const isRefused = expect.objectContaining({ code: 'INVALID_VALUE' }) as Error
    expect(() => store.consume({ name: 'other', from: position as never, handler: () => {} })).toThrow(isRefused)
    expect(() => store.outbox.relay({ name: 'relayed', from: position as never, publish: () => {} } as never)).toThrow(isRefused)
    await expect((async () => store.leases.open({ consumer: 'leased', from: position as never }))()).rejects.toEqual(isRefused)
  })

  it.runIf(available())('are not reset behind the newest event, but to now', async () => {
    const { store } = await open()
    const seen: number[] = []
    await append(store, 'orders:1', { n: 1 })
    const consumer = await started(store, { handler: ({ data }) => void seen.push(data.n as number) })
    await consumer.whenCaughtUp()
    await consumer.stop()
    await append(store, 'orders:1', { n: 2 })
    const { head } = (await store.admin.consumers.get('fulfilment'))!
    for (const to of [String(BigInt(head) + BigInt(1)), '9223372036854775807']) {
      await expect(store.admin.consumers.reset('fulfilment', { to })).rejects.toMatchObject({ code: 'INVALID_VALUE', message: expect.stringContaining(head) as string })
    }
    expect(await store.admin.consumers.reset('fulfilment', { to: 'now' })).toBe(true)
    await append(store, 'orders:1', { n: 3 })
    await consumer.start()
    await eventually(() => expect(seen).toEqual([1, 3]))
    expect(await store.admin.consumers.reset('none', { to: '0' })).toBe(false)
  })
})
