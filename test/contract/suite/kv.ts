import { describe, expect, it } from 'vitest'
import type { KvApi, KvListOptions } from '../../../src/runtime/core/kv/types'
import { expectRefused, failureOf, unique, wrong } from './context'
import type { Use } from './context'

/** A glob, and those of the keys it matches. Both follow a start of their own. */
const keys = ['', 'a', 'A', 'ab', 'abc', 'a:b', 'a%', 'a_', 'a\\', 'a\\b', 'a*', 'a?', 'a.b', 'a[b]', 'a(b', 'a\nb', '🐘', 'a🐘', 'a🐘b', 'á', 'b', '\uFFFF', '\u{10FFFF}', '{a,b}', '[ab]']

const globs: [glob: string, matches: (key: string) => boolean][] = [
  ['*', () => true],
  ['**', () => true],
  ['', key => key === ''],
  ['a', key => key === 'a'],
  ['A', key => key === 'A'],
  ['A*', key => key === 'A'],
  ['a*', key => key.startsWith('a')],
  ['*b', key => key.endsWith('b')],
  ['a*b', key => key.startsWith('a') && key.endsWith('b')],
  ['?', key => [...key].length === 1],
  ['??', key => [...key].length === 2],
  ['a?', key => key.startsWith('a') && [...key].length === 2],
  ['a?b', key => key.startsWith('a') && key.endsWith('b') && [...key].length === 3],
  ['a?*', key => key.startsWith('a') && [...key].length >= 2],
  ['?*', key => key !== ''],
  ['a%', key => key === 'a%'],
  ['a_', key => key === 'a_'],
  ['%', () => false],
  ['_*', () => false],
  ['a\\', key => key === 'a\\'],
  ['a\\*', key => key.startsWith('a\\')],
  ['a\\?', key => key === 'a\\b'],
  ['a.b', key => key === 'a.b'],
  ['a.*', key => key === 'a.b'],
  ['a[b]', key => key === 'a[b]'],
  ['a(*', key => key === 'a(b'],
  ['[ab]', key => key === '[ab]'],
  ['{a,b}', key => key === '{a,b}'],
  ['🐘', key => key === '🐘'],
  ['a🐘*', key => key.startsWith('a🐘')],
  ['á*', key => key === 'á'],
  ['\uFFFF*', key => key === '\uFFFF'],
  ['\u{10FFFF}*', key => key === '\u{10FFFF}'],
  ['*\n*', key => key === 'a\nb'],
  ['zzz*', () => false],
]

export function kvSuite(use: Use): void {
  describe('kv', () => {
    it('get gives null for what is not there', async () => {
      expect(await use().store.kv.get(unique())).toBeNull()
    })

    it('set replaces the value', async () => {
      const { kv } = use().store
      const key = unique()
      for (const value of [{ a: 1 }, [1], 'text', 5, null, 0, false, '']) {
        await kv.set(key, value)
        expect(await kv.get(key)).toStrictEqual(value)
      }
    })

    it('get never writes, also when the key has expired', async () => {
      const { store: { kv }, sql, table } = use()
      const key = unique()
      const row = () => sql(`select xmin::text, ctid::text, expires_at, updated_at from ${table('kv')} where key = $1`, [key])
      await kv.set(key, 1, 100)
      const live = await row()
      await kv.get(key)
      expect(await row()).toStrictEqual(live)
      await sql(`update ${table('kv')} set expires_at = now() - interval '1 second' where key = $1`, [key])
      const expired = await row()
      expect(await kv.get(key)).toBeNull()
      expect(await row()).toStrictEqual(expired)
      expect(expired).toHaveLength(1)
    })

    it('delete removes a key and resolves with nothing, there or not', async () => {
      const { kv } = use().store
      const key = unique()
      await kv.set(key, 1)
      expect(await kv.delete(key)).toBeUndefined()
      expect(await kv.get(key)).toBeNull()
      expect(await kv.delete(key)).toBeUndefined()
    })
  })

  describe('kv: time to live', () => {
    it.each([[60], [0.5], [604_800], [1e9], [1e11]])('counts %s seconds from now on the database\'s clock', async (ttl) => {
      const { store: { kv }, sql, table } = use()
      const key = unique()
      const clock = async () => (await sql<{ now: number }>('select extract(epoch from clock_timestamp())::double precision as now'))[0]!.now
      const before = await clock()
      await kv.set(key, 1, ttl)
      const after = await clock()
      const [row] = await sql<{ at: number }>(`select extract(epoch from expires_at)::double precision as at from ${table('kv')} where key = $1`, [key])
      // A millionth of a second is what PostgreSQL keeps of a time, and at 1e11 s a double keeps a little less.
      expect(row!.at).toBeGreaterThanOrEqual(before + ttl - 0.001)
      expect(row!.at).toBeLessThanOrEqual(after + ttl + 0.001)
      if (ttl >= 60) expect(await kv.get(key)).toBe(1)
    })

    it('a key is gone once its time is over, not before', async () => {
      const { store: { kv }, sql, table } = use()
      const key = unique()
      await kv.set(key, 1, 1000)
      await sql(`update ${table('kv')} set expires_at = expires_at - interval '900 seconds' where key = $1`, [key])
      expect(await kv.get(key)).toBe(1)
      await sql(`update ${table('kv')} set expires_at = expires_at - interval '100 seconds' where key = $1`, [key])
      expect(await kv.get(key)).toBeNull()
    })

    it('0 is expired at once', async () => {
      const { kv } = use().store
      const key = unique()
      await kv.set(key, 1)
      await kv.set(key, 2, 0)
      expect(await kv.get(key)).toBeNull()
      expect(await kv.clear(key)).toBe(0)
    })

    it('set without one removes an old one, set with one brings an expired key back', async () => {
      const { store: { kv }, sql, table } = use()
      const key = unique()
      await kv.set(key, 1, 0)
      await kv.set(key, 2)
      expect(await kv.get(key)).toBe(2)
      expect(await sql(`select expires_at from ${table('kv')} where key = $1`, [key])).toStrictEqual([{ expires_at: null }])
      await kv.set(key, 3, 0)
      await kv.set(key, 4, 100)
      expect(await kv.get(key)).toBe(4)
    })

    it('is a finite number from 0 to 1e11', async () => {
      const { kv } = use().store
      const key = unique()
      await kv.set(key, 'kept')
      for (const ttl of [-1, -0.001, 1.01e11, 1e300, Number.NaN, Number.POSITIVE_INFINITY, '60', 1n, {}, new Date()]) {
        await expectRefused(() => kv.set(key, 1, wrong(ttl)), 'ttlSeconds')
      }
      expect(await kv.get(key)).toBe('kept')
    })
  })

  describe('kv.clear', () => {
    it.each(globs)('%j deletes what it matches and nothing else', async (glob, matches) => {
      const { kv } = use().store
      const start = `${unique()}:`
      for (const key of keys) await kv.set(start + key, key)
      const matched = keys.filter(matches)
      expect(await kv.clear(start + glob)).toBe(matched.length)
      const left = []
      for (const key of keys) if (await kv.get(start + key) !== null) left.push(key)
      expect(left).toStrictEqual(keys.filter(key => !matched.includes(key)))
      expect(await kv.clear(start + glob)).toBe(0)
    })

    it('a glob may start with a wildcard', async () => {
      const { kv } = use().store
      const end = unique()
      await kv.set(`a${end}`, 1)
      await kv.set(`bb${end}`, 1)
      expect(await kv.clear(`?${end}`)).toBe(1)
      expect(await kv.clear(`*${end}`)).toBe(1)
    })

    it('counts live keys only, and removes expired ones, too', async () => {
      const { store: { kv }, sql, table } = use()
      const start = unique()
      await kv.set(`${start}a`, 1)
      await kv.set(`${start}b`, 1, 0)
      await kv.set(`${start}c`, 1, 100)
      expect(await kv.clear(`${start}*`)).toBe(2)
      expect(await sql(`select key from ${table('kv')} where starts_with(key, $1)`, [start])).toStrictEqual([])
    })
  })

  describe('kv.list', () => {
    const list = async (kv: KvApi, options: KvListOptions) => (await kv.list(options)).keys.map(({ key }) => key)

    it('gives the keys in order, byte by byte, page by page', async () => {
      const { kv } = use().store
      const start = `${unique('list')}:`
      const sorted = ['!', 'A', 'B', '_', 'a', 'a:1', 'a:10', 'a:2', 'b', 'é', '日本', '\uFFFD', '😀'].map(key => start + key)
      for (const key of sorted.toReversed()) await kv.set(key, 1)
      expect(await kv.list({ glob: `${start}*` })).toStrictEqual({ keys: sorted.map(key => ({ key })), cursor: null })
      const pages: string[][] = []
      for (let cursor: string | null | undefined; cursor !== null;) {
        const page = await kv.list({ glob: `${start}*`, limit: 5, cursor })
        pages.push(page.keys.map(({ key }) => key))
        cursor = page.cursor
      }
      expect(pages).toStrictEqual([sorted.slice(0, 5), sorted.slice(5, 10), sorted.slice(10)])
      expect((await kv.list({ limit: 1 })).keys).toHaveLength(1)
      expect(await kv.list({ limit: 0 })).toStrictEqual({ keys: [], cursor: null })
    })

    it.each(globs)('%j gives what it matches and nothing else', async (glob, matches) => {
      const { kv } = use().store
      const start = `${unique()}:`
      for (const key of keys) await kv.set(start + key, key)
      const found = await list(kv, { glob: start + glob, limit: 1_000 })
      expect(found.toSorted()).toStrictEqual(keys.filter(matches).map(key => start + key).toSorted())
    })

    it('goes on behind a key that has gone meanwhile', async () => {
      const { kv } = use().store
      const start = unique()
      for (const key of ['a', 'b', 'c']) await kv.set(start + key, 1)
      const { cursor } = await kv.list({ glob: `${start}?`, limit: 2 })
      await kv.delete(`${start}b`)
      expect(await list(kv, { glob: `${start}?`, cursor })).toStrictEqual([`${start}c`])
    })

    it('leaves out what has expired, and says when the others do', async () => {
      const { kv } = use().store
      const start = unique()
      await kv.set(`${start}a`, 1, 0)
      await kv.set(`${start}b`, null)
      const before = Date.now()
      await kv.set(`${start}c`, 1, 3600)
      expect(await kv.list({ glob: `${start}*` })).toStrictEqual({
        keys: [{ key: `${start}b` }, { key: `${start}c`, expiresAt: expect.any(Number) as number }], cursor: null,
      })
      const [, expiring] = (await kv.list({ glob: `${start}*` })).keys
      // The clocks of the database and of this process are not the same.
      expect(Math.abs(expiring!.expiresAt! - before - 3_600_000)).toBeLessThan(600_000)
    })

    it('sees what its transaction has written', async () => {
      const { store } = use()
      const start = unique()
      await store.transaction(async (tx) => {
        await tx.kv.set(`${start}a`, 1)
        expect(await list(tx.kv, { glob: `${start}*` })).toStrictEqual([`${start}a`])
        expect(await list(store.with(tx).kv, { glob: `${start}*` })).toStrictEqual([`${start}a`])
        await tx.kv.clear(`${start}*`)
        expect(await list(tx.kv, { glob: `${start}*` })).toStrictEqual([])
      })
    })
  })

  describe('kv.increment', () => {
    it('adds, starting at 0', async () => {
      const { kv } = use().store
      const key = unique()
      expect(await kv.increment(key)).toBe(1)
      expect(await kv.increment(key, 5)).toBe(6)
      expect(await kv.increment(key, -10)).toBe(-4)
      expect(await kv.increment(key, 0)).toBe(-4)
      expect(await kv.get(key)).toBe(-4)
    })

    it('calculates as JavaScript does', async () => {
      const { kv } = use().store
      const key = unique()
      let expected = 0
      for (const by of [0.1, 0.2, 2 ** 31, 2 ** 53, 1, -0.5, 1e300, -1e300, 1e-300]) {
        expected += by
        expect(await kv.increment(key, by)).toBe(expected)
        expect(await kv.get(key)).toBe(expected)
      }
    })

    it('gives each of many callers at once a number of its own', async () => {
      const { kv } = use().store
      const key = unique()
      const results = await Promise.all(Array.from({ length: 50 }, () => kv.increment(key)))
      expect(results.sort((a, b) => a - b)).toStrictEqual(Array.from({ length: 50 }, (_, at) => at + 1))
    })

    it('keeps the time to live of a live key, and starts an expired one at 0 without', async () => {
      const { store: { kv }, sql, table } = use()
      const key = unique()
      const expiry = () => sql(`select expires_at from ${table('kv')} where key = $1`, [key])
      await kv.set(key, 5, 1000)
      const before = await expiry()
      expect(await kv.increment(key)).toBe(6)
      expect(await expiry()).toStrictEqual(before)
      await kv.set(key, 5, 0)
      expect(await kv.increment(key, 2)).toBe(2)
      expect(await expiry()).toStrictEqual([{ expires_at: null }])
      await kv.set(key, 'text', 0)
      expect(await kv.increment(key, 3)).toBe(3)
    })

    it('refuses what is not a number, and leaves the value as it was', async () => {
      const { store: { kv }, sql, table } = use()
      const key = unique()
      for (const value of ['5', '', null, true, false, {}, [], [1]]) {
        await kv.set(key, value, 1000)
        const before = await sql(`select * from ${table('kv')} where key = $1`, [key])
        await expectRefused(() => kv.increment(key), 'key')
        expect(await sql(`select * from ${table('kv')} where key = $1`, [key])).toStrictEqual(before)
      }
    })

    it('refuses an amount that is no finite number, and a sum that is none', async () => {
      const { kv } = use().store
      const key = unique()
      await kv.set(key, Number.MAX_VALUE)
      for (const by of [Number.NaN, Number.POSITIVE_INFINITY, '1', null, 1n, {}, [1]]) await expectRefused(() => kv.increment(key, wrong(by)), 'by')
      expect((await failureOf(() => kv.increment(key, Number.MAX_VALUE))).code).toBe('INVALID_VALUE')
      expect(await kv.get(key)).toBe(Number.MAX_VALUE)
    })
  })
}
