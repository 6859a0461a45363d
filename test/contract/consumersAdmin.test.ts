/** What operators see and change of consumers, on every database. */
import { tracingChannel } from 'node:diagnostics_channel'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { ConsumeOptions, Consumer, Store } from '../../src/runtime/core/index'
import { embeddedAndServer } from '../setup/backends'
import { gate } from '../setup/consumers'
import { eventually } from '../setup/eventually'

const HOUR = 3_600_000

async function started(store: Store, options: Partial<ConsumeOptions>): Promise<Consumer> {
  const consumer = store.consume({ name: 'fulfilment', pollInterval: 20, leaseMs: 1_000, maxAttempts: 1, ...options } as ConsumeOptions)
  await consumer.start()
  onTestFinished(() => consumer.stop())
  return consumer
}

const append = async (store: Store, subject: string, ...data: number[]) => {
  for (const n of data) await store.stream.append(subject, { type: 'order.paid', data: { n } })
}

describe.each(embeddedAndServer)('the consumers of a database on $name', ({ open, available }) => {
  it.runIf(available())('are listed with what they have done, by whichever process', async () => {
    const { store } = await open()
    expect(await store.admin.consumers.list()).toEqual([])
    expect(await store.admin.consumers.get('fulfilment')).toBeNull()
    await append(store, 'orders:1', 1, 2)
    await append(store, 'orders:2', 1)
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
    await append(store, 'orders:2', 2)
    const found = await store.admin.consumers.get('fulfilment')
    expect(found).toMatchObject({ shards: { held: 0 }, members: 0, staleMs: expect.any(Number) as number, createdAt: expect.any(Number) as number })
    expect(found!.lag).toBeGreaterThan(0)
    expect(found!.head).toBe((await store.stream.read('orders:2')).at(-1)!.id)
  })

  it.runIf(available())('are removed and reset while they are stopped, and refuse it while a process works for them', async () => {
    const { store } = await open()
    const { consumers } = store.admin
    await append(store, 'orders:1', 1, 2, 3)
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

  it.runIf(available())('say since when their first event waits, in any table, and 0 when none does', async () => {
    const { store, sql } = await open()
    await started(store, { name: 'idle', types: ['other'], handler: () => {} })
    for (const subject of ['orders:1', 'nvent:flow:run:1', 'nvent:trigger:event:1']) {
      const { opened, open } = gate()
      const consumer = await started(store, { name: subject, from: 'now', transaction: 'none', handler: () => opened })
      expect(await consumer.status()).toMatchObject({ lag: 0, lagMs: 0, parked: 0, blocked: 0 })
      await append(store, subject, 1)
      for (const table of ['events', 'flow_events', 'trigger_events']) await sql(`update nvent_${table} set ts = ts - ${HOUR} where ts > ${Date.now() - HOUR / 2}`)
      await append(store, subject, 2)
      for (const { lagMs } of [await consumer.status(), (await store.admin.consumers.get(subject))!]) {
        expect(lagMs, subject).toBeGreaterThanOrEqual(HOUR)
        expect(lagMs, subject).toBeLessThan(2 * HOUR)
      }
      open()
      await eventually(async () => expect(await consumer.status()).toMatchObject({ lag: 0, lagMs: 0 }))
      expect(await store.admin.consumers.get(subject)).toMatchObject({ lag: 0, lagMs: 0 })
      await consumer.stop()
    }
    // Events that it does not want are not waited for.
    await eventually(async () => expect(await store.admin.consumers.get('idle')).toMatchObject({ lag: 0, lagMs: 0 }))
    expect(await store.consume({ name: 'never started', handler: () => {} }).status()).toMatchObject({ position: null, lagMs: null, staleMs: null })
  })

  it.runIf(available())('count subjects that are parked apart from the lag, and those that wait for an operator', async () => {
    const { store } = await open()
    await append(store, 'orders:1', 1)
    const consumer = await started(store, {
      handler: () => {
        throw new Error('poison')
      },
    })
    await eventually(async () => expect(await consumer.status()).toMatchObject({ lagMs: 0, parked: 1, blocked: 1 }))
    await started(store, {
      name: 'tries again', maxAttempts: 9, backoff: { first: 60_000 }, handler: () => {
        throw new Error('poison')
      },
    })
    await eventually(async () => expect(await store.admin.consumers.get('tries again')).toMatchObject({ lagMs: 0, parked: 1, blocked: 0 }))
  })

  it.runIf(available())('are stale while no process looks after them, and not while one has nothing to do', async () => {
    const { store, sql } = await open()
    const look = async () => (await store.admin.consumers.get('fulfilment'))!.staleMs
    const goBack = (where: string) => sql(`update nvent_consumer_shards set updated_at = updated_at - interval '1 hour' where ${where}`)
    const consumer = await started(store, { handler: () => {} })
    await goBack('true')
    await eventually(async () => expect(await look()).toBeLessThan(HOUR))
    expect((await consumer.status()).staleMs).toBeLessThan(HOUR)
    await consumer.stop()
    expect(await look(), 'it was looked after until a moment ago').toBeLessThan(HOUR)
    // Shards that are looked after do not hide one that is not.
    await goBack('shard = 7')
    expect(await look()).toBeGreaterThanOrEqual(HOUR)
    const { staleMs, ...status } = await consumer.status()
    expect(staleMs).toBeGreaterThanOrEqual(HOUR)
    expect(status).toMatchObject({ lag: 0, lagMs: 0, shards: { held: 0 } })
    await consumer.runOnce()
    expect(await look()).toBeLessThan(HOUR)
  })

  it.runIf(available())('are stale since the last claim where workers claim their events', async () => {
    const { store, sql } = await open()
    const look = async () => (await store.admin.consumers.get('thumbnails'))!.staleMs
    await store.leases.open({ consumer: 'thumbnails' })
    await sql('update nvent_consumers set created_at = created_at - interval \'1 hour\'')
    expect(await look()).toBeGreaterThanOrEqual(HOUR)
    expect(await store.leases.claim({ consumer: 'thumbnails', by: 'worker' })).toEqual([])
    expect(await look()).toBeLessThan(HOUR)
    await sql('update nvent_consumers set claimed_at = claimed_at - interval \'1 hour\'')
    expect(await look()).toBeGreaterThanOrEqual(HOUR)
  })

  it.runIf(available())('are counted in the metrics of the process that works for them', async () => {
    const { store } = await open()
    const of = (name: string) => store.admin.metrics().consumers[name]!
    await append(store, 'orders:1', 1)
    for (const n of [2, 3]) await append(store, `orders:${n}`, 1, 2)
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
    await append(store, 'orders:4', 4, 5, 6)
    await eventually(() => expect(of('results')).toMatchObject({ handled: 2, failed: 1, parked: 0, deadLetters: 1 }))
    await results.stop()

    let attempts = 0
    await started(store, {
      name: 'all in order', order: 'global', from: 'now', backoff: { first: 1 }, handler: () => {
        if (++attempts < 3) throw new Error('not yet')
      },
    })
    await append(store, 'orders:5', 1)
    await eventually(() => expect(of('all in order')).toMatchObject({ handled: 1, failed: 2, parked: 0, deadLetters: 0, shards: 1 }))
    expect(store.admin.metrics().consumers).not.toHaveProperty('never started')
  })

  it.runIf(available())('count work that was refused, because another process had taken its shard', async () => {
    const { store, sql } = await open()
    const { opened, open: go } = gate()
    await started(store, { transaction: 'none', handler: () => opened })
    await append(store, 'orders:1', 1)
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
    await append(store, 'orders:1', 1)
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
    await append(store, 'orders:1', 1)
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
    await append(store, 'orders:1', 1)
    const consumer = await started(store, { handler: ({ data }) => void seen.push(data.n as number) })
    await consumer.whenCaughtUp()
    await consumer.stop()
    await append(store, 'orders:1', 2)
    const { head } = (await store.admin.consumers.get('fulfilment'))!
    for (const to of [String(BigInt(head) + BigInt(1)), '9223372036854775807']) {
      await expect(store.admin.consumers.reset('fulfilment', { to })).rejects.toMatchObject({ code: 'INVALID_VALUE', message: expect.stringContaining(head) as string })
    }
    expect(await store.admin.consumers.reset('fulfilment', { to: 'now' })).toBe(true)
    await append(store, 'orders:1', 3)
    await consumer.start()
    await eventually(() => expect(seen).toEqual([1, 3]))
    expect(await store.admin.consumers.reset('none', { to: '0' })).toBe(false)
  })

  it.runIf(available())('count the dead letters that are parked or skipped, in whole milliseconds', async () => {
    const { store } = await open()
    let isBroken = true
    const consumer = await started(store, { handler: ({ data }) => {
      if (isBroken && data.n === 1) throw new Error('poison')
    } })
    await append(store, 'orders:1', 1)
    const deadLetters = async () => [(await store.admin.consumers.get('fulfilment'))!.deadLetters, (await store.admin.health()).checks.consumers!.deadLetters]
    await eventually(async () => expect(await deadLetters()).toEqual([1, 1]))
    const { letters: [letter] } = await store.deadLetters.list()
    isBroken = false
    await store.deadLetters.requeue(letter!.id, { event: { data: { n: 2 } } })
    await eventually(async () => expect(await consumer.status()).toMatchObject({ parked: 0 }))
    expect(await store.deadLetters.get(letter!.id)).toMatchObject({ state: 'edited' })
    expect(await deadLetters()).toEqual([0, 0])
    for (const { lagMs, staleMs } of [await consumer.status(), ...await store.admin.consumers.list()]) for (const ms of [lagMs, staleMs]) expect(ms).toSatisfy(Number.isInteger)
  })
})
