/**
 * The same random calls, made all at once on a store that batches and one after the other on a store that does not,
 * must give the same results, errors and contents.
 *
 * Mutations this file has been seen to catch (PostgreSQL 18):
 * - calls of one key overtake an earlier call of another kind (batcher: `held` ignored)
 * - two statements with one key at the same time (batcher: `busy` ignored)
 * - the first of several sets wins instead of the last
 * - fractions are added up before they reach the database
 * - patches are composed although the second puts an object where the first put something else
 * - a folded update counts once in the version
 * - a folded increment counts once in the version
 * - an increment tells "missing" from "not a number" in a statement of its own, after a later add
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isStoreError } from '../../src/runtime/core/index'
import type { Store } from '../../src/runtime/core/types'
import { backends } from '../setup/backends'
import { RUNS } from './sequences'

type Step = [call: string, ...args: unknown[]]

const key = fc.constantFrom('a', 'b', 'c')
const by = fc.oneof({ weight: 5, arbitrary: fc.integer({ min: -5, max: 5 }) }, fc.constantFrom(0.5, 1e300, 2 ** 40))
const value = fc.oneof(fc.integer(), fc.string({ maxLength: 4 }), fc.constant(null), fc.constant({ a: [1] }), fc.constant(Number.NaN))
const field = fc.constantFrom('stats.total', 'stats.x', 'displayName', 'n', 'a.b', 'lastRunAt')
const patch = fc.record({
  stats: fc.oneof(fc.constant(3), fc.constant(null), fc.record({ total: fc.oneof(fc.integer(), fc.constant(null), fc.constant({ y: 1 })), x: fc.integer() }, { requiredKeys: [] })),
  displayName: fc.oneof(fc.string({ maxLength: 3 }), fc.constant(null), fc.integer()),
  lastRunAt: fc.constantFrom(5, '2026-01-01T00:00:00.000Z', null),
  n: fc.oneof(fc.integer(), fc.constant(null), fc.record({ m: fc.integer() }, { requiredKeys: [] })),
  a: fc.oneof(fc.record({ b: fc.integer(), c: fc.constant(null) }, { requiredKeys: [] }), fc.constant(1)),
}, { requiredKeys: [] })
// Patches of one shape, which can be folded: random ones seldom are.
const shaped = fc.oneof(
  fc.record({ displayName: fc.string({ maxLength: 3 }) }),
  fc.record({ n: fc.record({ m: fc.integer() }), a: fc.oneof(fc.constant(null), fc.integer(), fc.record({ b: fc.integer() }), fc.record({ c: fc.integer() })) }),
)
const index = fc.constantFrom('nvent:flows', 'things')
const expected = fc.oneof({ weight: 6, arbitrary: fc.constant(undefined) }, fc.record({ expectedVersion: fc.nat(3) }))

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(fc.constant('kv.set'), key, value),
  fc.tuple(fc.constant('kv.get'), key),
  fc.tuple(fc.constant('kv.delete'), key),
  fc.tuple(fc.constant('kv.increment'), key, by),
  fc.tuple(fc.constant('index.add'), index, key, fc.nat(3), fc.option(patch, { nil: undefined })),
  fc.tuple(fc.constant('index.get'), index, key),
  { weight: 3, arbitrary: fc.tuple(fc.constant('index.update'), index, key, fc.oneof({ weight: 4, arbitrary: shaped }, patch), expected) },
  fc.tuple(fc.constant('index.increment'), index, key, field, by),
  fc.tuple(fc.constant('stream.append'), fc.constantFrom('nvent:flow:run:', 'nvent:trigger:event:', 'orders:'), key, value),
) as fc.Arbitrary<Step>

// What can be folded comes in a row: random calls seldom do.
const burst: fc.Arbitrary<Step[]> = fc.oneof(
  step.map(each => [each]),
  fc.tuple(index, key, fc.array(shaped, { minLength: 2, maxLength: 5 })).map(([of, id, patches]) => patches.map((each): Step => ['index.update', of, id, each])),
  fc.tuple(index, key, field, fc.array(by, { minLength: 2, maxLength: 5 })).map(([of, id, path, amounts]) => amounts.map((each): Step => ['index.increment', of, id, path, each])),
  fc.tuple(key, fc.array(by, { minLength: 2, maxLength: 5 })).map(([id, amounts]) => amounts.map((each): Step => ['kv.increment', id, each])),
)
const steps = fc.array(burst, { minLength: 2, maxLength: 30 }).map(bursts => [
  ...['nvent:flows', 'things'].flatMap(of => ['a', 'b'].map((id): Step => ['index.add', of, id, 1, { n: { k: 1 }, a: { z: 1 } }])),
  ...bursts.flat(),
])

/** Keys of one run only: runs share the database. */
function perform(store: Store, run: string, [call, ...args]: Step): Promise<unknown> {
  const [first, second] = args as [string, string]
  switch (call) {
    case 'kv.set': return store.kv.set(`${run}:${first}`, args[1])
    case 'kv.get': return store.kv.get(`${run}:${first}`)
    case 'kv.delete': return store.kv.delete(`${run}:${first}`)
    case 'kv.increment': return store.kv.increment(`${run}:${first}`, args[1] as number)
    case 'index.add': return store.index.add(first, `${run}:${second}`, args[2] as number, args[3] as object)
    case 'index.get': return store.index.get(first, `${run}:${second}`).then(entry => entry && { ...entry, id: second })
    case 'index.update': return store.index.update(first, `${run}:${second}`, args[2] as object, args[3] as object)
    case 'index.increment': return store.index.increment(first, `${run}:${second}`, args[2] as string, args[3] as number)
    default: return store.stream.append(`${first}${run}:${second}`, { type: 'x', data: args[2] }).then(({ type, data }) => ({ type, data }))
  }
}

const outcome = (promise: Promise<unknown>) => promise.then(
  value => ({ value }),
  (error: unknown) => ({ error: isStoreError(error) ? error.code : String(error) }),
)

const contents: Step[] = ['a', 'b', 'c'].flatMap((id): Step[] => [
  ['kv.get', id], ['index.get', 'nvent:flows', id], ['index.get', 'things', id],
])

describe.each(backends.filter(({ name }) => /pglite|18$/i.test(name)))('batching on $name', ({ open }) => {
  it('gives what single calls in the same order give', async () => {
    const { store: batched } = await open({ batching: true })
    const { store: single } = await open({ batching: false })
    let count = 0
    await fc.assert(fc.asyncProperty(steps, async (calls) => {
      const run = `run${count++}`
      const together = await Promise.all(calls.map(each => outcome(perform(batched, run, each))))
      const alone = []
      for (const each of calls) alone.push(await outcome(perform(single, run, each)))
      expect(together).toEqual(alone)
      for (const each of contents) expect(await perform(batched, run, each)).toEqual(await perform(single, run, each))
      for (const subject of ['nvent:flow:run:', 'nvent:trigger:event:', 'orders:'].flatMap(start => ['a', 'b', 'c'].map(id => `${start}${run}:${id}`))) {
        const data = async (store: Store) => (await store.stream.read(subject)).map(event => event.data)
        expect(await data(batched)).toEqual(await data(single))
      }
    }), { numRuns: RUNS })
  })
})
