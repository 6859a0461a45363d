import { beforeAll, describe, expect, it } from 'vitest'
import type { EventRecord } from '../../../src/runtime/core/index'
import { versionOf } from '../../../src/runtime/core/index'
import { collect, idsOf, streamKinds, unique } from './context'
import type { Use } from './context'

export function streamHistorySuite(use: Use): void {
  describe.each(streamKinds)('stream history ($kind)', ({ subjectOf }) => {
    let subject: string
    let events: EventRecord[]

    beforeAll(async () => {
      const { store: { stream }, P } = use()
      subject = subjectOf(P)
      events = await stream.appendMany(subject, Array.from({ length: 25 }, (_, data) => ({ type: data % 5 ? 'a' : 'b', data })))
    })

    it('read takes versions, inclusive', async () => {
      const { stream } = use().store
      expect(await stream.read(subject, { fromVersion: 3, toVersion: 5 })).toStrictEqual(events.slice(2, 5))
      expect(await stream.read(subject, { fromVersion: 0 })).toStrictEqual(events)
      expect(await stream.read(subject, { fromVersion: 25 })).toStrictEqual(events.slice(24))
      expect(await stream.read(subject, { fromVersion: 26 })).toStrictEqual([])
      expect(await stream.read(subject, { toVersion: 2, order: 'desc', limit: 1 })).toStrictEqual([events[1]])
      expect(events.map(versionOf)).toStrictEqual(events.map((_, at) => at + 1))
      expect((await stream.read(subject)).map(versionOf)).toStrictEqual(events.map((_, at) => at + 1))
    })

    it.each([1, 7, 25, 26, undefined])('iterate gives what read gives, in pages of %s', async (pageSize) => {
      const { stream } = use().store
      for (const options of [{}, { order: 'desc' as const }, { types: ['b'] }, { limit: 9 }, { limit: 0 }, { after: events[3]!.id, toVersion: 20 }, { types: ['b'], limit: 3, order: 'desc' as const }]) {
        expect(await collect(stream.iterate(subject, { ...options, ...(pageSize && { pageSize }) }))).toStrictEqual(await stream.read(subject, options))
      }
    })

    it('iterate may be left early, works inside a transaction, and sees what comes meanwhile', async () => {
      const { store, P } = use()
      for await (const event of store.stream.iterate(subject, { pageSize: 2 })) {
        if (versionOf(event) === 3) break
      }
      await store.transaction(async (tx) => {
        expect(idsOf(await collect(tx.stream.iterate(subject, { pageSize: 10 })))).toStrictEqual(idsOf(events))
      })
      const growing = subjectOf(P)
      await store.stream.append(growing, { type: 'first' })
      let count = 0
      for await (const _ of store.stream.iterate(growing, { pageSize: 1 })) {
        if (++count < 5) await store.stream.append(growing, { type: 'next' })
      }
      expect(count).toBe(5)
    })

    it('current says where the stream ends', async () => {
      const { store: { stream }, P } = use()
      expect(await stream.current(subject)).toStrictEqual({ version: 25, position: events[24]!.id, lastTs: events[24]!.ts })
      expect(await stream.current(subjectOf(P))).toBeNull()
    })
  })

  describe('stream.list', () => {
    it('gives the streams in order of their subject, page by page, by glob', async () => {
      const { store: { stream } } = use()
      const name = unique('list')
      const subjects = ['a', 'b', 'c:1', 'c:2', 'd%', 'd_'].map(id => `${name}:${id}`)
      for (const [at, subject] of subjects.entries()) await stream.appendMany(subject, Array.from({ length: at + 1 }, () => ({ type: 'a' })))
      const all = await stream.list({ glob: `${name}:*` })
      expect(all).toStrictEqual({ streams: subjects.map((subject, at) => ({ subject, version: at + 1, lastTs: expect.any(Number) as number })), cursor: null })

      const pages: string[][] = []
      for (let cursor: string | null | undefined; cursor !== null;) {
        const page = await stream.list({ glob: `${name}:*`, limit: 4, cursor })
        pages.push(page.streams.map(({ subject }) => subject))
        cursor = page.cursor
      }
      expect(pages).toStrictEqual([subjects.slice(0, 4), subjects.slice(4)])
      const found = async (glob: string) => (await stream.list({ glob })).streams.map(({ subject }) => subject)
      expect(await found(`${name}:c:?`)).toStrictEqual(subjects.slice(2, 4))
      expect(await found(`${name}:d%`)).toStrictEqual([subjects[4]])
      expect(await found(`${name}:none`)).toStrictEqual([])
      expect((await stream.list({ limit: 1 })).streams).toHaveLength(1)
      expect(await stream.list({ limit: 0 })).toStrictEqual({ streams: [], cursor: null })
    })
  })
}
