import { describe, expect, it } from 'vitest'
import type { IndexFilter } from '../../../src/runtime/core/index'
import { describeIndexKinds, expectRefused, idsOf, unique, wrong } from './context'
import type { Row, Use } from './context'

const NEW_YEAR = Date.parse('2026-01-01T00:00:00.000Z')

/** Entries a, b, c … in this order; each filter finds those named. */
const entries: Row[] = [
  { status: 'running', n: 1, stats: { total: 1, x: 'a' }, flag: true, config: { a: { b: 1 } } },
  { status: 'failed', n: 1.5, stats: { total: 1.5, x: 'b' }, flag: false, config: { a: 1 } },
  { status: '1', n: '1', stats: { total: '1' }, flag: 'true', config: { 'a.b': 1 } },
  { status: null, n: null, stats: { total: null }, flag: null, config: null },
  { status: ['running'], n: [1], stats: [{ total: 1 }], flag: [true], config: [{ a: { b: 1 } }] },
  { status: '', n: 0, stats: { total: 0 }, flag: {}, config: {} },
  {},
]

const filters: [filter: Record<string, unknown>, found: string][] = [
  [{ status: 'running' }, 'a'],
  [{ status: 'Running' }, ''],
  [{ status: '' }, 'f'],
  [{ status: null }, 'd'],
  [{ status: '1' }, 'c'],
  [{ status: 1 }, ''],
  [{ status: ['running', 'failed', 'unknown'] }, 'ab'],
  [{ status: ['running', null, 5] }, 'ad'],
  [{ status: [] }, ''],
  [{ n: 1 }, 'a'],
  [{ n: 1.0 }, 'a'],
  [{ n: 1.5 }, 'b'],
  [{ n: '1' }, 'c'],
  [{ n: 0 }, 'f'],
  [{ n: [1, '1', null, 7] }, 'acd'],
  [{ 'stats.total': 1 }, 'a'],
  [{ 'stats.total': 1.5 }, 'b'],
  [{ 'stats.total': '1' }, 'c'],
  [{ 'stats.total': null }, 'd'],
  [{ 'stats.total': 0 }, 'f'],
  [{ 'stats.total': [0, 1, 1.5, '1', null] }, 'abcdf'],
  [{ 'stats.x': 'a' }, 'a'],
  [{ 'stats.x': ['a', 'b'] }, 'ab'],
  [{ 'stats.x.y': 'a' }, ''],
  [{ stats: 'a' }, ''],
  [{ 'stats.0.total': 1 }, ''],
  [{ 'status.0': 'running' }, ''],
  [{ flag: true }, 'a'],
  [{ flag: false }, 'b'],
  [{ flag: 'true' }, 'c'],
  [{ flag: [true, false] }, 'ab'],
  [{ 'config.a': 1 }, 'b'],
  [{ 'config.a.b': 1 }, 'a'],
  [{ config: null }, 'd'],
  [{ unknown: 1 }, ''],
  [{ unknown: null }, ''],
  [{ unknown: undefined }, 'abcdefg'],
  [{}, 'abcdefg'],
  [{ status: 'running', n: 1, flag: true }, 'a'],
  [{ status: 'running', n: 2 }, ''],
  [{ 'status': ['running', 'failed'], 'stats.x': 'b', 'unknown': undefined }, 'b'],
  [{ version: 0 }, 'abcdefg'],
  [{ version: [1, 2] }, ''],
  [{ version: '0' }, ''],
  [{ version: null }, ''],
  [{ 'a\' or 1=1 --': 1 }, ''],
  [{ '"status"': 'running' }, ''],
  [{ 'status}': 'running' }, ''],
  [{ '$1': 1, '%': 1, 'a..b': 1 }, ''],
  [{ constructor: 1 }, ''],
  [{ toString: null }, ''],
]

const times: [filter: unknown, found: string][] = [
  [NEW_YEAR, 'abc'],
  ['2026-01-01T00:00:00.000Z', 'abc'],
  ['2026-01-01T01:00:00+01:00', 'abc'],
  [[NEW_YEAR, 5], 'abcd'],
  [['2026-01-01T00:00:00.000Z', null], 'abce'],
  ['1970-01-01T00:00:00.005Z', 'd'],
  [5, 'd'],
  [null, 'e'],
  ['yesterday', 'f'],
  [NEW_YEAR + 1, ''],
]

export function indexReadSuite(use: Use): void {
  describeIndexKinds(use, 'index.read', ({ key, table }) => {
    it('orders by score, highest first, and ties by insertion', async () => {
      const { index } = use().store
      const k = await key()
      for (const [id, score] of Object.entries({ z: 1, a: 1, m: 2, b: -1, y: 1, c: 1.5, x: 1e300, d: -1e300 })) await index.add(k, id, score)
      expect(idsOf(await index.read(k))).toStrictEqual(['x', 'm', 'c', 'z', 'a', 'y', 'b', 'd'])
    })

    it('lets an entry that is replaced or updated keep its place among ties', async () => {
      const { index } = use().store
      const k = await key()
      for (const id of ['c', 'a', 'b']) await index.add(k, id, 1, { n: 1 })
      await index.add(k, 'c', 1, { n: 2 })
      await index.update(k, 'a', { n: 3 })
      await index.increment(k, 'c', 'n')
      expect(idsOf(await index.read(k))).toStrictEqual(['c', 'a', 'b'])
      await index.add(k, 'a', 2)
      await index.add(k, 'a', 1)
      expect(idsOf(await index.read(k))).toStrictEqual(['c', 'a', 'b'])
      await index.delete(k, 'c')
      await index.add(k, 'c', 1)
      expect(idsOf(await index.read(k))).toStrictEqual(['a', 'b', 'c'])
    })

    it('gives 50 entries by default, and pages that fit together', async () => {
      const { store } = use()
      const k = await key()
      const ids = Array.from({ length: 80 }, (_, at) => `id${at}`)
      await store.transaction(async (tx) => {
        for (const [at, id] of ids.entries()) await tx.index.add(k, id, -Math.floor(at / 7), { at })
      })
      const read = async (options?: { offset?: number, limit?: number }) => idsOf(await store.index.read(k, options))
      expect(await read()).toStrictEqual(ids.slice(0, 50))
      expect(await read({ offset: 20 })).toStrictEqual(ids.slice(20, 70))
      expect(await read({ limit: 1000 })).toStrictEqual(ids)
      expect(await read({ limit: 0 })).toStrictEqual([])
      expect(await read({ offset: 80 })).toStrictEqual([])
      expect(await read({ offset: undefined, limit: undefined })).toStrictEqual(ids.slice(0, 50))
      const pages = []
      for (let offset = 0; offset < 80; offset += 8) pages.push(...await read({ offset, limit: 8 }))
      expect(pages).toStrictEqual(ids)
    })

    it('gives callers that come together the page that each of them asked for', async () => {
      const { store: { index } } = use()
      const keys = [await key(), await key()]
      const ids = Array.from({ length: 70 }, (_, at) => `id${at}`)
      for (const k of keys) for (const [at, id] of ids.entries()) await index.add(k, id, -Math.floor(at / 5), { k })
      const asked = keys.flatMap(k => [0, 0, 3, 66, 69, 70].flatMap(offset => [0, 1, 4, 50, 200, 201].map(limit => ({ k, offset, limit }))))
      const found = await Promise.all(asked.map(({ k, ...range }) => index.read(k, range)))
      found.forEach((page, at) => {
        const { k, offset, limit } = asked[at]!
        const own = ids.slice(offset, offset + limit)
        expect(idsOf(page), JSON.stringify(asked[at])).toStrictEqual(own)
        expect(page.map(({ metadata }) => metadata!.k)).toStrictEqual(own.map(() => k))
      })
      expect(new Set(found.flat()).size).toBe(found.flat().length)
    })

    it.each(['offset', 'limit'])('refuses a wrong %s', async (name) => {
      const { index } = use().store
      const k = await key()
      for (const value of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '5', 1n, {}, []]) {
        await expectRefused(() => index.read(k, { [name]: value }), name)
      }
    })

    it.each([['in column names', 'config'], ['in other names', 'other']])('filters by path and value, %s', async (_, config) => {
      const { index } = use().store
      const k = await key()
      const renamed = (object: Row) => Object.fromEntries(Object.entries(object).map(([name, value]) => [name.replace(/^config/, config), value]))
      for (const [at, metadata] of entries.entries()) await index.add(k, 'abcdefg'[at]!, -at, renamed(metadata))
      for (const [filter, found] of filters) {
        const result = await index.read(k, { filter: renamed(filter) as IndexFilter })
        expect(idsOf(result).join(''), JSON.stringify(filter)).toBe(found)
      }
    })

    it.each(['startedAt', 'completedAt', 'lastActivityAt', 'registeredAt', 'lastRunAt', 'stats.lastFiredAt', 'executeAt', 'scheduledAt', 'nextRunAt'])(
      'compares %s as an instant where it has a column', async (path) => {
        const { index, sql } = { ...use().store, sql: use().sql }
        const k = await key()
        const values = [NEW_YEAR, '2026-01-01T00:00:00.000Z', '2026-01-01T02:00:00+02:00', 5, null, 'yesterday', {}]
        for (const [at, value] of values.entries()) await index.add(k, 'abcdefg'[at]!, -at, { [path]: value })
        const column = path.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`).replace('.', '_')
        const [column_] = await sql(
          'select 1 from information_schema.columns where table_schema = $1 and table_name = $2 and column_name = $3',
          [use().info.schema, `${use().info.prefix}_${table}`, column])
        for (const [value, found] of column_ ? times : [[NEW_YEAR, 'a'], ['2026-01-01T00:00:00.000Z', 'b'], [null, 'e']] as typeof times) {
          const result = await index.read(k, { filter: { [path]: value } as IndexFilter })
          expect(idsOf(result).join(''), JSON.stringify(value)).toBe(found)
        }
      })

    it('filters by version', async () => {
      const { index } = use().store
      const k = await key()
      for (const id of ['a', 'b', 'c']) await index.add(k, id, 1, {})
      await index.update(k, 'b', {})
      await index.increment(k, 'c', 'n')
      await index.update(k, 'c', {})
      expect(idsOf(await index.read(k, { filter: { version: 1 } }))).toStrictEqual(['b'])
      expect(idsOf(await index.read(k, { filter: { version: [0, 2, 9] } }))).toStrictEqual(['a', 'c'])
    })

    it('counts offset and limit after the filter', async () => {
      const { index } = use().store
      const k = await key()
      for (let at = 0; at < 10; at++) await index.add(k, `id${at}`, -at, { status: at % 2 ? 'odd' : 'even', n: at % 2 })
      expect(idsOf(await index.read(k, { filter: { status: 'odd' }, offset: 1, limit: 2 }))).toStrictEqual(['id3', 'id5'])
      expect(idsOf(await index.read(k, { filter: { n: 0 }, offset: 4 }))).toStrictEqual(['id8'])
    })

    it('refuses filters it can\'t mean, and names the field', async () => {
      const { index } = use().store
      const k = await key()
      for (const value of [{}, { gt: 1 }, [{}], [['a']], Number.NaN, [Number.POSITIVE_INFINITY], 1n, new Date(), Symbol('s'), () => 1, 'a\0', ['\uD83D']]) {
        await expectRefused(() => index.read(k, { filter: { 'some.field': wrong(value) } }), 'some.field')
        await expectRefused(() => index.read(k, { filter: { status: wrong(value) } }), 'status')
      }
      for (const filter of ['status', 5, [], [1], true]) await expectRefused(() => index.read(k, { filter: wrong(filter) }), 'filter')
    })

    it('sees no entry of another key', async () => {
      const { index } = use().store
      const k = await key()
      await index.add(k, 'a', 1, { status: 'x' })
      const others = [`${k}:more`, `${k}2`, k.slice(0, -1), `x${k}`]
      for (const other of others) await index.add(other, 'b', 1, { status: 'x' })
      expect(idsOf(await index.read(k, { filter: { status: 'x' } }))).toStrictEqual(['a'])
      for (const other of others) expect(idsOf(await index.read(other))).toStrictEqual(['b'])
      for (const other of others) await index.delete(other, 'b')
    })
  })

  describe('index.read', () => {
    it('reads nothing as an empty list', async () => {
      const { store: { index }, P } = use()
      for (const key of [unique(), `${P}:flow:runs:${unique()}`]) {
        expect(await index.read(key)).toStrictEqual([])
        expect(await index.read(key, { filter: { status: 'a' } })).toStrictEqual([])
      }
    })
  })
}
