/** What becomes of claimed events that workers have not done: attempts, blocked subjects, dead letters. */
import { describe, expect, it } from 'vitest'
import type { Lease } from '../../src/runtime/core/index'
import { embeddedAndServer } from '../setup/backends'
import { append } from '../setup/consumers'
import { eventually } from '../setup/eventually'
import { CONSUMER, claim, drain, held, lost, open } from '../setup/leases'

describe.each(embeddedAndServer)('leases of failures on $name', ({ open: openBackend, available }) => {
  it.runIf(available()).each(['nack', 'run out'] as const)('park a subject after the last attempt, in order: %s', async (how) => {
    const { store } = await openBackend()
    await open(store, { maxAttempts: 2 })
    await append(store, 'a', 0, 1)
    await append(store, 'b', 0)
    for (const attempt of [1, 2]) {
      const leases = await eventually(async () => {
        const leases = await claim(store)
        expect(leases.map(({ subject }) => subject)).toContain('a')
        return leases
      })
      const a = leases.find(({ subject }) => subject === 'a')!
      expect(a.attempt).toBe(attempt)
      if (how === 'nack') await store.leases.nack(a, { error: new Error('postgres://me:secret@host broke') })
      else await store.leases.renew(a, { leaseMs: 1 })
      for (const lease of leases) if (lease !== a) await store.leases.ack(lease)
    }
    const { letters: [letter] } = await eventually(async () => {
      await claim(store)
      const list = await store.deadLetters.list({ consumer: CONSUMER, subject: 'a' })
      expect(list.letters).toHaveLength(1)
      return list
    })
    expect(letter).toMatchObject({ subject: 'a', attempts: 2, state: 'parked', event: { data: { n: 0 } } })
    expect(letter!.error.message).toBe(how === 'nack' ? 'postgres://me:***@host broke' : 'the lease of the worker has run out')
    await append(store, 'a', 2)
    expect((await claim(store)).filter(({ subject }) => subject === 'a')).toEqual([])
    await store.deadLetters.requeue(letter!.id, { event: { data: { n: 100 } } })
    const leases = await claim(store)
    expect(held(leases)).toMatchObject({ a: [100, 1, 2] })
    await store.leases.ack(leases.find(({ subject }) => subject === 'a')!)
  })

  it.runIf(available())('skip an event after the last attempt, or try it for ever', async () => {
    const { store } = await openBackend()
    await open(store, { maxAttempts: 1, onExhausted: 'skip' })
    await append(store, 'a', 0, 1)
    const [lease] = await claim(store, { limit: 2 }) as [Lease]
    await store.leases.nack(lease, { error: 'broken' })
    expect((await store.deadLetters.list()).letters).toMatchObject([{ state: 'skipped', error: { name: 'Error', message: 'broken' } }])
    await open(store, { maxAttempts: 1, onExhausted: 'block' })
    for (const attempt of [1, 2, 3]) {
      const [again] = await claim(store) as [Lease]
      expect([held([again]), again.attempt]).toEqual([{ a: [1] }, attempt])
      await store.leases.nack(again)
    }
    expect((await store.deadLetters.list()).letters).toHaveLength(1)
  })

  it.runIf(available())('wait before the next attempt', async () => {
    const { store, sql } = await openBackend()
    await open(store, { backoff: { first: 60_000, max: 60_000 } })
    await append(store, 'a', 0)
    const [lease] = await claim(store) as [Lease]
    await store.leases.nack(lease)
    expect(await claim(store)).toEqual([])
    const [row] = await sql<{ wait: number }>('select extract(epoch from due_at - now())::float8 as wait from nvent_consumer_parked')
    expect(row!.wait).toBeGreaterThan(25)
    await sql('update nvent_consumer_parked set due_at = now()')
    expect(await claim(store)).toHaveLength(1)
  })

  it.runIf(available())('are of no subject that is blocked, until it is unblocked', async () => {
    const { store } = await openBackend()
    await open(store)
    await append(store, 'a', 0, 1)
    await append(store, 'b', 0)
    const [a, b] = await claim(store) as [Lease, Lease]
    // With its lease: the event is a dead letter.
    await store.leases.block(a, { reason: 'the customer has called', event: a.events[1]!.id })
    expect((await store.deadLetters.list()).letters).toMatchObject([{ subject: 'a', state: 'parked', event: { data: { n: 1 } }, error: { message: 'the customer has called' } }])
    // Without one, whoever has it.
    await store.leases.block({ consumer: CONSUMER, subject: 'b' }, { reason: 'wait' })
    await store.leases.block({ consumer: CONSUMER, subject: 'c' }, { reason: 'wait' })
    await expect(store.leases.ack(b)).rejects.toMatchObject(lost)
    await append(store, 'b', 1)
    await append(store, 'c', 0)
    await append(store, 'd', 0)
    expect(await drain(store)).toEqual({ d: [0] })
    expect(await store.admin.consumers.get(CONSUMER)).toMatchObject({ parked: 3, leased: 0, lag: 0 })
    for (const subject of ['a', 'b', 'c']) expect(await store.leases.unblock({ consumer: CONSUMER, subject })).toBe(true)
    for (const subject of ['a', 'd', 'e']) expect(await store.leases.unblock({ consumer: CONSUMER, subject })).toBe(false)
    expect(await drain(store)).toEqual({ a: [1], b: [0, 1], c: [0] })
    expect((await store.deadLetters.list()).letters).toEqual([])
  })

  it.runIf(available())('pass over what was dismissed or deleted meanwhile', async () => {
    const { store } = await openBackend()
    await open(store, { maxAttempts: 1 })
    await append(store, 'a', 0, 1, 2)
    await append(store, 'b', 0, 1)
    const [a, b] = await claim(store) as [Lease, Lease]
    await store.stream.dismiss(a.events[0]!.id, { reason: 'wrong', by: 'me' })
    await store.stream.delete('b')
    await store.leases.nack(a)
    await store.leases.nack(b)
    expect(await drain(store)).toEqual({ a: [1, 2] })
    expect(await store.admin.consumers.get(CONSUMER)).toMatchObject({ parked: 0, deadLetters: 0 })
  })

  it.runIf(available()).each([
    [{ step: 'resize', status: 500 }, '{"step":"resize","status":500}'], [['a', 1], '["a",1]'], ['the disk is full', 'the disk is full'], [5, '5'], [undefined, 'the worker gave no reason'],
  ])('keep what a worker says has failed: %j', async (error, message) => {
    const { store } = await openBackend()
    await store.leases.open({ consumer: 'thumbnails', maxAttempts: 1 })
    await store.stream.append('uploads:1', { type: 'upload.stored' })
    const [lease] = await store.leases.claim({ consumer: 'thumbnails', by: 'worker' })
    await store.leases.nack(lease!, { error })
    expect((await store.deadLetters.list()).letters).toMatchObject([{ error: { message } }])
  })
})
