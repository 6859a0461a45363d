import { describe, expect, it } from 'vitest'
import type { ExpectedVersion } from '../../../src/runtime/core/index'
import { versionOf } from '../../../src/runtime/core/index'
import { failureOf, streamKinds, unique } from './context'
import type { Use } from './context'

const event = (data: unknown = 1) => ({ type: 'expected', data })

export function streamExpectedSuite(use: Use): void {
  describe.each(streamKinds)('expectedVersion ($kind)', ({ subjectOf }) => {
    const withEvents = async (count: number) => {
      const { store, P } = use()
      const subject = subjectOf(P)
      for (let at = 0; at < count; at++) await store.stream.append(subject, event(at))
      return subject
    }

    it.each<[expected: ExpectedVersion | undefined, events: number, taken: boolean]>([
      [undefined, 0, true], [undefined, 2, true], ['any', 0, true], ['any', 2, true],
      ['no-stream', 0, true], ['no-stream', 1, false], [0, 0, true], [0, 2, false],
      ['exists', 0, false], ['exists', 1, true], ['exists', 3, true],
      [1, 0, false], [1, 1, true], [1, 2, false], [2, 2, true], [3, 2, false], [Number.MAX_SAFE_INTEGER, 2, false],
    ])('%s with %i events', async (expectedVersion, events, taken) => {
      const { stream } = use().store
      const subject = await withEvents(events)
      const before = await stream.read(subject)
      const append = () => stream.append(subject, event('new'), { expectedVersion })
      if (taken) {
        const record = await append()
        expect(record).toStrictEqual({ id: expect.any(String), ts: expect.any(Number), type: 'expected', data: 'new' })
        expect(versionOf(record)).toBe(events + 1)
        expect(await stream.read(subject)).toStrictEqual([...before, record])
      }
      else {
        const error = await failureOf(append)
        expect(error).toMatchObject({ code: 'VERSION_CONFLICT', retryable: false })
        expect(error.details).toStrictEqual({ subject, expected: expectedVersion, actual: events })
        expect(error.message).toContain(JSON.stringify(subject))
        expect(await stream.read(subject)).toStrictEqual(before)
      }
    })

    it('holds for appendMany as well: all or none', async () => {
      const { stream } = use().store
      const subject = await withEvents(1)
      const error = await failureOf(() => stream.appendMany(subject, [event(1), event(2)], { expectedVersion: 2 }))
      expect(error.details).toStrictEqual({ subject, expected: 2, actual: 1 })
      const records = await stream.appendMany(subject, [event(1), event(2)], { expectedVersion: 1 })
      expect(records.map(versionOf)).toStrictEqual([2, 3])
      expect((await failureOf(() => stream.appendMany(subject, [], { expectedVersion: 1 }))).code).toBe('VERSION_CONFLICT')
      expect(await stream.appendMany(subject, [], { expectedVersion: 3 })).toStrictEqual([])
      expect(await stream.read(subject)).toHaveLength(3)
    })

    it('of many at the same time with the same expectation exactly one wins', async () => {
      const { stream } = use().store
      const subject = await withEvents(1)
      const results = await Promise.allSettled(Array.from({ length: 12 }, (_, at) => stream.append(subject, event(at), { expectedVersion: 1 })))
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      expect((await stream.read(subject)).map(versionOf)).toStrictEqual([1, 2])
    })

    it('a conflict does not fail its neighbours, nor those without an expectation', async ({ skip }) => {
      skip(use().batching === false, 'there is no order without batching')
      const { store: { stream }, P } = use()
      const subjects = Array.from({ length: 8 }, () => subjectOf(P))
      await Promise.all(subjects.map(subject => stream.append(subject, event(0))))
      const results = await Promise.allSettled(subjects.flatMap((subject, at) => [
        stream.append(subject, event('expecting'), { expectedVersion: at % 2 === 0 ? 1 : 7 }), stream.append(subject, event('plain')),
      ]))
      expect(results.map(({ status }) => status === 'fulfilled')).toStrictEqual(subjects.flatMap((_, at) => [at % 2 === 0, true]))
      for (const [at, subject] of subjects.entries()) {
        expect((await stream.read(subject)).map(({ data }) => data as unknown)).toStrictEqual(at % 2 === 0 ? [0, 'expecting', 'plain'] : [0, 'plain'])
      }
    })
  })

  describe('expectedVersion', () => {
    it('calls on one subject that are not awaited go in their order', async ({ skip }) => {
      skip(use().batching === false, 'there is no order without batching')
      const { stream } = use().store
      const subject = `orders:${unique()}`
      const records = await Promise.all(Array.from({ length: 6 }, (_, at) =>
        stream.append(subject, event(at), at % 2 ? { expectedVersion: at } : undefined)))
      expect(records.map(versionOf)).toStrictEqual([1, 2, 3, 4, 5, 6])
    })

    it('in a transaction sees what the transaction wrote, and a conflict leaves the transaction alive', async () => {
      const { store } = use()
      const [subject, none] = [`orders:${unique()}`, `orders:${unique()}`]
      await store.transaction(async (tx) => {
        await tx.stream.append(subject, event(1), { expectedVersion: 'no-stream' })
        expect((await failureOf(() => tx.stream.append(subject, event(9), { expectedVersion: 'no-stream' }))).code).toBe('VERSION_CONFLICT')
        expect((await failureOf(() => tx.stream.append(none, event(9), { expectedVersion: 'exists', eventId: 'e' }))).code).toBe('VERSION_CONFLICT')
        await tx.stream.append(subject, event(2), { expectedVersion: 1 })
      })
      expect((await store.stream.read(subject)).map(({ data }) => data as unknown)).toStrictEqual([1, 2])
      expect(await store.stream.current(none)).toBeNull()
      await store.stream.append(none, event(), { expectedVersion: 'no-stream' })
    })

    it('of a deleted stream is that of none', async () => {
      const { stream } = use().store
      const subject = `orders:${unique()}`
      await stream.append(subject, event())
      await stream.delete(subject)
      expect((await failureOf(() => stream.append(subject, event(), { expectedVersion: 1 }))).details).toMatchObject({ actual: 0 })
      await stream.append(subject, event(), { expectedVersion: 'no-stream' })
    })
  })
}
