import { beforeAll, describe, expect, it } from 'vitest'
import { versionOf } from '../../../src/runtime/core/index'
import type { EventRecord, StreamReadOptions } from '../../../src/runtime/core/index'
import { expectRefused, idsOf, sideBySide, streamKinds, unique, wrong } from './context'
import type { Use } from './context'

const types = ['a', 'b', 'c', 'a', 'a', 'b', 'c', 'a', 'b', 'a']

/** What the options mean, in the plainest words. */
function select(events: EventRecord[], { types, after, before, fromVersion, toVersion, from, to, limit, order }: StreamReadOptions): EventRecord[] {
  const kept = events.filter(event =>
    (types === undefined || types.includes(event.type))
    && (after === undefined || BigInt(event.id) > BigInt(after))
    && (before === undefined || BigInt(event.id) < BigInt(before))
    && (fromVersion === undefined || versionOf(event) >= fromVersion)
    && (toVersion === undefined || versionOf(event) <= toVersion)
    && (from === undefined || event.ts >= from)
    && (to === undefined || event.ts <= to))
  const ordered = order === 'desc' ? kept.reverse() : kept
  return limit === undefined ? ordered : ordered.slice(0, limit)
}

/** Every choice of members, from none to all. */
function combinationsOf(given: StreamReadOptions): StreamReadOptions[] {
  const members = Object.entries(given)
  return Array.from({ length: 2 ** members.length }, (_, mask) => Object.fromEntries(members.filter((_, bit) => mask & 1 << bit)))
}

// Callers at once, where many are tried.
const TOGETHER = 32

export function streamReadSuite(use: Use): void {
  describe.each(streamKinds)('stream.read ($kind)', ({ table: home, subjectOf }) => {
    let subject: string
    let events: EventRecord[]
    let foreign: string

    beforeAll(async () => {
      const { store, sql, table, P } = use()
      subject = subjectOf(P)
      for (const [at, type] of types.entries()) {
        const { id } = await store.stream.append(subject, { type, data: at })
        // Two events share each time.
        await sql(`update ${table(home)} set ts = $2::bigint where id = $1::bigint`, [id, 1000 + Math.floor(at / 2)])
        if (at === 4) foreign = (await store.stream.append(subjectOf(P), { type: 'foreign' })).id
      }
      events = await store.stream.read(subject)
      expect(events.map(event => event.ts)).toStrictEqual([1000, 1000, 1001, 1001, 1002, 1002, 1003, 1003, 1004, 1004])
    })

    const read = (options?: StreamReadOptions) => use().store.stream.read(subject, options)

    it('gives all events by ascending id without options', async () => {
      expect(events.map(event => event.data)).toStrictEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
      expect(await read()).toStrictEqual(events)
      expect(await read({})).toStrictEqual(events)
    })

    it('combines all options freely', async () => {
      const given: Required<Omit<StreamReadOptions, 'archived'>> = {
        types: ['a', 'c'], after: events[1]!.id, before: events[8]!.id, fromVersion: 4, toVersion: 8, from: 1001, to: 1003, limit: 3, order: 'desc',
      }
      const all = combinationsOf(given)
      for (let at = 0; at < all.length; at += TOGETHER) {
        await sideBySide(all.slice(at, at + TOGETHER), async options =>
          expect(await read(options), JSON.stringify(options)).toStrictEqual(select([...events], options)))
      }
    })

    it('gives callers that come together the page that each of them asked for', async () => {
      const { store: { stream }, P } = use()
      const others = [subjectOf(P), subjectOf(P)]
      for (const other of others) for (const data of [1, 2, 3]) await stream.append(other, { type: 'a', data })
      const all = [{ subject, events }, ...await Promise.all(others.map(async other => ({ subject: other, events: await stream.read(other) })))]
      const given = { after: events[1]!.id, before: events[8]!.id, fromVersion: 2, toVersion: 8, from: 1001, limit: 3, order: 'desc' } as const
      const asked = combinationsOf(given)
        .flatMap(options => [...all, ...all].map(one => ({ ...one, options })))
      const found = await Promise.all(asked.map(one => stream.read(one.subject, one.options)))
      found.forEach((page, at) => expect(page, JSON.stringify(asked[at]!.options)).toStrictEqual(select([...asked[at]!.events], asked[at]!.options)))
      // Nobody sees what another caller changes in a record.
      expect(new Set(found.flat()).size).toBe(found.flat().length)
    })

    it('gives callers that come together all events of large subjects, too', async () => {
      const { store: { stream }, P } = use()
      // So many that several share a statement.
      const lengths = [0, 1, 199, 200, 201, 202, 450].flatMap(length => [length, length, length])
      const subjects = await Promise.all(lengths.map(async (length) => {
        const large = subjectOf(P)
        await stream.appendMany(large, Array.from({ length }, (_, data) => ({ type: 'a', data })))
        return large
      }))
      const limits = [10, 70, 201]
      const given: ((at: number) => StreamReadOptions)[] = [
        () => ({}), () => ({ order: 'desc' }), () => ({ limit: 200 }), () => ({ limit: 201 }), at => ({ limit: limits[at % limits.length] }),
      ]
      for (const optionsOf of given) {
        const found = await Promise.all(subjects.map((large, at) => stream.read(large, optionsOf(at))))
        found.forEach((page, at) => {
          const data = Array.from({ length: lengths[at]! }, (_, data) => data)
          const { order, limit } = optionsOf(at)
          expect(page.map(event => event.data)).toStrictEqual((order ? data.reverse() : data).slice(0, limit))
        })
      }
    })

    it('takes options that are undefined as not given', async () => {
      const options = { types: undefined, after: undefined, before: undefined, fromVersion: undefined, toVersion: undefined, archived: undefined, from: undefined, to: undefined, limit: undefined, order: undefined }
      expect(await read(options)).toStrictEqual(events)
    })

    it('counts the limit last, after all filters', async () => {
      expect((await read({ types: ['b'], limit: 2 })).map(event => event.data)).toStrictEqual([1, 5])
      expect((await read({ types: ['b'], limit: 2, order: 'desc' })).map(event => event.data)).toStrictEqual([8, 5])
      expect(await read({ limit: 0 })).toStrictEqual([])
      expect(await read({ limit: 1000 })).toStrictEqual(events)
    })

    it('takes empty types for no filter, and unknown ones for nothing', async () => {
      // As in all of nvent's adapters.
      for (const options of [{ limit: 3 }, { order: 'desc' as const }, { archived: true }]) {
        expect(await read({ ...options, types: [] })).toStrictEqual(await read(options))
      }
      expect(await read({ types: [] })).toStrictEqual(await read({}))
      expect(await read({ types: ['A', '%', 'a b'] })).toStrictEqual([])
      expect(await read({ types: ['A', 'a', 'a'] })).toStrictEqual(select([...events], { types: ['a'] }))
    })

    it('takes after and before as exclusive positions', async () => {
      const at = events[4]!.id
      expect((await read({ after: at })).map(event => event.data)).toStrictEqual([5, 6, 7, 8, 9])
      expect((await read({ before: at })).map(event => event.data)).toStrictEqual([0, 1, 2, 3])
      expect(await read({ after: at, before: at })).toStrictEqual([])
      expect(await read({ after: events[9]!.id })).toStrictEqual([])
      expect(await read({ before: events[0]!.id })).toStrictEqual([])
      expect((await read({ after: at, order: 'desc', limit: 2 })).map(event => event.data)).toStrictEqual([9, 8])
      expect((await read({ before: at, order: 'desc', limit: 2 })).map(event => event.data)).toStrictEqual([3, 2])
    })

    it('compares ids of other subjects and unused ids as positions', async () => {
      expect((await read({ after: foreign })).map(event => event.data)).toStrictEqual([5, 6, 7, 8, 9])
      expect((await read({ before: foreign })).map(event => event.data)).toStrictEqual([0, 1, 2, 3, 4])
      for (const low of ['0', '00', wrong(0)]) {
        expect(await read({ after: low })).toStrictEqual(events)
        expect(await read({ before: low })).toStrictEqual([])
      }
      for (const high of ['999999999', '9223372036854775807', '9223372036854775808', '9'.repeat(50), wrong(Number.MAX_SAFE_INTEGER)]) {
        expect(await read({ after: high })).toStrictEqual([])
        expect(await read({ before: high })).toStrictEqual(events)
      }
      const at = events[4]!.id
      expect(await read({ after: `000${at}` })).toStrictEqual(await read({ after: at }))
      expect(await read({ before: wrong(Number(at)) })).toStrictEqual(await read({ before: at }))
    })

    it.each([['after'], ['before']])('refuses a malformed id in %s', async (name) => {
      for (const id of ['', 'abc', '1.5', '1e3', ' 1', '1 ', '0x1', '１', '1;', 1.5, 2 ** 53, Number.NaN, true, {}, ['1']]) {
        await expectRefused(() => read({ [name]: id }), name)
      }
    })

    it('takes from and to as inclusive times, 0 among them', async () => {
      expect((await read({ from: 1002 })).map(event => event.data)).toStrictEqual([4, 5, 6, 7, 8, 9])
      expect((await read({ to: 1002 })).map(event => event.data)).toStrictEqual([0, 1, 2, 3, 4, 5])
      expect((await read({ from: 1002, to: 1002 })).map(event => event.data)).toStrictEqual([4, 5])
      expect(await read({ from: 1003, to: 1002 })).toStrictEqual([])
      expect(await read({ from: 0 })).toStrictEqual(events)
      expect(await read({ to: 0 })).toStrictEqual([])
      expect((await read({ from: 1001.5, to: 1002.5 })).map(event => event.data)).toStrictEqual([4, 5])
      expect(await read({ from: -1e300, to: 1e300 })).toStrictEqual(events)
    })

    it.each([['from', [Number.NaN, Number.POSITIVE_INFINITY, '1002', new Date(), {}]], ['to', [Number.NaN, '', true]],
      ['limit', [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '5', [], {}]], ['order', ['up', 'ASC', 1, {}]],
      ['types', ['a', 5, {}, true]]])('refuses a wrong %s', async (name, values) => {
      for (const value of values) await expectRefused(() => read({ [name]: value }), name)
    })

    it('sees no event of another subject', async () => {
      const { store: { stream }, P } = use()
      const own = subjectOf(P)
      await stream.append(own, { type: 'own' })
      for (const other of [`${own}:more`, `${own}2`, own.toUpperCase(), `x${own}`, own.slice(0, -1)]) await stream.append(other, { type: 'other' })
      expect((await stream.read(own)).map(event => event.type)).toStrictEqual(['own'])
      expect(await stream.delete(own)).toBe(true)
      expect(await stream.read(`${own}:more`)).toHaveLength(1)
    })

    it('reads nothing as an empty list, and deletes nothing as false', async () => {
      const { store: { stream }, P } = use()
      const nothing = subjectOf(P)
      expect(await stream.read(nothing)).toStrictEqual([])
      expect(await stream.read(nothing, { after: events[0]!.id, order: 'desc', limit: 5 })).toStrictEqual([])
      expect(await stream.delete(nothing)).toBe(false)
    })

    it('delete removes all events of the subject and says whether there were any', async () => {
      const { store: { stream }, P } = use()
      const own = subjectOf(P)
      await stream.append(own, { type: 'a' })
      const { id } = await stream.append(own, { type: 'b' })
      expect(await stream.delete(own)).toBe(true)
      expect(await stream.delete(own)).toBe(false)
      expect(await stream.read(own)).toStrictEqual([])
      const again = await stream.append(own, { type: 'c' })
      expect(BigInt(again.id)).toBeGreaterThan(BigInt(id))
      expect(idsOf(await stream.read(own, { after: id }))).toStrictEqual([again.id])
      expect(await read()).toStrictEqual(events)
    })
  })

  it('stream.read has no hidden limit', async () => {
    const { store } = use()
    const subject = `orders:${unique()}`
    await store.transaction(async (tx) => {
      for (let data = 0; data < 1200; data++) await tx.stream.append(subject, { type: 'many', data })
    })
    const events = await store.stream.read(subject)
    expect(events.map(event => event.data)).toStrictEqual(Array.from({ length: 1200 }, (_, at) => at))
  })
}
