import fc from 'fast-check'
import type { Store } from '../../src/runtime/core/types'
import type { Oracle } from './oracle'
import { expectedOf, expectSame, freeze, outcomeOf } from './harness'
import { metadataFor, pathOf } from './paths'
import { ISO_TEXTS, number, objectOf, rarely, scalar, TIMES } from './values'
import type { Route } from './paths'
import type { Place } from './sequences'

type IndexCall = 'add' | 'get' | 'read' | 'update' | 'updateWithRetry' | 'increment' | 'delete' | 'remove'

/** One call on an index; `other` aims at a second key, so that entries of two keys lie in one table. */
interface Call { call: IndexCall, other: boolean, args: unknown[] }

/** A read whose filter is made from what is stored, so that most of them match something. */
interface Probe { call: 'probe', other: boolean, pick: number, as: 'itself' | 'list' | 'text' | 'instant' | 'parent' }

export type IndexStep = Call | Probe

export const IDS = ['a', 'b', 'c', 'ž🐎', 'a.b', '__proto__']

export function indexSteps(route: Route): { step: fc.Arbitrary<IndexStep>, first: fc.Arbitrary<IndexStep>[] } {
  const id = fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...IDS.slice(0, 2)) }, { weight: 1, arbitrary: fc.constantFrom(...IDS) })
  const score = rarely(number, fc.constantFrom<unknown[]>(Number.NaN, Number.POSITIVE_INFINITY, '1', null, undefined))
  const metadata = metadataFor(route)
  const patch = rarely(metadata, fc.constantFrom<unknown[]>(null, 'text', [], 5, undefined, new Date(0)))
  const field = rarely(pathOf(route), fc.constantFrom<unknown[]>('', 'version', 'nul \0', 5, 'x'.repeat(1025)))
  const by = rarely(fc.option(number, { nil: undefined, freq: 4 }), fc.constantFrom<unknown[]>(Number.NaN, '1', null, 1n))
  const size = rarely(fc.option(fc.nat(7), { nil: undefined }), fc.constantFrom<unknown[]>(-1, 1.5, Number.NaN, '1'))
  const wanted = fc.oneof(
    { weight: 4, arbitrary: scalar },
    { weight: 3, arbitrary: fc.array(scalar, { maxLength: 4, size: 'max' }) },
    { weight: 1, arbitrary: fc.constant(undefined) },
  )
  const filter = fc.array(
    fc.tuple(pathOf(route), rarely(wanted, fc.constantFrom<unknown[]>({}, [[]], Number.NaN, 1n, 'nul \0', [undefined], new Date(0)))),
    { maxLength: 3, size: 'max' },
  ).map(objectOf)
  const page = fc.record({ offset: size, limit: size, filter: fc.option(filter, { nil: undefined, freq: 4 }) }, { requiredKeys: [] })
  const expectedVersion = rarely(fc.option(fc.nat(4), { nil: undefined }), fc.constantFrom<unknown[]>(-1, 1.5, '0'))

  const other = rarely(fc.constant(false), fc.constant(true), 8)
  const call = (name: IndexCall, ...args: fc.Arbitrary<unknown>[]): fc.Arbitrary<Call> =>
    fc.record({ call: fc.constant(name), other, args: fc.tuple(...args) })

  const step = fc.oneof(
    { weight: 3, arbitrary: call('add', id, score, rarely(metadata, fc.constantFrom<unknown[]>(undefined, undefined, null, 'text', []), 8)) },
    { weight: 8, arbitrary: call('update', id, patch) },
    { weight: 2, arbitrary: call('update', id, patch, fc.record({ expectedVersion })) },
    { weight: 1, arbitrary: call('updateWithRetry', id, patch, fc.constant(0)) },
    { weight: 5, arbitrary: call('increment', id, field, by) },
    { weight: 2, arbitrary: call('get', id) },
    { weight: 3, arbitrary: call('read', page) },
    { weight: 1, arbitrary: call('delete', id) },
    { weight: 1, arbitrary: call('remove', id) },
    {
      weight: 4,
      arbitrary: fc.record({
        call: fc.constant('probe' as const),
        other,
        pick: fc.nat(1000),
        as: fc.constantFrom('itself', 'list', 'text', 'instant', 'instant', 'parent'),
      }),
    },
  )
  // something to work on
  const first = IDS.slice(0, 2).map(name => call('add', fc.constant(name), number, metadata).map(add => ({ ...add, other: false })))
  return { step, first }
}

/** Every path of the metadata with what is there, as far as a dotted path can name it. */
function leaves(value: unknown, path: string[] = []): [path: string, value: unknown][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [[path.join('.'), value]]
  return Object.entries(value)
    .filter(([name]) => name !== '' && !name.includes('.'))
    .flatMap(([name, member]) => leaves(member, [...path, name]))
}

function wantedFrom(value: unknown, as: Probe['as'], pick: number): unknown {
  const plain = typeof value === 'object' && value !== null ? JSON.stringify(value) : value
  if (as === 'text') return String(plain)
  if (as === 'list') return ['nothing', plain, pick, TIMES[pick % TIMES.length]]
  if (as === 'instant') {
    if (typeof plain === 'string' && !Number.isNaN(Date.parse(plain))) return Date.parse(plain)
    if (typeof plain === 'number' && Math.abs(plain) <= 8.64e15) return new Date(plain).toISOString()
    return ISO_TEXTS[pick % ISO_TEXTS.length]
  }
  return plain
}

function filterFrom(probe: Probe, oracle: Oracle, key: string): Record<string, unknown> {
  const found = oracle.index.entries(key).flatMap(entry => leaves(entry.metadata ?? {}))
  if (found.length === 0) return { version: 0 }
  const [path, value] = found[probe.pick % found.length]!
  if (path === '') return { version: probe.pick % 4 }
  if (probe.as === 'parent' && path.includes('.')) return objectOf([[path.slice(0, path.lastIndexOf('.')), wantedFrom(value, 'itself', 0)]])
  return objectOf([[path, wantedFrom(value, probe.as, probe.pick)]])
}

/** Makes one step on store and oracle and compares what they answer. */
export async function takeIndexStep(place: Place, oracle: Oracle, keys: [string, string], step: IndexStep): Promise<void> {
  const key = keys[step.other ? 1 : 0]
  if (step.call === 'probe') {
    const filter = freeze(filterFrom(step, oracle, key))
    const actual = await outcomeOf(() => place.index.read(key, { filter: filter as never }))
    return expectSame({ probe: filter }, actual, expectedOf(() => oracle.index.read(key, { filter })))
  }
  const args = freeze(step.args)
  const actual = await outcomeOf(() => (place.index[step.call] as (...args: unknown[]) => Promise<unknown>)(key, ...args))
  const call = step.call === 'remove' ? 'delete' : step.call
  const expected = expectedOf(() => (oracle.index[call] as (...args: unknown[]) => unknown)(key, ...args))
  expectSame({ key, ...step }, actual, expected)
}

/** Everything that can be seen of the keys at the end, in one page, in small pages and entry by entry. */
export async function compareIndexes(store: Store, oracle: Oracle, keys: string[]): Promise<void> {
  for (const key of keys) {
    const entries = oracle.index.read(key)
    expectSame(`the last step, reading ${key}`, await store.index.read(key), entries)
    const pages: unknown[] = []
    for (let offset = 0; offset < entries.length; offset += 2) pages.push(...await store.index.read(key, { offset, limit: 2 }))
    expectSame(`the last step, reading ${key} page by page`, pages, entries)
    for (const { id } of oracle.index.entries(key)) {
      expectSame(`the last step, getting ${key} ${id}`, await store.index.get(key, id), oracle.index.get(key, id))
    }
  }
}
