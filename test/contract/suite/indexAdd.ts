import { expect, it } from 'vitest'
import { describeIndexKinds, expectRefused, metadataOf, unique, wrong } from './context'
import type { Row, Use } from './context'

const expanded: [what: string, given: Row, stored: Row][] = [
  ['a dotted key', { 'stats.total': 1 }, { stats: { total: 1 } }],
  ['a deeper one', { 'a.b.c.d': [1] }, { a: { b: { c: { d: [1] } } } }],
  ['several below one name', { 'a.b': 1, 'a.c': 2, 'a.d.e': 3 }, { a: { b: 1, c: 2, d: { e: 3 } } }],
  ['one after its object', { 'a': { x: 1 }, 'a.y': 2 }, { a: { x: 1, y: 2 } }],
  ['one before its object', { 'a.y': 2, 'a': { x: 1 } }, { a: { y: 2, x: 1 } }],
  ['one that meets the same member', { 'a.x': 1, 'a': { x: 2 } }, { a: { x: 2 } }],
  ['one that comes last and wins', { 'a': { x: 2 }, 'a.x': 1 }, { a: { x: 1 } }],
  ['one after a scalar', { 'a': 5, 'a.b': 1 }, { a: { b: 1 } }],
  ['one before a scalar', { 'a.b': 1, 'a': 5 }, { a: 5 }],
  ['one with an object as value', { 'a.b': { c: 1 }, 'a': { b: { d: 2 } } }, { a: { b: { c: 1, d: 2 } } }],
  ['one into a list, which it replaces', { 'a': [1], 'a.0': 2 }, { a: { 0: 2 } }],
  ['null', { 'a.b': null, 'stats.total': null }, { a: { b: null }, stats: { total: null } }],
  ['undefined', { 'a.b': undefined, 'c': undefined }, {}],
  ['dots below the top level literally', { user: { 'a.b': 1, 'c': { 'd.e': 2 } } }, { user: { 'a.b': 1, 'c': { 'd.e': 2 } } }],
  ['keys with an empty segment literally', { '.a': 1, 'a..b': 2, 'a.': 3, '.': 4, '..': 5, '': 6 }, { '.a': 1, 'a..b': 2, 'a.': 3, '.': 4, '..': 5, '': 6 }],
]

export function indexAddSuite(use: Use): void {
  describeIndexKinds(use, 'index.add and get', ({ key }) => {
    it('gives back id, score and metadata with version 0', async () => {
      const { index } = use().store
      const k = await key()
      await index.add(k, 'a', 5, { status: 'running', other: [1], deep: { er: null } })
      const entry = { id: 'a', score: 5, metadata: { status: 'running', other: [1], deep: { er: null }, version: 0 } }
      expect(await index.get(k, 'a')).toStrictEqual(entry)
      expect(await index.read(k)).toStrictEqual([entry])
    })

    it('gives only id and score without metadata', async () => {
      const { index } = use().store
      const k = await key()
      await index.add(k, 'a', 5)
      await index.add(k, 'b', 4, undefined)
      expect(await index.get(k, 'a')).toStrictEqual({ id: 'a', score: 5 })
      expect(await index.read(k)).toStrictEqual([{ id: 'a', score: 5 }, { id: 'b', score: 4 }])
    })

    it('replaces score and all metadata, and starts again at version 0', async () => {
      const { index } = use().store
      const k = await key()
      await index.add(k, 'a', 5, { status: 'running', stats: { total: 1, other: 2 }, startedAt: 1, emittedEvents: { a: 1 }, gone: true })
      await index.update(k, 'a', { more: 1 })
      await index.add(k, 'a', -1.5, { status: 'done', stats: { success: 1 } })
      expect(await index.get(k, 'a')).toStrictEqual({ id: 'a', score: -1.5, metadata: { status: 'done', stats: { success: 1 }, version: 0 } })
      await index.add(k, 'a', 2, {})
      expect(await index.get(k, 'a')).toStrictEqual({ id: 'a', score: 2, metadata: { version: 0 } })
      await index.update(k, 'a', { more: 1 })
      await index.add(k, 'a', 3)
      expect(await index.get(k, 'a')).toStrictEqual({ id: 'a', score: 3 })
      expect(await index.read(k)).toHaveLength(1)
    })

    it('ignores a version of the caller', async () => {
      const { index } = use().store
      const k = await key()
      for (const [id, version] of Object.entries({ a: 7, b: 'mine', c: { x: 1 }, d: null })) {
        await index.add(k, id, 1, { version, a: 1 })
        expect(await index.get(k, id)).toStrictEqual({ id, score: 1, metadata: { a: 1, version: 0 } })
      }
      await index.add(k, 'e', 1, { 'version.x': 1, 'a': 1 })
      expect((await index.get(k, 'e'))!.metadata!.version).toBe(0)
      await index.add(k, 'f', 1, { nested: { version: 3 } })
      expect(await metadataOf(use().store, k, 'f')).toStrictEqual({ nested: { version: 3 } })
    })

    it.each(expanded)('expands or keeps %s', async (_, given, stored) => {
      const { store } = use()
      const k = await key()
      await store.index.add(k, 'a', 1, given)
      expect(await metadataOf(store, k, 'a')).toStrictEqual(stored)
    })

    it('keeps members that are null, also where there is a column', async () => {
      const { store } = use()
      const k = await key()
      const metadata = {
        status: null, startedAt: null, stepCount: null, emittedEvents: null, awaitingSteps: { a: null }, stats: { total: null },
        type: null, enabled: null, config: null, subscriptions: { a: null }, other: null, cron: null, registeredAt: null,
      }
      await store.index.add(k, 'a', 1, metadata)
      expect(await metadataOf(store, k, 'a')).toStrictEqual(metadata)
    })

    it('takes any finite number as score', async () => {
      const { index } = use().store
      const k = await key()
      for (const score of [0, 1, -1, 0.1, 1e-7, 2 ** 53, 1e21, Number.MAX_VALUE, -Number.MAX_VALUE, Number.MIN_VALUE, 1763647200000.123]) {
        await index.add(k, 'a', score)
        expect((await index.get(k, 'a'))!.score).toBe(score)
      }
      for (const score of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, '1', null, undefined, 1n, new Date(), [1]]) {
        await expectRefused(() => index.add(k, 'a', wrong(score), { a: 1 }), 'score')
      }
      expect(await index.get(k, 'a')).toStrictEqual({ id: 'a', score: 1763647200000.123 })
    })

    it('refuses metadata that is no plain object', async () => {
      const { index } = use().store
      const k = await key()
      for (const metadata of [null, 'text', 5, true, [], [1], new Date(), new Map(), Symbol('s'), () => 1]) {
        await expectRefused(() => index.add(k, 'a', 1, wrong(metadata)), 'metadata')
      }
      expect(await index.get(k, 'a')).toBeNull()
    })

    it('get gives null for what is not there', async () => {
      const { index } = use().store
      const k = await key()
      await index.add(k, 'a', 1)
      expect(await index.get(k, 'b')).toBeNull()
      expect(await index.get(unique('none'), 'a')).toBeNull()
    })

    it.each([['delete' as const], ['remove' as const]])('%s removes one entry and says whether it was there', async (name) => {
      const { index } = use().store
      const k = await key()
      await index.add(k, 'a', 1, { a: 1 })
      await index.add(k, 'b', 2)
      expect(await index[name](k, 'a')).toBe(true)
      expect(await index[name](k, 'a')).toBe(false)
      expect(await index[name](unique('none'), 'b')).toBe(false)
      expect(await index.read(k)).toStrictEqual([{ id: 'b', score: 2 }])
      await index.add(k, 'a', 3, { b: 2 })
      expect(await index.get(k, 'a')).toStrictEqual({ id: 'a', score: 3, metadata: { b: 2, version: 0 } })
    })
  })
}
