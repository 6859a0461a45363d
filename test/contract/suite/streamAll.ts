import { describe, expect, it } from 'vitest'
import { versionOf } from '../../../src/runtime/core/index'
import { expectRefused, failureOf, idsOf, streamKinds, unique } from './context'
import type { Use } from './context'

export function streamAllSuite(use: Use): void {
  const subjectsOf = () => streamKinds.map(({ subjectOf }) => subjectOf(use().P))

  describe('stream.appendAll', () => {
    it('appends to subjects of every kind; the records come in the order of the entries', async () => {
      const { stream } = use().store
      const subjects = subjectsOf().reverse()
      const records = await stream.appendAll(subjects.map((subject, at) => ({
        subject, events: [{ type: 'a', data: at }, { type: 'b', data: at }], expectedVersion: 'no-stream', meta: { correlationId: 'all' },
      })))
      for (const [at, subject] of subjects.entries()) {
        expect(records[at]).toStrictEqual(await stream.read(subject))
        expect(records[at]!.map(event => [event.type, event.data, event.meta, versionOf(event)])).toStrictEqual([
          ['a', at, { correlationId: 'all' }, 1], ['b', at, { correlationId: 'all' }, 2],
        ])
      }
      expect(await stream.appendAll([])).toStrictEqual([])
    })

    it('appends nothing when one stream is not as expected', async () => {
      const { stream } = use().store
      const subjects = subjectsOf()
      await stream.append(subjects[2]!, { type: 'there' })
      const error = await failureOf(() => stream.appendAll(subjects.map(subject => ({ subject, events: [{ type: 'a' }], expectedVersion: 'no-stream' }))))
      expect(error).toMatchObject({ code: 'VERSION_CONFLICT', details: { subject: subjects[2], expected: 'no-stream', actual: 1 } })
      for (const [at, subject] of subjects.entries()) {
        expect(await stream.read(subject)).toHaveLength(at === 2 ? 1 : 0)
        if (at !== 2) expect(await stream.current(subject)).toBeNull()
      }
    })

    it('an entry without events only checks', async () => {
      const { store: { stream }, sql, table } = use()
      const [a, b, c] = [unique('a'), unique('b'), unique('c')]
      await stream.append(a, { type: 'there' })
      expect(await stream.appendAll([
        { subject: a, events: [], expectedVersion: 1 }, { subject: b, events: [{ type: 'new' }] }, { subject: c, events: [], expectedVersion: 'no-stream' },
      ])).toMatchObject([[], [{ type: 'new' }], []])
      expect((await failureOf(() => stream.appendAll([{ subject: a, events: [], expectedVersion: 2 }, { subject: b, events: [{ type: 'new' }] }]))).details)
        .toStrictEqual({ subject: a, expected: 2, actual: 1 })
      expect(await stream.read(b)).toHaveLength(1)
      expect(await sql(`select subject from ${table('heads')} where subject = $1`, [c]), 'leaves nothing behind').toStrictEqual([])
    })

    it('takes an id once, also when it comes with new ones', async () => {
      const { stream } = use().store
      const subjects = subjectsOf()
      const append = (ids: string[], expectedVersion?: number) => stream.appendAll(subjects.map(subject =>
        ({ subject, events: ids.map(type => ({ type })), eventIds: ids, ...(expectedVersion !== undefined && { expectedVersion }) })))
      const first = await append(['1', '2'], 0)
      expect(await append(['1', '2'], 0)).toStrictEqual(first)
      const more = await append(['2', '3'])
      expect(more.map(records => records.map(versionOf))).toStrictEqual(subjects.map(() => [2, 3]))
      expect((await failureOf(() => append(['3', '4'], 0))).code).toBe('VERSION_CONFLICT')
    })

    it('inside a transaction joins it, and a conflict keeps nothing of the call', async () => {
      const { store } = use()
      const [a, b] = [`orders:${unique()}`, `orders:${unique()}`]
      await store.transaction(async (tx) => {
        await tx.stream.append(a, { type: 'first' })
        await failureOf(() => tx.stream.appendAll([{ subject: a, events: [{ type: 'x' }] }, { subject: b, events: [{ type: 'x' }], expectedVersion: 'exists' }]))
        await tx.stream.appendAll([{ subject: a, events: [{ type: 'second' }], expectedVersion: 1 }, { subject: b, events: [{ type: 'first' }], expectedVersion: 0 }])
      })
      expect((await store.stream.read(a)).map(({ type }) => type)).toStrictEqual(['first', 'second'])
      await expect(store.transaction(async (tx) => {
        await tx.stream.appendAll([{ subject: a, events: [{ type: 'x' }] }, { subject: b, events: [{ type: 'x' }] }])
        throw new Error('changed my mind')
      })).rejects.toThrow('changed my mind')
      expect((await store.stream.current(b))!.version).toBe(1)
    })

    it('many at once with their subjects in any order all get through', async () => {
      const { stream } = use().store
      const subjects = [...subjectsOf(), ...subjectsOf()]
      await Promise.all(Array.from({ length: 16 }, (_, at) => stream.appendAll(
        (at % 2 ? [...subjects] : [...subjects].reverse()).map(subject => ({ subject, events: [{ type: 'a', data: at }] })))))
      for (const subject of subjects) expect((await stream.read(subject)).map(versionOf)).toStrictEqual(Array.from({ length: 16 }, (_, at) => at + 1))
    })

    it('refuses a subject that comes twice, and names what is wrong', async () => {
      const { stream } = use().store
      const subject = unique()
      await expectRefused(() => stream.appendAll([{ subject, events: [] }, { subject, events: [] }]), 'entries.1.subject')
      await expectRefused(() => stream.appendAll([{ subject, events: [{ type: 'a' }, { type: 'a', data: Number.NaN }] }]), 'entries.0.events.1.data')
      expect(await stream.current(subject)).toBeNull()
    })

    it('imports of many steps keep to what is expected and known', async () => {
      const { stream } = use().store
      const subject = `orders:${unique()}`
      const events = Array.from({ length: 5_001 }, (_, data) => ({ type: 'a', data }))
      const eventIds = events.map(({ data }) => `e${data}`)
      const records = await stream.appendMany(subject, events, { expectedVersion: 'no-stream', eventIds })
      expect(records.map(versionOf)).toStrictEqual(events.map((_, at) => at + 1))
      expect(idsOf(await stream.appendMany(subject, events, { expectedVersion: 'no-stream', eventIds }))).toStrictEqual(idsOf(records))
      expect((await failureOf(() => stream.appendMany(subject, events, { expectedVersion: 'no-stream' }))).code).toBe('VERSION_CONFLICT')
      expect((await stream.current(subject))!.version).toBe(5_001)
    })
  })
}
