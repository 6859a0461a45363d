import fc from 'fast-check'
import { beforeAll, describe, it } from 'vitest'
import type { Store } from '../../src/runtime/core/types'
import { pgliteInMemory, postgres18, unbatched } from '../setup/backends'
import { expectedOf, expectSame, freeze, freshName, outcomeOf } from './harness'
import { createOracle } from './oracle'
import { checkSequences, RUNS, SEED } from './sequences'
import { json, number, rarely, refused, scalar } from './values'
import type { Oracle } from './oracle'
import type { Place } from './sequences'

/**
 * The kv tier against the oracle. Deliberate bugs this file has been seen to catch:
 * - `_` in a glob stands for any character; a backslash escapes; `?` stands for none or more
 * - the range of keys a glob looks at ends too early
 * - get sees expired values; clear counts expired keys
 * - set without a time to live keeps the old one; a time to live of 0 means for ever
 * - set of undefined deletes the key
 * - increment drops the time to live
 * - increment of an expired key goes on counting, or leaves it expired
 * - increment replaces what is no number
 * - sums are decimal instead of double
 */
console.info(`kv sequences: MODEL_SEED=${SEED}`)

type KvCall = 'get' | 'set' | 'delete' | 'clear' | 'increment'
/** `name` follows a prefix of the sequence's own. */
interface Call { call: KvCall, name: string, args: unknown[] }
interface Advance { call: 'advance', seconds: number }
type Step = Call | Advance

const CHARACTERS = ['a', 'A', 'b', '%', '_', '\\', '*', '?', '.', '[', '(', '$', '\n', '🐎', 'ž', `'`]
const name = fc.array(fc.constantFrom(...CHARACTERS), { maxLength: 2 }).map(list => list.join(''))
// few names, so that calls meet
const key = fc.oneof({ weight: 4, arbitrary: fc.constantFrom('', 'a', 'ab', '\\') }, { weight: 1, arbitrary: name })
const glob = fc.oneof(
  fc.array(fc.constantFrom(...CHARACTERS, '*', '*', '?', '?'), { maxLength: 3 }).map(list => list.join('')),
  fc.constantFrom('*', '?', '_', '%', '\\', 'a?', 'a_', 'a%', '*_', '*?', '??', '\\*', '\\?', 'a*', '*%'),
)
// apart from what time has to pass in one step: the real clock runs on too, but not for half a minute
const ttl = rarely(
  fc.constantFrom<unknown[]>(undefined, undefined, 0, 100, 130.5, 1000, 1e11),
  fc.constantFrom<unknown[]>(-1, Number.NaN, Number.POSITIVE_INFINITY, 1e12, '5'),
  12,
)
const by = rarely(fc.option(number, { nil: undefined, freq: 3 }), fc.constantFrom<unknown[]>(Number.NaN, '1', null, 1n), 15)
const value = rarely(
  fc.oneof({ weight: 3, arbitrary: number }, { weight: 2, arbitrary: scalar }, { weight: 2, arbitrary: json }),
  fc.oneof(refused, fc.constantFrom<unknown[]>(undefined, Symbol('s'), () => 1)),
  15,
)

const call = (call: KvCall, name: fc.Arbitrary<string>, ...args: fc.Arbitrary<unknown>[]): fc.Arbitrary<Call> =>
  fc.record({ call: fc.constant(call), name, args: fc.tuple(...args) })

const set = call('set', key, value, ttl)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: set },
  { weight: 3, arbitrary: call('get', key) },
  { weight: 5, arbitrary: call('increment', key, by) },
  { weight: 1, arbitrary: call('delete', key) },
  { weight: 3, arbitrary: call('clear', glob) },
  { weight: 2, arbitrary: fc.record({ call: fc.constant('advance' as const), seconds: fc.constantFrom(50, 200, 1300) }) },
)

/** Time passes for the keys of one sequence: they expire that much earlier. */
async function advance(store: Store, prefix: string, seconds: number): Promise<void> {
  await store.transaction(tx => tx.query(
    'update nvent_kv set expires_at = expires_at - make_interval(secs => $2::float8) where starts_with(key, $1)',
    [prefix, seconds],
  ))
}

async function take(place: Place, oracle: Oracle, prefix: string, step: Call): Promise<void> {
  const args = freeze([prefix + step.name, ...step.args])
  const actual = await outcomeOf(() => (place.kv[step.call] as (...args: unknown[]) => Promise<unknown>)(...args))
  expectSame(step, actual, expectedOf(() => (oracle.kv[step.call] as (...args: unknown[]) => unknown)(...args)))
}

async function compare(store: Store, oracle: Oracle, prefix: string): Promise<void> {
  for (const key of oracle.kv.keys()) {
    expectSame(`the last step, getting ${key}`, await store.kv.get(key), oracle.kv.get(key))
  }
  expectSame('the last step, counting what is left', await store.kv.clear(`${prefix}*`), oracle.kv.clear(`${prefix}*`))
}

describe.each([pgliteInMemory, postgres18, unbatched].map(backend => [backend.name, backend] as const))('the kv tier on %s', (_name, backend) => {
  let store: Store
  beforeAll(async () => {
    // sweeping all the time must not be noticed
    store = (await backend.open({ sweepInterval: 20 })).store
  })

  it('does what the oracle does, whatever the keys, globs and times to live', async () => {
    const inTransaction = (step: Step) => step.call !== 'advance'
    await checkSequences<Step>({ step, first: [set, set], inTransaction, runs: RUNS * 3 }, () => {
      const oracle = createOracle()
      const prefix = `${freshName()}:`
      return {
        store,
        oracle,
        take: async (place, step) => {
          if (step.call !== 'advance') return take(place, oracle, prefix, step)
          oracle.kv.advance(step.seconds)
          await advance(store, prefix, step.seconds)
        },
        compare: () => compare(store, oracle, prefix),
      }
    })
  })
})
