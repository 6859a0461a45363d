import { describe, expect, it } from 'vitest'
import type { IsolationLevel } from '../../../src/runtime/core/index'
import { expectRefused, failureOf, unique, wrong } from './context'
import type { Use } from './context'

/** How a failure of PostgreSQL looks that others are to blame for. */
const ended = (code: string) => Object.assign(new Error('ended by others'), { code })

export function withClientSuite(use: Use): void {
  describe('transaction: isolation and retries', () => {
    it.each<IsolationLevel>(['read committed', 'repeatable read', 'serializable'])('runs as %s', async (isolation) => {
      const level = await use().store.transaction(async tx =>
        (await tx.query<{ level: string }>('select current_setting(\'transaction_isolation\') as level')).rows[0]!.level, { isolation })
      expect(level).toBe(isolation)
    })

    it.each(['40001', '40P01'])('runs the work again after %s, and keeps what the last run did', async (code) => {
      const { store } = use()
      const key = unique()
      let runs = 0
      const result = await store.transaction(async (tx) => {
        await tx.kv.increment(key)
        if (++runs < 3) throw ended(code)
        return runs
      })
      expect([result, await store.kv.get(key)]).toStrictEqual([3, 1])
    })

    it('gives up after so many retries, and does not retry what others are not to blame for', async () => {
      const { store } = use()
      const runsOf = async (error: Error, retries?: number) => {
        let runs = 0
        await expect(store.transaction(async () => {
          runs++
          throw error
        }, retries === undefined ? undefined : { retries })).rejects.toBe(error)
        return runs
      }
      expect(await runsOf(ended('40001'))).toBe(4)
      expect(await runsOf(ended('40001'), 0)).toBe(1)
      expect(await runsOf(ended('40P01'), 1)).toBe(2)
      expect(await runsOf(ended('23505'))).toBe(1)
      expect(await runsOf(new Error('mine'))).toBe(1)
    })

    it('refuses options that can\'t be right', async () => {
      const { store } = use()
      const work = async () => {}
      for (const isolation of [null, '', 'SERIALIZABLE', 'serializable; drop table x', 1, {}]) {
        await expectRefused(() => store.transaction(work, { isolation: wrong(isolation) }), 'options.isolation')
      }
      for (const retries of [null, -1, 0.5, '3']) await expectRefused(() => store.transaction(work, { retries: wrong(retries) }), 'options.retries')
      await expectRefused(() => store.transaction(work, wrong('serializable')), 'options')
    })
  })

  describe('with', () => {
    it('runs on the transaction of the caller: all of it is kept, or none', async () => {
      const { store, P } = use()
      const name = unique()
      const write = async (tx: Parameters<typeof store.with>[0]) => {
        const own = store.with(tx)
        await own.stream.append(`${P}:flow:run:${name}`, { type: 'a', data: null, runId: name }, { eventId: 'one', meta: { actor: 'ada' } })
        await own.stream.appendAll([{ subject: `orders:${name}`, events: [{ type: 'a', data: { n: 1 } }, { type: 'b' }], expectedVersion: 0 }])
        await own.index.add(`${P}:flow:runs:${name}`, 'a', 1, { status: 'running', emittedEvents: { a: 1 }, free: ['x', null] })
        await own.index.update(`${P}:flow:runs:${name}`, 'a', { stepCount: 2 ** 40 })
        await own.index.increment(`${P}:flow:runs:${name}`, 'a', 'completedSteps')
        await own.kv.set(name, null)
        await own.kv.set(`${name}2`, 'text')
        return own
      }
      const readAll = async ({ stream, index, kv }: Pick<typeof store, 'index' | 'kv'> & { stream: Pick<typeof store.stream, 'read' | 'current'> }) => [
        await stream.read(`${P}:flow:run:${name}`), await stream.read(`orders:${name}`, { order: 'desc' }), await stream.current(`orders:${name}`),
        await index.get(`${P}:flow:runs:${name}`, 'a'), await index.read(`${P}:flow:runs:${name}`),
        await index.readPage(`${P}:flow:runs:${name}`), await kv.getMany([name, `${name}2`]),
      ]
      const outcome = await store.transaction(async (tx) => {
        await readAll(await write(tx))
        throw new Error('changed my mind')
      }).catch((error: unknown) => error)
      expect(outcome).toMatchObject({ message: 'changed my mind' })
      expect(await store.stream.read(`orders:${name}`)).toStrictEqual([])

      const seen = await store.transaction(async tx => readAll(await write(tx)))
      expect(seen).toStrictEqual(await readAll(store))
      expect(seen[3]).toStrictEqual({
        id: 'a', score: 1, metadata: { status: 'running', emittedEvents: { a: 1 }, free: ['x', null], stepCount: 2 ** 40, completedSteps: 1, version: 2 },
      })
      expect(seen[6]).toStrictEqual([null, 'text'])
    })

    it('says whether something was found, and goes on after what was refused', async () => {
      const { store } = use()
      const name = unique()
      await store.transaction(async (tx) => {
        const { index, kv, stream, query } = store.with(tx)
        expect(await index.update(name, 'none', {})).toBe(false)
        expect(await index.delete(name, 'none')).toBe(false)
        await index.add(name, 'a', 1)
        expect(await index.delete(name, 'a')).toBe(true)
        expect((await failureOf(() => index.increment(name, 'none', 'a'))).code).toBe('NOT_FOUND')
        expect((await failureOf(() => stream.append(name, { type: 'a' }, { expectedVersion: 1 }))).code).toBe('VERSION_CONFLICT')
        expect(await query('select $1::int as n', [1])).toStrictEqual({ rows: [{ n: 1 }], rowCount: 1 })
        await kv.set(name, 1)
      })
      expect(await store.kv.get(name)).toBe(1)
    })

    it('refuses what can\'t run a statement, and results that don\'t say how many rows there were', async () => {
      const { store } = use()
      for (const client of [undefined, null, 5, 'text', {}, { query: 1 }]) expect(() => store.with(wrong(client))).toThrow(/client/)
      expect(() => store.with(wrong({ query: async () => {}, totalCount: 0, idleCount: 0 }))).toThrow(/is a pool/)
      expect(() => store.with(wrong({ isTransaction: false, withoutPlugins: () => {} }))).toThrow(/without a transaction/)
      for (const answer of [undefined, null, 5, 'text', [], {}, { rows: [] }, { rows: 5, rowCount: 1 }, { rows: [null], rowCount: 1 }, { rows: [5], rowCount: 1 }]) {
        await expectRefused(() => store.with({ query: async () => wrong(answer) }).kv.get('a'), 'client')
        await expectRefused(() => store.with({ query: () => wrong(answer) }).stream.read('a'), 'client')
      }
    })

    it('tells failures of the caller\'s connection as every other', async () => {
      const { store } = use()
      const broken = store.with({ query: async () => Promise.reject(Object.assign(new Error('gone'), { code: 'ECONNRESET' })) })
      expect(await failureOf(() => broken.kv.get('a'))).toMatchObject({ code: 'CONNECTION', retryable: true })
    })
  })
}
