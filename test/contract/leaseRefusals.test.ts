/** What workers that claim events may not do. */
import { describe, expect, it } from 'vitest'
import type { Lease } from '../../src/runtime/core/index'
import { embeddedAndServer } from '../setup/backends'
import { append } from '../setup/consumers'
import { CONSUMER, claim, drain, held, lost, open } from '../setup/leases'

describe.each(embeddedAndServer)('leases on $name', ({ open: openBackend, available }) => {
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
})
