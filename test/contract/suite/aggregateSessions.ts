import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { counter, refused } from './aggregates'
import { unique } from './context'
import type { Use } from './context'

export function aggregateSessionsSuite(use: Use): void {
  describe('a session', () => {
    it('saves all that it appends in one transaction, and goes on', async () => {
      const { store } = use()
      const [orders, invoices] = [counter(store, { topics: ['orders'] }), counter(store)]
      await orders.handle('1', () => ({ type: 'placed' }))
      const session = store.session()
      const order = await session.load(orders, '1')
      expect(order).toMatchObject({ id: '1', version: 1, state: { count: 1 } })
      expect(order.append({ type: 'paid' }, { type: 'packed' })).toMatchObject({ count: 3 })
      const invoice = session.start(invoices, '7', { type: 'sent' })
      expect(invoice).toMatchObject({ version: 0, state: { count: 1 } })
      expect(await orders.load('1')).toMatchObject({ version: 1 })
      const saved = await session.save()
      expect(saved.map(({ type, meta }) => [type, meta?.topics])).toStrictEqual([['paid', ['orders']], ['packed', ['orders']], ['sent', undefined]])
      expect(await orders.load('1')).toMatchObject({ version: 3, state: { count: 3, last: saved[1]!.id } })
      expect(order).toMatchObject({ version: 3, state: { count: 3, last: saved[1]!.id } })
      expect(await session.save()).toStrictEqual([])
      order.append({ type: 'shipped' })
      invoice.append({ type: 'paid' })
      expect(await session.save()).toMatchObject([{ type: 'shipped' }, { type: 'paid' }])
      expect(await invoices.load('7')).toMatchObject({ version: 2 })
    })

    it('saves nothing when others have appended to one of the streams, or one exists already', async () => {
      const { store } = use()
      const counts = counter(store)
      const session = store.session()
      const [one, two] = [await session.load(counts, '1'), await session.load(counts, '2')]
      expect(await session.load(counts, '1')).toBe(one)
      one.append({ type: 'a' })
      two.append({ type: 'b' })
      await counts.handle('2', () => ({ type: 'of others' }))
      await refused(session.save(), 'VERSION_CONFLICT', `${counts.name}:2`)
      expect(await counts.load('1')).toMatchObject({ version: 0 })
      const again = store.session()
      again.start(counts, '2', { type: 'first' })
      await refused(again.save(), 'VERSION_CONFLICT', `${counts.name}:2`)
    })

    it('does more work in the same transaction; what fails is rolled back, and can be saved again', async () => {
      const { store } = use()
      const counts = counter(store)
      const key = unique('key')
      const session = store.session()
      session.start(counts, '1', { type: 'a' })
      await expect(session.save(async (tx) => {
        await tx.kv.set(key, 1)
        throw new Error('rolled back')
      })).rejects.toThrow('rolled back')
      expect([await store.kv.get(key), (await counts.load('1')).version]).toStrictEqual([null, 0])
      expect(await session.save(tx => tx.kv.set(key, 2))).toMatchObject([{ type: 'a' }])
      expect([await store.kv.get(key), (await counts.load('1')).version]).toStrictEqual([2, 1])
    })

    it('has the state that the stored events give, also where `evolve` changes the state and uses times', async () => {
      const { store, sql, table } = use()
      const times = store.aggregate<{ times: number[] }>({
        name: unique('times'), initial: { times: [] },
        evolve(state, { ts }) {
          state.times.push(ts)
          return state
        },
        snapshot: { every: 2 },
      })
      const session = store.session()
      session.start(times, '1', { type: 'a' })
      await session.save()
      const one = await store.session().load(times, '1')
      expect(one.state.times).toHaveLength(1)
      const next = store.session()
      const loaded = await next.load(times, '1')
      loaded.append({ type: 'b' })
      loaded.append({ type: 'c' })
      const saved = await next.save()
      expect(loaded.state.times.slice(1)).toStrictEqual(saved.map(({ ts }) => ts))
      const { state } = await times.load('1')
      expect(state).toStrictEqual(loaded.state)
      expect(await sql(`select state from ${table('snapshots')} where name = $1`, [times.name])).toStrictEqual([{ state }])
    })

    it('loads again what could not be loaded', async () => {
      const { store } = use()
      let fails = true
      const counts = counter(store, { evolve(state: { count: number }) {
        if (fails) throw new Error('not today')
        return { count: state.count + 1 }
      } })
      await store.stream.append(`${counts.name}:1`, { type: 'a' })
      const session = store.session()
      await expect(session.load(counts, '1')).rejects.toThrow('not today')
      fails = false
      const one = await session.load(counts, '1')
      expect(one.append({ type: 'b' })).toMatchObject({ count: 2 })
      expect(await session.save()).toMatchObject([{ type: 'b' }])
    })

    it('checks events when they are given', async () => {
      const { store } = use()
      const orders = store.aggregate({
        name: unique('orders'), initial: 0, evolve: (sum, event) => sum + event.data.cents, schema: { placed: z.object({ cents: z.number() }) },
      })
      const session = store.session()
      const order = await session.load(orders, '1')
      expect(() => order.append({ type: 'placed', data: { cents: 'x' as never } })).toThrow('cents')
      expect(() => order.append({ type: 'other' } as never)).toThrow('other')
      expect(order.append({ type: 'placed', data: { cents: 5 } })).toBe(5)
      await session.save()
      expect(await orders.load('1')).toMatchObject({ version: 1, state: 5 })
      const later = store.aggregate({
        name: unique('later'), initial: 0, evolve: sum => sum, schema: { a: z.unknown().refine(async () => true) },
      })
      expect(() => session.start(later, '1', { type: 'a' })).toThrow('asynchronously')
    })

    it('refuses calls while it is being saved, other stores\' aggregates, and a second start', async () => {
      const { store } = use()
      const counts = counter(store)
      const session = store.session()
      const one = session.start(counts, '1', { type: 'a' })
      expect(() => session.start(counts, '1')).toThrow('part of this session')
      const saving = session.save(async () => {
        expect(() => one.append({ type: 'b' })).toThrow('being saved')
        await refused(session.save(), 'INVALID_CALL', 'being saved')
        await refused(session.load(counts, '2'), 'INVALID_CALL', 'being saved')
      })
      await saving
      await refused(session.load({ ...counts }, '1'), 'INVALID_VALUE', 'aggregate')
      await refused(session.save(1 as never), 'INVALID_VALUE', 'work')
    })
  })
}
