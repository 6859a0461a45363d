import { describe, expect, it } from 'vitest'
import { versionOf } from '../../../src/runtime/core/index'
import { collect, expectCode, failureOf, streamKinds, unique } from './context'
import type { Use } from './context'

const ada = { reason: 'entered twice', by: 'ada' }

export function streamLifeSuite(use: Use): void {
  describe.each(streamKinds)('life of a stream ($kind)', ({ subjectOf }) => {
    const filled = async () => {
      const { store: { stream }, P } = use()
      const subject = subjectOf(P)
      const events = [
        await stream.append(subject, { type: 'a', data: null, runId: 'other', more: { b: [1] } }, { eventId: 'first', meta: { actor: 'ada' } }),
        await stream.append(subject, { type: 'b', attempt: 2, stepName: 'step' }),
        await stream.append(subject, { type: 'c' }),
        await stream.append(subject, { type: 'd', data: { at: 1.5 } }),
      ]
      return { subject, events }
    }

    it('archive puts it away: nothing is read, nothing appended, all of it is kept', async () => {
      const { stream } = use().store
      const { subject, events } = await filled()
      expect(await stream.archive(subject)).toBe(true)
      expect(await stream.archive(subject)).toBe(false)
      expect(await stream.read(subject)).toStrictEqual([])
      expect(await collect(stream.iterate(subject))).toStrictEqual([])
      expect(await stream.read(subject, { archived: true })).toStrictEqual(events)
      expect((await stream.read(subject, { archived: true })).map(versionOf)).toStrictEqual([1, 2, 3, 4])
      expect(await stream.current(subject)).toStrictEqual({ version: 4, position: null, lastTs: events[3]!.ts, archivedAt: expect.any(Number) as number })
    })

    it('archive refuses appends of every form with ARCHIVED', async () => {
      const { store } = use()
      const { stream } = store
      const { subject } = await filled()
      await stream.archive(subject)
      const calls = [
        () => stream.append(subject, { type: 'late' }),
        () => stream.append(subject, { type: 'late' }, { expectedVersion: 4 }),
        () => stream.append(subject, { type: 'late' }, { eventId: 'late' }),
        () => stream.appendMany(subject, [{ type: 'late' }, { type: 'late' }]),
        () => stream.appendAll([{ subject, events: [{ type: 'late' }] }, { subject: unique(), events: [{ type: 'a' }] }]),
        () => store.transaction(tx => tx.stream.append(subject, { type: 'late' })),
      ]
      for (const call of calls) {
        const error = await failureOf(call)
        expect(error.code).toBe('ARCHIVED')
        expect(error.details.subject).toBe(subject)
      }
      expect((await failureOf(() => stream.append(subject, { type: 'late' }, { expectedVersion: 'no-stream' }))).code).toBe('VERSION_CONFLICT')
    })

    it('an archived stream does not fail its neighbours', async () => {
      const { store: { stream }, P } = use()
      const { subject } = await filled()
      await stream.archive(subject)
      const others = Array.from({ length: 6 }, () => subjectOf(P))
      const results = await Promise.allSettled([...others, subject, ...others].map(each => stream.append(each, { type: 'a' })))
      expect(results.map(({ status }) => status === 'fulfilled')).toStrictEqual([...others.map(() => true), false, ...others.map(() => true)])
    })

    it('reads of the archive take all options', async () => {
      const { stream } = use().store
      const { subject, events } = await filled()
      await stream.archive(subject)
      const read = (options: object) => stream.read(subject, { archived: true, ...options })
      expect(await read({ order: 'desc', limit: 2 })).toStrictEqual([events[3], events[2]])
      expect(await read({ types: ['b', 'd'] })).toStrictEqual([events[1], events[3]])
      expect(await read({ after: events[0]!.id, before: events[3]!.id })).toStrictEqual([events[1], events[2]])
      expect(await read({ fromVersion: 2, toVersion: 3 })).toStrictEqual([events[1], events[2]])
      expect(await read({ from: events[0]!.ts, to: events[3]!.ts })).toStrictEqual(events)
      expect(await read({ from: events[3]!.ts + 1 })).toStrictEqual([])
      for (const pageSize of [1, 3]) {
        expect(await collect(stream.iterate(subject, { archived: true, pageSize }))).toStrictEqual(events)
        expect(await collect(stream.iterate(subject, { archived: true, pageSize, order: 'desc' }))).toStrictEqual([...events].reverse())
      }
    })

    it('unarchive takes it back as it was, and appending goes on', async () => {
      const { stream } = use().store
      const { subject, events } = await filled()
      await stream.dismiss(events[2]!.id, ada)
      await stream.archive(subject)
      expect(await stream.read(subject, { archived: true })).toStrictEqual([events[0], events[1], events[3]])
      expect(await stream.unarchive(subject)).toBe(true)
      expect(await stream.unarchive(subject)).toBe(false)
      expect(await stream.read(subject)).toStrictEqual([events[0], events[1], events[3]])
      expect(await stream.restore(events[2]!.id)).toBe(true)
      expect(await stream.read(subject)).toStrictEqual(events)
      expect(await stream.append(subject, { type: 'a' }, { eventId: 'first' })).toStrictEqual(events[0])
      expect(versionOf(await stream.append(subject, { type: 'e' }, { expectedVersion: 4 }))).toBe(5)
    })

    it('delete of an archived stream takes all of it; the subject is free again', async () => {
      const { stream } = use().store
      const { subject } = await filled()
      await stream.archive(subject)
      expect(await stream.delete(subject)).toBe(true)
      expect(await stream.delete(subject)).toBe(false)
      expect(await stream.read(subject, { archived: true })).toStrictEqual([])
      expect(versionOf(await stream.append(subject, { type: 'a' }))).toBe(1)
    })

    it('truncateBefore deletes the first events; the others keep id and version', async () => {
      const { stream } = use().store
      const { subject, events } = await filled()
      expect(await stream.truncateBefore(subject, 1)).toBe(0)
      expect(await stream.truncateBefore(subject, 3)).toBe(2)
      expect(await stream.read(subject)).toStrictEqual(events.slice(2))
      expect((await stream.read(subject)).map(versionOf)).toStrictEqual([3, 4])
      expect(await stream.read(subject, { after: events[0]!.id })).toStrictEqual(events.slice(2))
      expect(await stream.read(subject, { archived: true })).toStrictEqual(events.slice(2))
      expect(versionOf(await stream.append(subject, { type: 'e' }, { expectedVersion: 4 }))).toBe(5)
      expect(await stream.truncateBefore(subject, 100)).toBe(3)
      expect(await stream.current(subject)).toMatchObject({ version: 5, position: null })
      expect(versionOf(await stream.append(subject, { type: 'f' }))).toBe(6)
    })

    it('truncateBefore reaches into the archive', async () => {
      const { stream } = use().store
      const { subject, events } = await filled()
      await stream.archive(subject)
      expect(await stream.truncateBefore(subject, 3)).toBe(2)
      expect(await stream.read(subject, { archived: true })).toStrictEqual(events.slice(2))
    })

    it('dismiss hides an event from every read and keeps it; restore shows it in its place', async () => {
      const { store: { stream }, P } = use()
      const { subject, events } = await filled()
      const id = events[1]!.id
      const others = events.filter(event => event.id !== id)
      expect(await stream.dismiss(id, ada)).toBe(true)
      expect(await stream.dismiss(id, ada)).toBe(false)
      expect(await stream.read(subject)).toStrictEqual(others)
      expect((await stream.read(subject)).map(versionOf)).toStrictEqual([1, 3, 4])
      expect(await collect(stream.iterate(subject, { pageSize: 1 }))).toStrictEqual(others)
      expect(await stream.read(subject, { after: id })).toStrictEqual(events.slice(2))
      expect(await stream.dismissed(subject)).toStrictEqual([{ event: events[1], ...ada, at: expect.any(Number) as number }])
      expect(await stream.dismissed(subjectOf(P))).toStrictEqual([])
      expect(await stream.current(subject)).toMatchObject({ version: 4, position: events[3]!.id })
      expect(await stream.restore(id)).toBe(true)
      expect(await stream.restore(id)).toBe(false)
      expect(await stream.read(subject)).toStrictEqual(events)
    })
  })

  describe('life of a stream', () => {
    it('that does not exist: nothing to archive, truncate, dismiss or restore', async () => {
      const { stream } = use().store
      const subject = unique()
      expect(await stream.archive(subject)).toBe(false)
      expect(await stream.unarchive(subject)).toBe(false)
      expect(await stream.truncateBefore(subject, 5)).toBe(0)
      expect(await stream.dismiss('9000000000000000000', ada)).toBe(false)
      expect(await stream.restore('9000000000000000000')).toBe(false)
    })

    it('joins a transaction', async () => {
      const { store } = use()
      const subject = `orders:${unique()}`
      const events = await store.stream.appendMany(subject, [{ type: 'a' }, { type: 'b' }, { type: 'c' }])
      await expect(store.transaction(async (tx) => {
        await tx.stream.dismiss(events[2]!.id, ada)
        await tx.stream.truncateBefore(subject, 2)
        await tx.stream.archive(subject)
        expect(await tx.stream.read(subject, { archived: true })).toStrictEqual([events[1]])
        throw new Error('changed my mind')
      })).rejects.toThrow('changed my mind')
      expect(await store.stream.read(subject)).toStrictEqual(events)
      await store.transaction(async (tx) => {
        await tx.stream.archive(subject)
        await expectCode(() => tx.stream.appendAll([{ subject, events: [{ type: 'late' }] }]), 'ARCHIVED')
        await tx.stream.unarchive(subject)
      })
      expect(await store.stream.read(subject)).toStrictEqual(events)
    })

    it('a stream of more than one step comes back whole', async () => {
      const { stream } = use().store
      const subject = `orders:${unique()}`
      const events = await stream.appendMany(subject, Array.from({ length: 2_001 }, (_, data) => ({ type: 'a', data })))
      await stream.archive(subject)
      await stream.unarchive(subject)
      expect(await stream.read(subject)).toStrictEqual(events)
    })

    it('list says which streams are archived', async () => {
      const { stream } = use().store
      const name = unique('life')
      await stream.append(`${name}:1`, { type: 'a' })
      await stream.append(`${name}:2`, { type: 'a' })
      await stream.archive(`${name}:2`)
      const { streams } = await stream.list({ glob: `${name}:*` })
      expect(streams.map(({ subject, archivedAt }) => [subject, typeof archivedAt])).toStrictEqual([[`${name}:1`, 'undefined'], [`${name}:2`, 'number']])
    })
  })
}
