import { describe, expect, it } from 'vitest'
import { versionOf } from '../../../src/runtime/core/index'
import { expectCode, expectRefused, failureOf, idsOf, streamKinds, unique, wrong } from './context'
import type { Use } from './context'

export function streamIdsSuite(use: Use): void {
  describe.each(streamKinds)('eventId ($kind)', ({ subjectOf }) => {
    it('is appended once; the second call gives the first record', async () => {
      const { store: { stream }, P } = use()
      const subject = subjectOf(P)
      const first = await stream.append(subject, { type: 'paid', data: { total: 1 }, more: [null] }, { eventId: 'payment-1' })
      expect(first).toStrictEqual({ id: expect.any(String), ts: expect.any(Number), type: 'paid', data: { total: 1 }, more: [null] })
      const again = await stream.append(subject, { type: 'other', data: 2 }, { eventId: 'payment-1' })
      expect(again).toStrictEqual(first)
      expect(versionOf(again)).toBe(1)
      const second = await stream.append(subject, { type: 'paid' }, { eventId: 'payment-2' })
      expect(versionOf(second)).toBe(2)
      expect(await stream.read(subject)).toStrictEqual([first, second])
    })

    it('belongs to its subject', async () => {
      const { store: { stream }, P } = use()
      const subjects = [subjectOf(P), subjectOf(P)]
      const records = await Promise.all(subjects.map(subject => stream.append(subject, { type: 'paid' }, { eventId: 'same' })))
      expect(new Set(idsOf(records)).size).toBe(2)
    })

    it('given many times at once is appended once, among other calls', async () => {
      const { store: { stream }, P } = use()
      const subject = subjectOf(P)
      const records = await Promise.all(Array.from({ length: 30 }, (_, at) =>
        stream.append(subject, { type: 'paid', data: at }, at % 3 === 2 ? undefined : { eventId: `payment-${at % 3}` })))
      expect(new Set(idsOf(records)).size).toBe(12)
      const stored = await stream.read(subject)
      expect(stored.map(versionOf)).toStrictEqual(Array.from({ length: 12 }, (_, at) => at + 1))
      expect(records.every(record => stored.some(event => event.id === record.id))).toBe(true)
    })

    it('that is known is no conflict, whatever is expected', async () => {
      const { store: { stream }, P } = use()
      const subject = subjectOf(P)
      const append = () => stream.append(subject, { type: 'opened' }, { eventId: 'open', expectedVersion: 'no-stream' })
      const first = await append()
      await stream.append(subject, { type: 'more' })
      expect(await append()).toStrictEqual(first)
      expect((await failureOf(() => stream.append(subject, { type: 'opened' }, { eventId: 'other', expectedVersion: 'no-stream' }))).code).toBe('VERSION_CONFLICT')
      expect(await stream.read(subject)).toHaveLength(2)
    })

    it('of appendMany: each event has its own, and those that are known are not appended again', async () => {
      const { store: { stream }, P } = use()
      const subject = subjectOf(P)
      const events = ['a', 'b', 'c'].map(type => ({ type }))
      const first = await stream.appendMany(subject, events.slice(0, 2), { eventIds: ['1', '2'] })
      const again = await stream.appendMany(subject, [...events, { type: 'repeated' }], { eventIds: ['1', '2', '3', '3'] })
      expect(again.slice(0, 2)).toStrictEqual(first)
      expect(again.map(versionOf)).toStrictEqual([1, 2, 3, 3])
      expect((await stream.read(subject)).map(({ type }) => type)).toStrictEqual(['a', 'b', 'c'])
    })

    it('in a transaction does not end it', async () => {
      const { store, P } = use()
      const subject = subjectOf(P)
      const first = await store.stream.append(subject, { type: 'paid' }, { eventId: 'one' })
      await store.transaction(async (tx) => {
        expect(await tx.stream.append(subject, { type: 'paid' }, { eventId: 'one' })).toStrictEqual(first)
        const [a, b] = await Promise.all([
          tx.stream.append(subject, { type: 'paid' }, { eventId: 'two' }), tx.stream.append(subject, { type: 'paid' }, { eventId: 'two' }),
        ])
        expect(a).toStrictEqual(b)
        await tx.stream.append(subject, { type: 'plain' })
      })
      expect((await store.stream.read(subject)).map(({ type }) => type)).toStrictEqual(['paid', 'paid', 'plain'])
    })
  })

  describe.each(streamKinds)('meta ($kind)', ({ subjectOf }) => {
    const meta = { correlationId: 'request-7', causationId: 'command-1', actor: { id: 5, name: 'Ada' }, tags: ['a', null], nothing: null }

    it('comes back as event.meta, and only where it was given', async () => {
      const { store: { stream }, P } = use()
      const subject = subjectOf(P)
      const plain = await stream.append(subject, { type: 'plain', data: 1 })
      const record = await stream.append(subject, { type: 'meta', data: 2 }, { meta })
      expect(record).toStrictEqual({ id: record.id, ts: record.ts, type: 'meta', data: 2, meta })
      expect('meta' in plain).toBe(false)
      expect(await stream.read(subject)).toStrictEqual([plain, record])
    })

    it('mixes with plain events in calls at the same time', async ({ skip }) => {
      skip(use().batching === false, 'there is no order without batching')
      const { store: { stream }, P } = use()
      const subject = subjectOf(P)
      const records = await Promise.all(Array.from({ length: 12 }, (_, at) =>
        stream.append(subject, { type: 'a', data: at }, at % 2 ? { meta: { actor: at } } : {})))
      expect(records.map(event => event.meta?.actor as unknown)).toStrictEqual(records.map((_, at) => at % 2 ? at : undefined))
      expect(await stream.read(subject)).toStrictEqual(records)
    })

    it('of a call is for all its events; what an event says itself has precedence', async () => {
      const { store: { stream }, P } = use()
      const subject = subjectOf(P)
      const records = await stream.appendMany(subject, [{ type: 'a' }, { type: 'b', meta: { causationId: 'own' } }], { meta: { correlationId: 'c', causationId: 'x' } })
      expect(records.map(event => event.meta)).toStrictEqual([{ correlationId: 'c', causationId: 'x' }, { correlationId: 'c', causationId: 'own' }])
    })

    it('an event\'s own field of that name is kept as it is, whatever it holds', async () => {
      const { store: { stream }, P } = use()
      const subject = subjectOf(P)
      const values = [null, 0, '', false, [], {}, 'text', { correlationId: 'x'.repeat(10_000) }]
      for (const value of values) await stream.append(subject, { type: 'own', meta: value })
      expect((await stream.read(subject)).map(event => event.meta as unknown)).toStrictEqual(values)
      await expectRefused(() => stream.append(subject, { type: 'own', meta: 'text' }, { meta: { actor: 1 } }), 'event.meta')
    })
  })

  describe('eventId and meta', () => {
    it('refuse what can\'t be kept, by name', async () => {
      const { stream } = use().store
      const subject = `orders:${unique()}`
      await expectRefused(() => stream.append(subject, { type: 'a' }, { meta: { actor: { at: Number.NaN } } }), 'options.meta.actor.at')
      await expectRefused(() => stream.append(subject, { type: 'a' }, { meta: { correlationId: wrong(5) } }), 'options.meta.correlationId')
      await expectRefused(() => stream.appendMany(subject, [{ type: 'a' }], { eventIds: ['a', 'b'] }), 'options.eventIds')
      await expectRefused(() => stream.appendMany(subject, [{ type: 'a' }], { eventIds: [''] }), 'options.eventIds.0')
      expect(await stream.current(subject)).toBeNull()
    })

    it('an id is free again when its event was deleted', async () => {
      const { stream } = use().store
      const subject = `orders:${unique()}`
      const first = await stream.append(subject, { type: 'a' }, { eventId: 'one' })
      await stream.delete(subject)
      const second = await stream.append(subject, { type: 'a' }, { eventId: 'one' })
      expect(second.id).not.toBe(first.id)
    })

    it('versionOf refuses what no store gave', async () => {
      const copy = { ...await use().store.stream.append(`orders:${unique()}`, { type: 'a' }) }
      await expectCode(async () => versionOf(copy), 'INVALID_VALUE')
      await expectCode(async () => versionOf(wrong(undefined)), 'INVALID_VALUE')
    })
  })
}
