import { describe, expect, it } from 'vitest'
import { describeIndexKinds, expectRefused, failureOf, metadataOf, sideBySide, unique, wrong } from './context'
import type { Row, Use } from './context'

/** RFC 7396, appendix A (the rows about objects), one level down so that every row has an object at the top. */
const rfc7396: [original: unknown, patch: unknown, result: unknown][] = [
  [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
  [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
  [{ a: 'b' }, { a: null }, {}],
  [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
  [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
  [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
  [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
  [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
  [['a', 'b'], ['c', 'd'], ['c', 'd']],
  [{ a: 'b' }, ['c'], ['c']],
  [{ a: 'foo' }, 'bar', 'bar'],
  [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [[1, 2], { a: 'b', c: null }, { a: 'b' }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
]

// Names with a column in some table, of each type, and one that has none.
const names = ['other', 'status', 'stepCount', 'startedAt', 'emittedEvents', 'awaitingSteps', 'config', 'metadata', 'enabled', 'stats', 'webhook']

const values: unknown[] = [
  0, 1, -1, 1.5, 2 ** 53, 1e300, '', 'text', '5', 'true', '2026-01-01T00:00:00.000Z', '2026-01-01T01:00:00+01:00', true, false,
  [], [1, null], {}, { total: 1, a: { b: null } }, { total: 'text', success: 1.5 },
]

export function indexUpdateSuite(use: Use): void {
  describeIndexKinds(use, 'index.update', ({ key }) => {
    it('merges as RFC 7396 says, below any name', async () => {
      const { store } = use()
      const k = await key()
      await sideBySide(names, async (name) => {
        for (const [original, patch, result] of rfc7396) {
          await store.index.add(k, name, 1, { [name]: original, same: { a: 1 } })
          expect(await store.index.update(k, name, { [name]: patch }), name).toBe(true)
          expect(await metadataOf(store, k, name), JSON.stringify([original, patch])).toStrictEqual({ [name]: result, same: { a: 1 } })
        }
      })
    })

    it('any value of any name can follow any other, and null takes it away', async () => {
      const { store } = use()
      const k = await key()
      await sideBySide(names, async (name) => {
        await store.index.add(k, name, 1, { same: 1 })
        let current: unknown
        for (const value of [...values, ...[...values].reverse()]) {
          await store.index.update(k, name, { [name]: value })
          current = mergePatch(current, value)
          expect(await metadataOf(store, k, name), `${name} = ${JSON.stringify(value)}`).toStrictEqual({ same: 1, [name]: current })
        }
        await store.index.update(k, name, { [name]: null })
        expect(await metadataOf(store, k, name), name).toStrictEqual({ same: 1 })
      })
    })

    it('leaves members alone that are undefined, at every level', async () => {
      const { store } = use()
      const k = await key()
      const metadata = { status: 'a', other: 1, stats: { total: 1, x: 2 }, emittedEvents: { a: { b: 1 } } }
      await store.index.add(k, 'a', 1, metadata)
      await store.index.update(k, 'a', {
        'status': undefined, 'other': undefined, 'stats': { total: undefined, x: undefined }, 'emittedEvents': { a: { b: undefined } }, 'stats.y': undefined,
      })
      expect(await metadataOf(store, k, 'a')).toStrictEqual(metadata)
    })

    it('counts the version up with every update, an empty one too', async () => {
      const { index } = use().store
      const k = await key()
      await index.add(k, 'a', 1, { a: 1 })
      for (const [at, patch] of [{}, { a: undefined }, { a: 1 }, { b: 2 }, { b: null }, { status: 'x' }].entries()) {
        expect(await index.update(k, 'a', patch)).toBe(true)
        expect((await index.get(k, 'a'))!.metadata!.version).toBe(at + 1)
      }
      expect(await index.get(k, 'a')).toStrictEqual({ id: 'a', score: 1, metadata: { a: 1, status: 'x', version: 6 } })
    })

    it('ignores a version of the caller', async () => {
      const { index } = use().store
      const k = await key()
      await index.add(k, 'a', 1, { a: 1 })
      for (const version of [9, null, 'mine', { x: 1 }]) await index.update(k, 'a', { version, b: 2 })
      await index.update(k, 'a', { 'version.x': 1 })
      expect(await index.get(k, 'a')).toStrictEqual({ id: 'a', score: 1, metadata: { a: 1, b: 2, version: 5 } })
    })

    it('is false when there is no such entry, and makes none', async () => {
      const { index } = use().store
      const k = await key()
      expect(await index.update(k, 'none', { a: 1 })).toBe(false)
      expect(await index.update(k, 'none', {})).toBe(false)
      expect(await index.read(k)).toStrictEqual([])
    })

    it('with expectedVersion is false on a conflict and changes nothing', async () => {
      const { index } = use().store
      const k = await key()
      await index.add(k, 'a', 1, { a: 1 })
      expect(await index.update(k, 'a', { a: 2 }, { expectedVersion: 0 })).toBe(true)
      expect(await index.update(k, 'a', { a: 3 }, { expectedVersion: 0 })).toBe(false)
      expect(await index.update(k, 'a', { a: 3 }, { expectedVersion: 2 })).toBe(false)
      expect(await index.get(k, 'a')).toStrictEqual({ id: 'a', score: 1, metadata: { a: 2, version: 1 } })
      expect(await index.update(k, 'a', { a: 3 }, { expectedVersion: 1 })).toBe(true)
      expect(await index.update(k, 'a', { a: 4 }, { expectedVersion: undefined })).toBe(true)
      expect(await index.update(k, 'none', {}, { expectedVersion: 0 })).toBe(false)
      for (const expectedVersion of [-1, 1.5, '3', Number.NaN, {}]) {
        await expectRefused(() => index.update(k, 'a', { a: 5 }, { expectedVersion: wrong(expectedVersion) }), 'expectedVersion')
      }
      expect(await index.get(k, 'a')).toStrictEqual({ id: 'a', score: 1, metadata: { a: 4, version: 3 } })
    })

    it('gives an entry without metadata its metadata', async () => {
      const { index } = use().store
      const k = await key()
      await index.add(k, 'a', 1)
      await index.add(k, 'b', 1)
      await index.add(k, 'c', 1)
      await index.update(k, 'a', { status: 'x', other: { y: null } })
      await index.update(k, 'b', {})
      await index.update(k, 'c', { emittedEvents: { a: 1 } })
      expect(await index.get(k, 'a')).toStrictEqual({ id: 'a', score: 1, metadata: { status: 'x', other: {}, version: 1 } })
      expect(await index.get(k, 'b')).toStrictEqual({ id: 'b', score: 1, metadata: { version: 1 } })
      expect(await index.get(k, 'c')).toStrictEqual({ id: 'c', score: 1, metadata: { emittedEvents: { a: 1 }, version: 1 } })
    })

    it('expands dotted keys, in the order given', async () => {
      const { store } = use()
      const k = await key()
      await store.index.add(k, 'a', 1, { stats: { total: 1, success: 2, x: 3 }, config: { a: 1 } })
      await store.index.update(k, 'a', { 'stats.total': 5, 'stats.x': null, 'config.b.c': 2, 'new.er': [1], 'a..b': 1, 'stats.failure': undefined })
      expect(await metadataOf(store, k, 'a')).toStrictEqual({
        'stats': { total: 5, success: 2 }, 'config': { a: 1, b: { c: 2 } }, 'new': { er: [1] }, 'a..b': 1,
      })
      await store.index.update(k, 'a', { 'stats.total': 6, 'stats': { total: 7, success: null }, 'config': { 'b.c': 3 } })
      await store.index.update(k, 'a', { 'new': 1, 'new.a': 2 })
      expect(await metadataOf(store, k, 'a')).toStrictEqual({
        'stats': { total: 7 }, 'config': { 'a': 1, 'b': { c: 2 }, 'b.c': 3 }, 'new': { er: [1], a: 2 }, 'a..b': 1,
      })
    })

    it('loses none of many updates made at once', async () => {
      const { index } = use().store
      const k = await key()
      await index.add(k, 'a', 1, {})
      const patches = Array.from({ length: 20 }, (_, at) => ({ emittedEvents: { [`e${at}`]: at }, [`other${at}`]: at, awaitingSteps: { x: { [at]: at } } }))
      await Promise.all(patches.map(patch => index.updateWithRetry(k, 'a', patch)))
      const { version, ...metadata } = (await index.get(k, 'a'))!.metadata!
      expect(version).toBe(20)
      expect(metadata).toStrictEqual(patches.reduce<unknown>(mergePatch, {}))
    })

    it('leaves score and other entries alone, and refuses patches that are no plain objects', async () => {
      const { index } = use().store
      const k = await key()
      await index.add(k, 'a', 7, { a: 1 })
      await index.add(k, 'b', 6, { a: 1 })
      await index.update(k, 'a', { a: 2, score: 9, id: 'mine', key: 'mine', seq: 5 })
      expect(await index.get(k, 'a')).toStrictEqual({ id: 'a', score: 7, metadata: { a: 2, score: 9, id: 'mine', key: 'mine', seq: 5, version: 1 } })
      for (const patch of [undefined, null, 'text', 5, [], [1], new Date(), new Set(), Symbol('s'), () => 1]) {
        await expectRefused(() => index.update(k, 'b', wrong(patch)), 'patch')
      }
      expect(await index.get(k, 'b')).toStrictEqual({ id: 'b', score: 6, metadata: { a: 1, version: 0 } })
    })

    it('updateWithRetry waits for an entry that comes later', async () => {
      const { store } = use()
      const k = await key()
      const update = store.index.updateWithRetry(k, 'late', { b: 2 }, 20)
      await store.index.add(k, 'late', 1, { a: 1 })
      await update
      expect(await metadataOf(store, k, 'late')).toStrictEqual({ a: 1, b: 2 })
    })
  })

  describe('index.updateWithRetry', () => {
    it.each([[0], [1], [undefined]])('gives up with "Entry not found" after %s retries', async (maxRetries) => {
      const { index } = use().store
      const error = await failureOf(() => index.updateWithRetry(unique(), 'none', { a: 1 }, maxRetries))
      expect(error.code).toBe('NOT_FOUND')
      expect(error.message).toContain('Entry not found')
    })

    it('refuses a wrong number of retries, and a wrong patch at once', async () => {
      const { index } = use().store
      for (const retries of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '3']) {
        await expectRefused(() => index.updateWithRetry('orders', 'a', {}, wrong(retries)), 'maxRetries')
      }
      await expectRefused(() => index.updateWithRetry('orders', 'none', { a: Number.NaN }), 'patch.a')
    })
  })
}

/** RFC 7396 in JavaScript. */
function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch
  const result: Row = isObject(target) ? { ...target } : {}
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) Reflect.deleteProperty(result, name)
    else result[name] = mergePatch(result[name], value)
  }
  return result
}

const isObject = (value: unknown): value is Row => typeof value === 'object' && value !== null && !Array.isArray(value)
