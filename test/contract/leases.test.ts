/** Workers that claim events of the log, on every database. */
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { versionOf } from '../../src/runtime/core/index'
import type { Lease } from '../../src/runtime/core/index'
import { embeddedAndServer } from '../setup/backends'
import { append, numberOf } from '../setup/consumers'
import { eventually } from '../setup/eventually'
import { CONSUMER, claim, drain, held, lost, open } from '../setup/leases'

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
})
