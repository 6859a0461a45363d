import { describe, expect, it, onTestFinished, vi } from 'vitest'
import type { EventRecord, StandardSchema, Store } from '../../../src/runtime/core/index'
import { counter, refused } from './aggregates'
import { unique } from './context'
import type { Context, Use } from './context'

type List = string[]

/** The ids of its events, so that two states are the same only if they are made of the same events. */
const list = (store: Store, name: string, more: object = {}) => store.aggregate<List>({
  name, initial: [], evolve: (state, { id, type }) => [...state, `${id} ${type}`], ...more,
})

const because = { reason: 'test', by: 'test' }

export function aggregateSnapshotsSuite(use: Use): void {
  const kept = async ({ sql, table }: Context, name: string) =>
    (await sql(`select subject, version::int as version, schema_version::int as schema from ${table('snapshots')} where name = $1`, [name]))[0]

  describe('snapshots', () => {
    it('are written every so many events, and the events before them are not read again', async () => {
      const { store } = use()
      const evolve = vi.fn((state: number) => state + 1)
      const counts = store.aggregate({ name: unique('counts'), initial: 0, evolve, snapshot: { every: 10 } })
      for (let at = 0; at < 9; at++) await counts.handle('1', () => ({ type: 'a' }))
      expect(await kept(use(), counts.name)).toBeUndefined()
      await counts.handle('1', () => [{ type: 'a' }, { type: 'a' }])
      expect(await kept(use(), counts.name)).toStrictEqual({ subject: `${counts.name}:1`, version: 11, schema: 1 })
      await counts.handle('1', () => ({ type: 'a' }))
      evolve.mockClear()
      expect(await counts.load('1')).toMatchObject({ version: 12, state: 12 })
      expect(evolve).toHaveBeenCalledTimes(1)
    })

    it('are written of the first events of a stream as well, by a decision and by a session', async () => {
      const { store } = use()
      const [one, two] = [1, 2].map(() => list(store, unique('list'), { snapshot: { every: 2 } })) as [ReturnType<typeof list>, ReturnType<typeof list>]
      await one.handle('1', () => [{ type: 'a' }, { type: 'b' }])
      const session = store.session()
      session.start(two, '1', { type: 'a' }, { type: 'b' }, { type: 'c' })
      await session.save()
      expect([await kept(use(), one.name), await kept(use(), two.name)]).toMatchObject([{ version: 2 }, { version: 3 }])
      for (const lists of [one, two]) expect((await lists.load('1')).state).toStrictEqual((await store.stream.read(`${lists.name}:1`)).map(({ id, type }) => `${id} ${type}`))
    })

    it('stand before any number of events', async () => {
      const { store } = use()
      const name = unique('sum')
      const evolve = (sum: number, { data }: EventRecord) => sum + (data as number)
      const sums = store.aggregate({ name, initial: 0, evolve, snapshot: { every: 100_000 } })
      const numbers = Array.from({ length: 450 }, (_, at) => at)
      await sums.handle('1', () => numbers.map(data => ({ type: 'a', data })))
      const all = numbers.reduce((sum, each) => sum + each, 0)
      expect(await sums.load('1')).toMatchObject({ version: 450, state: all })
      await sums.compact('1')
      await sums.handle('1', () => numbers.map(data => ({ type: 'a', data })))
      expect(await sums.load('1')).toMatchObject({ version: 900, state: 2 * all })
    })

    it('are not used where they are of another stream, of other events, or of a version that the stream does not have', async () => {
      const { store, sql, table } = use()
      const lists = list(store, unique('list'), { snapshot: { every: 1 } })
      await lists.handle('1', () => [{ type: 'a' }, { type: 'b' }])
      const { state } = await lists.load('1')
      const wrong = (change: string) => sql(`update ${table('snapshots')} set state = '["wrong"]', ${change} where name = $1`, [lists.name])
      await wrong('version = version')
      expect((await lists.load('1')).state).toStrictEqual(['wrong'])
      for (const change of ['first_id = first_id - 1', 'first_id = first_id + 1, edits = edits + 1', 'edits = edits - 1, version = version + 1']) {
        await wrong(change)
        expect((await lists.load('1')).state, change).toStrictEqual(state)
      }
    })

    it('give the state that all events give, whatever happens to the stream', async () => {
      const { store } = use()
      const name = unique('list')
      const lists = list(store, name, { snapshot: { every: 3 } })
      const plain = list(store, `${name}-plain`, { subject: (id: string) => `${name}:${id}` })
      const subject = `${name}:1`
      let seed = 42
      const random = (below: number) => (seed = (seed * 48_271) % 2_147_483_647) % below
      const idOf = async (): Promise<string> => {
        const events = await store.stream.read(subject, { archived: true })
        return events[random(Math.max(events.length, 1))]?.id ?? '1'
      }
      const hidden: string[] = []
      const steps: (() => Promise<unknown>)[] = [
        async () => lists.handle('1', () => Array.from({ length: 1 + random(4) }, () => ({ type: 'a' }))),
        async () => lists.handle('1', () => ({ type: 'b' })),
        async () => store.stream.append(subject, { type: 'c' }),
        async () => {
          const id = await idOf()
          if (await store.stream.dismiss(id, because)) hidden.push(id)
        },
        async () => hidden.length > 0 && store.stream.restore(hidden.splice(random(hidden.length), 1)[0]!),
        async () => lists.compact('1'),
        async () => random(4) === 0 && store.stream.delete(subject),
        async () => store.stream.archive(subject).then(() => store.stream.unarchive(subject)),
        async () => store.transaction(tx => lists.with(tx).handle('1', () => ({ type: 'd' }))),
        async () => {
          const session = store.session()
          const one = await session.load(lists, '1')
          one.append({ type: 'e' }, { type: 'f' })
          await session.save()
          expect(one.state).toStrictEqual((await plain.load('1')).state)
        },
      ]
      for (let at = 0; at < 120; at++) {
        await steps[random(steps.length)]!()
        const [{ state, version }, all] = [await lists.load('1'), await plain.load('1')]
        expect({ at, state, version }).toStrictEqual({ at, state: all.state, version: all.version })
        const events = await store.stream.read(subject, { archived: true })
        expect(state).toStrictEqual(events.map(({ id, type }) => `${id} ${type}`))
      }
    })

    it('of an older schema version are upcast or ignored, those of a newer one ignored and kept', async () => {
      const { store } = use()
      const name = unique('counts')
      const options = { name, initial: 0, evolve: (state: number) => state + 1 }
      const first = store.aggregate({ ...options, snapshot: { every: 2 } })
      await first.handle('1', () => [{ type: 'a' }, { type: 'a' }, { type: 'a' }])
      const evolve = vi.fn((state: { n: number }) => ({ n: state.n + 1 }))
      const second = { name, initial: { n: 0 }, evolve }
      const upcast = vi.fn((state: unknown) => ({ n: state as number }))
      expect((await store.aggregate({ ...second, snapshot: { every: 2, schemaVersion: 2, upcast } }).load('1')).state).toStrictEqual({ n: 3 })
      expect(upcast).toHaveBeenCalledExactlyOnceWith(3, 1)
      expect(evolve).not.toHaveBeenCalled()
      const ignoring = store.aggregate({ ...second, snapshot: { every: 2, schemaVersion: 2 } })
      expect((await ignoring.load('1')).state).toStrictEqual({ n: 3 })
      expect(evolve).toHaveBeenCalledTimes(3)
      await ignoring.handle('1', () => ({ type: 'a' }))
      await ignoring.handle('1', () => ({ type: 'a' }))
      const newer = await kept(use(), name)
      expect(newer).toMatchObject({ version: 4, schema: 2 })
      for (let at = 0; at < 4; at++) await first.handle('1', () => ({ type: 'a' }))
      expect((await first.load('1')).state).toBe(9)
      // An upcast leads to a newer version, never back.
      const never = vi.fn((state: unknown) => state as number)
      expect((await store.aggregate({ ...options, snapshot: { every: 2, upcast: never } }).load('1')).state).toBe(9)
      expect(never).not.toHaveBeenCalled()
      await first.compact('1')
      expect((await first.load('1')).state).toBe(9)
      expect(await kept(use(), name)).toStrictEqual(newer)
    })

    it('are due by the last one that can be used', async () => {
      const { store } = use()
      const options = { name: unique('counts'), initial: 0, evolve: (state: number) => state + 1 }
      await store.aggregate({ ...options, snapshot: { every: 2 } }).handle('1', () => [{ type: 'a' }, { type: 'a' }])
      await store.aggregate({ ...options, snapshot: { every: 3, schemaVersion: 2 } }).handle('1', () => ({ type: 'a' }))
      expect(await kept(use(), options.name)).toMatchObject({ version: 3, schema: 2 })
    })

    /** Decides one event, and does something between its append and its snapshot: when the schema checks what was appended. */
    async function interrupted(name: string, id: string, work: (subject: string) => Promise<unknown>): Promise<void> {
      const { store } = use()
      const versionNow = async () => (await store.stream.current(`${name}:${id}`))?.version ?? 0
      const before = await versionNow()
      let isDone = false
      const validate = async (value: unknown) => {
        if (!isDone && await versionNow() > before) {
          isDone = true
          await work(`${name}:${id}`)
        }
        return { value }
      }
      const schema = { a: { '~standard': { version: 1, vendor: 'test', validate } } as StandardSchema }
      const lists = store.aggregate({ name, initial: [] as List, evolve: (state, { id, type }) => [...state, `${id} ${type}`], schema, snapshot: { every: 1 } })
      await lists.handle(id, () => ({ type: 'a' }))
      expect(isDone).toBe(true)
    }

    it('are not replaced by an older one that comes late', async () => {
      const { store } = use()
      const lists = list(store, unique('list'), { snapshot: { every: 1 } })
      await lists.handle('1', () => ({ type: 'a' }))
      await interrupted(lists.name, '1', () => lists.handle('1', () => ({ type: 'a' })))
      expect(await kept(use(), lists.name)).toMatchObject({ version: 3 })
    })

    it('are not written of first events that are hidden or gone by then', async () => {
      const { store } = use()
      const name = unique('list')
      await interrupted(name, '1', async (subject) => {
        const [event] = await store.stream.read(subject)
        await store.stream.dismiss(event!.id, because)
      })
      await interrupted(name, '2', async (subject) => {
        await store.stream.delete(subject)
        await store.stream.append(subject, { type: 'new' })
      })
      expect(await kept(use(), name)).toBeUndefined()
      const lists = list(store, name, { snapshot: { every: 1 } })
      expect([(await lists.load('1')).state, (await lists.load('2')).state]).toMatchObject([[], [expect.stringContaining('new')]])
    })

    it('are not written of a state that JSON would change; that is said once', async () => {
      const warn = vi.fn()
      const context = await use().openReady({ logger: { info() {}, warn, error() {} } })
      const times = context.store.aggregate({
        name: unique('times'), initial: { at: new Date(0) }, evolve: (_, event) => ({ at: new Date(event.ts) }), snapshot: { every: 1 },
      })
      for (let at = 0; at < 3; at++) await times.handle('1', () => ({ type: 'a' }))
      expect((await times.load('1')).state.at).toBeInstanceOf(Date)
      expect(await kept(context, times.name)).toBeUndefined()
      expect(warn.mock.calls.flat().filter(line => String(line).includes(times.name))).toHaveLength(1)
      await refused(times.compact('1'), 'INVALID_VALUE', 'Date')
      expect(await context.store.stream.read(`${times.name}:1`)).toHaveLength(3)
      // In a transaction neither: the append holds.
      await context.store.transaction(tx => times.with(tx).handle('1', () => ({ type: 'a' })))
      expect(await times.load('1')).toMatchObject({ version: 4 })
    })

    it('are gone with their stream', async () => {
      const { store } = use()
      const lists = list(store, unique('list'), { snapshot: { every: 1 } })
      await lists.handle('1', () => ({ type: 'a' }))
      await lists.handle('1', () => ({ type: 'b' }))
      expect(await kept(use(), lists.name)).toMatchObject({ version: 2 })
      await store.stream.delete(`${lists.name}:1`)
      expect(await kept(use(), lists.name)).toBeUndefined()
      expect(await lists.load('1')).toMatchObject({ version: 0, state: [] })
    })

    it('are not written once an event that they contain was dismissed', async () => {
      const { store } = use()
      const lists = list(store, unique('list'), { snapshot: { every: 2 } })
      const { events: [first] } = await lists.handle('1', () => ({ type: 'a' }))
      await lists.handle('1', async () => {
        await store.stream.dismiss(first!.id, because)
        return { type: 'b' }
      })
      expect(await kept(use(), lists.name)).toBeUndefined()
      expect((await lists.load('1')).state).toHaveLength(1)
    })

    it('are not written once their stream has begun again', async () => {
      const { store } = use()
      const lists = list(store, unique('list'), { snapshot: { every: 2 } })
      await lists.handle('1', () => ({ type: 'a' }))
      await lists.handle('1', async () => {
        await store.stream.delete(`${lists.name}:1`)
        await store.stream.append(`${lists.name}:1`, { type: 'new' })
        return { type: 'b' }
      })
      expect(await kept(use(), lists.name)).toBeUndefined()
      expect((await lists.load('1')).state.map(each => each.split(' ')[1])).toStrictEqual(['new', 'b'])
    })

    it('are written again after an event that they contain was dismissed', async () => {
      const { store } = use()
      const evolve = vi.fn((state: number) => state + 1)
      const counts = store.aggregate({ name: unique('counts'), initial: 0, evolve, snapshot: { every: 100 } })
      const { events: [first] } = await counts.handle('1', () => [{ type: 'a' }, { type: 'b' }, { type: 'c' }])
      await counts.compact('1')
      await store.stream.dismiss(first!.id, because)
      await counts.compact('1')
      evolve.mockClear()
      expect(await counts.load('1')).toMatchObject({ version: 3, state: 2 })
      expect(evolve).not.toHaveBeenCalled()
    })
  })

  describe('compact', () => {
    async function compacted(store: Store, more: object = {}): Promise<{ lists: ReturnType<typeof list>, events: EventRecord[], subject: string }> {
      const lists = list(store, unique('list'), { snapshot: { every: 100, ...more } })
      const { events, subject } = await lists.handle('1', () => Array.from({ length: 5 }, (_, at) => ({ type: `t${at}` })))
      expect(await lists.compact('1')).toBe(5)
      expect(await kept(use(), lists.name)).toMatchObject({ version: 5 })
      return { lists, events, subject }
    }

    it('moves events into the archive, and the snapshot stands for them', async () => {
      const { store } = use()
      const { lists, events, subject } = await compacted(store)
      expect(await store.stream.read(subject)).toStrictEqual([])
      expect(await store.stream.read(subject, { archived: true })).toStrictEqual(events)
      expect(await lists.handle('1', state => ({ type: `after ${state.length}` }))).toMatchObject({ version: 6, events: [{ type: 'after 5' }] })
      expect((await lists.load('1')).state).toHaveLength(6)
      expect(await lists.compact('1')).toBe(1)
      expect(await lists.compact('1')).toBe(0)
      expect(await lists.compact('none')).toBe(0)
      await store.stream.archive(subject)
      expect(await lists.compact('1')).toBe(0)
      expect((await lists.load('1')).state).toHaveLength(6)
    })

    it('keeps the way back: without a usable snapshot the archive is read', async () => {
      const { store } = use()
      const { lists, events: [first] } = await compacted(store)
      const renewed = list(store, lists.name, { snapshot: { every: 100, schemaVersion: 2 } })
      await renewed.handle('1', () => ({ type: 'new' }))
      expect((await renewed.load('1')).state).toHaveLength(6)
      await store.stream.dismiss(first!.id, because)
      expect((await lists.load('1')).state).toHaveLength(5)
      await store.stream.restore(first!.id)
      expect((await lists.load('1')).state).toHaveLength(6)
    })

    it('leaves events that a consumer has still to handle', async () => {
      const context = await use().openReady()
      const { store } = context
      const counts = counter(store, { snapshot: { every: 100 } })
      await counts.handle('1', () => [{ type: 'a' }, { type: 'poison' }, { type: 'b' }])
      const seen: string[] = []
      const consumer = store.consume({
        name: 'slow', from: 'start', transaction: 'each', maxAttempts: 1, pollInterval: 20,
        handler(event) {
          if (event.type === 'poison' && !seen.includes('poison')) throw new Error('poison')
          seen.push(event.type)
        },
      })
      onTestFinished(() => consumer.stop())
      await consumer.runOnce()
      expect(seen).toStrictEqual(['a'])
      expect(await counts.compact('1')).toBe(1)
      seen.push('poison')
      await store.deadLetters.requeueRange({ consumer: 'slow' })
      await consumer.runOnce()
      expect(seen).toStrictEqual(['a', 'poison', 'poison', 'b'])
      expect(await counts.compact('1')).toBe(2)
      expect((await counts.load('1')).state.count).toBe(3)
    })
  })
}
