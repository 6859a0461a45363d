import { describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { eventCodec } from '../../../src/runtime/core/index'
import type { Store, StoreErrorCode } from '../../../src/runtime/core/index'
import { streamKinds, unique } from './context'
import type { Use } from './context'

export const refused = (call: Promise<unknown>, code: StoreErrorCode, word: string) =>
  expect(call).rejects.toMatchObject({ code, message: expect.stringContaining(word) as string })

/** Counts its events. */
export const counter = (store: Store, more: Record<string, unknown> = {}) => store.aggregate({
  name: unique('counter'),
  initial: { count: 0, last: '' },
  evolve: (state, event) => ({ count: state.count + 1, last: event.id ?? '' }),
  ...more,
})

export function aggregatesSuite(use: Use): void {
  describe('aggregates', () => {
    it('are the initial state before the first event, and have the events of decisions after that', async () => {
      const { store } = use()
      const counts = counter(store)
      expect(await counts.load('1')).toStrictEqual({ id: '1', subject: `${counts.name}:1`, version: 0, state: { count: 0, last: '' } })
      const handled = await counts.handle('1', () => [{ type: 'a' }, { type: 'b' }], { meta: { actor: 'ann' } })
      expect(handled).toMatchObject({ version: 2, state: { count: 2, last: handled.events[1]!.id }, events: [{ type: 'a', meta: { actor: 'ann' } }, { type: 'b' }] })
      expect(await counts.load('1')).toStrictEqual({ id: '1', subject: `${counts.name}:1`, version: 2, state: handled.state })
      expect(await store.stream.read(`${counts.name}:1`)).toStrictEqual(handled.events)
      expect(await counts.load('2')).toMatchObject({ version: 0 })
    })

    it('append nothing where nothing was decided, or where the decision throws', async () => {
      const { store } = use()
      const counts = counter(store)
      for (const nothing of [undefined, null, []]) expect(await counts.handle('1', () => nothing)).toMatchObject({ version: 0, events: [] })
      const reason = new Error('not today')
      await expect(counts.handle('1', () => {
        throw reason
      })).rejects.toBe(reason)
      await expect(counts.handle('1', () => Promise.reject(reason))).rejects.toBe(reason)
      expect(await counts.load('1')).toMatchObject({ version: 0 })
    })

    it('decide commands', async () => {
      const { store } = use()
      const stock = store.aggregate({
        name: unique('stock'),
        initial: () => ({ left: 10 }),
        evolve: (state, event) => ({ left: state.left - event.data.pieces }),
        decide: async (state, command: { take: number }) => {
          if (command.take > state.left) throw new Error(`only ${state.left} left`)
          return { type: 'taken', data: { pieces: command.take } }
        },
      })
      expect(await stock.handle('7', { take: 4 })).toMatchObject({ state: { left: 6 } })
      await expect(stock.handle('7', { take: 7 })).rejects.toThrow('only 6 left')
      await refused(counter(store).handle('7', { take: 1 } as never), 'INVALID_CALL', 'decide')
    })

    it('decide again on the newer state when others append at the same time', async () => {
      const { store } = use()
      const seats = counter(store)
      const outcomes = await Promise.all(Array.from({ length: 20 }, () =>
        seats.handle('1', ({ count }) => count < 5 ? { type: 'booked' } : undefined, { retries: 40 })))
      expect(outcomes.filter(({ events }) => events.length > 0)).toHaveLength(5)
      expect(await seats.load('1')).toMatchObject({ version: 5, state: { count: 5 } })
    })

    it('read only the events of others again, unless the stream is another or one of its events was hidden', async () => {
      const { store } = use()
      const evolve = vi.fn((state: string[], { type }: { type: string }) => [...state, type])
      const lists = store.aggregate<string[]>({ name: unique('lists'), initial: [], evolve })
      const decideAfter = async (id: string, disturb: (subject: string) => Promise<unknown>) => {
        const { subject } = await lists.handle(id, () => ['a', 'b', 'c'].map(type => ({ type })))
        evolve.mockClear()
        const seen: string[][] = []
        await lists.handle(id, async (state) => {
          if (seen.push(state) === 1) await disturb(subject)
          return { type: 'mine' }
        })
        return seen.at(-1)
      }
      const others = (subject: string) => store.stream.append(subject, { type: 'of others' })
      expect(await decideAfter('1', others)).toStrictEqual(['a', 'b', 'c', 'of others'])
      // Three at first, then one of others and its own.
      expect(evolve).toHaveBeenCalledTimes(5)
      expect(await decideAfter('2', async (subject) => {
        const [first] = await store.stream.read(subject)
        await store.stream.dismiss(first!.id, { reason: 'test', by: 'test' })
        return others(subject)
      })).toStrictEqual(['b', 'c', 'of others'])
      expect(await decideAfter('3', async (subject) => {
        await store.stream.delete(subject)
        for (let at = 0; at < 4; at++) await others(subject)
      })).toStrictEqual(['of others', 'of others', 'of others', 'of others'])
    })

    it('reject when each try has lost', async () => {
      const { store } = use()
      const counts = counter(store)
      const decide = vi.fn(async () => {
        await store.stream.append(`${counts.name}:1`, { type: 'of others' })
        return { type: 'mine' }
      })
      await refused(counts.handle('1', decide, { retries: 2 }), 'VERSION_CONFLICT', counts.name)
      expect(decide).toHaveBeenCalledTimes(3)
      expect((await store.stream.read(`${counts.name}:1`)).map(({ type }) => type)).toStrictEqual(['of others', 'of others', 'of others'])
    })

    it('check and upcast their events by schemas', async () => {
      const { store } = use()
      const name = unique('order')
      await store.stream.append(`${name}:1`, { type: 'placed', data: { total: 2 } })
      await store.stream.append(`${name}:1`, { type: 'noted' })
      const schema = eventCodec({ placed: { version: 2, schema: z.object({ cents: z.number() }) } }).upcast('placed', 1, (data: { total: number }) => ({ cents: data.total * 100 }))
      const options = { name, initial: 0, evolve: (sum: number, event: { data: { cents: number } }) => sum + event.data.cents, schema }
      await refused(store.aggregate(options).load('1'), 'INVALID_VALUE', 'noted')
      const orders = store.aggregate({ ...options, unknown: 'skip' })
      expect(await orders.handle('1', () => ({ type: 'placed', data: { cents: 1 } }))).toMatchObject({ state: 201, version: 3 })
      await refused(orders.handle('1', () => ({ type: 'placed', data: { cents: 'x' as never } })), 'INVALID_VALUE', 'cents')
      await refused(orders.handle('1', () => ({ type: 'unheard of' } as never)), 'INVALID_VALUE', 'unheard of')
      expect(await orders.load('1')).toMatchObject({ state: 201, version: 3 })
    })

    it('give their topics to each event', async () => {
      const { store } = use()
      const { events } = await counter(store, { topics: ['mail'] }).handle('1', () => [{ type: 'a' }, { type: 'b' }])
      expect(events.map(({ meta }) => meta)).toStrictEqual([{ topics: ['mail'] }, { topics: ['mail'] }])
    })

    it('are part of a transaction, or of none', async () => {
      const { store } = use()
      const counts = counter(store)
      await expect(store.transaction(async (tx) => {
        await counts.with(tx).handle('1', () => ({ type: 'a' }))
        expect(await counts.with(tx).handle('1', state => ({ type: `after ${state.count}` }))).toMatchObject({ version: 2 })
        throw new Error('rolled back')
      })).rejects.toThrow('rolled back')
      expect(await counts.load('1')).toMatchObject({ version: 0 })
      await store.transaction(tx => counts.with(tx).handle('1', () => ({ type: 'a' })))
      expect(await counts.load('1')).toMatchObject({ version: 1 })
      expect(() => counts.with({} as never)).toThrow('store.transaction()')
    })

    it.each(streamKinds)('are made of the streams of any table ($kind)', async ({ subjectOf }) => {
      const { store, P } = use()
      const subject = subjectOf(P)
      const counts = counter(store, { subject: () => subject, snapshot: { every: 2 } })
      for (const type of ['a', 'b', 'c']) await counts.handle('x', () => ({ type, runId: 'r' }))
      expect(await counts.load('x')).toMatchObject({ subject, version: 3, state: { count: 3 } })
      expect(await counts.compact('x')).toBe(3)
      expect(await counts.load('x')).toMatchObject({ version: 3, state: { count: 3 } })
    })

    it('refuse what can\'t be right', async () => {
      const { store } = use()
      const valid = { name: 'x', initial: 0, evolve: (state: number) => state }
      const wrong: [Record<string, unknown>, string][] = [
        [{ name: '' }, 'name'], [{ initial: undefined, evolve: 1 }, 'evolve'], [{ decide: 1 }, 'decide'], [{ subject: 'x' }, 'subject'],
        [{ snapshot: { every: 0 } }, 'every'], [{ snapshot: { every: 1, schemaVersion: 0.5 } }, 'schemaVersion'], [{ snapshot: { every: 1, upcast: 1 } }, 'upcast'],
        [{ snapshot: { evry: 1 } }, 'every'], [{ topics: [] }, 'topics'], [{ unknown: 'maybe' }, 'unknown'], [{ evolv: 1 }, 'evolve'], [{ schema: { a: 1 } }, 'codec'],
        [{ initial: { make() {} } }, 'initial'],
      ]
      for (const [options, word] of wrong) expect(() => store.aggregate({ ...valid, ...options } as never), word).toThrow(word)
      expect(() => store.aggregate({ name: 'x', evolve: (state: number) => state } as never)).toThrow('initial')
      const counts = counter(store)
      for (const id of ['', 1, undefined, 'x'.repeat(2_000)]) await refused(counts.load(id as never), 'INVALID_VALUE', 'id')
      await refused(counts.handle('1', () => ({ type: '' })), 'INVALID_VALUE', 'type')
      await refused(counts.handle('1', () => 5 as never), 'INVALID_VALUE', 'event')
      await refused(counts.handle('1', () => [], { retrys: 1 } as never), 'INVALID_VALUE', 'retries')
      await refused(counts.compact('1'), 'INVALID_CALL', 'snapshot')
    })
  })
}
