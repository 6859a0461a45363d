/** Workers that claim events of the log, on every database. */
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { versionOf } from '../../src/runtime/core/index'
import type { ClaimOptions, Lease, OpenOptions } from '../../src/runtime/core/index'
import type { Store } from '../../src/runtime/core/types'
import { append, numberOf } from '../setup/consumers'
import { eventually } from '../setup/eventually'
import { embeddedAndServer } from '../setup/backends'

const CONSUMER = 'pulled'
const open = (store: Store, options: Partial<OpenOptions> = {}) => store.leases.open({ consumer: CONSUMER, shards: 8, backoff: { first: 0, max: 0 }, ...options })
const claim = (store: Store, options: Partial<ClaimOptions> = {}) => store.leases.claim({ consumer: CONSUMER, by: 'worker', ...options })
/** What leases hold, by subject. */
const held = (leases: Lease[]) => Object.fromEntries(leases.map(({ subject, events }) => [subject, events.map(numberOf)]))
const lost = { code: 'LEASE_LOST' }

/** Claims and acknowledges until nothing comes any more. Returns what came, by subject. */
async function drain(store: Store, options?: Partial<ClaimOptions>): Promise<Record<string, number[]>> {
  const seen: Record<string, number[]> = {}
  for (;;) {
    const leases = await claim(store, options)
    if (leases.length === 0) return seen
    for (const lease of leases) {
      (seen[lease.subject] ??= []).push(...lease.events.map(numberOf))
      await store.leases.ack(lease)
    }
  }
}

describe.each(embeddedAndServer)('leases on $name', ({ open: openBackend, available }) => {
  it.runIf(available()).each([1, 3, 100])('give every event once, in the order of its subject: %i at once', async (limit) => {
    const { store } = await openBackend()
    await open(store)
    for (const subject of ['a', 'b', 'orders:1', 'x:y:z', 'odd*?%']) await append(store, subject, 0, 1, 2)
    expect(await drain(store, { limit })).toEqual({ 'a': [0, 1, 2], 'b': [0, 1, 2], 'orders:1': [0, 1, 2], 'x:y:z': [0, 1, 2], 'odd*?%': [0, 1, 2] })
    await append(store, 'a', 3)
    expect(await drain(store)).toEqual({ a: [3] })
    expect(await store.admin.consumers.get(CONSUMER)).toMatchObject({ lag: 0, leased: 0, parked: 0, members: 0, deadLetters: 0 })
  })

  it.runIf(available())('have events whose versions are known, at the first attempt and later ones', async () => {
    const { store } = await openBackend()
    await open(store)
    await append(store, 'a', 0, 1)
    const [first] = await claim(store)
    expect(first!.events.map(versionOf)).toEqual([1, 2])
    await store.leases.nack(first!, { event: first!.events[1]!.id })
    const [again] = await claim(store)
    expect(again!.events.map(versionOf)).toEqual([2])
  })

  it.runIf(available())('hold later events of a subject back, and no other subject', async () => {
    const { store } = await openBackend()
    await open(store)
    await append(store, 'a', 0)
    const [first] = await claim(store, { by: 'one' })
    expect(first).toMatchObject({ consumer: CONSUMER, subject: 'a', by: 'one', attempt: 1 })
    await append(store, 'a', 1, 2)
    await append(store, 'b', 0)
    const [other] = await claim(store, { by: 'two' })
    expect(other).toMatchObject({ subject: 'b', by: 'two' })
    expect(await claim(store, { by: 'two' })).toEqual([])
    expect(await store.admin.consumers.get(CONSUMER)).toMatchObject({ lag: 0, leased: 2, members: 2, parked: 0 })
    await store.leases.ack(first!)
    expect(held(await claim(store, { by: 'two' }))).toEqual({ a: [1, 2] })
  })

  it.runIf(available())('of one claim are acknowledged in any order, in part, and not twice', async () => {
    const { store } = await openBackend()
    await open(store)
    for (const subject of ['a', 'b', 'c']) await append(store, subject, 0, 1, 2)
    const leases = await claim(store)
    expect(held(leases)).toEqual({ a: [0, 1, 2], b: [0, 1, 2], c: [0, 1, 2] })
    const [a, b, c] = leases as [Lease, Lease, Lease]
    await store.leases.ack(c)
    await store.leases.ack(a, { upTo: a.events[1]!.id })
    // What is done stays done.
    await store.leases.ack(a, { upTo: a.events[0]!.id })
    await expect(store.leases.ack(a, { upTo: b.events[2]!.id })).rejects.toMatchObject({ code: 'INVALID_VALUE', details: { argument: 'options.upTo' } })
    await expect(store.leases.ack(c)).rejects.toMatchObject(lost)
    expect(await claim(store)).toEqual([])
    await store.leases.nack(a, { after: 0 })
    await store.leases.nack(b, { after: 0, event: b.events[1]!.id })
    const again = await claim(store)
    expect(held(again)).toEqual({ a: [2], b: [1, 2] })
    expect(again.map(({ attempt }) => attempt)).toEqual([2, 2])
    // Sent over a wire, as a worker elsewhere gets it.
    for (const lease of again) await store.leases.ack(JSON.parse(JSON.stringify(lease)) as Lease)
    expect(await claim(store)).toEqual([])
  })

  it.runIf(available())('that run out are claimed again, and their holders are refused', async () => {
    const { store } = await openBackend()
    await open(store)
    await append(store, 'a', 0, 1)
    await append(store, 'b', 0)
    const [late, other] = await claim(store, { by: 'late' }) as [Lease, Lease]
    await store.leases.renew(late, { leaseMs: 1 })
    await eventually(async () => expect(await store.admin.consumers.get(CONSUMER)).toMatchObject({ leased: 1, parked: 1 }))
    // Before anyone has claimed it again, and after it.
    const refused = async () => {
      const { ack, renew, nack, block } = store.leases
      for (const call of [() => ack(late), () => ack(late, { upTo: late.events[0]!.id }), () => renew(late), () => nack(late), () => block(late, { reason: 'no' })]) {
        await expect(call()).rejects.toMatchObject(lost)
      }
    }
    await refused()
    const [again] = await claim(store, { by: 'next' }) as [Lease]
    expect(again).toMatchObject({ subject: 'a', attempt: 2, by: 'next' })
    expect(held([again])).toEqual({ a: [0, 1] })
    await refused()
    expect(await store.leases.renew(again, { leaseMs: 60_000 })).toBeGreaterThan(again.leasedUntil)
    await store.leases.ack(again)
    await store.leases.ack(other)
    expect(await drain(store)).toEqual({})
  })

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

  it.runIf(available())('are of the subjects, types and topics that the consumer was opened for', async () => {
    const { store } = await openBackend()
    await append(store, 'a:1', 0)
    const filters = { subjects: ['a:*'], types: ['numbered'], topics: ['hot'], from: 'now' } as const
    await open(store, { ...filters, subjects: [...filters.subjects], types: [...filters.types], topics: [...filters.topics] })
    const add = (subject: string, n: number, type = 'numbered', topics = ['hot']) => store.stream.append(subject, { type, data: { n } }, { topics })
    await add('a:1', 1)
    await add('a:1', 2, 'other')
    await add('a:1', 3, 'numbered', ['cold'])
    await add('b:1', 4)
    const [lease] = await claim(store) as [Lease]
    expect(held([lease])).toEqual({ 'a:1': [1] })
    // Those behind it are read in another way.
    await add('a:1', 5, 'other')
    await add('a:1', 6, 'numbered', ['cold'])
    await add('a:1', 7)
    await claim(store)
    await store.leases.nack(lease)
    expect(await drain(store)).toEqual({ 'a:1': [1, 7] })
    await open(store, { subjects: ['b:*'] })
    await add('a:1', 8)
    await add('b:1', 9)
    expect(await drain(store)).toEqual({ 'b:1': [9] })
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

  it.runIf(available())('are given to many workers at the same time: every event to one of them, in order', async () => {
    const { store } = await openBackend()
    await open(store)
    const subjects = Array.from({ length: 15 }, (_, at) => `s:${at}`)
    const seen: Record<string, number[]> = Object.fromEntries(subjects.map(subject => [subject, []]))
    const all = subjects.length * 8
    const numbers = Array.from({ length: 8 }, (_, n) => n)
    const count = () => Object.values(seen).flat().length
    const worker = async (by: string) => {
      while (count() < all) {
        for (const lease of await claim(store, { by, limit: 1 + Math.floor(Math.random() * 7) })) {
          seen[lease.subject]!.push(...lease.events.map(numberOf))
          await store.leases.ack(lease)
        }
        await sleep(Math.random() * 5)
      }
    }
    const fill = Promise.all(subjects.map(subject => append(store, subject, ...numbers)))
    await Promise.all([fill, ...['one', 'two', 'three', 'four'].map(worker)])
    expect(seen).toEqual(Object.fromEntries(subjects.map(subject => [subject, numbers])))
  })

  it.runIf(available())('and store.consume never share a consumer', async () => {
    const { store } = await openBackend()
    await open(store)
    await expect(store.consume({ name: CONSUMER, shards: 8, handler: () => {} }).start()).rejects.toMatchObject({ code: 'INVALID_CALL' })
    await expect(store.consume({ name: CONSUMER, shards: 8, handler: () => {} }).runOnce()).rejects.toMatchObject({ code: 'INVALID_CALL' })
    await store.consume({ name: 'pushed', handler: () => {} }).runOnce()
    await expect(store.leases.open({ consumer: 'pushed' })).rejects.toMatchObject({ code: 'INVALID_CALL' })
    await expect(claim(store, { consumer: 'pushed' })).rejects.toMatchObject({ code: 'INVALID_CALL' })
    await expect(store.leases.block({ consumer: 'pushed', subject: 'a' }, { reason: 'no' })).rejects.toMatchObject({ code: 'INVALID_CALL' })
  })

  it.runIf(available())('keep a consumer from being reset or removed while there are some', async () => {
    const { store } = await openBackend()
    await open(store)
    await append(store, 'a', 0, 1)
    const [lease] = await claim(store, { limit: 1 }) as [Lease]
    const { consumers } = store.admin
    await expect(consumers.reset(CONSUMER, { to: 'start' })).rejects.toMatchObject({ code: 'INVALID_CALL', details: { leased: 1 } })
    await expect(consumers.remove(CONSUMER)).rejects.toMatchObject({ code: 'INVALID_CALL' })
    await store.leases.ack(lease)
    expect(await consumers.reset(CONSUMER, { to: 'start' })).toBe(true)
    expect(await drain(store)).toEqual({ a: [0, 1] })
    expect(await consumers.remove(CONSUMER)).toBe(true)
    await expect(claim(store)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(store.leases.ack(lease)).rejects.toMatchObject(lost)
  })

  it.runIf(available())('refuse what can\'t be right', async () => {
    const { store } = await openBackend()
    await open(store)
    await open(store, { from: 'now' })
    const invalid = { code: 'INVALID_VALUE' }
    await expect(open(store, { shards: 3 })).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    for (const options of [{ shards: 0 }, { shards: 5_000 }, { maxAttempts: 0 }, { backoff: { first: -1 } }, { onExhausted: 'stop' as never }, { from: 'end' }, { subjects: [''] }, { consumer: '' }]) {
      await expect(open(store, options)).rejects.toMatchObject(invalid)
    }
    for (const options of [{ by: '' }, { by: undefined as never }, { limit: 0 }, { limit: 1e9 }, { limit: 1.5 }, { leaseMs: 0 }, { leaseMs: Infinity }]) {
      await expect(claim(store, options)).rejects.toMatchObject(invalid)
    }
    await append(store, 'a', 0)
    const [lease] = await claim(store) as [Lease]
    for (const odd of [null, 'a', {}, { ...lease, token: undefined }, { ...lease, token: 'x' }, { ...lease, subject: '' }, [lease]] as never[]) {
      for (const call of ['ack', 'nack', 'renew'] as const) await expect(store.leases[call](odd)).rejects.toMatchObject(invalid)
    }
    await expect(store.leases.ack(lease, { upTo: 'x' })).rejects.toMatchObject(invalid)
    await expect(store.leases.nack(lease, { after: -1 })).rejects.toMatchObject(invalid)
    await expect(store.leases.nack(lease, { event: '999999' })).rejects.toMatchObject(invalid)
    await expect(store.leases.block(lease, {} as never)).rejects.toMatchObject(invalid)
    await expect(store.leases.block({ consumer: CONSUMER, subject: 'a' }, { reason: 'x', event: lease.events[0]!.id })).rejects.toMatchObject(invalid)
    await expect(store.leases.unblock({ consumer: 'none', subject: 'a' })).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(store.leases.ack({ ...lease, token: String(Number(lease.token) + 1) })).rejects.toMatchObject(lost)
    for (const error of [undefined, null, 'text', { message: 'an object' }, 3]) await store.leases.nack((await claim(store))[0] ?? lease, { error })
  })

  it.runIf(available())('take no event of another subject for one of their own', async () => {
    const { store } = await openBackend()
    await open(store)
    for (const n of [0, 1, 2]) for (const subject of ['a', 'b']) await append(store, subject, n)
    const [a, b] = await claim(store) as [Lease, Lease]
    const { id } = b.events[0]!
    const foreign = { code: 'INVALID_VALUE', message: expect.stringContaining('must be the id of an event that this lease of "a" still has') as string }
    await expect(store.leases.nack(a, { event: id })).rejects.toMatchObject(foreign)
    await expect(store.leases.block(a, { event: id, reason: 'why' })).rejects.toMatchObject(foreign)
    await expect(store.leases.ack(a, { upTo: id })).rejects.toMatchObject(foreign)
    await store.stream.dismiss(a.events[1]!.id, { by: 'ann', reason: 'a mistake' })
    await store.leases.ack(a, { upTo: a.events[1]!.id })
    await store.leases.nack(a, { event: a.events[2]!.id })
    await store.leases.ack(b)
    expect(held(await claim(store))).toEqual({ a: [2] })
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
