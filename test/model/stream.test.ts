import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Store } from '../../src/runtime/core/types'
import { pgliteInMemory, postgres18, unbatched } from '../setup/backends'
import { expectedOf, expectSame, freeze, freshName, outcomeOf } from './harness'
import { createOracle } from './oracle'
import { checkSequences, RUNS, SEED } from './sequences'
import { json, NAMES, number, objectOf, rarely, refused, scalar, text } from './values'
import type { Oracle } from './oracle'
import type { Place } from './sequences'

/**
 * The stream tier against the oracle. Deliberate bugs this file has been seen to catch:
 * - `after` or `before` includes its own id
 * - an id of another subject is no position
 * - an id with many leading zeros is cut
 * - `limit` counts from the start in descending order; `limit: 0` means none
 * - `types: []` means no type at all
 * - `from` leaves its own millisecond out; a `to` of 0 counts as not given
 * - the id in the subject comes back as a runId nobody gave
 * - falsy data does not come back
 * - the caller's id is kept
 * - `__proto__` of an event is lost
 * - an attempt that is a text becomes a number
 * - append answers -0 where 0 is stored
 * - delete of a single event says false
 */
console.info(`stream sequences: MODEL_SEED=${SEED}`)

const SUBJECTS = [
  (fresh: string) => `nvent:flow:run:${fresh}`,
  (fresh: string) => `nvent:trigger:event:${fresh}`,
  (fresh: string) => `orders:${fresh}`,
  (fresh: string) => `nq:flow:${fresh}`,
  (fresh: string) => `other:flow:run:${fresh}`,
  (fresh: string) => `nvent:flow:run:${fresh}:with:colons`,
  (fresh: string) => `a "quoted" %_\\ 🐎:${fresh}`,
]
const TYPES = ['a', 'b', 'NULL', `it's, {"c"} %_\\`, 'žluť 🐎']
const FIELDS = [
  'runId', 'flowName', 'stepName', 'stepId', 'attempt', 'triggerName', 'data', 'position', 'rest', 'version', 'subject',
  'tenant_id', 'created_at', 'run_id', 'data.x', ...NAMES,
]

interface Append { call: 'append', subject: number, event: unknown }
interface Delete { call: 'delete', subject: number }
/** Chooses among the ids or times there are, of this subject or of any. */
interface Bound { pick: number, of: 'this' | 'any', shift: number, as: 'text' | 'number' | 'zeros' }
interface Read {
  call: 'read'
  subject: number
  options: Record<string, unknown>
  ids: Record<'after' | 'before', Bound | undefined>
  times: Record<'from' | 'to', Bound | undefined>
}
type Step = Append | Delete | Read

const value = fc.oneof({ weight: 2, arbitrary: scalar }, { weight: 2, arbitrary: json }, { weight: 1, arbitrary: fc.constant(undefined) })
const TEXT_FIELDS = ['runId', 'flowName', 'stepName', 'stepId', 'triggerName']
const field = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(fc.constantFrom(...FIELDS), rarely(value, refused, 100)) },
  { weight: 1, arbitrary: fc.tuple(fc.constantFrom(...TEXT_FIELDS), text) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('attempt'), number) },
)
const fields = fc.array(field, { maxLength: 6, size: 'max' }).map(objectOf)
const type = rarely(fc.constantFrom<unknown[]>(...TYPES), fc.constantFrom<unknown[]>('', 5, undefined, 'nul \0', 'x'.repeat(513)), 30)
const event = rarely(
  fc.tuple(fields, type, fc.boolean()).map(([own, name, stamped]) => objectOf([
    ...(stamped ? [['id', 'mine'], ['ts', -1]] as [string, unknown][] : []), ...Object.entries(own), ['type', name],
  ])),
  fc.constantFrom<unknown[]>(null, 'text', [], undefined, 5),
)
const bound: fc.Arbitrary<Bound> = fc.record({
  pick: fc.nat(100),
  of: fc.constantFrom('this', 'this', 'any'),
  shift: fc.constantFrom(0, 0, 0, 1, -1),
  as: fc.constantFrom('text', 'text', 'number', 'zeros'),
})
const oddId = fc.constantFrom<unknown[]>(
  '0', '00', '9'.repeat(19), '9'.repeat(40), Number.MAX_SAFE_INTEGER, -1, undefined,
  '', 'abc', '1.5', ' 1', '1e3', '0x1', 1.5, 2 ** 53, Number.NaN, null, true,
)
const oddTime = fc.constantFrom<unknown[]>(0, -1, 1.5, 8.64e15, 1e300, -1e300, undefined, Number.NaN, '0', null)
const options = fc.record({
  types: rarely(fc.array(fc.constantFrom(...TYPES, 'unknown'), { maxLength: 3 }), fc.constantFrom<unknown[]>('a', [5], [''], undefined), 15),
  limit: rarely(fc.nat(4), fc.constantFrom<unknown[]>(undefined, -1, 1.5, 1e9, Number.NaN, '1'), 10),
  order: rarely(fc.constantFrom('asc', 'desc', 'desc'), fc.constantFrom<unknown[]>(undefined, 'up', null), 15),
  after: oddId,
  before: oddId,
  from: oddTime,
  to: oddTime,
}, { requiredKeys: [] })
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => rarely(fc.constant(undefined), arbitrary, 4)
const plain = fc.record({
  types: maybe(fc.array(fc.constantFrom(...TYPES), { maxLength: 4 })),
  limit: maybe(fc.nat(6)),
  order: maybe(fc.constantFrom('asc', 'desc', 'desc')),
})

const subject = rarely(fc.constant(0), fc.constant(1), 3)
const append = fc.record({ call: fc.constant('append' as const), subject, event })
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: append },
  {
    weight: 8,
    arbitrary: fc.record({
      call: fc.constant('read' as const),
      subject,
      options: rarely(plain, options, 6),
      ids: fc.record({ after: maybe(bound), before: maybe(bound) }),
      times: fc.record({ from: maybe(bound), to: maybe(bound) }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ call: fc.constant('delete' as const), subject }) },
)

/** The options of a read, with bounds made from ids and times that exist: its own, or another subject's. */
function optionsOf(read: Read, oracle: Oracle, own: string): Record<string, unknown> {
  const result: Record<string, unknown> = { ...read.options }
  const events = oracle.stream.read(own)
  const choose = <T>(list: T[], pick: number): T | undefined => list[pick % Math.max(list.length, 1)]
  for (const [name, bound] of Object.entries(read.ids)) {
    if (!bound) continue
    const { pick, of, shift, as } = bound
    const id = choose(of === 'this' ? events.map(event => event.id) : oracle.stream.ids(), pick)
    if (id === undefined) continue
    const moved = BigInt(id) + BigInt(shift)
    result[name] = as === 'number' ? Number(moved) : as === 'zeros' ? `${'0'.repeat(120)}${moved}` : String(moved)
  }
  for (const [name, bound] of Object.entries(read.times)) {
    if (!bound) continue
    const { pick, of, shift } = bound
    const time = choose(of === 'this' ? events.map(event => event.ts) : oracle.stream.times(), pick)
    if (time !== undefined) result[name] = time + shift
  }
  return result
}

describe.each([pgliteInMemory, postgres18, unbatched].map(backend => [backend.name, backend] as const))('the stream tier on %s', (_name, backend) => {
  let store: Store
  let lastId = 0n
  beforeAll(async () => {
    store = (await backend.open()).store
  })

  async function takeAppend({ stream }: Place, oracle: Oracle, name: string, given: unknown): Promise<void> {
    const before = oracle.stream.read(name)
    const actual = await outcomeOf(() => stream.append(name, freeze(given) as never))
    const expected = expectedOf(() => oracle.stream.append(name, given, () => {
      const { id, ts } = 'value' in actual ? actual.value as { id: string, ts: number } : { id: '0', ts: 0 }
      return { id, ts }
    }))
    expectSame({ append: given, to: name }, actual, expected)
    if (!('value' in actual)) return
    const { id, ts } = actual.value as { id: string, ts: number }
    expect(id).toMatch(/^[1-9]\d*$/)
    expect(BigInt(id)).toBeGreaterThan(lastId)
    expect(Number.isSafeInteger(ts)).toBe(true)
    expect(ts).toBeGreaterThanOrEqual(before.at(-1)?.ts ?? 0)
    lastId = BigInt(id)
  }

  async function take(place: Place, oracle: Oracle, names: string[], step: Step): Promise<void> {
    const name = names[step.subject]!
    if (step.call === 'append') return takeAppend(place, oracle, name, step.event)
    if (step.call === 'delete') {
      const actual = await outcomeOf(() => place.stream.delete(name))
      return expectSame({ ...step, name }, actual, expectedOf(() => oracle.stream.delete(name)))
    }
    const given = freeze(optionsOf(step, oracle, name))
    const actual = await outcomeOf(() => place.stream.read(name, given))
    expectSame({ read: given, of: name }, actual, expectedOf(() => oracle.stream.read(name, given)))
  }

  async function compare(oracle: Oracle, names: string[]): Promise<void> {
    for (const name of names) {
      const events = oracle.stream.read(name)
      expectSame(`the last step, reading ${name}`, await store.stream.read(name), events)
      expectSame(`the last step, reading ${name} backwards`, await store.stream.read(name, { order: 'desc' }), events.reverse())
    }
  }

  it('does what the oracle does for two subjects at a time, all kinds of them', async () => {
    let turn = 0
    await checkSequences<Step>({ step, first: [append, append, append, append], runs: RUNS * 3 }, () => {
      const oracle = createOracle()
      turn += 1
      const names = [turn, turn + 1 + turn % 3].map(at => SUBJECTS[at % SUBJECTS.length]!(freshName()))
      return {
        store,
        oracle,
        take: (place, step) => take(place, oracle, names, step),
        compare: () => compare(oracle, names),
      }
    })
  })
})
