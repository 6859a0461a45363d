import { describe, expect, it } from 'vitest'
import { describeIndexKinds, expectRefused, expectSame, failureOf, metadataOf, sideBySide, unique, wrong } from './context'
import type { Row, Use } from './context'

// Paths with a column in one of the tables, paths inside a column of objects, paths of nobody.
const paths = [
  'stats.total', 'stats.totalFires', 'stats.lastFiredAt', 'stepCount', 'completedSteps', 'startedAt', 'flowVersion', 'interval', 'executeAt',
  'emittedEvents.count', 'awaitingSteps.step.attempts', 'config.a.b', 'metadata.retries', 'webhook.calls', 'subscriptions.flow.fired',
  'stats.other', 'stats.deep.er', 'other', 'some.where.else', 'a.1', '__proto__.a', 'constructor', 'status', 'enabled', 'displayName',
]

const atPath = (path: string, value: unknown) =>
  path.split('.').reduceRight<unknown>((inner, name) => Object.defineProperty({}, name, {
    value: inner, enumerable: true, configurable: true, writable: true,
  }), value) as Row

function valueAt(metadata: Row | undefined, path: string): unknown {
  return path.split('.').reduce<unknown>((value, name) => Object.getOwnPropertyDescriptor(value as Row, name)?.value, metadata)
}

export function indexIncrementSuite(use: Use): void {
  describeIndexKinds(use, 'index.increment', ({ key }) => {
    it('adds to a number at any path, and a missing path starts at 0', async () => {
      const { store: { index }, store } = use()
      const k = await key()
      await sideBySide(paths, async (path) => {
        const [fresh, old, bare] = [`${path} new`, `${path} old`, `${path} bare`]
        await index.add(k, fresh, 1, { keep: 1 })
        await index.add(k, old, 1, { keep: 1, ...atPath(path, 40) })
        await index.add(k, bare, 1)
        for (const id of [fresh, bare]) {
          expect(await index.increment(k, id, path), id).toBe(1)
          expect(await index.increment(k, id, path, 2), id).toBe(3)
          expect(await index.increment(k, id, path, -4), id).toBe(-1)
          expect(valueAt(await metadataOf(store, k, id), path), id).toBe(-1)
          expect((await index.get(k, id))!.metadata!.version, id).toBe(3)
        }
        expect(await index.increment(k, old, path, 2), old).toBe(42)
        expectSame(await metadataOf(store, k, old), { keep: 1, ...atPath(path, 42) })
      })
    })

    it('calculates at any path as JavaScript does, with fractions and past 2^53', async () => {
      const { store: { index }, store } = use()
      const k = await key()
      await sideBySide(paths, async (path) => {
        await index.add(k, path, 1, {})
        let expected = 0
        for (const by of [0.1, 0.2, 2 ** 31, 0.7, -0.5, 2 ** 53, 1, 1e300, -1e300, 0, 5, 1e-300]) {
          expected += by
          expect(await index.increment(k, path, path, by), path).toBe(expected)
          expect(valueAt(await metadataOf(store, k, path), path), path).toBe(expected)
        }
      })
    })

    it('refuses what is not a number at any path, and leaves the entry as it was', async () => {
      const { index } = use().store
      const k = await key()
      await sideBySide(paths, async (path) => {
        for (const value of ['5', '', null, true, {}, { a: 1 }, [], [1], '2026-01-01T00:00:00.000Z']) {
          await index.add(k, path, 1, atPath(path, value))
          const before = await index.get(k, path)
          await expectRefused(() => index.increment(k, path, path), 'field')
          expectSame(await index.get(k, path), before)
        }
      })
    })

    it('refuses a parent that is no object at any path, and leaves the entry as it was', async () => {
      const { index } = use().store
      const k = await key()
      await sideBySide(paths.filter(path => path.includes('.')), async (path) => {
        const parents = path.split('.').slice(0, -1).map((_, at, names) => names.slice(0, at + 1).join('.'))
        for (const parent of parents) {
          for (const value of [5, 'text', null, true, [], [[1]]]) {
            await index.add(k, path, 1, atPath(parent, value))
            const before = await index.get(k, path)
            await expectRefused(() => index.increment(k, path, path), 'field')
            expectSame(await index.get(k, path), before)
          }
        }
      })
    })

    it('keeps what is beside the path', async () => {
      const { store } = use()
      const k = await key()
      const metadata = {
        status: 'running', stats: { total: 1, other: { x: 1 }, lastFiredAt: '2026-01-01T00:00:00.000Z' }, startedAt: '2026-01-01T00:00:00.000Z',
        emittedEvents: { a: { b: 1 } }, config: { a: {} }, list: [1],
      }
      await store.index.add(k, 'a', 1, metadata)
      await store.index.increment(k, 'a', 'stats.total')
      await store.index.increment(k, 'a', 'stats.other.y')
      await store.index.increment(k, 'a', 'emittedEvents.a.c')
      await store.index.increment(k, 'a', 'config.a.b.c')
      await store.index.increment(k, 'a', 'new.er')
      expect(await metadataOf(store, k, 'a')).toStrictEqual({
        ...metadata, stats: { ...metadata.stats, total: 2, other: { x: 1, y: 1 } }, emittedEvents: { a: { b: 1, c: 1 } },
        config: { a: { b: { c: 1 } } }, new: { er: 1 },
      })
    })

    it('starts at 0 again where null took a number away', async () => {
      const { store } = use()
      const k = await key()
      await store.index.add(k, 'a', 1, { stats: { total: 5, x: 5 }, stepCount: 5, other: 5 })
      await store.index.update(k, 'a', { stats: null, stepCount: null, other: null })
      for (const field of ['stats.total', 'stats.x', 'stepCount', 'other']) expect(await store.index.increment(k, 'a', field)).toBe(1)
      expect(await metadataOf(store, k, 'a')).toStrictEqual({ stats: { total: 1, x: 1 }, stepCount: 1, other: 1 })
    })

    it('takes a field with an empty segment as one literal key', async () => {
      const { store } = use()
      const k = await key()
      await store.index.add(k, 'a', 1, { a: { b: 1 } })
      for (const field of ['a..b', '.a', 'a.', '.', 'stats..total']) expect(await store.index.increment(k, 'a', field, 2)).toBe(2)
      expect(await metadataOf(store, k, 'a')).toStrictEqual({ 'a': { b: 1 }, 'a..b': 2, '.a': 2, 'a.': 2, '.': 2, 'stats..total': 2 })
    })

    it('refuses the field version', async () => {
      const { index } = use().store
      const k = await key()
      await index.add(k, 'a', 1, {})
      await expectRefused(() => index.increment(k, 'a', 'version'), 'field')
      expect(await index.get(k, 'a')).toStrictEqual({ id: 'a', score: 1, metadata: { version: 0 } })
    })

    it('rejects with "Entry not found" when there is no such entry, and makes none', async () => {
      const { index } = use().store
      const k = await key()
      const error = await failureOf(() => index.increment(k, 'none', 'stats.total'))
      expect(error.code).toBe('NOT_FOUND')
      expect(error.message).toContain('Entry not found')
      expect(await index.read(k)).toStrictEqual([])
    })

    it('gives each of many callers at once a number of its own', async () => {
      const { index } = use().store
      const k = await key()
      await index.add(k, 'a', 1)
      for (const field of ['stats.total', 'completedSteps', 'config.x.y', 'other']) {
        const results = await Promise.all(Array.from({ length: 25 }, () => index.increment(k, 'a', field)))
        expect(results.sort((a, b) => a - b)).toStrictEqual(Array.from({ length: 25 }, (_, at) => at + 1))
      }
    })

    it('refuses an amount that is no finite number, and a sum that is none', async () => {
      const { index } = use().store
      const k = await key()
      await index.add(k, 'a', 1, { stats: { total: 1 }, big: Number.MAX_VALUE })
      for (const by of [Number.NaN, Number.POSITIVE_INFINITY, '1', null, 1n, {}, [1]]) {
        await expectRefused(() => index.increment(k, 'a', 'stats.total', wrong(by)), 'by')
      }
      expect((await failureOf(() => index.increment(k, 'a', 'big', Number.MAX_VALUE))).code).toBe('INVALID_VALUE')
      expect(await index.get(k, 'a')).toStrictEqual({ id: 'a', score: 1, metadata: { stats: { total: 1 }, big: Number.MAX_VALUE, version: 0 } })
    })
  })

  describe('index.increment', () => {
    it('counts a path of an entry that is updated at the same time', async () => {
      const { store } = use()
      const key = unique()
      await store.index.add(key, 'a', 1, {})
      await Promise.all(Array.from({ length: 10 }, (_, at) => [
        store.index.increment(key, 'a', 'stats.total'),
        store.index.update(key, 'a', { stats: { [`x${at}`]: at } }),
      ]).flat())
      const { stats } = (await metadataOf(store, key, 'a')) as { stats: Row }
      expect(stats).toMatchObject({ total: 10, x0: 0, x9: 9 })
    })
  })
}
