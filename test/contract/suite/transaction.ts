import { describe, expect, it } from 'vitest'
import type { TransactionApi } from '../../../src/runtime/core/index'
import { expectCode, expectRefused, unique, wrong } from './context'
import type { Context, Use } from './context'

/** Writes something in every tier, in tables of every kind. */
async function writeAll(tx: Pick<TransactionApi, 'stream' | 'index' | 'kv'>, P: string, name: string): Promise<void> {
  await tx.stream.append(`orders:${name}`, { type: 'a', data: 1 })
  await tx.stream.append(`${P}:flow:run:${name}`, { type: 'a', data: 2 })
  await tx.index.add(`orders:${name}`, 'a', 1, { n: 1 })
  await tx.index.increment(`orders:${name}`, 'a', 'n')
  await tx.index.add(`${P}:flows`, name, 1, { stats: { total: 1 } })
  await tx.index.update(`${P}:flows`, name, { stats: { total: 2 } })
  await tx.kv.set(`orders:${name}`, 1)
  await tx.kv.increment(`orders:${name}`)
}

async function readAll({ stream, index, kv }: Pick<TransactionApi, 'stream' | 'index' | 'kv'>, P: string, name: string) {
  return [
    (await stream.read(`orders:${name}`)).map(event => event.data),
    (await stream.read(`${P}:flow:run:${name}`)).map(event => event.data),
    await index.get(`orders:${name}`, 'a'),
    await index.get(`${P}:flows`, name),
    await kv.get(`orders:${name}`),
  ]
}

const written = (name: string) => [
  [1], [2], { id: 'a', score: 1, metadata: { n: 2, version: 1 } }, { id: name, score: 1, metadata: { stats: { total: 2 }, version: 1 } }, 2,
]
const nothing = [[], [], null, null, null]

export function transactionSuite(use: Use): void {
  describe('transaction', () => {
    it('keeps all of it, and resolves with what the work gives', async () => {
      const { store, P } = use()
      const name = unique()
      const result = await store.transaction(async (tx) => {
        await writeAll(tx, P, name)
        expect(await readAll(tx, P, name), 'sees its own writes').toStrictEqual(written(name))
        return { any: 'thing' }
      })
      expect(result).toStrictEqual({ any: 'thing' })
      expect(await readAll(store, P, name)).toStrictEqual(written(name))
    })

    it.each([['an error', new RangeError('mine')], ['no error at all', 'text'], ['undefined', undefined]])('rolls everything back and throws again what the work threw: %s', async (_, thrown) => {
      const { store, P } = use()
      const name = unique()
      const outcome = await store.transaction(async (tx) => {
        await writeAll(tx, P, name)
        throw thrown
      }).then(() => ({ resolved: true }), (error: unknown) => ({ error }))
      expect(outcome).toStrictEqual({ error: thrown })
      expect((outcome as { error: unknown }).error).toBe(thrown)
      expect(await readAll(store, P, name)).toStrictEqual(nothing)
    })

    it('rolls back deletions as well', async () => {
      const { store, P } = use()
      const name = unique()
      await writeAll(store, P, name)
      await expect(store.transaction(async (tx) => {
        expect(await tx.stream.delete(`orders:${name}`)).toBe(true)
        await tx.index.delete(`${P}:flows`, name)
        await tx.index.remove(`orders:${name}`, 'a')
        await tx.kv.delete(`orders:${name}`)
        expect(await tx.kv.clear(`orders:${name}`)).toBe(0)
        throw new Error('changed my mind')
      })).rejects.toThrow('changed my mind')
      expect(await readAll(store, P, name)).toStrictEqual(written(name))
    })

    it('goes on after a call that was refused for its arguments', async () => {
      const { store } = use()
      const name = unique()
      await store.transaction(async (tx) => {
        await tx.kv.set(name, 1)
        await expectRefused(() => tx.kv.set(name, Number.NaN), 'value')
        await expectRefused(() => tx.index.add(name, 'a', Number.NaN), 'score')
        await expectRefused(() => tx.stream.append(name, wrong(null)), 'event')
        expect(await tx.index.update(name, 'none', {})).toBe(false)
        await expectCode(() => tx.index.increment(name, 'none', 'a'), 'NOT_FOUND')
        await tx.kv.set(`${name}2`, 2)
      })
      expect([await store.kv.get(name), await store.kv.get(`${name}2`)]).toStrictEqual([1, 2])
    })

    it('runs SQL of the caller with values as parameters', async () => {
      const { store, table } = use()
      const key = unique()
      const text = `it's "quoted"; drop table x; -- $1`
      await store.transaction(async (tx) => {
        await tx.kv.set(key, { text })
        const { rows, rowCount } = await tx.query<{ value: unknown, text: string }>(
          `select value, $2::text as text from ${table('kv')} where key = $1`, [key, text])
        expect(rows).toStrictEqual([{ value: { text }, text }])
        expect(rowCount).toBe(1)
        expect((await tx.query(`update ${table('kv')} set value = '1' where key = $1`, [key])).rowCount).toBe(1)
        expect((await tx.query(`delete from ${table('kv')} where key = $1`, ['none'])).rowCount).toBe(0)
      })
      expect(await store.kv.get(key)).toBe(1)
    })

    it('gives the caller\'s SQL the types pg gives', async () => {
      const { store } = use()
      const { rows } = await store.transaction(tx => tx.query(`select 1::int as i, 9007199254740993::bigint as b, 1.10::numeric as n, 0.1::double precision as d,
        '{"a":[1]}'::jsonb as j, '{"a":1}'::json as k, timestamptz '2026-01-01 00:00:00+00' as t, true as f, null as z, array[1, 2] as l, 'x'::text as s`))
      expect(rows).toStrictEqual([{
        i: 1, b: '9007199254740993', n: '1.10', d: 0.1, j: { a: [1] }, k: { a: 1 }, t: new Date('2026-01-01T00:00:00Z'), f: true, z: null, l: [1, 2], s: 'x',
      }])
    })

    it('rolls back when a statement of the caller fails, even if the work goes on', async () => {
      const { store } = use()
      const name = unique()
      await expect(store.transaction(async (tx) => {
        await tx.kv.set(name, 1)
        await tx.query('select * from table_that_is_not_there')
      })).rejects.toMatchObject({ name: 'StoreError', code: 'DATABASE' })
      const outcome = await store.transaction(async (tx) => {
        await tx.kv.set(name, 2)
        await tx.query('select 1 / 0').catch(() => {})
      }).then(() => 'kept', () => 'rolled back')
      expect(await store.kv.get(name)).toBeNull()
      expect(outcome, 'nobody is told that something was kept that was not').toBe('rolled back')
    })

    it('is not seen from outside before it has committed', async ({ skip }) => {
      const { store, sql, table, info } = use()
      if (info.driver === 'pglite') return skip('the embedded database has one connection')
      const name = unique()
      await store.transaction(async (tx) => {
        await tx.kv.set(name, 1)
        expect(await sql(`select 1 from ${table('kv')} where key = $1`, [name])).toStrictEqual([])
        expect(await store.kv.get(name)).toBeNull()
      })
      expect(await store.kv.get(name)).toBe(1)
    })

    it('many at once each do their part', async () => {
      const { store } = use()
      const [key, name] = [unique(), unique()]
      await store.index.add(key, 'a', 1, { n: 0 })
      await Promise.all(Array.from({ length: 12 }, () => store.transaction(async (tx) => {
        await tx.index.increment(key, 'a', 'n')
        await tx.kv.increment(name)
        await tx.stream.append(`orders:${name}`, { type: 'a' })
      })))
      expect((await store.index.get(key, 'a'))!.metadata).toStrictEqual({ n: 12, version: 12 })
      expect(await store.kv.get(name)).toBe(12)
      expect(await store.stream.read(`orders:${name}`)).toHaveLength(12)
    })

    it('has no subscribe, and refuses work that is no function', async () => {
      const { store } = use()
      await store.transaction(async tx => expect('subscribe' in tx.stream).toBe(false))
      await expectRefused(() => store.transaction(wrong(undefined)), 'work')
      await store.transaction(async (tx) => {
        await expectRefused(() => tx.query(wrong(5)), 'text')
        await expectRefused(() => tx.query('select 1', wrong('a')), 'values')
      })
    })

    it('inside, a call on the store itself is refused on the embedded database, which has one connection', async ({ skip }) => {
      const { store, info, P } = use()
      if (info.driver !== 'pglite') return skip('only on the embedded database')
      const name = unique()
      await store.transaction(async (tx) => {
        await tx.kv.set(name, 1)
        for (const call of callsOn(store, P, name)) await expectCode(call, 'INVALID_CALL')
        await tx.kv.set(`${name}2`, 2)
      })
      expect([await store.kv.get(name), await store.kv.get(`${name}2`)]).toStrictEqual([1, 2])
    })

    it('inside, a call on the store itself runs outside of it on a server', async ({ skip }) => {
      const { store, info } = use()
      if (info.driver === 'pglite') return skip('the embedded database has one connection')
      const name = unique()
      await expect(store.transaction(async (tx) => {
        await tx.kv.set(name, 1)
        await store.kv.set(`${name}2`, 2)
        await store.transaction(other => other.kv.set(`${name}3`, 3))
        throw new Error('changed my mind')
      })).rejects.toThrow('changed my mind')
      expect([await store.kv.get(name), await store.kv.get(`${name}2`), await store.kv.get(`${name}3`)]).toStrictEqual([null, 2, 3])
    })
  })
}

function callsOn({ stream, index, kv, transaction }: Context['store'], P: string, name: string): (() => Promise<unknown>)[] {
  return [
    () => stream.append(`orders:${name}`, { type: 'a' }),
    () => stream.append(`${unique('new')}:${name}`, { type: 'a' }),
    () => stream.read(`${P}:flow:run:${name}`),
    () => stream.delete(name),
    () => stream.subscribe(name, () => {}),
    () => index.add(name, 'a', 1),
    () => index.get(name, 'a'),
    () => index.read(name),
    () => index.update(name, 'a', {}),
    () => index.updateWithRetry(name, 'a', {}),
    () => index.increment(name, 'a', 'n'),
    () => index.delete(name, 'a'),
    () => index.remove(name, 'a'),
    () => kv.get(name),
    () => kv.set(name, 1),
    () => kv.delete(name),
    () => kv.clear(name),
    () => kv.increment(name),
    () => transaction(async () => {}),
  ]
}
